//! The conversation.

use serde_json::value::RawValue;

use super::calls::Calls;
use super::pictures;
use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place, text};
use crate::hub::{Message, Part, Role, Thinking};

pub(super) fn read(list: &[&RawValue], left_out: &mut LeftOut) -> Result<Vec<Message>, BadRequest> {
    let all = Place::Member(&Place::Body, "messages");
    let mut calls = Calls::default();
    let numbered = list.iter().enumerate();
    numbered
        .map(|(index, raw)| {
            let reader = Reader {
                index,
                place: &Place::Element(&all, index),
                calls: &mut calls,
                left_out,
            };
            reader.read(raw)
        })
        .collect()
}

/// Reads one message.
struct Reader<'r> {
    index: usize,
    place: &'r Place<'r>,
    calls: &'r mut Calls,
    left_out: &'r mut LeftOut,
}

impl Reader<'_> {
    fn read(mut self, raw: &RawValue) -> Result<Message, BadRequest> {
        let place = self.place;
        let mut fields = Fields::read(raw, place)?;
        let role = fields.needed_text("role")?.to_ascii_lowercase();
        let images = pictures::read(&mut fields, place)?;
        let takes_pictures = matches!(role.as_str(), "user" | "tool");
        if !images.is_empty() && !takes_pictures {
            return Err(fields.wrong(
                "images",
                "must be empty here: only messages of the user and results of tools hold pictures",
            ));
        }
        // Pictures come before the text, as the server puts them.
        let mut parts = images;
        parts.extend(content(&mut fields, place)?.map(Part::text));
        let role = match role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => {
                parts = self.assistant(&mut fields, parts)?;
                Role::Assistant
            }
            "tool" => {
                parts = vec![self.result(&mut fields, parts)?];
                Role::User
            }
            _ => {
                return Err(fields.wrong("role", "must be one of system, user, assistant, tool"));
            }
        };
        for name in ["thinking", "tool_calls"] {
            // Clients write what is not there as nothing.
            let found = fields.take(name)?;
            if found.is_some_and(|raw| !matches!(raw.get(), "\"\"" | "[]")) {
                self.left_out.add(place, name);
            }
        }
        fields.leave(self.left_out);
        Ok(Message {
            role,
            parts,
            at: place.to_string(),
        })
    }

    /// Thought, text, calls: the order in which a model makes them.
    fn assistant(
        &mut self,
        fields: &mut Fields<'_, '_>,
        said: Vec<Part>,
    ) -> Result<Vec<Part>, BadRequest> {
        let thought = fields.text("thinking")?.filter(|text| !text.is_empty());
        let thought = thought.map(|text| {
            let signature = None;
            Part::Thinking(Thinking::Plain { text, signature }, None)
        });
        let mut parts: Vec<Part> = thought.into_iter().chain(said).collect();
        let all = Place::Member(self.place, "tool_calls");
        let list = fields.list("tool_calls")?.unwrap_or_default();
        if !list.is_empty() {
            *self.calls = Calls::default();
        }
        for (number, raw) in list.into_iter().enumerate() {
            parts.push(self.call(number, raw, &Place::Element(&all, number))?);
        }
        Ok(parts)
    }

    fn call(
        &mut self,
        number: usize,
        raw: &RawValue,
        place: &Place<'_>,
    ) -> Result<Part, BadRequest> {
        let mut fields = Fields::read(raw, place)?;
        let id = fields.text("id")?.filter(|id| !id.is_empty());
        // The same for the same message in every turn of the conversation, so that a
        // provider's cache is found again.
        let id = id.unwrap_or_else(|| format!("call_{}_{number}", self.index));
        // Written by clients that know other dialects too; it says nothing.
        fields.take("type")?;
        let at = Place::Member(place, "function");
        let mut function = Fields::read(fields.needed("function")?, &at)?;
        fields.leave(self.left_out);
        // Clients send back what they got.
        function.take("index")?;
        let name = function.needed_text("name")?;
        if name.is_empty() {
            return Err(function.wrong("name", "must not be empty"));
        }
        let arguments = match function.take("arguments")? {
            None => "{}".to_owned(),
            Some(raw) if raw.get().starts_with('{') => raw.get().to_owned(),
            // Not Ollama's form, but one that clients of other dialects write.
            Some(raw) if raw.get().starts_with('"') => text(raw, &Place::Member(&at, "arguments"))?,
            Some(_) => return Err(function.wrong("arguments", "must be an object")),
        };
        function.leave(self.left_out);
        self.calls.add(&id, &name);
        Ok(Part::ToolCall {
            id,
            name,
            arguments,
        })
    }

    fn result(
        &mut self,
        fields: &mut Fields<'_, '_>,
        parts: Vec<Part>,
    ) -> Result<Part, BadRequest> {
        let id = fields.text("tool_call_id")?.unwrap_or_default();
        let newer = fields.text("tool_name")?;
        let name = newer.or(fields.text("name")?).unwrap_or_default();
        let Some((id, name)) = self.calls.answer(&id, &name) else {
            return Err(self.place.refuse(
                "answers no tool call: before it must come an assistant message with 'tool_calls', \
                 with a call for each result, of the function that the result names",
            ));
        };
        Ok(Part::ToolResult {
            id,
            name: Some(name),
            parts,
            is_error: false,
            cache: None,
        })
    }
}

/// The text of a message. An empty one is none: nobody can tell them apart, and most
/// vendors refuse it.
fn content(fields: &mut Fields<'_, '_>, place: &Place<'_>) -> Result<Option<String>, BadRequest> {
    let Some(raw) = fields.take("content")? else {
        return Ok(None);
    };
    if !raw.get().starts_with('"') {
        return Err(fields.wrong(
            "content",
            "must be a string; pictures go beside it, as base64 in 'images'",
        ));
    }
    let text = text(raw, &Place::Member(place, "content"))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}
