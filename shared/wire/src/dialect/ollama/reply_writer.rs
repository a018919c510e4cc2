//! An answer as Ollama's own, towards the caller: a stream line by line, or whole.
//!
//! What always holds: a line is one JSON object; text and thought leave as they come;
//! the calls of tools leave whole, in one line before the last, because the format has
//! no pieces of arguments; the last line, and no other, has `done:true`. The time of a
//! stream is the same in all of its lines. Only the first choice is written, the format
//! has no more.
//!
//! What the format cannot say: a call whose arguments are no object is text, with a note
//! for the log; a refusal is text; proofs of reasoning are left out.
//!
//! Source: the API reference in Ollama's repository, and its server's types.

mod calls;
mod whole;

use bytes::{BufMut, Bytes, BytesMut};

use super::time::rfc3339;
use crate::dialect::openai::{put_number, put_string};
use crate::hub::{Event, Finish, Note, ToolNames};
use crate::usage::Usage;
use calls::{Gathered, put_calls};
pub use whole::{Reply, write_loading, write_reply};

/// Which call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/api/chat`: text and calls in a `message`.
    Chat,
    /// `/api/generate`: text as `response`. It has no calls; they are text.
    Generate,
}

/// What a writer needs to know beside the answer.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Which call is answered.
    pub form: Form,
    /// The model's name as the caller wrote it, as a JSON string.
    pub model: Bytes,
    /// Unix seconds of an answer whose upstream does not say.
    pub created: i64,
}

/// How long an answer took, in nanoseconds. Clients divide tokens by these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// From the request to the end of the answer.
    pub total: u64,
    /// Until the model was loaded.
    pub load: u64,
    /// For the prompt.
    pub prompt_eval: u64,
    /// For the answer.
    pub eval: u64,
}

impl Durations {
    /// Of an answer that has come whole: where its prompt ended is not to be seen.
    #[must_use]
    pub fn whole(total: u64) -> Self {
        Self {
            total,
            eval: total,
            ..Self::default()
        }
    }

    /// As far as they can be seen from outside: the prompt takes until the first token
    /// has come, the answer from there. Without tokens the prompt takes all.
    #[must_use]
    pub fn seen(total: u64, first_token: Option<u64>) -> Self {
        let prompt_eval = first_token.unwrap_or(total).min(total);
        Self {
            total,
            load: 0,
            prompt_eval,
            eval: total - prompt_eval,
        }
    }
}

/// Writes one stream.
#[derive(Debug)]
pub struct StreamWriter {
    options: WriterOptions,
    /// What every line begins with, up to the text; made with the first line.
    head: Bytes,
    durations: Durations,
    calls: Gathered,
    has_text: bool,
    finish: Option<Finish>,
    usage: Option<Usage>,
    notes: Vec<Note>,
}

impl StreamWriter {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(options: WriterOptions) -> Self {
        Self {
            options,
            head: Bytes::new(),
            durations: Durations::default(),
            calls: Gathered::default(),
            has_text: false,
            finish: None,
            usage: None,
            notes: Vec::new(),
        }
    }

    /// Sets what the last line tells of time. To be called before any event that may be
    /// the last.
    pub fn took(&mut self, durations: Durations) {
        self.durations = durations;
    }

