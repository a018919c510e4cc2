//! The conversation: the system text apart, the roles in turn, results before all else
//! in the user's turn after the calls, no blank text anywhere.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::model::Model;
use super::body::{Block, Mark, Turn};
use super::calls::Calls;
use super::ids::Ids;
use super::{LONGEST_NAME, Target, media};
use crate::edit::json_string;
use crate::hub::{Chat, Message, Note, Part, Refusal, Role, Thinking, ToolNames};

/// What a turn of the user says that has nothing in it.
const NOTHING: &str = ".";

/// A conversation as the vendor takes it.
pub(super) struct Transcript<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    /// Functions that were called, by the caller's names, some of them repeatedly.
    pub(super) called: Vec<&'a str>,
    /// A turn with calls lacks its signed thinking.
    pub(super) unproven: bool,
}

pub(super) fn is_assistants(turn: &Turn<'_>) -> bool {
    turn.role == Role::Assistant
}

struct Writer<'a, 'w> {
    target: &'w Target<'w>,
    thinking: bool,
    names: &'w mut ToolNames,
    notes: &'w mut Vec<Note>,
    ids: Ids,
    assistants: usize,
    /// The calls of the last turn of the assistant.
    calls: Calls<'a>,
    out: Transcript<'a>,
}

impl<'a> Transcript<'a> {
    /// # Errors
    /// When calls and results do not belong together, a picture or document is of a
    /// kind that the vendor does not take, or there is nothing to answer.
    pub(super) fn write(
        chat: &'a Chat,
        target: &Target<'_>,
        model: &Model,
        thinking: bool,
        names: &mut ToolNames,
        notes: &mut Vec<Note>,
    ) -> Result<Self, Refusal> {
        let mut writer = Writer {
            target,
            thinking,
            names,
            notes,
            ids: Ids::default(),
            assistants: 0,
            calls: Calls::default(),
            out: Self {
                system: Vec::new(),
                turns: Vec::new(),
                called: Vec::new(),
                unproven: false,
            },
        };
        // Where the next message is that is none of the system's.
        let mut next = 0;
        for (at, message) in chat.messages.iter().enumerate() {
            match message.role {
                Role::System => {
                    next = next.max(at);
                    let rest = chat.messages[next..].iter();
                    next += rest
                        .take_while(|message| message.role == Role::System)
                        .count();
                    let next = chat.messages.get(next).map(|message| message.role);
                    let native = model.system_anywhere && next != Some(Role::User);
                    writer.system(message, native);
                }
                Role::User => writer.user(message)?,
                Role::Assistant => writer.assistant(message)?,
            }
        }
        writer.calls.settle(&mut writer.out.turns)?;
        let mut out = writer.out;
        out.end(model)?;
        out.unproven = out.turns.iter().any(lacks_thinking);
        Ok(out)
    }

    /// Makes the last turn one that can be answered, and the first one the user's.
    fn end(&mut self, model: &Model) -> Result<(), Refusal> {
        if let Some(last) = self.turns.last_mut()
            && last.role == Role::Assistant
        {
            if let Some(Block::Text { text, .. }) = last.content.last_mut() {
                *text = Cow::Owned(text.trim_end().to_owned());
            }
            if last.content.iter().all(Block::is_thinking) {
                self.turns.pop();
            } else if !model.prefill {
                return Err(Refusal {
                    param: last.at.to_owned(),
                    message: format!(
                        "'{}' is the last message and the assistant's, and this model does not go on from one. End with a message of the user.",
                        last.at
                    ),
                });
            }
        }
        for turn in &mut self.turns {
            if turn.content.is_empty() {
                turn.content.push(Block::text(NOTHING));
            }
        }
        if self.turns.is_empty() {
            let Some(text) = self.system.pop() else {
                return Err(Refusal::field(
                    "messages",
                    "must hold at least one message that is not blank.",
                ));
            };
            self.push(Role::User, vec![text], "messages");
        }
        if self.turns.first().is_some_and(is_assistants) {
            let first = Turn {
                role: Role::User,
                content: vec![Block::text(NOTHING)],
                at: "messages",
            };
            self.turns.insert(0, first);
        }
        Ok(())
    }

    /// Adds to the last turn when it is of this role, or begins one.
    fn push(&mut self, role: Role, content: Vec<Block<'a>>, at: &'a str) {
        match self.turns.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            _ => self.turns.push(Turn { role, content, at }),
        }
    }
}

fn lacks_thinking(turn: &Turn<'_>) -> bool {
    let calls = |block: &Block<'_>| matches!(block, Block::ToolUse { .. });
    turn.content.iter().any(calls) && !turn.content.first().is_some_and(Block::is_thinking)
}

