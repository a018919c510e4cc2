//! An answer on its way from an upstream that speaks Messages to a caller that does.
//!
//! Every event leaves as it came, whatever is in it, except that the message carries the
//! virtual model's name, and that each event has the name on its `event:` line that
//! clients know it by. On the way the stream is watched: usage, the first token, signed
//! reasoning, whether it is complete. Exactly one end, also when the upstream cuts the
//! stream: `message_stop` after a complete answer; nothing behind a broken one, whose last
//! event is its caller's to be told by [`super::error_event`].

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::Meaning;
use super::reply::read_reply;
use crate::dialect::openai::End;
use crate::edit::{Edits, span_of};
use crate::hub::{Answer, Event, StreamFault, Thinking};
use crate::object;
use crate::sse::{Frame, Reader};
use crate::translation::{Kept, Proofs};
use crate::usage::Usage;

/// Edits and watches one stream.
#[derive(Debug)]
pub struct StreamEditor {
    reader: Reader,
    watch: Watch,
}

/// Everything but the framing.
#[derive(Debug)]
struct Watch {
    /// The virtual model's name as a JSON string.
    model: Bytes,
    meaning: Meaning,
    seen: Seen,
    /// An event has passed.
    is_started: bool,
}

/// What the events say.
#[derive(Debug, Default)]
struct Seen {
    usage: Option<Usage>,
    answer_bytes: u64,
    says_why: bool,
    kept: Kept,
    proofs: Proofs,
    end: Option<End>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
}

const STOP: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

impl Seen {
    fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::Text { text, .. }
            | Event::Reasoning { text, .. }
            | Event::Refusal { text, .. }
            | Event::Arguments { text, .. } => self.answer_bytes += text.len() as u64,
            Event::Call { name, .. } => self.answer_bytes += name.len() as u64,
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish { reason, .. } => self.says_why |= reason.explains_emptiness(),
            Event::End => self.end = Some(End::Complete),
            Event::Fault(fault) => self.end = Some(End::Fault(fault.clone())),
            Event::Start { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::KeepAlive => {}
        }
        self.kept.add(event, |_, _, id| id.to_owned());
        self.proofs.add(event);
    }
}

impl StreamEditor {
    /// For a caller that named `model` (a JSON string).
    #[must_use]
    pub fn new(model: Bytes) -> Self {
        Self {
            reader: Reader::default(),
            watch: Watch {
                model,
                meaning: Meaning::default(),
                seen: Seen::default(),
                is_started: false,
            },
        }
    }

    /// Takes upstream bytes and appends what the caller gets to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let watch = &mut self.watch;
        self.reader.push(bytes, |frame| watch.frame(&frame, out));
    }

    /// Appends what keeps the stream alive while the upstream is silent. A ping may not
    /// come before the message's start; a comment may.
    pub fn keep_alive(&self, out: &mut BytesMut) {
        out.put_slice(if self.watch.is_started {
            super::PING
        } else {
            b": keep-alive\n\n"
        });
    }

    /// The upstream's bytes have ended. An answer whose reason to end was told is
    /// complete, however the connection ended.
    pub fn finish(&mut self, _cleanly: bool, out: &mut BytesMut) -> End {
        let watch = &mut self.watch;
        self.reader.finish(|frame| {
            // Half an event is what a cut leaves behind.
            if let Frame::Event { data, .. } = &frame
                && serde_json::from_slice::<IgnoredAny>(data).is_ok()
            {
                watch.frame(&frame, out);
            }
        });
        if watch.seen.end.is_none() && watch.meaning.is_finished() {
            let Watch { meaning, seen, .. } = watch;
            meaning.end(&mut |event| seen.add(&event));
            out.put_slice(STOP);
        }
        let end = &mut watch.seen.end;
        end.get_or_insert(End::Fault(StreamFault::Truncated))
            .clone()
    }

    /// The end, once it is known: nothing after it reaches the caller.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.watch.seen.end.as_ref()
    }

    /// Whether the upstream has said why the answer ends.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.watch.meaning.is_finished()
    }

    /// The last usage that the upstream declared.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.watch.seen.usage
    }

    /// Bytes of text, reasoning and tool calls so far.
    #[must_use]
    pub fn answer_bytes(&self) -> u64 {
        self.watch.seen.answer_bytes
    }

    /// Whether the answer ended for a reason that explains one without content.
    #[must_use]
    pub fn says_why(&self) -> bool {
        self.watch.seen.says_why
    }

    /// See [`crate::translation::Translation::take_thinking`].
    #[must_use]
    pub fn take_thinking(&mut self) -> Vec<(String, Vec<Thinking>)> {
        self.watch.seen.kept.take()
    }

    /// See [`crate::translation::Translation::take_proofs`].
    #[must_use]
    pub fn take_proofs(&mut self) -> Vec<String> {
        self.watch.seen.proofs.take()
    }
}

