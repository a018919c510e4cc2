//! An answer as a response, towards the caller: a stream event by event, or whole.
//!
//! What always holds: events are numbered 0, 1, 2; `response.created` and
//! `response.in_progress` come first and one of `response.completed`,
//! `response.incomplete` and `response.failed` last. Items are numbered in the order in
//! which they begin; what ends an item repeats all of it, and the last event repeats all
//! items. A call that the answer's limit has cut is never told to be done: half a
//! command must not run. Only the first choice is written, the format has no more.

mod added;
mod done;
mod error;
mod item;
mod items;
mod whole;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Echo, Namespaces};
use crate::dialect::openai::{ErrorBody, put_number, put_string};
use crate::hub::{Event, Finish, Origin, ToolNames};
use crate::usage::{Usage, estimate_tokens};
pub(super) use added::{Added, Part, put_words};
pub use error::{failure_code, told};
use items::Items;
pub(super) use items::Tool;
pub use whole::write_reply;

/// What a writer needs to know beside the answer.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The virtual model's name as a JSON string.
    pub model: Bytes,
    /// What tells the response from all others, letters and digits: its own id and those
    /// of its items are made of it.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// An estimate of the prompt's tokens, for as long as the upstream declares none.
    pub input_tokens: u64,
    /// Who signs the answer's reasoning.
    pub origin: Option<Origin>,
    /// What the response repeats of the request.
    pub echo: Arc<Echo>,
    /// How the caller knows its tools.
    pub namespaces: Arc<Namespaces>,
}

impl WriterOptions {
    /// The response's id.
    #[must_use]
    pub fn response_id(&self) -> String {
        format!("resp_{}", self.id)
    }
}

