//! A stream on its way from an OpenAI-family upstream to an OpenAI caller.
//!
//! Every event leaves as it came, except that it carries the virtual model's name,
//! that usage which only the gateway asked for is taken out, and that what official
//! clients cannot read is mended: an event without choices, a reason to finish that
//! OpenAI does not have or that was given before, a character broken in two. On the
//! way the stream is watched: usage, the first token, whether it is complete. Exactly
//! one end, also when the upstream cuts the stream: `[DONE]` after a complete answer,
//! an error event and nothing behind it otherwise. The verdict is the one of
//! [`super::EventReader`]. Tool calls leave as they came, unless they are
//! to be mended ([`StreamEditor::with_native`]).

mod calls;
mod chunk;

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chat_writer::WriterOptions;
use super::error::{ErrorBody, UpstreamError};
use super::finish;
use super::normalised::{Change, Normalised};
use super::raw::present;
use super::repair::read_mended;
use crate::code::{Code, Kind};
use crate::edit::{member_span, span_of};
use crate::hub::{Finish, StreamFault};
use crate::normaliser::{Manner, Normaliser, was_done};
use crate::object;
use crate::sse::{Frame, Reader};
use crate::usage::Usage;
pub use calls::NativeCalls;
use chunk::ChoiceEnd;
pub(super) use chunk::{Chunk, Says, word};

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
                Code::UpstreamStreamCut,
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
                    code: Some(code.map_or_else(
                        || Code::UpstreamStreamError.as_str().to_owned(),
                        |code| scrub(&code),
                    )),
                };
            }
            Self::BadEvent(_) => (
                "The upstream sent an event that is not JSON; the answer is not complete.",
                Code::UpstreamBadEvent,
            ),
            Self::TooLong => (
                "The upstream sent an event that is too long; the answer is not complete.",
                Code::UpstreamBadEvent,
            ),
        };
        ErrorBody {
            message: message.to_owned(),
            kind: Kind::Server.as_str().to_owned(),
            param: None,
            code: Some(code.as_str().to_owned()),
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
#[derive(Debug, Default)]
struct Watch {
    /// The virtual model's name as a JSON string; `None` leaves the upstream's.
    model: Option<Bytes>,
    /// The caller did not ask for usage, the gateway did.
    hide_usage: bool,
    usage: Option<Usage>,
    /// Bytes of text, reasoning and tool arguments so far.
    answer_bytes: u64,
    /// Choices seen and finished, one bit each.
    seen: u128,
    finished: u128,
    says_why: bool,
    native: Option<Box<NativeCalls>>,
    end: Option<End>,
    /// What makes calls of text; boxed, because most streams need none.
    normalised: Option<Box<Normalised>>,
}

impl StreamEditor {
    /// For a caller that named `model` (a JSON string). With `hide_usage`, usage
    /// that the caller did not ask for is taken out.
    #[must_use]
    pub fn new(model: Bytes, hide_usage: bool) -> Self {
        Self {
            reader: Reader::default(),
            watch: Watch {
                model: Some(model),
                hide_usage,
                ..Watch::default()
            },
        }
    }

    /// The same with text that is a tool call made into one, and reasoning shown as
    /// `manner` says. `options` tell what added chunks say of the answer.
    #[must_use]
    pub fn normalising(mut self, manner: &Manner, options: WriterOptions) -> Self {
        self.watch.normalised = Some(Box::new(Normalised::new(manner, options)));
        self
    }

    /// What was made of the answer's text, where something was looked for.
    #[must_use]
    pub fn normaliser(&self) -> Option<&Normaliser> {
        let normalised = self.watch.normalised.as_ref();
        normalised.map(|normalised| normalised.normaliser())
    }

    /// The same, with the tool calls mended on their way.
    #[must_use]
    pub fn with_native(mut self, native: NativeCalls) -> Self {
        self.watch.native = Some(Box::new(native));
        self
    }

    /// What became of the tool calls, when they are mended.
    #[must_use]
    pub fn native(&self) -> Option<&NativeCalls> {
        self.watch.native.as_deref()
    }

    /// The stream as it is edited but for the model's name, and how it ended.
    pub(super) fn mended(stream: &[u8]) -> (BytesMut, End) {
        let mut editor = Self {
            reader: Reader::default(),
            watch: Watch::default(),
        };
        let mut out = BytesMut::new();
        editor.push(stream, &mut out);
        let end = editor.finish(true, &mut out);
        (out, end)
    }

    /// Takes upstream bytes and appends what the caller gets to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let watch = &mut self.watch;
        self.reader
            .push(bytes, |frame| watch.frame(&frame, false, out));
    }

    /// The upstream's bytes have ended. Appends `[DONE]` where the upstream left it
    /// away: an answer whose choices have all finished is complete, however the
    /// connection ended. After a fault the caller of this function sends
    /// [`StreamFault::public`].
    pub fn finish(&mut self, _cleanly: bool, out: &mut BytesMut) -> End {
        let watch = &mut self.watch;
        self.reader.finish(|frame| watch.frame(&frame, true, out));
        if watch.end.is_none() && watch.is_finished() {
            watch.done(out);
        }
        if watch.end.is_none() {
            watch.fault(StreamFault::Truncated, out);
        }
        watch.end_calls(false, out);
        let end = &mut watch.end;
        end.get_or_insert(End::Fault(StreamFault::Truncated))
            .clone()
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

    fn frame(&mut self, frame: &Frame<'_>, at_end: bool, out: &mut BytesMut) {
        if self.end.is_some() {
            return;
        }
        match frame {
            Frame::Comment(text) => {
                out.put_slice(b":");
                out.put_slice(text);
                out.put_slice(b"\n\n");
            }
            Frame::TooLong => self.fault(StreamFault::TooLong, out),
            Frame::Event { is_error, data } => {
                let data = data.trim_ascii();
                if data.is_empty() {
                } else if data.starts_with(b"[DONE]") {
                    self.done(out);
                } else {
                    self.event(data, *is_error, at_end, out);
                }
            }
        }
        if self.end.is_some() {
            self.end_calls(false, out);
        }
    }

    /// Nothing more comes of any call: what was kept of them goes out.
    fn end_calls(&mut self, done: bool, out: &mut BytesMut) {
        if let Some(native) = &mut self.native {
            native.end(done, out);
        }
    }

    fn done(&mut self, out: &mut BytesMut) {
        self.end_calls(true, out);
        if let Some(normalised) = &mut self.normalised {
            let mended = self.native.as_ref().map_or(0, |native| native.repaired());
            normalised.end(None, mended, out);
        }
        out.put_slice(DONE);
        self.end = Some(End::Complete);
    }

    fn fault(&mut self, fault: StreamFault, out: &mut BytesMut) {
        if let Some(normalised) = &mut self.normalised {
            normalised.end(Some(&fault), 0, out);
        }
        self.end = Some(End::Fault(fault));
    }

    fn event(&mut self, data: &[u8], is_error: bool, at_end: bool, out: &mut BytesMut) {
        let mut mended = Vec::new();
        let (data, chunk) = read_mended::<Chunk<'_>>(data, &mut mended);
        match chunk {
            // Half an event is what a cut leaves behind, not nonsense.
            Err(_) if at_end => {}
            _ if is_error => self.fault(StreamFault::Upstream(UpstreamError::read(data)), out),
            Ok(Some(chunk)) => match chunk.error(data) {
                Some(error) => self.fault(StreamFault::Upstream(error), out),
                None => self.chunk(data, &chunk, out),
            },
            // No client could read what is no object.
            Ok(None) => {}
            Err(err) => self.fault(StreamFault::BadEvent(err.to_string()), out),
        }
    }

    /// Takes a chunk that is no error.
    fn chunk(&mut self, data: &[u8], chunk: &Chunk<'_>, out: &mut BytesMut) {
        let declared = chunk.declared().and_then(|raw| Usage::read(raw.get()));
        // Zeros are what some servers write before they have counted.
        if let Some(usage) = declared.filter(|usage| !usage.is_nothing()) {
            self.usage = Some(usage);
        }
        let choices = &chunk.choices;
        self.seen |= choices.seen;
        let mut mends: Vec<(Range<usize>, Cow<'_, [u8]>)> = Vec::new();
        let mut ended = Vec::new();
        for end in &choices.ends {
            match self.choice_end(end) {
                Ok(Ended { reason, mend }) => {
                    let mend = mend.map(|(raw, text)| (span_of(data, raw), text.into()));
                    mends.extend(mend);
                    let choice = end.bit.trailing_zeros();
                    ended.extend(reason.map(|reason| (choice, was_done(reason))));
                }
                Err(fault) => return self.fault(fault, out),
            }
        }
        self.answer_bytes += choices.answer_bytes;
        let change = match &mut self.normalised {
            Some(normalised) if choices.count > 0 && (choices.thinks || !normalised.is_idle()) => {
                normalised.chunk(data, out)
            }
            Some(_) | None => Change::default(),
        };
        if change.gone {
            return;
        }
        // Of two who edit one member the normaliser has the last word.
        mends.retain(|(span, _)| !change.edits.iter().any(|(other, _)| other == span));
        let changed: Vec<Range<usize>> =
            change.edits.iter().map(|(span, _)| span.clone()).collect();
        let edits = change.edits.into_iter();
        mends.extend(edits.map(|(span, text)| (span, Vec::from(text).into())));
        let mut usage_member = None;
        if let (true, Some(raw)) = (self.hide_usage, chunk.usage) {
            let read = Usage::read(raw.get());
            if read.is_some() && (choices.is_empty || !choices.is_list) {
                return;
            }
            // Null, and the zeros that Ollama puts on every chunk, came only
            // because the gateway asked.
            if read.is_none_or(|usage| usage.is_nothing()) {
                usage_member = member_span(data, "usage", &span_of(data, raw));
            }
        }
        if !choices.is_list {
            let (span, text) = empty_choices(data);
            mends.push((span, text.into()));
        }
        if let Some(native) = &mut self.native {
            let edits = native.chunk(data, &ended, self.model.as_ref(), out);
            // What has left the chunk is not to be mended in it.
            let there = |span: &Range<usize>| {
                !changed
                    .iter()
                    .any(|gone| gone.start <= span.start && span.end <= gone.end)
            };
            let edits = edits.into_iter().filter(|(span, _)| there(span));
            mends.extend(edits.map(|(span, text)| (span, Vec::from(text).into())));
        }
        let model = chunk.model.zip(self.model.as_ref());
        let mut edits = [
            model.map(|(raw, name)| (span_of(data, raw), &name[..])),
            usage_member.map(|span| (span, &b""[..])),
        ];
        let name = self.model.as_ref().map_or(0, Bytes::len);
        out.reserve(data.len() + name + 8);
        out.put_slice(b"data: ");
        if mends.is_empty() {
            if let [Some((first, _)), Some((second, _))] = &edits
                && first.start > second.start
            {
                edits.swap(0, 1);
            }
            put_edited(data, edits.into_iter().flatten(), out);
        } else {
            let edits = edits.into_iter().flatten();
            mends.extend(edits.map(|(span, text)| (span, text.into())));
            mends.sort_by_key(|(span, _)| span.start);
            put_edited(data, mends.into_iter(), out);
        }
        out.put_slice(b"\n\n");
    }

    /// Takes what is said of a choice's end, and says why it ended.
    fn choice_end<'a>(&mut self, end: &ChoiceEnd<'a>) -> Result<Ended<'a>, StreamFault> {
        let raw = match end.says {
            Says::Error(raw) => {
                let error = UpstreamError::read(raw.get().as_bytes());
                return Err(StreamFault::Upstream(error));
            }
            Says::OutOfRange(index) => {
                return Err(StreamFault::BadEvent(format!("choice index {index}")));
            }
            Says::Reason(raw) => raw,
        };
        let word = word(raw);
        // Some servers write "" until the end, and the first reason holds.
        if word.is_empty() || self.finished & end.bit != 0 {
            return Ok(Ended {
                reason: None,
                mend: Some((raw, b"null")),
            });
        }
        let reason = finish::read(&word).map_err(StreamFault::Upstream)?;
        self.finished |= end.bit;
        self.says_why |= reason.explains_emptiness();
        Ok(Ended {
            reason: Some(reason),
            mend: (!finish::is_openais(&word)).then(|| (raw, finish::json(reason))),
        })
    }
}