    /// What has been written otherwise than it came.
    #[must_use]
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Appends what the caller gets for `event`. Nothing for a fault: that is
    /// [`error_line`]'s, and no line of `done:true` follows it.
    pub fn write(&mut self, event: &Event<'_>, names: &ToolNames, out: &mut BytesMut) {
        match event {
            Event::Start { created, .. } => {
                let usable = created.filter(|time| rfc3339(*time).is_some());
                self.options.created = usable.unwrap_or(self.options.created);
            }
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                self.has_text = true;
                self.put_line(text, None, out);
            }
            Event::Reasoning { choice: 0, text } => self.put_line("", Some(text), out),
            Event::Call {
                choice: 0,
                call,
                id,
                name,
            } => self.calls.begin(*call, id, name),
            Event::Arguments {
                choice: 0,
                call,
                text,
            } => self.calls.add(*call, text),
            Event::Finish { choice: 0, reason } => {
                self.finish.get_or_insert(*reason);
                self.put_gathered(names, out);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            // The format has no comments.
            Event::KeepAlive => self.put_line("", None, out),
            Event::End => {
                self.put_gathered(names, out);
                self.open_line(out);
                out.put_slice(b"\"\"");
                self.options.form.close_message(out);
                put_end(self.finish, self.usage.as_ref(), &self.durations, out);
                out.put_u8(b'\n');
            }
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

    fn put_line(&mut self, text: &str, thinking: Option<&str>, out: &mut BytesMut) {
        self.open_line(out);
        put_string(text, out);
        if let Some(thinking) = thinking {
            out.put_slice(b",\"thinking\":");
            put_string(thinking, out);
        }
        self.options.form.close_message(out);
        out.put_slice(b",\"done\":false}\n");
    }

    /// The calls, all in one line; before it, as text, those that cannot be calls.
    fn put_gathered(&mut self, names: &ToolNames, out: &mut BytesMut) {
        let calls = self.calls.take();
        let said = calls::say(&calls, names, self.options.form, &mut self.notes);
        if let Some(text) = said.text(self.has_text) {
            self.put_line(&text, None, out);
        }
        if !said.calls.is_empty() {
            self.open_line(out);
            out.put_slice(b"\"\"");
            put_calls(&said.calls, out);
            self.options.form.close_message(out);
            out.put_slice(b",\"done\":false}\n");
        }
    }

    fn open_line(&mut self, out: &mut BytesMut) {
        if self.head.is_empty() {
            let mut head = BytesMut::with_capacity(128);
            put_head(&self.options, self.options.created, &mut head);
            self.head = head.freeze();
        }
        out.reserve(self.head.len() + 64);
        out.put_slice(&self.head);
    }
}

impl Form {
    /// The end of the object that holds the text, where there is one.
    fn close_message(self, out: &mut BytesMut) {
        if self == Self::Chat {
            out.put_u8(b'}');
        }
    }
}

/// The beginning of a line, up to the text.
fn put_head(options: &WriterOptions, created: i64, out: &mut BytesMut) {
    let time = [created, options.created].into_iter().find_map(rfc3339);
    out.put_slice(b"{\"model\":");
    out.put_slice(&options.model);
    out.put_slice(b",\"created_at\":\"");
    out.put_slice(time.as_deref().unwrap_or("1970-01-01T00:00:00Z").as_bytes());
    out.put_slice(match options.form {
        Form::Chat => b"\",\"message\":{\"role\":\"assistant\",\"content\":",
        Form::Generate => b"\",\"response\":",
    });
}

/// The members that only the last line has, and the end of it. Tokens that nobody
/// counted are left out, as the server leaves out what it does not know.
fn put_end(
    finish: Option<Finish>,
    usage: Option<&Usage>,
    durations: &Durations,
    out: &mut BytesMut,
) {
    // Ollama's server has no other words: calls and refusals end an answer as well.
    out.put_slice(match finish {
        Some(Finish::Length) => b",\"done\":true,\"done_reason\":\"length\"",
        Some(Finish::Stop | Finish::ToolCalls | Finish::ContentFilter) | None => {
            b",\"done\":true,\"done_reason\":\"stop\""
        }
    });
    let numbers = [
        (&b",\"total_duration\":"[..], Some(durations.total)),
        (b",\"load_duration\":", Some(durations.load)),
        (
            b",\"prompt_eval_count\":",
            usage.map(|usage| usage.prompt_tokens),
        ),
        (b",\"prompt_eval_duration\":", Some(durations.prompt_eval)),
        (
            b",\"eval_count\":",
            usage.map(|usage| usage.completion_tokens),
        ),
        (b",\"eval_duration\":", Some(durations.eval)),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            out.put_slice(name);
            put_number(number, out);
        }
    }
    out.put_u8(b'}');
}

/// The body of an error's answer. `message` has no secrets in it.
#[must_use]
pub fn error_body(message: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 16);
    out.put_slice(b"{\"error\":");
    put_string(message, &mut out);
    out.put_u8(b'}');
    out.freeze()
}

/// The same as the last line of a stream.
#[must_use]
pub fn error_line(message: &str) -> Bytes {
    let mut line = BytesMut::from(&error_body(message)[..]);
    line.put_u8(b'\n');
    line.freeze()
}

#[cfg(test)]
mod tests;
