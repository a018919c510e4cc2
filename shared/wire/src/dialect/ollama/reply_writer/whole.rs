//! A whole answer as one object.

use bytes::{BufMut, Bytes, BytesMut};

use super::calls::{put_calls, say};
use super::{Durations, WriterOptions, put_end, put_head};
use crate::dialect::ollama::hub_request::Loading;
use crate::dialect::openai::put_string;
use crate::hub::{Answer, AnsweredChoice, Note, Thinking, ToolNames};

/// A whole answer in Ollama's form.
#[derive(Debug)]
pub struct Reply {
    /// The body, JSON.
    pub body: Bytes,
    /// What is in it otherwise than it came.
    pub notes: Vec<Note>,
}

/// `answer` as one object; its first choice, the format has no more.
#[must_use]
pub fn write_reply(
    answer: &Answer,
    names: &ToolNames,
    options: &WriterOptions,
    durations: &Durations,
) -> Reply {
    let nothing = AnsweredChoice::default();
    let choice = answer.choices.first().unwrap_or(&nothing);
    let mut notes = Vec::new();
    let said = say(&choice.calls, names, options.form, &mut notes);
    let mut text = format!("{}{}", choice.text, choice.refusal);
    if let Some(more) = said.text(!text.is_empty()) {
        text.push_str(&more);
    }
    let mut out = BytesMut::with_capacity(text.len() + 512);
    put_head(options, answer.created.unwrap_or(options.created), &mut out);
    put_string(&text, &mut out);
    let words = choice.reasoning.iter().filter_map(|block| match block {
        Thinking::Plain { text, .. } => Some(text.as_str()),
        Thinking::Redacted { .. } => None,
    });
    let thinking: String = words.collect();
    if !thinking.is_empty() {
        out.put_slice(b",\"thinking\":");
        put_string(&thinking, &mut out);
    }
    put_calls(&said.calls, &mut out);
    options.form.close_message(&mut out);
    put_end(choice.finish, answer.usage.as_ref(), durations, &mut out);
    Reply {
        body: out.freeze(),
        notes,
    }
}

/// The answer to a request without a question, streamed or not. It says what the caller
/// waits for; the gateway holds no models itself.
#[must_use]
pub fn write_loading(loading: Loading, options: &WriterOptions) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    put_head(options, options.created, &mut out);
    out.put_slice(b"\"\"");
    options.form.close_message(&mut out);
    out.put_slice(match loading {
        Loading::Load => b",\"done\":true,\"done_reason\":\"load\"}",
        Loading::Unload => b",\"done\":true,\"done_reason\":\"unload\"}",
    });
    out.freeze()
}
