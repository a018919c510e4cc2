//! The place of a call in a trace: the caller's, where it says one, and what the endpoints
//! are told (W3C Trace Context).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use store::config::Sampler;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest state that is passed on, in bytes.
const LONGEST_STATE: usize = 512;

/// One call's.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(super) id: u128,
    /// The caller's span.
    pub(super) parent: Option<u64>,
    /// The call's own.
    pub(super) span: u64,
    sampled: bool,
    pub(super) state: Option<HeaderValue>,
    pub(super) begun: SystemTime,
    /// The span of the attempt that is being made.
    attempt: AtomicU64,
}

/// A call with its attempts, for who makes spans of it.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) trace: Arc<Trace>,
    /// From its first byte to its end.
    pub(crate) took: Duration,
    /// In the order of the record's.
    pub(crate) attempts: Vec<TracedAttempt>,
    /// The one that the answer is from.
    pub(crate) answering: Option<usize>,
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct TracedAttempt {
    pub(crate) span: u64,
    /// The provider type.
    pub(crate) provider: &'static str,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// From the first byte of the call to its own beginning.
    pub(crate) since: Duration,
    /// How long it took to begin its answer, or to fail; `None` without a verdict.
    pub(crate) took: Option<Duration>,
}

impl Trace {
    /// Of a call that came with these headers.
    pub(super) fn begin(headers: &HeaderMap, sampler: Sampler) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let parent = text(&PARENT).and_then(Parent::read);
        let id = parent.as_ref().map_or_else(fresh, |parent| parent.id);
        let followed = parent.as_ref().filter(|_| sampler.follows_parent);
        let sampled = followed.map_or_else(|| is_chosen(id, sampler.ratio), |p| p.sampled);
        let state = headers.get(&STATE).filter(|state| {
            parent.is_some() && state.len() <= LONGEST_STATE && state.to_str().is_ok()
        });
        Self {
            id,
            parent: parent.map(|parent| parent.span),
            span: fresh_span(),
            sampled,
            state: state.cloned(),
            begun: SystemTime::now(),
            attempt: AtomicU64::new(0),
        }
    }

    /// Whether spans are made.
    pub(crate) fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// An attempt begins; its span.
    pub(crate) fn next_attempt(&self) -> u64 {
        let span = fresh_span();
        self.attempt.store(span, Ordering::Relaxed);
        span
    }

    /// What the endpoint of the attempt is told.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let (id, flags) = (self.id, u8::from(self.sampled));
        let span = self.attempt.load(Ordering::Relaxed);
        let parent = HeaderValue::try_from(format!("00-{id:032x}-{span:016x}-{flags:02x}"));
        let parent = parent.ok().map(|value| (PARENT, value));
        let state = self.state.clone().map(|value| (STATE, value));
        parent.into_iter().chain(state)
    }
}

/// What a caller says of its own trace.
struct Parent {
    id: u128,
    span: u64,
    sampled: bool,
}

impl Parent {
    /// Reads a `traceparent`; of later versions what this one knows.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = hex::<2>(parts.next()?)?;
        let id = u128::from_str_radix(hex::<32>(parts.next()?)?, 16).ok()?;
        let span = u64::from_str_radix(hex::<16>(parts.next()?)?, 16).ok()?;
        let flags = u8::from_str_radix(hex::<2>(parts.next()?)?, 16).ok()?;
        let is_known = version != "ff" && (version != "00" || parts.next().is_none());
        (is_known && id != 0 && span != 0).then_some(Self {
            id,
            span,
            sampled: flags & 1 == 1,
        })
    }
}

/// `text`, if it is so many digits in lower case.
fn hex<const N: usize>(text: &str) -> Option<&str> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == N && text.bytes().all(is_digit)).then_some(text)
}

fn fresh() -> u128 {
    fastrand::u128(1..)
}

fn fresh_span() -> u64 {
    fastrand::u64(1..)
}

/// Whether a trace is among that part of all, by its id alone, so that all who look at it
/// decide alike.
fn is_chosen(id: u128, ratio: f64) -> bool {
    if ratio >= 1.0 {
        return true;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of 2^63"
    )]
    let bound = (ratio.max(0.0) * (1_u64 << 63) as f64) as u64;
    let low = u64::try_from(id & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    low >> 1 < bound
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn begun(parent: &str, follows_parent: bool, ratio: f64) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert(PARENT, parent.parse().unwrap());
        headers.insert(STATE, HeaderValue::from_static("a=b"));
        let sampler = Sampler {
            follows_parent,
            ratio,
        };
        Trace::begin(&headers, sampler)
    }

    #[test]
    fn a_callers_trace_is_gone_on_with() {
        for (flags, sampled) in [("01", true), ("00", false), ("03", true)] {
            let trace = begun(&format!("00-{ID}-{SPAN}-{flags}"), true, 0.5);
            assert_eq!(format!("{:032x}", trace.id), ID);
            assert_eq!(trace.parent, Some(0x00f0_67aa_0ba9_02b7));
            assert_eq!(trace.is_sampled(), sampled);
            let span = trace.next_attempt();
            let told: Vec<_> = trace.headers().collect();
            let said = format!("00-{ID}-{span:016x}-0{}", u8::from(sampled));
            assert_eq!(told[0].1.to_str().unwrap(), said);
            assert_eq!(told[1], (STATE, HeaderValue::from_static("a=b")));
        }
    }

    #[test]
    fn what_is_no_parent_begins_a_new_trace() {
        let zero = "0".repeat(32);
        for parent in [
            "",
            "00",
            &format!("00-{ID}-{SPAN}"),
            &format!("ff-{ID}-{SPAN}-01"),
            &format!("00-{zero}-{SPAN}-01"),
            &format!("00-{ID}-0000000000000000-01"),
            &format!("00-{}-{SPAN}-01", ID.to_uppercase()),
            &format!("00-{ID}-{SPAN}-01-more"),
            &format!("00-{ID}-{SPAN}-1"),
        ] {
            let trace = begun(parent, true, 1.0);
            assert_eq!(trace.parent, None, "{parent}");
            assert_ne!(format!("{:032x}", trace.id), ID);
            assert!(trace.is_sampled() && trace.state.is_none());
        }
        let later = begun(&format!("cc-{ID}-{SPAN}-01-more"), true, 1.0);
        assert!(later.parent.is_some());
    }

    #[test]
    fn a_ratio_chooses_that_part_by_the_id() {
        for (ratio, least, most) in [(0.0, 0, 0), (0.25, 200, 300), (1.0, 1000, 1000)] {
            let step = u64::MAX / 1000;
            let ids = (0..1000).map(|n| u128::from(n * step));
            let chosen = ids.filter(|id| is_chosen(*id, ratio)).count();
            assert!((least..=most).contains(&chosen), "{ratio}: {chosen}");
        }
        let parent = format!("00-{ID}-{SPAN}-01");
        assert!(!begun(&parent, false, 0.0).is_sampled(), "not followed");
        assert!(begun(&parent, true, 0.0).is_sampled());
    }
}