/// Where a response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status<'e> {
    InProgress,
    Completed,
    /// With the reason.
    Incomplete(&'static str),
    Failed(&'e ErrorBody),
}

impl Status<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// Writes one stream of a response.
#[derive(Debug)]
pub struct StreamWriter {
    options: WriterOptions,
    /// The number of the next event.
    sequence: u64,
    is_ended: bool,
    items: Items,
    finish: Option<Finish>,
    has_refused: bool,
    usage: Option<Usage>,
    answer_bytes: u64,
    finished: Option<Bytes>,
}

impl StreamWriter {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(options: WriterOptions) -> Self {
        Self {
            items: Items::new(options.id.clone(), options.origin),
            options,
            sequence: 0,
            is_ended: false,
            finish: None,
            has_refused: false,
            usage: None,
            answer_bytes: 0,
            finished: None,
        }
    }

    /// The id that the caller knows a tool call by: the upstream's, or one made of the
    /// response's id and the call's number.
    #[must_use]
    pub fn call_id(&self, call: u32, id: &str) -> String {
        self.items.call_id(call, id)
    }

    /// Appends what the caller gets for `event`. Nothing for a fault: that is
    /// [`Self::fail`]'s.
    pub fn write(&mut self, event: &Event<'_>, names: &ToolNames, out: &mut BytesMut) {
        if self.is_ended {
            return;
        }
        match event {
            Event::Start { .. } => self.start(out),
            Event::Text { choice: 0, text } => {
                self.piece(text.len(), out);
                self.items.text(text, &mut self.sequence, out);
            }
            Event::Refusal { choice: 0, text } => {
                self.has_refused = true;
                self.piece(text.len(), out);
                self.items.refusal(text, &mut self.sequence, out);
            }
            Event::Reasoning { choice: 0, text } => {
                self.piece(text.len(), out);
                self.items.reasoning(text, &mut self.sequence, out);
            }
            Event::Signature {
                choice: 0,
                signature,
            } => {
                self.start(out);
                self.items.signature(signature, &mut self.sequence, out);
            }
            Event::Redacted { choice: 0, data } => {
                self.start(out);
                self.items.redacted(data, &mut self.sequence, out);
            }
            Event::Call {
                choice: 0,
                call,
                id,
                name,
            } => {
                self.piece(name.len(), out);
                let joined = names.caller(name);
                let tool = Tool {
                    id,
                    name: self.options.namespaces.split(joined),
                    is_custom: names.is_custom(joined),
                };
                self.items.call(*call, tool, &mut self.sequence, out);
            }
            Event::Arguments {
                choice: 0,
                call,
                text,
            } => {
                self.piece(text.len(), out);
                self.items.arguments(*call, text, &mut self.sequence, out);
            }
            Event::Finish { choice: 0, reason } => {
                self.finish.get_or_insert(*reason);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::KeepAlive => out.put_slice(b": keep-alive\n\n"),
            Event::End => self.end(out),
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. }
            | Event::Fault(_) => {}
        }
    }

    /// Appends the end of a broken answer: the error, and the response that failed. The
    /// error's text has no secrets in it.
    pub fn fail(&mut self, error: &ErrorBody, out: &mut BytesMut) {
        if self.is_ended {
            return;
        }
        self.start(out);
        self.is_ended = true;
        error::put_error(error, &mut self.sequence, out);
        self.put_state(Status::Failed(error), out);
    }

    /// The response that the last event told, once it has; not of one that failed.
    pub fn take_finished(&mut self) -> Option<Bytes> {
        self.finished.take()
    }

    fn piece(&mut self, bytes: usize, out: &mut BytesMut) {
        self.start(out);
        self.answer_bytes = self.answer_bytes.saturating_add(bytes as u64);
    }

    fn start(&mut self, out: &mut BytesMut) {
        if self.sequence > 0 {
            return;
        }
        self.put_event(b"response.created", Status::InProgress, out);
        self.put_event(b"response.in_progress", Status::InProgress, out);
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.start(out);
        self.is_ended = true;
        let status = self.status();
        let is_cut = matches!(status, Status::Incomplete(_));
        self.items.end(is_cut, &mut self.sequence, out);
        let response = self.response(status);
        self.put_response(status, &response, out);
        self.finished = Some(response);
    }

    fn status(&self) -> Status<'static> {
        match self.finish {
            Some(Finish::Length) => Status::Incomplete("max_output_tokens"),
            Some(Finish::ContentFilter) if !self.has_refused => {
                Status::Incomplete("content_filter")
            }
            Some(Finish::Stop | Finish::ToolCalls | Finish::ContentFilter) | None
                if self.items.is_full() =>
            {
                Status::Incomplete("max_output_tokens")
            }
            Some(Finish::Stop | Finish::ToolCalls | Finish::ContentFilter) | None => {
                Status::Completed
            }
        }
    }

    fn put_state(&mut self, status: Status<'_>, out: &mut BytesMut) {
        let response = self.response(status);
        self.put_response(status, &response, out);
    }

    fn put_response(&mut self, status: Status<'_>, response: &[u8], out: &mut BytesMut) {
        let mut kind = BytesMut::from(&b"response."[..]);
        kind.put_slice(status.word().as_bytes());
        put_event(&kind, &mut self.sequence, out, |out| {
            out.put_slice(b",\"response\":");
            out.put_slice(response);
        });
    }

    fn put_event(&mut self, kind: &[u8], status: Status<'_>, out: &mut BytesMut) {
        let response = self.response(status);
        put_event(kind, &mut self.sequence, out, |out| {
            out.put_slice(b",\"response\":");
            out.put_slice(&response);
        });
    }

    /// The response object.
    fn response(&self, status: Status<'_>) -> Bytes {
        let mut out = BytesMut::with_capacity(1024 + self.options.echo.members.len());
        out.put_slice(b"{\"id\":");
        put_string(&self.options.response_id(), &mut out);
        out.put_slice(b",\"object\":\"response\",\"created_at\":");
        put_number(u64::try_from(self.options.created).unwrap_or(0), &mut out);
        out.put_slice(b",\"status\":");
        put_string(status.word(), &mut out);
        out.put_slice(b",\"error\":");
        match status {
            Status::Failed(body) => error::put_object(body, &mut out),
            Status::InProgress | Status::Completed | Status::Incomplete(_) => {
                out.put_slice(b"null");
            }
        }
        out.put_slice(b",\"incomplete_details\":");
        match status {
            Status::Incomplete(reason) => {
                out.put_slice(b"{\"reason\":");
                put_string(reason, &mut out);
                out.put_u8(b'}');
            }
            Status::InProgress | Status::Completed | Status::Failed(_) => out.put_slice(b"null"),
        }
        out.put_slice(b",\"model\":");
        out.put_slice(&self.options.model);
        out.put_slice(&self.options.echo.members);
        out.put_slice(b",\"output\":");
        self.items.put_list(&mut out);
        out.put_slice(b",\"usage\":");
        match status {
            Status::InProgress => out.put_slice(b"null"),
            Status::Completed | Status::Incomplete(_) | Status::Failed(_) => {
                self.put_usage(&mut out);
            }
        }
        out.put_u8(b'}');
        out.freeze()
    }

    /// As declared; what was not declared is estimated, because clients need a number.
    fn put_usage(&self, out: &mut BytesMut) {
        let usage = self.usage.unwrap_or_else(|| {
            let completion_tokens = estimate_tokens(self.answer_bytes);
            Usage {
                prompt_tokens: self.options.input_tokens,
                completion_tokens,
                total_tokens: self.options.input_tokens.saturating_add(completion_tokens),
                ..Usage::default()
            }
        });
        for (name, count) in [
            (&b"{\"input_tokens\":"[..], usage.prompt_tokens),
            (
                b",\"input_tokens_details\":{\"cached_tokens\":",
                usage.cached_tokens,
            ),
            (b",\"cache_write_tokens\":", usage.cache_write_tokens),
            (b"},\"output_tokens\":", usage.completion_tokens),
            (
                b",\"output_tokens_details\":{\"reasoning_tokens\":",
                usage.reasoning_tokens,
            ),
            (b"},\"total_tokens\":", usage.total_tokens),
        ] {
            out.put_slice(name);
            put_number(count, out);
        }
        out.put_u8(b'}');
    }
}

/// The stream of an answer that broke before it had begun. `request_id` stands in the place
/// of an id of its own.
#[must_use]
pub fn failure(error: &ErrorBody, request_id: &str) -> Bytes {
    let id = request_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let mut writer = StreamWriter::new(WriterOptions {
        model: Bytes::from_static(b"\"\""),
        id,
        created: 0,
        input_tokens: 0,
        origin: None,
        echo: Arc::new(Echo::of(b"{}")),
        namespaces: Arc::default(),
    });
    let mut out = BytesMut::new();
    writer.fail(error, &mut out);
    out.freeze()
}

/// One event of this kind, with its number; `put` writes its other members.
pub(super) fn put_event(
    kind: &[u8],
    sequence: &mut u64,
    out: &mut BytesMut,
    put: impl FnOnce(&mut BytesMut),
) {
    out.put_slice(b"event: ");
    out.put_slice(kind);
    out.put_slice(b"\ndata: {\"type\":\"");
    out.put_slice(kind);
    out.put_slice(b"\",\"sequence_number\":");
    put_number(*sequence, out);
    *sequence = sequence.saturating_add(1);
    put(out);
    out.put_slice(b"}\n\n");
}

#[cfg(test)]
mod tests;
