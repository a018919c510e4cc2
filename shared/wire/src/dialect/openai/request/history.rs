//! The tool calls and results of a conversation, mended where a strict server would refuse
//! the request for them.
//!
//! What OpenAI, Anthropic, Mistral and vLLM all take is this: every call has an id, a name
//! and arguments that are the text of a JSON object, and is answered by one tool message
//! before the assistant speaks again. So arguments that do not parse are mended
//! ([`crate::normaliser::Mender`]), or wrapped as `{"_raw_arguments": "..."}` as towards
//! the other dialects; arguments that are an object become its text. A call without an id,
//! or with that of another call in its message, gets one of its own, the same in every
//! turn of the conversation, and its result gets it too. A call without a result gets one
//! that says that none was recorded. A result that answers no call, or one that has been
//! answered, becomes a message of the user that says so: in that role every server takes
//! it, and no call is made up that the model never made. A name loses what models put in
//! front of it, unless the request offers a tool of that very name.
//!
//! Only calls in `tool_calls` are looked at, not the older `function_call`. A healthy
//! conversation is not changed by a byte. Results that stand behind a message of the user
//! are left in their place.

mod calls;
mod results;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::lenient::{List, Maybe, Text};
use super::super::raw::{present, value};
use super::BadRequest;
use super::outline::Outline;
use crate::edit::{Edits, json_string, span_of};
use crate::hub::Note;
use crate::normaliser::Tools;
use crate::object;
use calls::Open;

/// What is wrong with a conversation's calls and results.
#[derive(Debug, Default)]
pub(super) struct History {
    edits: Vec<(Range<usize>, Bytes)>,
    notes: Vec<Note>,
    /// Why it is refused where it is not to be mended.
    pub(super) refusal: Option<BadRequest>,
}

impl History {
    /// Whether anything is to be mended.
    pub(super) fn is_damaged(&self) -> bool {
        !self.edits.is_empty()
    }

    /// The body with the conversation mended, and what was changed.
    pub(super) fn mended(&self, body: &Bytes) -> (Bytes, Vec<Note>) {
        let mut edits = Edits::default();
        for (span, text) in &self.edits {
            edits.replace(span.clone(), text.clone());
        }
        (edits.apply(body).to_bytes(), self.notes.clone())
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    role: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default, deserialize_with = "present")]
    tool_call_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Offered<'a> {
    #[serde(borrow, default)]
    tools: List<Definition<'a>>,
}

#[derive(Deserialize)]
struct Definition<'a> {
    #[serde(borrow, default)]
    function: Maybe<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
}

/// Reads the conversation in `body`, which has been read without error; `outline` is that
/// of the same body.
pub(super) fn read(body: &[u8], outline: &Outline<'_>) -> History {
    let text = outline.text();
    let has = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    // Most conversations have no calls and are not read again.
    if !has(b"tool_call") && !has(b"\"tool\"") {
        return History::default();
    }
    let Ok(Body { messages }) = object::read::<Body<'_>>(text) else {
        return History::default();
    };
    let mut reader = Reader {
        body,
        outline,
        history: History::default(),
        taken: None,
        tools: None,
        open: Open::default(),
    };
    for (index, raw) in messages.iter().enumerate() {
        let Ok(message) = object::read_str::<Message<'_>>(raw.get()) else {
            continue;
        };
        let span = reader.place(raw);
        match reader.text(message.role).as_deref() {
            Some("assistant") => {
                reader.settle();
                let calls = message.tool_calls.as_deref().unwrap_or_default();
                reader.calls(index, calls, &span);
            }
            Some("tool") => reader.result(index, &message, &span),
            Some(_) | None => reader.open.passed(),
        }
    }
    reader.settle();
    reader.history
}

/// A conversation that is being read.
struct Reader<'b> {
    body: &'b [u8],
    outline: &'b Outline<'b>,
    history: History,
    /// Every id in the conversation, once one has to be made.
    taken: Option<HashSet<String>>,
    /// The tools that the request offers, once a name is in doubt.
    tools: Option<Tools>,
    /// The calls of the last message of the assistant.
    open: Open,
}

impl<'b> Reader<'b> {
    /// Where a value of the outline is in the body.
    fn place(&self, raw: &RawValue) -> Range<usize> {
        self.outline.in_body(span_of(self.outline.text(), raw))
    }

    /// The text of a value that is a string.
    fn text(&self, raw: Option<&RawValue>) -> Option<Cow<'b, str>> {
        let raw = value(raw).filter(|raw| raw.get().starts_with('"'))?;
        let written = self.body.get(self.place(raw))?;
        let Text(text) = serde_json::from_slice(written).ok()?;
        Some(text)
    }

    fn edit(&mut self, span: Range<usize>, text: impl Into<Bytes>) {
        self.history.edits.push((span, text.into()));
    }

    fn note(&mut self, field: String, why: &'static str) {
        self.history.notes.push(Note::adapted(field, why));
    }

    /// Puts a member with a string at the start of the object at `span`.
    fn insert(&mut self, span: &Range<usize>, key: &str, text: &str) {
        let inside = self.body.get(span.start + 1..span.end);
        let is_empty = inside.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"}"));
        let mut member = format!("\"{key}\":").into_bytes();
        member.extend_from_slice(&json_string(text));
        if !is_empty {
            member.push(b',');
        }
        self.edit(span.start + 1..span.start + 1, member);
    }

    /// The tools that the request offers.
    fn tools(&mut self) -> &Tools {
        let text = self.outline.text();
        self.tools.get_or_insert_with(|| {
            let offered = object::read::<Offered<'_>>(text);
            let offered = offered.map_or(Vec::new(), |offered| offered.tools.0);
            let named = offered.iter().filter_map(|tool| tool.function.0.as_ref());
            Tools::new(named.map(|named| (&*named.name.0, None)))
        })
    }

    /// An id for a call that has none; the same whenever the conversation comes again.
    fn made_id(&mut self, message: usize, call: usize) -> String {
        let text = self.outline.text();
        let taken = self.taken.get_or_insert_with(|| calls::ids(text));
        let mut id = format!("call_{message}_{call}");
        while !taken.insert(id.clone()) {
            id.push('x');
        }
        id
    }
}

#[cfg(test)]
mod tests;