/// What is said of a choice's end.
struct Ended<'a> {
    /// Why it ended, when it ended with this.
    reason: Option<Finish>,
    /// What to write in the place of the word.
    mend: Option<(&'a RawValue, &'static [u8])>,
}

/// The edit that gives `data`, a JSON object, a list of choices with nothing in it.
fn empty_choices(data: &[u8]) -> (Range<usize>, &'static [u8]) {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        choices: Option<&'a RawValue>,
    }
    match object::read::<Body<'_>>(data) {
        Ok(Body { choices: Some(raw) }) => (span_of(data, raw), b"[]"),
        Ok(Body { choices: None }) | Err(_) => {
            let rest = data.get(1..).unwrap_or_default().trim_ascii_start();
            let text: &[u8] = if rest.starts_with(b"}") {
                br#""choices":[]"#
            } else {
                br#""choices":[],"#
            };
            (1..1, text)
        }
    }
}

/// Writes `data` with `edits`, which are in order, on one line.
fn put_edited<T: AsRef<[u8]>>(
    data: &[u8],
    edits: impl Iterator<Item = (Range<usize>, T)>,
    out: &mut BytesMut,
) {
    let mut at = 0;
    for (span, text) in edits {
        put_line(data.get(at..span.start).unwrap_or_default(), out);
        out.put_slice(text.as_ref());
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
