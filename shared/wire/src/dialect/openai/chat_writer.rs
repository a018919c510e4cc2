//! An answer as OpenAI's chat completion, towards the caller: a stream event by
//! event, or whole.
//!
//! What leaves has the form and the order of OpenAI's own streams: one event a line,
//! the role first, the finish with an empty delta, usage last and only when asked
//! for, comments as keep-alive, no `event`, `id` or `retry` lines. Reasoning goes out
//! as `reasoning_content`, its proofs as `reasoning_details` in `OpenRouter`'s form.

mod custom;
pub(super) mod json;
mod reply;

use std::borrow::Cow;
use std::hash::Hasher;

use bytes::{BufMut, Bytes, BytesMut};

use super::finish;
use crate::hub::{Event, Finish, Origin, ToolNames};
use crate::usage::Usage;
pub(crate) use custom::input as custom_input;
use json::{put_head, put_number, put_string, put_usage};
pub(crate) use reply::reply_call_id;
pub use reply::write_chat_reply;

/// What a writer of streams needs to know beside the events.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// The virtual model's name as a JSON string.
    pub model: Bytes,
    /// Whether the caller asked for usage.
    pub include_usage: bool,
    /// The id of an answer whose upstream gives none.
    pub id: String,
    /// Unix seconds of an answer whose upstream does not say.
    pub created: i64,
    /// Who signs the answer's reasoning.
    pub origin: Option<Origin>,
}

/// Writes one stream of chat completion chunks.
#[derive(Debug)]
pub struct ChatWriter {
    options: WriterOptions,
    /// What every chunk begins with, up to the number of its choice; made with the
    /// first chunk.
    head: Bytes,
    choices: Vec<Open>,
    usage: Option<Usage>,
}

/// What has been written of one choice.
#[derive(Debug, Default)]
struct Open {
    has_role: bool,
    is_finished: bool,
    /// Of each call: what has been written of it.
    calls: Vec<Written>,
    /// Blocks of reasoning that are complete.
    blocks: u32,
}

/// What has been written of a call.
#[derive(Debug)]
enum Written {
    /// Its head.
    Head,
    /// Arguments too, or nothing more is to come.
    Arguments,
    /// The head of a custom tool's call, whose text is gathered until its end.
    Custom(String),
}

/// Events of choices beyond this number are of a broken upstream.
const MOST_CHOICES: usize = 129;

/// Longest id of an upstream in bytes that is taken: every chunk repeats it.
const LONGEST_ID: usize = 256;

/// Calls beyond this number are not written.
const MOST_CALLS: usize = 4096;

const CHUNK: &str = "chat.completion.chunk";

impl ChatWriter {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(options: WriterOptions) -> Self {
        Self {
            options,
            head: Bytes::new(),
            choices: Vec::new(),
            usage: None,
        }
    }

