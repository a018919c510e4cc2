//! An answer as Anthropic's message, towards the caller: a stream event by event, or
//! whole.
//!
//! What always holds: `message_start` comes first; blocks are numbered 0, 1, 2 and
//! never overlap; then one `message_delta` with the reason and the usage, then
//! `message_stop`. Calls that an upstream writes at the same time go out one after the
//! other: what belongs behind an unfinished call waits. Only the first choice is
//! written, the format has no more.
//!
//! Source: Anthropic's API reference on streaming messages; the published SDKs for
//! what clients rely on.

mod blocks;
mod error;
mod extent;
mod whole;

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use crate::hub::{Event, Finish, ToolNames};
use crate::usage::{Usage, estimate_tokens};
use blocks::{Blocks, Piece};
pub use error::{ErrorKind, Told, error_body, error_event};
pub(crate) use whole::reply_call_id;
pub use whole::write_reply;

/// What a writer needs to know beside the answer.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The virtual model's name as a JSON string.
    pub model: Bytes,
    /// The id of an answer whose upstream gives none.
    pub id: String,
    /// An estimate of the prompt's tokens, for as long as the upstream declares none.
    pub input_tokens: u64,
}

/// Writes one stream of a message.
#[derive(Debug)]
pub struct StreamWriter {
    options: WriterOptions,
    is_announced: bool,
    is_started: bool,
    blocks: Blocks,
    finish: Option<Finish>,
    has_refused: bool,
    usage: Option<Usage>,
    answer_bytes: u64,
}

impl StreamWriter {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(options: WriterOptions) -> Self {
        Self {
            options,
            is_announced: false,
            is_started: false,
            blocks: Blocks::default(),
            finish: None,
            has_refused: false,
            usage: None,
            answer_bytes: 0,
        }
    }

    /// The id that the caller knows a tool call by: the upstream's, or one made of the
    /// answer's id and the call's number.
    #[must_use]
    pub fn call_id(&self, call: u32, id: &str) -> String {
        call_id(&self.options.id, call, id)
    }