impl<'a> Writer<'a, '_> {
    fn system(&mut self, message: &'a Message, native: bool) {
        let inline = self.target.inline_system && !self.out.turns.is_empty();
        if !inline && !self.out.turns.is_empty() {
            self.note_adapted(
                message,
                "moved to the system text, where the provider has it",
            );
        }
        let mut blocks = Vec::new();
        for (part, at) in message.parts.iter().zip(0usize..) {
            if let Part::Text { text, cache } = part {
                if !text.trim().is_empty() {
                    blocks.push(Block::Text {
                        text: Cow::Borrowed(text),
                        cache_control: Mark::of(cache.as_ref()),
                    });
                }
            } else {
                self.note_part(
                    message,
                    at,
                    "the provider takes only text in system messages",
                );
            }
        }
        if blocks.is_empty() {
            return;
        }
        if !inline {
            return self.out.system.extend(blocks);
        }
        let after_user = self.out.turns.last().is_some_and(|t| !is_assistants(t));
        if native && after_user {
            return self.out.push(Role::System, blocks, &message.at);
        }
        for block in &mut blocks {
            if let Block::Text { text, .. } = block {
                *text = Cow::Owned(format!("<system>{text}</system>"));
            }
        }
        self.out.push(Role::User, blocks, &message.at);
    }

    fn user(&mut self, message: &'a Message) -> Result<(), Refusal> {
        let mut blocks = Vec::with_capacity(message.parts.len());
        for (at, part) in message.parts.iter().enumerate() {
            if let Part::ToolResult {
                id,
                name,
                parts,
                is_error,
                cache,
            } = part
            {
                let tool_use_id = self.answered(id, name.as_deref(), message)?;
                let mut content = self.content(message, parts)?;
                // A mark inside a result is one at its end.
                let inner = content.iter_mut().filter_map(Block::mark);
                let inner = inner.filter_map(Option::take).last();
                blocks.push(Block::ToolResult {
                    tool_use_id: Cow::Owned(tool_use_id),
                    content,
                    is_error: *is_error,
                    cache_control: Mark::of(cache.as_ref()).or(inner),
                });
            } else {
                blocks.extend(self.block(message, at, part)?);
            }
        }
        self.out.push(Role::User, blocks, &message.at);
        Ok(())
    }

    /// The upstream's id of the call that a result of the caller's `id` belongs to. The
    /// vendor refuses a result without one.
    fn answered(
        &mut self,
        id: &str,
        name: Option<&str>,
        message: &Message,
    ) -> Result<String, Refusal> {
        if let Some(upstream) = self.calls.answer(id) {
            return Ok(upstream.to_owned());
        }
        let at = &message.at;
        let message = match name {
            // A result of the older form has no id that the caller would know.
            Some(name) => format!(
                "'{at}' is the result of a call of '{name}' that the message of the assistant before it does not make, or that is answered already. A result must follow its call."
            ),
            None => format!(
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'. '{at}' answers '{id}', which the message of the assistant before it does not call, or which is answered already."
            ),
        };
        Err(Refusal {
            param: at.clone(),
            message,
        })
    }

    fn assistant(&mut self, message: &'a Message) -> Result<(), Refusal> {
        if !self.out.turns.last().is_some_and(is_assistants) {
            std::mem::take(&mut self.calls).settle(&mut self.out.turns)?;
        }
        let (mut thinking, mut said, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        let mut unsigned = false;
        for (at, part) in message.parts.iter().enumerate() {
            match part {
                Part::Thinking(thought, origin) => match signed(thought) {
                    Some(block) if *origin == Some(self.target.origin) => thinking.push(block),
                    Some(_) | None => unsigned = true,
                },
                Part::ToolCall {
                    id,
                    name,
                    arguments,
                } => calls.push(self.call(message, id, name, arguments)),
                Part::Image { .. } | Part::Document { .. } | Part::ToolResult { .. } => {
                    self.note_part(message, at, "the provider takes only text, thinking and calls in messages of the assistant");
                }
                Part::Text { .. } => said.extend(self.block(message, at, part)?),
            }
        }
        if self.thinking && thinking.is_empty() {
            (thinking, calls) = self.recalled(message, calls);
        }
        if unsigned && thinking.is_empty() {
            self.note_part(
                message,
                0,
                "only thinking that this model at this endpoint has signed can go back to the provider",
            );
        }
        self.assistants += 1;
        thinking.append(&mut said);
        thinking.append(&mut calls);
        if !thinking.is_empty() {
            self.out.push(Role::Assistant, thinking, &message.at);
        }
        Ok(())
    }

    /// The kept thinking before the first of `calls`, and the calls with that before
    /// each of the others in its place: the vendor wants it where it was.
    fn recalled(
        &self,
        message: &Message,
        calls: Vec<Block<'a>>,
    ) -> (Vec<Block<'a>>, Vec<Block<'a>>) {
        let (mut first, mut rest) = (Vec::new(), Vec::with_capacity(calls.len()));
        let ids = message.parts.iter().filter_map(|part| match part {
            Part::ToolCall { id, .. } => Some(id.as_str()),
            Part::Text { .. }
            | Part::Image { .. }
            | Part::Document { .. }
            | Part::Thinking(..)
            | Part::ToolResult { .. } => None,
        });
        for (id, call) in ids.zip(calls) {
            // An id that every call could have tells of none.
            let kept = Some(id)
                .filter(|id| !id.is_empty())
                .and_then(self.target.recall);
            let kept = kept.into_iter().flatten().filter_map(owned);
            if rest.is_empty() {
                first.extend(kept);
            } else {
                rest.extend(kept);
            }
            rest.push(call);
        }
        (first, rest)
    }

    fn call(
        &mut self,
        message: &'a Message,
        id: &'a str,
        name: &'a str,
        arguments: &'a str,
    ) -> Block<'a> {
        let upstream = self.ids.call(id, self.assistants);
        self.out.called.push(name);
        self.calls.add(&message.at, id, upstream.clone());
        let (input, is_object) = input(arguments);
        if !is_object {
            self.note_adapted(
                message,
                "a call's arguments are not a JSON object; they go as the text in '_raw_arguments'",
            );
        }
        Block::ToolUse {
            id: upstream,
            name: self.names.upstream(name, LONGEST_NAME),
            input,
            cache_control: None,
        }
    }

    fn content(
        &mut self,
        message: &'a Message,
        parts: &'a [Part],
    ) -> Result<Vec<Block<'a>>, Refusal> {
        let mut blocks = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            blocks.extend(self.block(message, at, part)?);
        }
        Ok(blocks)
    }

    /// Text, a picture or a document; `None` when it is blank.
    fn block(
        &mut self,
        message: &'a Message,
        at: usize,
        part: &'a Part,
    ) -> Result<Option<Block<'a>>, Refusal> {
        let place = || format!("{}.content[{at}]", message.at);
        match part {
            Part::Text { text, cache } => Ok((!text.trim().is_empty()).then(|| Block::Text {
                text: Cow::Borrowed(text),
                cache_control: Mark::of(cache.as_ref()),
            })),
            Part::Image { source, cache } => {
                media::image(source, Mark::of(cache.as_ref()), &place()).map(Some)
            }
            Part::Document {
                source,
                title,
                cache,
            } => media::document(source, title.as_deref(), Mark::of(cache.as_ref()), &place()),
            Part::Thinking(..) | Part::ToolCall { .. } | Part::ToolResult { .. } => {
                self.note_part(message, at, "the provider does not take it in this place");
                Ok(None)
            }
        }
    }

    fn note_part(&mut self, message: &Message, at: usize, why: &'static str) {
        let field = format!("{}.content[{at}]", message.at);
        self.notes.push(Note::dropped(field, why));
    }

    fn note_adapted(&mut self, message: &Message, why: &'static str) {
        self.notes.push(Note::adapted(message.at.as_str(), why));
    }
}

