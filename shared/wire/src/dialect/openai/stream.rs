//! A stream on its way from an OpenAI-family upstream to an OpenAI caller.
//!
//! Every event leaves as it came, except that it carries the virtual model's name
//! and that usage which only the gateway asked for is taken out. On the way the
//! stream is watched: usage, the first token, whether it is complete. Exactly one
//! end, also when the upstream cuts the stream: `[DONE]` after a complete answer,
//! an error event and nothing behind it otherwise.

mod chunk;

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{ErrorBody, UpstreamError};
use super::situation::Situation;
use crate::edit::{member_span, span_of};
use crate::hub::StreamFault;
use crate::sse::{Frame, Reader};
use crate::usage::Usage;
use chunk::Chunk;
pub(super) use chunk::{Choices, Unwatched};

const DONE: &[u8] = b"data: [DONE]\n\n";

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every choice finished, or the upstream said `[DONE]`.
    Complete,
    /// The upstream broke it; the caller has been told.
    Fault(StreamFault),
}

impl StreamFault {
    /// What the caller is told. `scrub` takes secrets and addresses out of the
    /// upstream's words.
    #[must_use]
    pub fn public(&self, scrub: &dyn Fn(&str) -> String) -> ErrorBody {
        let (message, code) = match self {
            Self::Truncated => (
                "The upstream ended the stream before the answer was complete. What arrived is not the whole answer; send the request again.",
                "upstream_stream_cut",
            ),
            Self::Upstream(error) => {
                let (kind, code) = error.named(None);
                return ErrorBody {
                    message: error.message.as_deref().map_or_else(
                        || "The upstream reported an error inside the stream.".to_owned(),
                        scrub,
                    ),
                    kind: scrub(&kind),
                    param: None,
                    code: Some(
                        code.map_or_else(
                            || "upstream_stream_error".to_owned(),
                            |code| scrub(&code),
                        ),
                    ),
                };
            }
            Self::BadEvent(_) => (
                "The upstream sent an event that is not JSON; the answer is not complete.",
                "upstream_bad_event",
            ),
            Self::TooLong => (
                "The upstream sent an event that is too long; the answer is not complete.",
                "upstream_bad_event",
            ),
        };
        ErrorBody {
            message: message.to_owned(),
            kind: Situation::Failed.kind().to_owned(),
            param: None,
            code: Some(code.to_owned()),
        }
    }
}

/// Edits and watches one stream.
#[derive(Debug)]
pub struct StreamEditor {
    reader: Reader,
    watch: Watch,
}

/// Everything but the framing, so that the reader can hand frames to it.
#[derive(Debug)]
struct Watch {
    /// The virtual model's name as a JSON string.
    model: Bytes,
    /// The caller did not ask for usage, the gateway did.
    hide_usage: bool,
    usage: Option<Usage>,
    /// Bytes of text, reasoning and tool arguments so far.
    answer_bytes: u64,
    /// Choices seen and finished, one bit each for the first 64.
    seen: u64,
    finished: u64,
    says_why: bool,
    end: Option<End>,
}

impl StreamEditor {
    /// For a caller that named `model` (a JSON string). With `hide_usage`, usage
    /// that the caller did not ask for is taken out.
    #[must_use]
    pub fn new(model: Bytes, hide_usage: bool) -> Self {
        Self {
            reader: Reader::default(),
            watch: Watch {
                model,
                hide_usage,
                usage: None,
                answer_bytes: 0,
                seen: 0,
                finished: 0,
                says_why: false,
                end: None,
            },
        }
    }

    /// Takes upstream bytes and appends what the caller gets to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let watch = &mut self.watch;
        self.reader.push(bytes, |frame| watch.frame(&frame, out));
    }

    /// The upstream's bytes have ended. Appends `[DONE]` where the upstream left it
    /// away: an answer whose choices have all finished is complete, however the
    /// connection ended. After a fault the caller of this function sends
    /// [`StreamFault::public`].
    pub fn finish(&mut self, _cleanly: bool, out: &mut BytesMut) -> End {
        let watch = &mut self.watch;
        let known = watch.end.is_some();
        self.reader.finish(|frame| watch.frame(&frame, out));
        let told = self.watch.end.take().filter(|end| {
            // Half an event is what a cut leaves behind, not nonsense.
            known || !matches!(end, End::Fault(StreamFault::BadEvent(_)))
        });
        let end = told.unwrap_or_else(|| {
            if self.watch.is_finished() {
                out.put_slice(DONE);
                End::Complete
            } else {
                End::Fault(StreamFault::Truncated)
            }
        });
        self.watch.end = Some(end.clone());
        end
    }

    /// The end, once it is known: nothing after it reaches the caller.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.watch.end.as_ref()
    }

    /// Whether the answer is complete: what may still come is usage and the mark of
    /// the end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.watch.is_finished()
    }

    /// The last usage that the upstream declared.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.watch.usage
    }

    /// Bytes of text, reasoning and tool arguments seen so far; 0 until the first
    /// token has arrived.
    #[must_use]
    pub fn answer_bytes(&self) -> u64 {
        self.watch.answer_bytes
    }

    /// Whether a choice ended for a reason that explains an answer without content:
    /// the limit of tokens, a filter.
    #[must_use]
    pub fn says_why(&self) -> bool {
        self.watch.says_why
    }
}