    /// Appends what the caller gets for `event`. Nothing for a fault: that is
    /// [`error_event`]'s, and no `message_stop` follows it.
    pub fn write(&mut self, event: &Event<'_>, names: &ToolNames, out: &mut BytesMut) {
        match event {
            Event::Start { id, .. } => {
                if !self.is_started && !id.is_empty() {
                    id.as_ref().clone_into(&mut self.options.id);
                }
                // The message begins with the prompt's tokens, which an upstream that
                // knows them tells next.
                self.is_announced = true;
            }
            Event::Text { choice: 0, text } => {
                self.put(Piece::Text(Cow::Borrowed(text)), text.len(), out);
            }
            Event::Refusal { choice: 0, text } => {
                self.has_refused = true;
                self.put(Piece::Text(Cow::Borrowed(text)), text.len(), out);
            }
            Event::Reasoning { choice: 0, text } => {
                self.put(Piece::Thinking(Cow::Borrowed(text)), text.len(), out);
            }
            Event::Signature {
                choice: 0,
                signature,
            } => self.put(Piece::Signature(Cow::Borrowed(signature)), 0, out),
            Event::Redacted { choice: 0, data } => {
                self.put(Piece::Redacted(Cow::Borrowed(data)), 0, out);
            }
            Event::Call {
                choice: 0,
                call,
                id,
                name,
            } => {
                self.start(out);
                self.answer_bytes += name.len() as u64;
                let id = self.call_id(*call, id);
                let name = names.caller(name).to_owned();
                self.blocks.call(*call, id, name, out);
            }
            Event::Arguments {
                choice: 0,
                call,
                text,
            } => {
                self.answer_bytes += text.len() as u64;
                self.blocks.arguments(*call, text, out);
            }
            Event::Finish { choice: 0, reason } => {
                self.finish.get_or_insert(*reason);
            }
            Event::Usage(usage) => {
                self.usage = Some(*usage);
                if self.is_announced {
                    self.start(out);
                }
            }
            Event::KeepAlive => self.keep_alive(out),
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

    fn put(&mut self, piece: Piece<'_>, weight: usize, out: &mut BytesMut) {
        self.start(out);
        self.answer_bytes += weight as u64;
        self.blocks.put(piece, out);
    }

    fn start(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.is_started, true) {
            return;
        }
        let usage = MessageUsage {
            output_tokens: 0,
            output_tokens_details: None,
            ..self.usage()
        };
        out.put_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        put_message_head(&self.options, &self.options.id, out);
        out.put_slice(b"[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        put_json(&usage, out);
        out.put_slice(b"}}\n\n");
        out.put_slice(PING);
    }

    /// A ping may not come before the message does; a comment may.
    fn keep_alive(&mut self, out: &mut BytesMut) {
        if self.is_announced {
            self.start(out);
        }
        out.put_slice(if self.is_started {
            PING
        } else {
            b": keep-alive\n\n"
        });
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.start(out);
        self.blocks.end(out);
        let reason = stop_reason(self.finish, self.blocks.has_calls(), self.has_refused);
        out.put_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
        out.put_slice(reason.as_bytes());
        out.put_slice(b"\",\"stop_sequence\":null},\"usage\":");
        put_json(&self.usage(), out);
        out.put_slice(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    fn usage(&self) -> MessageUsage {
        MessageUsage::of(
            self.usage.as_ref(),
            self.options.input_tokens,
            self.answer_bytes,
        )
    }
}

pub(super) const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// Anthropic counts what was read from the cache and written to it beside the rest of
/// the prompt, not within it. The finer parts are there when there is something in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct MessageUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreation>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl MessageUsage {
    /// As declared; what was not declared is estimated, because clients need a number.
    fn of(declared: Option<&Usage>, input_tokens: u64, answer_bytes: u64) -> Self {
        let Some(usage) = declared else {
            return Self {
                input_tokens,
                cache_creation_input_tokens: 0,
                cache_read_input_tokens: 0,
                cache_creation: None,
                output_tokens: estimate_tokens(answer_bytes),
                output_tokens_details: None,
            };
        };
        let kept_long = usage.cache_write_1h_tokens > 0;
        Self {
            input_tokens: usage.uncached_prompt_tokens(),
            cache_creation_input_tokens: usage.cache_write_tokens,
            cache_read_input_tokens: usage.cached_tokens,
            cache_creation: kept_long.then(|| CacheCreation {
                ephemeral_5m_input_tokens: usage.cache_write_short_tokens(),
                ephemeral_1h_input_tokens: usage.cache_write_1h_tokens,
            }),
            output_tokens: usage.completion_tokens,
            output_tokens_details: (usage.reasoning_tokens > 0).then_some(OutputDetails {
                thinking_tokens: usage.reasoning_tokens,
            }),
        }
    }
}

/// A message's members up to the value of `content`.
fn put_message_head(options: &WriterOptions, id: &str, out: &mut BytesMut) {
    out.put_slice(b"{\"id\":");
    put_json(&message_id(id), out);
    out.put_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    out.put_slice(&options.model);
    out.put_slice(b",\"content\":");
}

/// Why the message ended, in Anthropic's words. Calls want their results, whatever
/// reason an upstream gives, unless they may be incomplete.
fn stop_reason(finish: Option<Finish>, has_calls: bool, has_refused: bool) -> &'static str {
    match finish {
        Some(Finish::Length) => "max_tokens",
        Some(Finish::ContentFilter) => "refusal",
        Some(Finish::Stop | Finish::ToolCalls) | None if has_calls => "tool_use",
        Some(Finish::Stop | Finish::ToolCalls) | None if has_refused => "refusal",
        Some(Finish::Stop | Finish::ToolCalls) | None => "end_turn",
    }
}

fn message_id(id: &str) -> String {
    if id.starts_with("msg_") {
        id.to_owned()
    } else {
        format!("msg_{id}")
    }
}

/// The same whenever the same answer is written, and another one in each answer.
fn call_id(message: &str, call: u32, id: &str) -> String {
    if !id.is_empty() {
        return id.to_owned();
    }
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let message: String = message.chars().filter(is_plain).collect();
    format!("toolu_{message}_{call}")
}

fn put_json(value: &(impl Serialize + ?Sized), out: &mut BytesMut) {
    // Strings and numbers always serialise, and the buffer grows.
    let _ = serde_json::to_writer(out.writer(), value);
}

#[cfg(test)]
mod tests;
