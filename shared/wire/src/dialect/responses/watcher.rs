//! A stream of a server of this format, passed on as it comes and watched.
//!
//! Whole events go out byte for byte; only of one that is cut off nothing does. What is
//! seen of them is the usage, how the answer ended, and the response that the last one
//! holds. A stream that ends without its last event is broken: the caller is told so in
//! an event that goes on with the numbers of those before it.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::edited::proof;
use super::reply_writer::failure_code;
use crate::dialect::openai::{End, ErrorBody, UpstreamError, put_number, put_string};
use crate::hub::StreamFault;
use crate::object;
use crate::sse::{self, Frame};
use crate::usage::Usage;

/// Passes one stream on.
#[derive(Debug, Default)]
pub struct Watcher {
    /// What has come of an event whose end has not.
    held: Vec<u8>,
    /// How far no end was found in it.
    searched: usize,
    reader: sse::Reader,
    seen: Seen,
}

/// What was seen of a response.
#[derive(Debug, Default)]
struct Seen {
    /// The number of the next event.
    sequence: u64,
    usage: Option<Usage>,
    answer_bytes: u64,
    says_why: bool,
    /// The id and the model, as JSON strings.
    head: Option<(String, String)>,
    response: Option<Bytes>,
    /// The proofs of its reasoning.
    proofs: Vec<String>,
    /// An `error` event, which a response that failed follows.
    error: Option<UpstreamError>,
    /// The response that failed has gone out.
    has_failed: bool,
    end: Option<End>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(default)]
    sequence_number: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
}

impl Watcher {
    /// Takes upstream bytes and appends those that the caller gets.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        if self.is_broken() {
            return;
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut begin = 0;
        while let Some(end) = self.end_of_event(&held, begin) {
            let event = held.get(begin..end).unwrap_or_default();
            begin = end;
            self.pass(event, out);
            if self.is_broken() {
                return;
            }
        }
        self.held = held;
        self.held.drain(..begin);
        self.searched = self.searched.saturating_sub(begin);
        if self.held.len() > sse::MAX_EVENT {
            self.held = Vec::new();
            self.seen.end = Some(End::Fault(StreamFault::TooLong));
        }
    }

    /// The upstream's bytes have ended: `cleanly` says whether its message was complete
    /// as HTTP. After a fault the caller of this function calls [`Self::fail`].
    pub fn finish(&mut self, cleanly: bool, out: &mut BytesMut) -> End {
        let held = std::mem::take(&mut self.held);
        if cleanly && !self.is_broken() && !held.is_empty() {
            self.pass(&held, out);
            let seen = &mut self.seen;
            self.reader.finish(|frame| seen.frame(&frame));
            out.put_slice(b"\n\n");
        }
        let error = self.seen.error.take();
        let fault = error.map_or(StreamFault::Truncated, StreamFault::Upstream);
        let end = &mut self.seen.end;
        end.get_or_insert(End::Fault(fault)).clone()
    }

    /// Appends the end of a broken answer, unless the server has told it. The error's text
    /// has no secrets in it.
    pub fn fail(&mut self, error: &ErrorBody, out: &mut BytesMut) {
        if self.seen.has_failed {
            return;
        }
        let nothing = || "\"\"".to_owned();
        let (id, model) = self.seen.head.take().unwrap_or((nothing(), nothing()));
        out.put_slice(
            b"event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":",
        );
        put_number(self.seen.sequence, out);
        out.put_slice(b",\"response\":{\"id\":");
        out.put_slice(id.as_bytes());
        out.put_slice(
            b",\"object\":\"response\",\"created_at\":0,\"status\":\"failed\",\"error\":{\"code\":",
        );
        put_string(failure_code(error), out);
        out.put_slice(b",\"message\":");
        put_string(&error.message, out);
        out.put_slice(b"},\"incomplete_details\":null,\"model\":");
        out.put_slice(model.as_bytes());
        out.put_slice(b",\"output\":[],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":null}}\n\n");
    }

    /// The end, once it is known.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.seen.end.as_ref()
    }

    /// The last usage that the upstream declared.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.seen.usage
    }

    /// Bytes of text, reasoning and arguments so far; 0 until the first has arrived.
    #[must_use]
    pub fn answer_bytes(&self) -> u64 {
        self.seen.answer_bytes
    }

    /// Whether the answer ended for a reason that explains one without content.
    #[must_use]
    pub fn says_why(&self) -> bool {
        self.seen.says_why
    }

    /// The response that the last event told, once it has; not of one that failed.
    pub fn take_response(&mut self) -> Option<Bytes> {
        self.seen.response.take()
    }

    /// The proofs that its caller was given without whose they are.
    pub fn take_proofs(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen.proofs)
    }

    /// Whether nothing more goes out. Behind an answer's end something may follow.
    fn is_broken(&self) -> bool {
        matches!(self.seen.end, Some(End::Fault(_)))
    }

    /// Looks at an event, and passes it on unless it is none.
    fn pass(&mut self, event: &[u8], out: &mut BytesMut) {
        let seen = &mut self.seen;
        self.reader.push(event, |frame| seen.frame(&frame));
        let is_none = matches!(
            seen.end,
            Some(End::Fault(StreamFault::BadEvent(_) | StreamFault::TooLong))
        );
        if !is_none {
            out.put_slice(event);
        }
    }

    /// Behind the next blank line of `held`, where an event begins at `begin`. A blank line
    /// without an event before it stands alone.
    fn end_of_event(&mut self, held: &[u8], begin: usize) -> Option<usize> {
        let rest = held.get(self.searched..)?;
        for at in memchr::memchr_iter(b'\n', rest) {
            let at = self.searched + at;
            let before = held.get(begin..at)?;
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            if before.is_empty() || before.ends_with(b"\n") {
                self.searched = at + 1;
                return Some(at + 1);
            }
        }
        self.searched = held.len();
        None
    }
}