impl Watch {
    fn is_finished(&self) -> bool {
        self.seen != 0 && self.seen == self.finished
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut BytesMut) {
        if self.end.is_some() {
            return;
        }
        match frame {
            Frame::Comment(text) => {
                out.put_slice(b":");
                out.put_slice(text);
                out.put_slice(b"\n\n");
            }
            Frame::TooLong => self.end = Some(End::Fault(StreamFault::TooLong)),
            Frame::Event { is_error, data } => {
                let data = data.trim_ascii();
                if data.is_empty() {
                } else if data == b"[DONE]" {
                    out.put_slice(DONE);
                    self.end = Some(End::Complete);
                } else {
                    self.event(data, *is_error, out);
                }
            }
        }
    }

    fn event(&mut self, data: &[u8], is_error: bool, out: &mut BytesMut) {
        let chunk = match Chunk::read(data) {
            Ok(chunk) => chunk,
            Err(err) => {
                self.end = Some(End::Fault(StreamFault::BadEvent(err.to_string())));
                return;
            }
        };
        if is_error || chunk.is_error() {
            let error = UpstreamError::read(data);
            self.end = Some(End::Fault(StreamFault::Upstream(error)));
            return;
        }
        if let Some(error) = chunk.choices.broken
            && !self.is_finished()
        {
            let usage = chunk.usage.and_then(|raw| Usage::read(raw.get()));
            self.usage = usage.or(self.usage);
            self.end = Some(End::Fault(StreamFault::Upstream(*error)));
            return;
        }
        self.answer_bytes += chunk.choices.answer_bytes;
        self.seen |= chunk.choices.seen;
        self.finished |= chunk.choices.finished;
        self.says_why |= chunk.choices.says_why;
        let usage = chunk.usage.map(|raw| (raw, Usage::read(raw.get())));
        if let Some((_, Some(usage))) = usage
            && (usage != Usage::default() || self.usage.is_none())
        {
            self.usage = Some(usage);
        }
        let mut usage_member = None;
        if self.hide_usage
            && let Some((raw, read)) = usage
        {
            if read.is_some() && chunk.choices.count == 0 {
                return;
            }
            // Null, and the zeros that Ollama puts on every chunk, came only
            // because the gateway asked.
            if read.is_none_or(|usage| usage == Usage::default()) {
                usage_member = member_span(data, "usage", &span_of(data, raw));
            }
        }
        let model = chunk.model.map(|raw| span_of(data, raw));
        out.reserve(data.len() + self.model.len() + 8);
        out.put_slice(b"data: ");
        put_edited(data, model, &self.model, usage_member, out);
        out.put_slice(b"\n\n");
    }
}

/// Writes `data` with its model replaced and one member cut out, on one line.
fn put_edited(
    data: &[u8],
    model: Option<Range<usize>>,
    name: &[u8],
    cut: Option<Range<usize>>,
    out: &mut BytesMut,
) {
    let mut edits = [
        model.map(|span| (span, name)),
        cut.map(|span| (span, &b""[..])),
    ];
    if let [Some((first, _)), Some((second, _))] = &edits
        && first.start > second.start
    {
        edits.swap(0, 1);
    }
    let mut at = 0;
    for (span, text) in edits.into_iter().flatten() {
        put_line(&data[at..span.start], out);
        out.put_slice(text);
        at = span.end;
    }
    put_line(&data[at..], out);
}

/// Data that came on several lines leaves on one: inside JSON a line break is
/// only white space, and simple clients expect one line an event.
fn put_line(part: &[u8], out: &mut BytesMut) {
    let mut rest = part;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        out.put_slice(&rest[..end]);
        out.put_u8(b' ');
        rest = &rest[end + 1..];
    }
    out.put_slice(rest);
}

#[cfg(test)]
mod tests;
