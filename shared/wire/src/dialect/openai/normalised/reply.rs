//! A whole reply, put through the normaliser.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::chat_writer::reply_call_id;
use super::super::finish;
use super::super::lenient::{Maybe, Text, Whole};
use super::super::raw::present;
use super::{Call, Function, reasoning, text};
use crate::edit::{Edits, span_of};
use crate::hub::{Event, Finish};
use crate::normaliser::{Normaliser, Reveal, Shown};
use crate::object;

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    choices: Vec<Maybe<Choice<'a>>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Whole,
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Maybe<super::super::lenient::List<Call<'a>>>,
}

/// What a choice came to.
#[derive(Default)]
struct Outcome {
    content: String,
    reasoning: String,
    calls: Vec<(String, String, String)>,
    finish: Option<Finish>,
}

/// A whole reply with what the normaliser makes of it; `None` when that is nothing. `id`
/// stands for the answer's where it has none.
pub fn normalised_reply(
    body: &Bytes,
    normaliser: &mut Normaliser,
    shown: Shown,
    id: &str,
) -> Option<Bytes> {
    let reply: Reply<'_> = object::read(body).ok()?;
    let mut reveal = Reveal::new(shown);
    let mut edits = Edits::default();
    for (choice, position) in reply.choices.iter().zip(0_u32..) {
        let Some(choice) = &choice.0 else { continue };
        let Some(raw) = choice.message else { continue };
        let Ok(message) = object::read_str::<Message<'_>>(raw.get()) else {
            continue;
        };
        let number = choice.index.0.and_then(|index| u32::try_from(index).ok());
        let number = number.unwrap_or(position);
        let word = text(choice.finish_reason).unwrap_or_default();
        let was = finish::read(&word).unwrap_or(Finish::Stop);
        let mut outcome = Outcome::default();
        for event in events(number, &message, was) {
            normaliser.event(event, &mut |event| {
                reveal.event(event, &mut |event| outcome.take(event));
            });
        }
        let thought = reasoning(
            message.reasoning_content,
            message.reasoning,
            message.reasoning_details,
        );
        let content = text(message.content);
        let native = message
            .tool_calls
            .0
            .as_ref()
            .map_or(0, |calls| calls.0.len());
        let one_name = message.reasoning.is_none() || message.reasoning_content.is_some();
        if outcome.content == content.as_deref().unwrap_or_default()
            && outcome.reasoning == thought.as_deref().unwrap_or_default()
            && outcome.calls.len() == native
            && one_name
        {
            continue;
        }
        if let Ok(message) = serde_json::from_str::<Map<String, Value>>(raw.get()) {
            let written = outcome.write(message, native, |call, own| {
                reply_call_id(&reply.id.0, id, (number, call), own).into_owned()
            });
            edits.replace(span_of(body, raw), written.to_string());
        }
        if let (Some(raw), Some(reason)) = (choice.finish_reason, outcome.finish)
            && reason != was
        {
            edits.replace(span_of(body, raw), finish::json(reason));
        }
    }
    (!edits.is_empty()).then(|| edits.apply(body).to_bytes())
}

/// A message as the events of it.
fn events<'m>(choice: u32, message: &'m Message<'_>, reason: Finish) -> Vec<Event<'m>> {
    let mut events = Vec::new();
    let thought = reasoning(
        message.reasoning_content,
        message.reasoning,
        message.reasoning_details,
    );
    if let Some(text) = thought {
        events.push(Event::Reasoning { choice, text });
    }
    if let Some(text) = text(message.content).filter(|text| !text.is_empty()) {
        events.push(Event::Text { choice, text });
    }
    let calls = message.tool_calls.0.iter().flat_map(|calls| &calls.0);
    for (call, number) in calls.zip(0_u32..) {
        let nothing: &Function<'_> = &Function::default();
        let function = call.function.0.as_ref().unwrap_or(nothing);
        events.push(Event::Call {
            choice,
            call: number,
            id: Cow::Owned(call.id.0.to_string()),
            name: Cow::Owned(function.name.0.to_string()),
        });
        if !function.arguments.0.is_empty() {
            events.push(Event::Arguments {
                choice,
                call: number,
                text: Cow::Owned(function.arguments.0.to_string()),
            });
        }
    }
    events.push(Event::Finish { choice, reason });
    events
}

impl Outcome {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text { text, .. } => self.content.push_str(&text),
            Event::Reasoning { text, .. } => self.reasoning.push_str(&text),
            Event::Call { id, name, .. } => {
                let call = (id.into_owned(), name.into_owned(), String::new());
                self.calls.push(call);
            }
            Event::Arguments { call, text, .. } => {
                if let Some((_, _, arguments)) = self.calls.get_mut(call as usize) {
                    arguments.push_str(&text);
                }
            }
            Event::Finish { reason, .. } => self.finish = Some(reason),
            Event::Start { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Usage(_)
            | Event::KeepAlive
            | Event::End
            | Event::Fault(_) => {}
        }
    }

    /// The message with it. Native calls stay as they are unless there are others.
    fn write(
        &self,
        mut message: Map<String, Value>,
        native: usize,
        id: impl Fn(u32, &str) -> String,
    ) -> Value {
        let content = match self.content.as_str() {
            "" if !self.calls.is_empty() => Value::Null,
            text => json!(text),
        };
        if !matches!(message.get("content"), Some(Value::Array(_))) {
            message.insert("content".to_owned(), content);
        }
        message.remove("reasoning");
        if self.reasoning.is_empty() {
            message.remove("reasoning_content");
            message.remove("reasoning_details");
        } else {
            message.insert("reasoning_content".to_owned(), json!(self.reasoning));
        }
        if self.calls.len() != native {
            let calls = self.calls.iter().zip(0_u32..);
            let calls = calls.map(|((own, name, arguments), call)| {
                json!({
                    "id": id(call, own),
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                })
            });
            message.insert("tool_calls".to_owned(), calls.collect());
        }
        Value::Object(message)
    }
}