/// Thinking that can go back; what is unsigned cannot.
fn signed(thought: &Thinking) -> Option<Block<'_>> {
    match thought {
        Thinking::Plain {
            text,
            signature: Some(signature),
        } if !signature.is_empty() => Some(Block::Thinking {
            thinking: Cow::Borrowed(text),
            signature: Cow::Borrowed(signature),
        }),
        Thinking::Plain { .. } => None,
        Thinking::Redacted { data } => Some(Block::RedactedThinking {
            data: Cow::Borrowed(data),
        }),
    }
}

fn owned<'a>(thought: Thinking) -> Option<Block<'a>> {
    match thought {
        Thinking::Plain { text, signature } => {
            let signature = signature.filter(|signature| !signature.is_empty())?;
            Some(Block::Thinking {
                thinking: Cow::Owned(text),
                signature: Cow::Owned(signature),
            })
        }
        Thinking::Redacted { data } => Some(Block::RedactedThinking {
            data: Cow::Owned(data),
        }),
    }
}

/// A call's arguments as an object, and whether they were one: models do write broken
/// JSON, and the conversation must go on.
fn input(arguments: &str) -> (Cow<'_, RawValue>, bool) {
    let text = match arguments.trim() {
        "" => "{}",
        text => text,
    };
    if let Ok(raw) = serde_json::from_str::<&RawValue>(text)
        && raw.get().starts_with('{')
    {
        return (Cow::Borrowed(raw), true);
    }
    let mut wrapped = String::from("{\"_raw_arguments\":");
    wrapped.push_str(&String::from_utf8_lossy(&json_string(arguments)));
    wrapped.push('}');
    let raw = RawValue::from_string(wrapped);
    (raw.map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned), false)
}
