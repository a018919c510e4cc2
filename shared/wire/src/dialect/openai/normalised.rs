//! What an edited answer says, put through the normaliser: text that is a call becomes
//! one, reasoning has its field or none.
//!
//! A chunk in which nothing changes leaves as it came. In one in which something does
//! only the members concerned are edited; what has no place in it leaves as chunks of
//! their own before it.

mod reply;

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

pub use reply::normalised_reply;

use super::chat_writer::{ChatWriter, WriterOptions};
use super::lenient::{Maybe, Text, Whole};
use super::raw::present;
use crate::edit::{json_string, key_span, span_of};
use crate::hub::{Event, Finish, StreamFault, ToolNames};
use crate::normaliser::{Manner, Normaliser, Reveal, Shown};
use crate::object;

/// An answer's normaliser and what writes the chunks that it adds.
#[derive(Debug)]
pub(super) struct Normalised {
    normaliser: Normaliser,
    shown: Shown,
    reveal: Reveal,
    writer: ChatWriter,
    begun: bool,
    /// Answers that the caller asked for: with one, the normaliser can be left out once
    /// nothing more can become of it.
    choices: u64,
    comment: bool,
}

/// What becomes of a chunk.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Edits of its members.
    pub(super) edits: Vec<(Range<usize>, Bytes)>,
    /// Nothing is left in it that says anything.
    pub(super) gone: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(default)]
    created: Whole,
    #[serde(borrow, default)]
    choices: Vec<Maybe<Choice<'a>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Whole,
    #[serde(borrow, default)]
    delta: Maybe<Delta<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    role: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    tool_calls: Option<&'a RawValue>,
}

/// A piece of a native call.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(default)]
    index: Whole,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    function: Maybe<Function<'a>>,
}

#[derive(Default, Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Text<'a>,
}

/// The text that a member is; `None` when it is something else.
fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = raw?;
    let inside = raw.get().strip_prefix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside.strip_suffix('"')?));
    }
    serde_json::from_str(raw.get()).ok().map(Cow::Owned)
}

/// The text of a list of reasoning parts.
fn details(raw: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, default)]
        text: Text<'a>,
    }
    let parts: Vec<Maybe<Part<'_>>> = serde_json::from_str(raw?.get()).ok()?;
    let texts = parts.iter().filter_map(|part| part.0.as_ref());
    Some(texts.map(|part| &*part.text.0).collect())
}

/// The reasoning that a message has: the same text under several names is one.
fn reasoning<'a>(
    content: Option<&'a RawValue>,
    plain: Option<&'a RawValue>,
    parts: Option<&'a RawValue>,
) -> Option<Cow<'a, str>> {
    let full = |text: &Cow<'_, str>| !text.is_empty();
    text(content)
        .filter(full)
        .or_else(|| text(plain).filter(full))
        .or_else(|| details(parts).map(Cow::Owned).filter(full))
}

impl Normalised {
    /// For an answer that has not begun. `options` tell what added chunks say of it.
    pub(super) fn new(manner: &Manner, options: WriterOptions) -> Self {
        Self {
            normaliser: Normaliser::new(manner),
            shown: manner.shown,
            reveal: Reveal::new(manner.shown),
            writer: ChatWriter::new(options),
            begun: false,
            choices: manner.choices,
            comment: manner.comment,
        }
    }

    /// The normaliser.
    pub(super) fn normaliser(&self) -> &Normaliser {
        &self.normaliser
    }

    /// Whether the rest of the answer passes, unless it has reasoning in a field.
    pub(super) fn is_idle(&self) -> bool {
        self.choices == 1 && self.normaliser.is_idle()
    }