    /// The id that the caller knows a tool call by: the upstream's, or one made of
    /// the answer's id and the call's number.
    #[must_use]
    pub fn call_id<'i>(&self, choice: u32, call: u32, id: &'i str) -> Cow<'i, str> {
        call_id(&self.options.id, choice, call, id)
    }

    /// Goes on with an answer that has begun elsewhere, with this id and time: its chunks
    /// need no role.
    pub(super) fn continues(&mut self, id: &str, created: Option<i64>, choices: u64) {
        if is_usable(id) {
            id.clone_into(&mut self.options.id);
        }
        self.options.created = created.unwrap_or(self.options.created);
        let begun = || Open {
            has_role: true,
            ..Open::default()
        };
        let choices = usize::try_from(choices).unwrap_or(MOST_CHOICES);
        self.choices.resize_with(choices.min(MOST_CHOICES), begun);
    }

    /// Appends what the caller gets for `event`. Nothing for a fault: the error
    /// event is [`crate::hub::StreamFault::public`]'s.
    pub fn write(&mut self, event: &Event<'_>, names: &ToolNames, out: &mut BytesMut) {
        match event {
            Event::Start { id, created, .. } => self.start(id, *created, out),
            Event::Text { choice, text } => self.put_text(*choice, b"content", text, out),
            Event::Reasoning { choice, text } => {
                self.put_text(*choice, b"reasoning_content", text, out);
            }
            Event::Refusal { choice, text } => self.put_text(*choice, b"refusal", text, out),
            Event::Signature { choice, signature } => {
                let origin = self.options.origin;
                self.put_detail(*choice, out, |index, out| {
                    put_signed(None, Some(signature), origin, index, out);
                });
            }
            Event::Redacted { choice, data } => {
                let origin = self.options.origin;
                self.put_detail(*choice, out, |index, out| {
                    put_encrypted(data, origin, index, out);
                });
            }
            Event::Call {
                choice,
                call,
                id,
                name,
            } => {
                let name = names.caller(name);
                let is_custom = names.is_custom(name);
                self.put_call(*choice, *call, id, name, is_custom, out);
            }
            Event::Arguments { choice, call, text } => {
                self.put_arguments(*choice, *call, text, out);
            }
            Event::Finish { choice, reason } => self.put_finish(*choice, *reason, out),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::KeepAlive => out.put_slice(b": keep-alive\n\n"),
            Event::End => self.put_end(out),
            Event::Fault(_) => {}
        }
    }

    fn start(&mut self, id: &str, created: Option<i64>, out: &mut BytesMut) {
        if self.head.is_empty() {
            if is_usable(id) {
                id.clone_into(&mut self.options.id);
            }
            self.options.created = created.unwrap_or(self.options.created);
        }
        self.choice(0, out);
    }

    /// The choice, its role written.
    fn choice(&mut self, number: u32, out: &mut BytesMut) -> Option<&mut Open> {
        let at = number as usize;
        if at >= MOST_CHOICES {
            return None;
        }
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, Open::default);
        }
        if !self.choices[at].has_role {
            self.choices[at].has_role = true;
            self.open_delta(number, out);
            out.put_slice(b"\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
            self.close_delta(b"null", out);
        }
        self.choices.get_mut(at)
    }

    fn put_text(&mut self, choice: u32, member: &[u8], text: &str, out: &mut BytesMut) {
        if self.choice(choice, out).is_none() {
            return;
        }
        self.open_delta(choice, out);
        out.put_u8(b'"');
        out.put_slice(member);
        out.put_slice(b"\":");
        put_string(text, out);
        self.close_delta(b"null", out);
    }

    fn put_detail(
        &mut self,
        choice: u32,
        out: &mut BytesMut,
        put: impl FnOnce(u32, &mut BytesMut),
    ) {
        let Some(open) = self.choice(choice, out) else {
            return;
        };
        let index = open.blocks;
        open.blocks = open.blocks.saturating_add(1);
        self.open_delta(choice, out);
        out.put_slice(b"\"reasoning_details\":[");
        put(index, out);
        out.put_u8(b']');
        self.close_delta(b"null", out);
    }

    fn put_call(
        &mut self,
        choice: u32,
        call: u32,
        id: &str,
        name: &str,
        is_custom: bool,
        out: &mut BytesMut,
    ) {
        let at = call as usize;
        let Some(open) = self.choice(choice, out).filter(|_| at < MOST_CALLS) else {
            return;
        };
        if open.calls.len() <= at {
            open.calls.resize_with(at + 1, || Written::Arguments);
        }
        open.calls[at] = if is_custom {
            Written::Custom(String::new())
        } else {
            Written::Head
        };
        self.open_delta(choice, out);
        out.put_slice(b"\"tool_calls\":[{\"index\":");
        put_number(call.into(), out);
        out.put_slice(b",\"id\":");
        put_string(&call_id(&self.options.id, choice, call, id), out);
        let (kind, argument) = if is_custom {
            (&b"custom"[..], &b"input"[..])
        } else {
            (&b"function"[..], &b"arguments"[..])
        };
        out.put_slice(b",\"type\":\"");
        out.put_slice(kind);
        out.put_slice(b"\",\"");
        out.put_slice(kind);
        out.put_slice(b"\":{\"name\":");
        put_string(name, out);
        out.put_slice(b",\"");
        out.put_slice(argument);
        out.put_slice(b"\":\"\"}}]");
        self.close_delta(b"null", out);
    }

    fn put_arguments(&mut self, choice: u32, call: u32, text: &str, out: &mut BytesMut) {
        let open = self.choice(choice, out);
        match open.and_then(|open| open.calls.get_mut(call as usize)) {
            Some(Written::Custom(gathered)) => return gathered.push_str(text),
            // Blanks are no arguments yet.
            Some(Written::Head) if text.trim_ascii().is_empty() => {}
            Some(written @ (Written::Head | Written::Arguments)) => *written = Written::Arguments,
            None => return,
        }
        self.open_delta(choice, out);
        out.put_slice(b"\"tool_calls\":[{\"index\":");
        put_number(call.into(), out);
        out.put_slice(b",\"function\":{\"arguments\":");
        put_string(text, out);
        out.put_slice(b"}}]");
        self.close_delta(b"null", out);
    }

    fn put_input(&mut self, choice: u32, call: u32, text: &str, out: &mut BytesMut) {
        self.open_delta(choice, out);
        out.put_slice(b"\"tool_calls\":[{\"index\":");
        put_number(call.into(), out);
        out.put_slice(b",\"custom\":{\"input\":");
        put_string(text, out);
        out.put_slice(b"}}]");
        self.close_delta(b"null", out);
    }

    fn put_finish(&mut self, choice: u32, reason: Finish, out: &mut BytesMut) {
        let Some(open) = self.choice(choice, out).filter(|open| !open.is_finished) else {
            return;
        };
        open.is_finished = true;
        let calls = std::mem::take(&mut open.calls);
        // The calls are over, but that there were some still matters.
        open.calls.resize_with(calls.len(), || Written::Arguments);
        for (call, written) in (0u32..).zip(calls) {
            match written {
                Written::Arguments => {}
                Written::Head => self.put_arguments(choice, call, "{}", out),
                Written::Custom(gathered) => {
                    self.put_input(choice, call, &custom::input(&gathered), out);
                }
            }
        }
        self.open_delta(choice, out);
        self.close_delta(finish::json(reason), out);
    }

    fn put_end(&mut self, out: &mut BytesMut) {
        for number in 0..self.choices.len() {
            let open = &self.choices[number];
            if open.has_role && !open.is_finished {
                let reason = if open.calls.is_empty() {
                    Finish::Stop
                } else {
                    Finish::ToolCalls
                };
                self.put_finish(u32::try_from(number).unwrap_or(0), reason, out);
            }
        }
        if let Some(usage) = self.usage.filter(|_| self.options.include_usage) {
            self.make_head();
            // The head ends inside the first choice.
            let without_choice = self.head.len() - OPEN_CHOICE.len();
            out.put_slice(&self.head[..without_choice]);
            out.put_slice(b"[],\"usage\":");
            put_usage(&usage, out);
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
    }

    fn make_head(&mut self) {
        if self.head.is_empty() {
            let WriterOptions {
                id, created, model, ..
            } = &self.options;
            let mut head = BytesMut::with_capacity(256);
            head.put_slice(b"data: ");
            put_head(id, CHUNK, *created, model, &mut head);
            head.put_slice(OPEN_CHOICE);
            self.head = head.freeze();
        }
    }

    fn open_delta(&mut self, choice: u32, out: &mut BytesMut) {
        self.make_head();
        out.reserve(self.head.len() + 128);
        out.put_slice(&self.head);
        put_number(choice.into(), out);
        out.put_slice(b",\"delta\":{");
    }

    fn close_delta(&self, finish: &[u8], out: &mut BytesMut) {
        out.put_slice(b"},\"logprobs\":null,\"finish_reason\":");
        out.put_slice(finish);
        out.put_slice(if self.options.include_usage {
            b"}],\"usage\":null}\n\n"
        } else {
            b"}]}\n\n"
        });
    }
}

