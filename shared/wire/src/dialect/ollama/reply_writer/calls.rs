//! The calls of an answer: gathered from their pieces, and told as far as the format
//! can.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::Form;
use crate::dialect::ollama::line::compact;
use crate::dialect::openai::{put_number, put_string};
use crate::hub::{AnsweredCall, Note, ToolNames};

/// More bytes of arguments than this are not gathered; no model writes so much.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Calls beyond this number are not written.
const MOST_CALLS: usize = 4096;

/// Calls whose pieces are on their way.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    list: Vec<AnsweredCall>,
    bytes: usize,
}

impl Gathered {
    /// A call begins. Calls are numbered in order of appearance.
    pub(super) fn begin(&mut self, number: u32, id: &str, name: &str) {
        let at = self.list.len();
        if number as usize == at && at < MOST_CALLS {
            self.list.push(AnsweredCall {
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: String::new(),
            });
        }
    }

    /// A piece of a call's arguments.
    pub(super) fn add(&mut self, number: u32, text: &str) {
        if let Some(call) = self.list.get_mut(number as usize)
            && self.bytes.saturating_add(text.len()) <= MOST_BYTES
        {
            self.bytes += text.len();
            call.arguments.push_str(text);
        }
    }

    /// The calls, which are complete.
    pub(super) fn take(&mut self) -> Vec<AnsweredCall> {
        self.bytes = 0;
        std::mem::take(&mut self.list)
    }
}

/// A call that the format can say.
pub(super) struct Call<'a> {
    id: &'a str,
    name: &'a str,
    /// JSON text of an object, on one line.
    arguments: Cow<'a, str>,
}

/// The calls of an answer, as the caller gets them.
pub(super) struct Said<'a> {
    pub(super) calls: Vec<Call<'a>>,
    /// Names and arguments of those that are text.
    texts: Vec<(&'a str, &'a str)>,
}

impl Said<'_> {
    /// One line of text for each call that is text; on a line of its own, when
    /// `has_text` says that there is text before it.
    pub(super) fn text(&self, has_text: bool) -> Option<String> {
        if self.texts.is_empty() {
            return None;
        }
        let lines = self.texts.iter().map(|(name, arguments)| {
            let space = if arguments.trim().is_empty() { "" } else { " " };
            format!("{name}{space}{}", arguments.trim())
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        Some(if has_text { format!("\n{text}") } else { text })
    }
}

/// Tells apart what can be a call and what has to be text, with a note of each.
pub(super) fn say<'a>(
    calls: &'a [AnsweredCall],
    names: &'a ToolNames,
    form: Form,
    notes: &mut Vec<Note>,
) -> Said<'a> {
    let mut said = Said {
        calls: Vec::new(),
        texts: Vec::new(),
    };
    for (number, call) in calls.iter().enumerate() {
        let name = names.caller(&call.name);
        let why = match (form, object(&call.arguments)) {
            (Form::Chat, Some(arguments)) => {
                said.calls.push(Call {
                    id: &call.id,
                    name,
                    arguments,
                });
                continue;
            }
            (Form::Chat, None) => {
                "the model's arguments are no JSON object, which Ollama's API asks for; the \
                 caller gets the call as text"
            }
            (Form::Generate, _) => {
                "an answer of /api/generate has no calls; the caller gets the call as text"
            }
        };
        said.texts.push((name, &call.arguments));
        notes.push(Note::adapted(format!("tool_calls[{number}]"), why));
    }
    said
}

/// Arguments as an object; nothing is an empty one.
fn object(arguments: &str) -> Option<Cow<'_, str>> {
    let text = arguments.trim_ascii();
    if text.is_empty() || text == "null" {
        return Some("{}".into());
    }
    let is_object =
        text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    is_object.then(|| compact(text))
}

/// The member `tool_calls`, behind another one.
pub(super) fn put_calls(calls: &[Call<'_>], out: &mut BytesMut) {
    let mut open = &b",\"tool_calls\":[{"[..];
    for (index, call) in (0u64..).zip(calls) {
        out.put_slice(open);
        open = b",{";
        // Servers of older versions give none either.
        if !call.id.is_empty() {
            out.put_slice(b"\"id\":");
            put_string(call.id, out);
            out.put_u8(b',');
        }
        out.put_slice(b"\"function\":{\"index\":");
        put_number(index, out);
        out.put_slice(b",\"name\":");
        put_string(call.name, out);
        out.put_slice(b",\"arguments\":");
        out.put_slice(call.arguments.as_bytes());
        out.put_slice(b"}}");
    }
    if !calls.is_empty() {
        out.put_u8(b']');
    }
}