impl Watch {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut BytesMut) {
        if self.seen.end.is_some() {
            return;
        }
        let Self { meaning, seen, .. } = self;
        let each = &mut |event: Event<'_>| seen.add(&event);
        if let Err(err) = meaning.frame(frame, each) {
            meaning.fault(StreamFault::BadEvent(err.to_string()), each);
        }
        if matches!(self.seen.end, Some(End::Fault(_))) {
            return;
        }
        match frame {
            Frame::Comment(text) => {
                out.put_slice(b":");
                out.put_slice(text);
                out.put_slice(b"\n\n");
            }
            Frame::Event { data, .. } => self.pass(data.trim_ascii(), out),
            Frame::TooLong => {}
        }
    }

    fn pass(&mut self, data: &[u8], out: &mut BytesMut) {
        // What has no type is no event of the format: OpenAI's last word, nothing.
        let Ok(Typed { kind, message }) = object::read(data) else {
            return;
        };
        self.is_started = true;
        out.put_slice(b"event: ");
        out.put_slice(plain(&kind).as_bytes());
        out.put_slice(b"\ndata: ");
        let named = message.filter(|_| kind == "message_start");
        let named = named.and_then(|raw| object::read_str::<Named<'_>>(raw.get()).ok());
        match named.and_then(|named| named.model) {
            Some(model) => {
                let at = span_of(data, model);
                put_lines(&data[..at.start], out);
                out.put_slice(&self.model);
                put_lines(&data[at.end..], out);
            }
            None => put_lines(data, out),
        }
        out.put_slice(b"\n\n");
    }
}

/// A type that can stand on a line of its own.
fn plain(kind: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_graphic();
    if kind.chars().all(is_plain) { kind } else { "" }
}

/// Data of one event: its line ends, which in JSON are white space, each begin a line of
/// data.
fn put_lines(data: &[u8], out: &mut BytesMut) {
    for (number, line) in data.split(|byte| matches!(byte, b'\n' | b'\r')).enumerate() {
        if number > 0 {
            out.put_u8(b' ');
        }
        out.put_slice(line);
    }
}

/// A whole reply on its way between two that speak Messages.
#[derive(Debug)]
pub struct EditedReply {
    /// The reply, JSON.
    pub body: Bytes,
    /// What it amounts to.
    pub answer: Answer,
    /// See [`crate::translation::Translation::take_thinking`].
    pub thinking: Vec<(String, Vec<Thinking>)>,
    /// See [`crate::translation::Translation::take_proofs`].
    pub proofs: Vec<String>,
}

/// A whole reply that stays what it is but for the model's name.
///
/// # Errors
/// When it is none, or carries an error.
pub fn edited_reply(body: &Bytes, model: &Bytes) -> Result<EditedReply, StreamFault> {
    let mut answer = Answer::default();
    let mut kept = Kept::default();
    let mut proofs = Proofs::default();
    read_reply(body, &mut |event| {
        proofs.add(&event);
        kept.add(&event, |_, _, id| id.to_owned());
        answer.add(&event);
    });
    if let Some(Err(fault)) = &answer.end {
        return Err(fault.clone());
    }
    let mut edits = Edits::default();
    if let Ok(Named { model: Some(at) }) = object::read(body) {
        edits.replace(span_of(body, at), model.clone());
    }
    Ok(EditedReply {
        body: edits.apply(body).to_bytes(),
        answer,
        thinking: kept.take(),
        proofs: proofs.take(),
    })
}

#[cfg(test)]
mod tests;