const OPEN_CHOICE: &[u8] = b"[{\"index\":";

/// Whether the upstream's id of an answer can be the caller's.
fn is_usable(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID
}

/// The upstream's id of a call, or one that is the same whenever the same answer is
/// written.
fn call_id<'i>(response: &str, choice: u32, call: u32, id: &'i str) -> Cow<'i, str> {
    if !id.is_empty() {
        return Cow::Borrowed(id);
    }
    let mut hash = Fnv::default();
    hash.write(response.as_bytes());
    hash.write(&choice.to_le_bytes());
    hash.write(&call.to_le_bytes());
    Cow::Owned(format!("call_{:016x}", hash.finish()))
}

/// FNV-1a, 64 bits: the same in every process.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A block of reasoning in words, or only its proof when the words have gone out.
fn put_signed(
    text: Option<&str>,
    signature: Option<&str>,
    origin: Option<Origin>,
    index: u32,
    out: &mut BytesMut,
) {
    out.put_slice(b"{\"type\":\"reasoning.text\"");
    for (name, value) in [(&b"text"[..], text), (b"signature", signature)] {
        if let Some(value) = value {
            out.put_slice(b",\"");
            out.put_slice(name);
            out.put_slice(b"\":");
            put_string(value, out);
        }
    }
    put_form(signature, origin, index, out);
}

/// A block of reasoning that only the vendor can read.
fn put_encrypted(data: &str, origin: Option<Origin>, index: u32, out: &mut BytesMut) {
    out.put_slice(b"{\"type\":\"reasoning.encrypted\",\"data\":");
    put_string(data, out);
    put_form(Some(data), origin, index, out);
}

/// The end of a block: whose proof is in it, if any is, and what it is of.
fn put_form(proof: Option<&str>, origin: Option<Origin>, index: u32, out: &mut BytesMut) {
    if let (Some(proof), Some(origin)) = (proof, origin) {
        out.put_slice(b",\"id\":");
        put_string(&origin.id(proof), out);
    }
    out.put_slice(b",\"format\":\"anthropic-claude-v1\",\"index\":");
    put_number(index.into(), out);
    out.put_u8(b'}');
}

#[cfg(test)]
mod tests;
