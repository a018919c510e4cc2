//! Several answers from a server that gives one a request: one request for each.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Outbound;
use crate::edit::{Edits, Segments, span_of};
use crate::hub::{Chat, Refusal};
use crate::object::{self, Object};

/// Most answers to one chat: each of them is paid for with the whole conversation.
const MOST: u32 = 8;

/// Makes `chat` one for one answer; gives how many are wanted.
///
/// # Errors
/// When that is more than is reasonable.
pub(super) fn one_each(chat: &mut Chat) -> Result<usize, Refusal> {
    let wanted = chat.n.take().unwrap_or(1);
    if wanted > MOST {
        return Err(Refusal::field(
            "n",
            &format!(
                "must be at most {MOST} for this model: its server gives one answer a request, and \
                 each of them costs the whole conversation"
            ),
        ));
    }
    if wanted > 1 {
        // Streams of several requests are not woven into one.
        chat.stream = false;
    }
    Ok(wanted as usize)
}

/// Has `out` ask as many times.
pub(super) fn repeat(out: &mut Outbound, times: usize) {
    if times == 1 {
        return;
    }
    let (Some(body), context) = (out.bodies.pop(), out.contexts.pop()) else {
        return;
    };
    let body = body.to_bytes();
    out.bodies = (0..times).map(|answer| with_seed(&body, answer)).collect();
    out.contexts = context.into_iter().cycle().take(times).collect();
}

/// The body for one of several answers to a prompt: with the caller's seed they would all
/// be the same, so each has the next one.
pub(super) fn with_seed(body: &Bytes, answer: usize) -> Segments {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        options: Object<Seeded<'a>>,
    }
    #[derive(Deserialize)]
    struct Seeded<'a> {
        #[serde(borrow, default)]
        seed: Option<&'a RawValue>,
    }
    let mut edits = Edits::default();
    if answer > 0
        && let Ok(Body {
            options: Object(options),
        }) = object::read(body)
        && let Some(raw) = options.seed
        && let (Ok(seed), Ok(answer)) = (raw.get().parse::<i64>(), i64::try_from(answer))
    {
        edits.replace(span_of(body, raw), seed.wrapping_add(answer).to_string());
    }
    edits.apply(body)
}
