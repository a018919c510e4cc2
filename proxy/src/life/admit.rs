//! Between resolve and plan: whether the limits of the caller's key and of the virtual model
//! that it names let the call through, and what it is expected to use.
//!
//! Limits of endpoints, and of virtual models that only take over, keep single candidates
//! out: [`reserve`] asks for one when its turn comes.

use http::HeaderValue;
use pingora::http::ResponseHeader;
use store::route::{Expected, Whose};
use store::{Hold, Level, Zone};
use wire::provider::Call;

use super::accept::Accepted;
use super::account::Account;
use super::authenticate::Caller;
use super::send::Errand;
use crate::fault::Fault;
use crate::live::{Live, Metered, Target, now};

/// How far limits a minute are used, for the caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Something limits the call: what an upstream says of the operator's account is not
    /// the caller's.
    limited: bool,
    /// Whose limits are told: the key's, or else the virtual model's.
    metered: Option<Metered>,
}

/// Upstreams' headers about the operator's account begin like this.
const UPSTREAMS: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

/// Lets the call through, and keeps what it is expected to use for it until it ends.
///
/// # Errors
/// When a limit is used up.
pub(super) fn admit(
    live: &Live,
    who: &Caller,
    target: &Target,
    call: Call,
    accepted: &Accepted,
    account: &mut Account,
) -> Result<Expected, Fault> {
    let request = &accepted.inbound.request;
    let expected = Expected::of(
        &target.model,
        call,
        accepted.prompt_tokens,
        request.max_tokens(&accepted.inbound.body),
        request.choices(),
    );
    let need = expected.at(&target.dearest);
    let (now, zone) = (now(), &live.snapshot.zone);
    let key = who.key.as_deref();
    let of_key = key.and_then(|key| live.meters.key(key.id, key.limits));
    account.told = Told::of(of_key.as_ref(), target.own.as_ref());
    let label = key.map_or("", |key| &key.label);
    let held = of_key.map(|of_key| of_key.reserve(Whose::Key(label), need, now, zone));
    let by_key = held.transpose()?;
    let name = Whose::Model(&target.model.name);
    let held = target
        .own
        .as_ref()
        .map(|own| own.reserve(name, need, now, zone));
    let by_model = match held.transpose() {
        Ok(held) => held,
        Err(refused) => {
            if let Some(held) = by_key {
                held.cancel();
            }
            return Err(refused.into());
        }
    };
    account.dues.admitted([by_key, by_model]);
    Ok(expected)
}

/// Lets an attempt at `target` through, as the limits of its endpoint and, where it is not
/// the virtual model that the caller named, its own say.
///
/// # Errors
/// When a limit is used up; another candidate may do.
pub(super) fn reserve(errand: &Errand<'_>, target: &Target) -> Result<[Option<Hold>; 2], Fault> {
    let (now, zone): (i64, &Zone) = (now(), errand.zone);
    let need = errand.expected.at(&target.prices);
    let refuse = |refused: store::route::Refused| {
        let mut fault = Fault::from(refused);
        fault.next = true;
        // Not waited for: the caller is told when to come again.
        fault.lasting = true;
        fault
    };
    let whose = Whose::Endpoint(&target.upstream.endpoint.name);
    let at_endpoint = target.at_endpoint.as_ref();
    let held = at_endpoint.map(|metered| metered.reserve(whose, need, now, zone));
    let at_endpoint = held.transpose().map_err(refuse)?;
    let named = target.model.id == errand.target.model.id;
    let whose = Whose::Model(&target.model.name);
    let own = target.own.as_ref().filter(|_| !named);
    let held = own.map(|metered| metered.reserve(whose, need, now, zone));
    match held.transpose() {
        Ok(own) => Ok([at_endpoint, own]),
        Err(refused) => {
            if let Some(held) = at_endpoint {
                held.cancel();
            }
            Err(refuse(refused))
        }
    }
}

impl Told {
    fn of(key: Option<&Metered>, model: Option<&Metered>) -> Self {
        let by_minute = |metered: &&Metered| {
            let limits = &metered.limits;
            limits.requests_per_minute.is_some() || limits.tokens_per_minute.is_some()
        };
        let both = [key, model];
        let mut both = both.into_iter().flatten();
        Self {
            limited: both.clone().any(|metered| !metered.limits.is_none()),
            metered: both.find(by_minute).cloned(),
        }
    }

    /// Writes the headers, in place of an upstream's.
    ///
    /// # Errors
    /// Never: numbers and times are header values.
    pub(crate) fn write(&self, header: &mut ResponseHeader) -> pingora::Result<()> {
        if !self.limited {
            return Ok(());
        }
        let names = header.headers.keys().map(|name| name.as_str());
        let upstreams = |name: &&str| UPSTREAMS.iter().any(|begin| name.starts_with(begin));
        let names: Vec<String> = names.filter(upstreams).map(str::to_owned).collect();
        for name in names {
            header.remove_header(name.as_str());
        }
        let Some(Metered { limits, meter }) = &self.metered else {
            return Ok(());
        };
        let levels = meter.levels(limits, now());
        for (what, level) in [("requests", levels.requests), ("tokens", levels.tokens)] {
            if let Some(Level {
                limit,
                remaining,
                reset,
            }) = level
            {
                header.insert_header(
                    format!("x-ratelimit-limit-{what}"),
                    HeaderValue::from(limit),
                )?;
                header.insert_header(
                    format!("x-ratelimit-remaining-{what}"),
                    HeaderValue::from(remaining),
                )?;
                header.insert_header(format!("x-ratelimit-reset-{what}"), time(reset))?;
            }
        }
        Ok(())
    }
}

/// Milliseconds as OpenAI writes them: `0s`, `120ms`, `1.5s`, `1m0s`.
fn time(millis: i64) -> String {
    let (seconds, rest) = (millis / 1000, millis % 1000);
    match (seconds, rest) {
        (0, 0) => "0s".to_owned(),
        (0, _) => format!("{millis}ms"),
        (0..60, 0) => format!("{seconds}s"),
        (0..60, _) => {
            let text = format!("{seconds}.{rest:03}");
            format!("{}s", text.trim_end_matches('0'))
        }
        _ => {
            let seconds = seconds + i64::from(rest > 0);
            format!("{}m{}s", seconds / 60, seconds % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_written_as_openai_does() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (59_999, "59.999s"),
            (60_000, "1m0s"),
            (60_001, "1m1s"),
        ] {
            assert_eq!(time(millis), text);
        }
    }
}
