//! A caller's messages request as the hub has it.
//!
//! Total on any input: a field that is read and has the wrong type is refused with its
//! place in the body. What the hub has no place for is named in `left_out`, never dropped
//! in silence, and never refused: an upstream that speaks Messages itself gets the
//! caller's own bytes, so that here only others are served. Schemas and arguments stay
//! the caller's text.
//!
//! Source: Anthropic's API reference, versions 2023-06-01 and 2026-10-21.

mod blocks;
mod settings;
mod tools;

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place};
use crate::hub::{CacheMark, Chat, Message, Part, Role};
use crate::object;
use blocks::Reader;

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerRequest {
    /// The model as the caller names it.
    pub model: Option<String>,
    /// The conversation and what is asked of it.
    pub chat: Chat,
}

/// What Claude Code writes before its instructions. It is for the vendor's books, differs
/// from call to call, and would keep every other server from finding the prompt in its
/// cache.
const BILLING: &str = "x-anthropic-billing-header:";

/// Reads the body of a messages request, or of one for its tokens.
///
/// # Errors
/// When it is not a JSON object, holds no messages, or a field that is read has the wrong
/// type or occurs twice.
pub fn read_chat(body: &[u8]) -> Result<CallerRequest, BadRequest> {
    let mut fields = Fields::of_body(body)?;
    let mut left_out = LeftOut::default();
    let mut chat = Chat::default();
    let model = fields.text("model")?;
    let list = fields
        .list("messages")?
        .filter(|list| !list.is_empty())
        .ok_or_else(|| fields.wrong("messages", "must hold at least one message"))?;
    let system = fields.take("system")?;
    let mut reader = Reader {
        left_out: &mut left_out,
        names: HashMap::new(),
        referenced: HashSet::new(),
    };
    if let Some(raw) = system {
        chat.messages.extend(self::system(raw, &mut reader)?);
    }
    let all = Place::Member(&Place::Body, "messages");
    for (index, raw) in list.into_iter().enumerate() {
        let message = message(raw, &Place::Element(&all, index), &mut reader)?;
        chat.messages.push(message);
    }
    let referenced = std::mem::take(&mut reader.referenced);
    tools::read(&mut fields, &mut chat, &referenced, &mut left_out)?;
    settings::read(&mut fields, &mut chat, &mut left_out)?;
    fields.leave(&mut left_out);
    chat.left_out = left_out.into_places();
    Ok(CallerRequest { model, chat })
}

/// The system text: one message of as many parts as the caller has blocks.
fn system(raw: &RawValue, reader: &mut Reader<'_>) -> Result<Option<Message>, BadRequest> {
    let place = Place::Member(&Place::Body, "system");
    let mut parts = reader.content(raw, &place)?;
    let before = parts.len();
    parts.retain(|part| !matches!(part, Part::Text { text, .. } if text.starts_with(BILLING)));
    if parts.len() < before {
        reader.left_out.add(&place, "billing_header");
    }
    Ok((!parts.is_empty()).then(|| Message {
        role: Role::System,
        parts,
        at: place.to_string(),
    }))
}

fn message(
    raw: &RawValue,
    place: &Place<'_>,
    reader: &mut Reader<'_>,
) -> Result<Message, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let role = match fields.needed_text("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(fields.wrong("role", "must be 'user', 'assistant' or 'system'")),
    };
    let content = fields.needed("content")?;
    let parts = reader.content(content, &Place::Member(place, "content"))?;
    fields.leave(reader.left_out);
    Ok(Message {
        role,
        parts,
        at: place.to_string(),
    })
}

/// The `cache_control` of an object; one of another form is none.
fn cache_mark(fields: &mut Fields<'_, '_>) -> Result<Option<CacheMark>, BadRequest> {
    #[derive(serde::Deserialize)]
    struct Mark {
        #[serde(default)]
        ttl: Option<String>,
    }
    let Some(raw) = fields.take("cache_control")? else {
        return Ok(None);
    };
    let mark = object::read_str::<Mark>(raw.get());
    Ok(mark.ok().map(|Mark { ttl }| CacheMark { ttl }))
}

#[cfg(test)]
mod tests;