impl Seen {
    fn frame(&mut self, frame: &Frame<'_>) {
        if self.end.is_some() {
            return;
        }
        match frame {
            Frame::Event { data, .. } if *data == b"[DONE]" => {}
            Frame::Event { data, .. } => self.event(data),
            Frame::Comment(_) => {}
            Frame::TooLong => self.end = Some(End::Fault(StreamFault::TooLong)),
        }
    }

    fn event(&mut self, data: &[u8]) {
        let told: Told<'_> = match object::read(data) {
            Ok(told) => told,
            Err(err) => {
                let why = StreamFault::BadEvent(err.to_string());
                self.end = Some(End::Fault(why));
                return;
            }
        };
        let next = told.sequence_number.unwrap_or(self.sequence);
        self.sequence = next.saturating_add(1);
        let kind = told.kind.map_or("", RawValue::get).trim_matches('"');
        match kind {
            "response.completed" | "response.incomplete" => {
                self.read(told.response);
                self.proofs = told.response.map(proofs).unwrap_or_default();
                self.response = told
                    .response
                    .map(|raw| Bytes::copy_from_slice(raw.get().as_bytes()));
                self.end = Some(End::Complete);
            }
            "response.failed" => {
                self.has_failed = true;
                let read = self.read(told.response);
                let error = read.or(self.error.take()).unwrap_or_default();
                self.end = Some(End::Fault(StreamFault::Upstream(error)));
            }
            "error" => self.error = Some(UpstreamError::read(data)),
            _ => {
                if let Some(delta) = told.delta.filter(|_| kind.ends_with(".delta")) {
                    let bytes = delta.get().len().saturating_sub(2);
                    self.answer_bytes = self.answer_bytes.saturating_add(bytes as u64);
                }
                if self.head.is_none() {
                    self.read(told.response);
                }
            }
        }
    }

    /// Reads a response object; its error, if it has one.
    fn read(&mut self, response: Option<&RawValue>) -> Option<UpstreamError> {
        let response: Response<'_> = object::read_str(response?.get()).ok()?;
        let string = |raw: Option<&RawValue>| {
            let text = raw.map(RawValue::get).filter(|text| text.starts_with('"'));
            text.map(str::to_owned)
        };
        if self.head.is_none() {
            self.head = string(response.id).zip(string(response.model));
        }
        let usage = response.usage.and_then(|raw| Usage::read(raw.get()));
        self.usage = usage.or(self.usage);
        let incomplete = response.incomplete_details.map(RawValue::get);
        self.says_why |= incomplete.is_some_and(|raw| raw.starts_with('{'));
        let error = response.error.filter(|raw| raw.get() != "null")?;
        Some(UpstreamError::read(error.get().as_bytes()))
    }
}

/// The proofs of a response's reasoning.
fn proofs(response: &RawValue) -> Vec<String> {
    let output = object::read_str::<Response<'_>>(response.get());
    let output = output.ok().and_then(|response| response.output);
    let items = output.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
    let items = items.unwrap_or_default();
    items.into_iter().filter_map(proof).collect()
}

/// What a whole response says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// Usage as declared.
    pub usage: Option<Usage>,
    /// Bytes of its items.
    pub answer_bytes: u64,
    /// Whether it ended for a reason that explains one without content.
    pub says_why: bool,
    /// The proofs of its reasoning.
    pub proofs: Vec<String>,
}

impl Whole {
    /// Reads a response that came in one piece.
    ///
    /// # Errors
    /// With what the server says when it failed, and with nothing said when the body is
    /// no response.
    pub fn read(body: &[u8]) -> Result<Self, UpstreamError> {
        let Ok(response) = object::read::<Response<'_>>(body) else {
            return Err(UpstreamError::default());
        };
        let has_failed = response.status.is_some_and(|raw| raw.get() == "\"failed\"");
        let error = response.error.filter(|raw| raw.get() != "null");
        if has_failed || error.is_some() {
            let said = error.map(|raw| UpstreamError::read(raw.get().as_bytes()));
            return Err(said.unwrap_or_default());
        }
        let Some(output) = response.output else {
            return Err(UpstreamError::default());
        };
        let incomplete = response.incomplete_details.map(RawValue::get);
        Ok(Self {
            usage: response.usage.and_then(|raw| Usage::read(raw.get())),
            answer_bytes: output.get().len().saturating_sub(2) as u64,
            says_why: incomplete.is_some_and(|raw| raw.starts_with('{')),
            proofs: serde_json::from_slice::<&RawValue>(body)
                .map(proofs)
                .unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