    /// Takes a chunk. What has no place in it is appended to `out`.
    pub(super) fn chunk(&mut self, data: &[u8], out: &mut BytesMut) -> Change {
        let mut change = Change::default();
        let Ok(chunk) = object::read::<Chunk<'_>>(data) else {
            return change;
        };
        if !self.begun {
            self.begun = true;
            self.writer
                .continues(&chunk.id.0, chunk.created.0, self.choices);
        }
        let mut says = chunk.usage.is_some() || chunk.choices.is_empty();
        for (choice, position) in chunk.choices.iter().zip(0_u32..) {
            let Some(choice) = &choice.0 else {
                says = true;
                continue;
            };
            let number = choice.index.0.and_then(|index| u32::try_from(index).ok());
            let number = number.unwrap_or(position);
            says |= self.choice(data, number, choice, &mut change.edits, out);
        }
        change.gone = !says;
        change
    }

    /// Takes a choice; whether anything is left in it.
    fn choice(
        &mut self,
        data: &[u8],
        number: u32,
        choice: &Choice<'_>,
        edits: &mut Vec<(Range<usize>, Bytes)>,
        out: &mut BytesMut,
    ) -> bool {
        let nothing = Delta::default();
        let delta = choice.delta.0.as_ref().unwrap_or(&nothing);
        let mut told = Told::default();
        let thought = reasoning(
            delta.reasoning_content,
            delta.reasoning,
            delta.reasoning_details,
        );
        if let Some(thought) = &thought {
            let event = Event::Reasoning {
                choice: number,
                text: Cow::Borrowed(thought),
            };
            self.event(event, &mut told);
        }
        let said = text(delta.content).filter(|text| !text.is_empty());
        if let Some(said) = &said {
            let event = Event::Text {
                choice: number,
                text: Cow::Borrowed(said),
            };
            self.event(event, &mut told);
        }
        let moved = self.calls(number, delta.tool_calls, &mut told);
        let mut finish = None;
        if let Some(raw) = choice.finish_reason {
            let word: Cow<'_, str> = text(Some(raw)).unwrap_or_default();
            if !word.is_empty() && raw.get() != "null" {
                let was = super::finish::read(&word).unwrap_or(Finish::Stop);
                let reason = self.finish(number, was, &mut told);
                if reason != was {
                    edits.push((
                        span_of(data, raw),
                        Bytes::from_static(super::finish::json(reason)),
                    ));
                }
                finish = Some(raw);
            }
        }
        let thought = thought.as_deref().unwrap_or_default();
        let said = said.as_deref().unwrap_or_default();
        // Only where the chunk has a place for it.
        let has_place = delta.content.is_some_and(|raw| raw.get().starts_with('"'));
        let left = told.in_place(thought);
        let left = left.filter(|(_, text)| has_place || text.is_empty());
        if left.is_none() {
            told.events
                .iter()
                .for_each(|event| self.writer.write(event, &ToolNames::default(), out));
        }
        let left = left.unwrap_or_default();
        self.edit_reasoning(data, delta, left.0, edits);
        if let (false, Some(raw)) = (left.1 == said, delta.content) {
            edits.push((span_of(data, raw), json_string(left.1)));
        }
        if let (true, Some(raw)) = (moved, delta.tool_calls) {
            edits.push((span_of(data, raw), NULL));
        }
        let full = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "null");
        finish.is_some()
            || !left.0.is_empty()
            || !left.1.is_empty()
            || full(delta.role)
            || full(delta.refusal)
            || (full(delta.tool_calls) && !moved)
            // A chunk that said nothing before says what it did.
            || (thought.is_empty() && said.is_empty() && !moved)
            || (delta.content.is_some() && text(delta.content).is_none())
    }

    /// Reasoning stands under one name, and only where it is shown.
    fn edit_reasoning(
        &self,
        data: &[u8],
        delta: &Delta<'_>,
        left: &str,
        edits: &mut Vec<(Range<usize>, Bytes)>,
    ) {
        let mut remove = |raw: &RawValue| edits.push((span_of(data, raw), NULL));
        let shown = self.shown == Shown::Apart && !left.is_empty();
        let full = |raw: &&RawValue| text(Some(raw)).is_some_and(|text| !text.is_empty());
        let named = delta.reasoning_content.filter(full);
        let plain = delta.reasoning.filter(full);
        match (named, plain) {
            (Some(raw), _) if !shown => remove(raw),
            (None, Some(raw)) if shown && delta.reasoning_content.is_none() => {
                // The name that most clients know.
                if let Some(key) = key_span(data, "reasoning", &span_of(data, raw)) {
                    edits.push((key, Bytes::from_static(b"\"reasoning_content\"")));
                }
                return;
            }
            (_, _) => {}
        }
        if let Some(raw) = plain {
            remove(raw);
        }
        if !shown && let Some(raw) = delta.reasoning_details.filter(|raw| raw.get() != "null") {
            remove(raw);
        }
    }

    /// Takes the pieces of native calls. Whether they leave the chunk, to be told later
    /// or under other numbers.
    fn calls(&mut self, choice: u32, raw: Option<&RawValue>, told: &mut Told) -> bool {
        let Some(raw) = raw else {
            return false;
        };
        let Ok(calls) = serde_json::from_str::<Vec<Maybe<Call<'_>>>>(raw.get()) else {
            return false;
        };
        let mut after = Told::default();
        for (call, position) in calls.iter().zip(0_u32..) {
            let Some(call) = &call.0 else {
                continue;
            };
            let number = call.index.0.and_then(|index| u32::try_from(index).ok());
            let number = number.unwrap_or(position);
            let nothing = Function::default();
            let function = call.function.0.as_ref().unwrap_or(&nothing);
            if !function.name.0.is_empty() {
                let event = Event::Call {
                    choice,
                    call: number,
                    id: call.id.0.clone(),
                    name: function.name.0.clone(),
                };
                self.event(event, &mut after);
            }
            if !function.arguments.0.is_empty() {
                let event = Event::Arguments {
                    choice,
                    call: number,
                    text: function.arguments.0.clone(),
                };
                self.event(event, &mut after);
            }
        }
        if self.normaliser.has_written(choice) {
            told.events.append(&mut after.events);
            return true;
        }
        false
    }

    fn finish(&mut self, choice: u32, reason: Finish, told: &mut Told) -> Finish {
        let mut now = reason;
        self.event(Event::Finish { choice, reason }, told);
        told.events.retain(|event| match event {
            Event::Finish { reason, .. } => {
                now = *reason;
                false
            }
            Event::Start { .. }
            | Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Usage(_)
            | Event::KeepAlive
            | Event::End
            | Event::Fault(_) => true,
        });
        now
    }

    /// The stream has ended: what was held of choices that did not finish is appended.
    ///
    /// `mended` is how many calls were mended that the upstream gave as such.
    pub(super) fn end(&mut self, fault: Option<&StreamFault>, mended: u32, out: &mut BytesMut) {
        let mut told = Told::default();
        let event = match fault {
            Some(fault) => Event::Fault(fault.clone()),
            None => Event::End,
        };
        self.event(event, &mut told);
        for event in told.events {
            if !matches!(event, Event::End | Event::Fault(_)) {
                self.writer.write(&event, &ToolNames::default(), out);
            }
        }
        if self.comment && fault.is_none() {
            put_comment(&self.normaliser, mended, out);
        }
    }

    fn event(&mut self, event: Event<'_>, told: &mut Told) {
        let reveal = &mut self.reveal;
        self.normaliser.event(event, &mut |event| {
            reveal.event(event, &mut |event| told.take(event));
        });
    }
}

/// What came of a chunk.
#[derive(Default)]
struct Told {
    events: Vec<Event<'static>>,
}

impl Told {
    fn take(&mut self, event: Event<'_>) {
        self.events.push(event.into_owned());
    }

    /// The reasoning and the text that came of it, when that is `thought` as it was or
    /// nothing of it, and then text at most: they fit into the chunk.
    fn in_place<'t>(&'t self, thought: &'t str) -> Option<(&'t str, &'t str)> {
        let (first, rest) = match self.events.split_first() {
            Some((Event::Reasoning { text, .. }, rest)) if text == thought => (thought, rest),
            Some(_) | None => ("", self.events.as_slice()),
        };
        match rest {
            [] => Some((first, "")),
            [Event::Text { text, .. }] => Some((first, text)),
            _ => None,
        }
    }
}

/// Tells in a comment how many calls were repaired, when some were.
pub(crate) fn put_comment(normaliser: &Normaliser, mended: u32, out: &mut BytesMut) {
    let repaired = normaliser.found() + mended as usize;
    if repaired > 0 {
        out.extend_from_slice(format!(": x-tool-calls-repaired: {repaired}\n\n").as_bytes());
    }
}

const NULL: Bytes = Bytes::from_static(b"null");
