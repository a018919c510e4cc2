//! The conversation.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::super::request::BadRequest;
use super::fields::{Fields, LeftOut, Place, text};
use super::parts::{self, Allowed, cache_mark};
use super::tools::custom_arguments;
use crate::hub::{CacheMark, Message, Origin, Part, Role, Thinking};

/// What earlier messages say about tool calls.
#[derive(Default)]
struct History {
    /// Function names by the calls' ids.
    names: HashMap<String, String>,
    /// The id of the last legacy `function_call`, which has none of its own.
    legacy: Option<String>,
}

pub(super) fn read(list: &[&RawValue], left_out: &mut LeftOut) -> Result<Vec<Message>, BadRequest> {
    let all = Place::Member(&Place::Body, "messages");
    let mut history = History::default();
    list.iter()
        .enumerate()
        .map(|(index, raw)| one(raw, &Place::Element(&all, index), &mut history, left_out))
        .collect()
}

fn one(
    raw: &RawValue,
    place: &Place<'_>,
    history: &mut History,
    left_out: &mut LeftOut,
) -> Result<Message, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let role = fields.needed_text("role")?;
    let cache = cache_mark(&mut fields, place)?;
    let mut content = |fields: &mut Fields<'_, '_>, allowed| match fields.take("content")? {
        Some(raw) => parts::read(raw, &Place::Member(place, "content"), allowed, left_out),
        None => Ok(Vec::new()),
    };
    let (role, mut parts) = match role.as_str() {
        "system" | "developer" => (Role::System, content(&mut fields, Allowed::Text)?),
        "user" => (Role::User, content(&mut fields, Allowed::All)?),
        "assistant" => {
            let said = content(&mut fields, Allowed::Text)?;
            (
                Role::Assistant,
                assistant(&mut fields, place, said, history, left_out)?,
            )
        }
        "tool" => {
            let id = fields.needed_text("tool_call_id")?;
            let name = history.names.get(&id).cloned();
            let parts = content(&mut fields, Allowed::TextAndImages)?;
            (Role::User, vec![result(id, name, parts)])
        }
        "function" => {
            let name = fields.needed_text("name")?;
            let id = history.legacy.clone().unwrap_or_else(|| legacy_id(place));
            let parts = content(&mut fields, Allowed::TextAndImages)?;
            (Role::User, vec![result(id, Some(name), parts)])
        }
        _ => {
            return Err(fields.wrong(
                "role",
                "must be one of system, developer, user, assistant, tool, function",
            ));
        }
    };
    if let (Some(mark), Some(last)) = (cache, parts.last_mut()) {
        put_mark(last, mark);
    }
    fields.leave(left_out);
    Ok(Message {
        role,
        parts,
        at: place.to_string(),
    })
}

/// A mark on the message is one on its last part.
fn put_mark(part: &mut Part, mark: CacheMark) {
    match part {
        Part::Text { cache, .. }
        | Part::Image { cache, .. }
        | Part::Document { cache, .. }
        | Part::ToolResult { cache, .. } => *cache = Some(mark),
        Part::Thinking(..) | Part::ToolCall { .. } => {}
    }
}

/// A mark in a result ends the cache behind the whole of it.
fn result(id: String, name: Option<String>, mut parts: Vec<Part>) -> Part {
    let mut whole = None;
    for part in &mut parts {
        if let Part::Text { cache, .. } | Part::Image { cache, .. } = part {
            whole = cache.take().or(whole);
        }
    }
    Part::ToolResult {
        id,
        name,
        parts,
        is_error: false,
        cache: whole,
    }
}

/// Reasoning, text, calls: the order in which a model makes them.
fn assistant(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
    said: Vec<Part>,
    history: &mut History,
    left_out: &mut LeftOut,
) -> Result<Vec<Part>, BadRequest> {
    let mut parts: Vec<Part> = reasoning(fields, place, left_out)?
        .into_iter()
        .map(|(thinking, origin)| Part::Thinking(thinking, origin))
        .collect();
    parts.extend(said);
    let refusal = fields.text("refusal")?.filter(|text| !text.is_empty());
    parts.extend(refusal.map(Part::text));
    if let Some(list) = fields.list("tool_calls")? {
        let all = Place::Member(place, "tool_calls");
        for (index, raw) in list.into_iter().enumerate() {
            parts.push(call(raw, &Place::Element(&all, index), history, left_out)?);
        }
    }
    if let Some(raw) = fields.take("function_call")? {
        let id = legacy_id(place);
        history.legacy = Some(id.clone());
        let at = Place::Member(place, "function_call");
        parts.push(function(raw, &at, id, left_out)?);
    }
    Ok(parts)
}

/// The same for the same message in every turn of the conversation, so that a
/// provider's cache is found again.
fn legacy_id(message: &Place<'_>) -> String {
    match message {
        Place::Element(_, index) => format!("function_call_{index}"),
        Place::Body | Place::Member(..) => "function_call".to_owned(),
    }
}

fn call(
    raw: &RawValue,
    place: &Place<'_>,
    history: &mut History,
    left_out: &mut LeftOut,
) -> Result<Part, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let id = fields.needed_text("id")?;
    let kind = fields.text("type")?;
    // Collected from a stream by clients that send back all they got.
    fields.take("index")?;
    let part = match kind.as_deref() {
        None | Some("function") => {
            let at = Place::Member(place, "function");
            function(fields.needed("function")?, &at, id.clone(), left_out)?
        }
        Some("custom") => {
            let at = Place::Member(place, "custom");
            let mut custom = Fields::read(fields.needed("custom")?, &at)?;
            let (name, input) = (custom.needed_text("name")?, custom.needed_text("input")?);
            custom.leave(left_out);
            Part::ToolCall {
                id: id.clone(),
                name,
                arguments: custom_arguments(&input),
            }
        }
        Some(_) => return Err(fields.wrong("type", "must be 'function' or 'custom'")),
    };
    if let Part::ToolCall { name, .. } = &part {
        history.names.insert(id, name.clone());
    }
    fields.leave(left_out);
    Ok(part)
}

fn function(
    raw: &RawValue,
    place: &Place<'_>,
    id: String,
    left_out: &mut LeftOut,
) -> Result<Part, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let name = fields.needed_text("name")?;
    let arguments = match fields.take("arguments")? {
        None => String::new(),
        // Not OpenAI's form, but one that clients of Ollama write.
        Some(raw) if raw.get().starts_with('{') => raw.get().to_owned(),
        Some(raw) => text(raw, &Place::Member(place, "arguments"))?,
    };
    fields.leave(left_out);
    Ok(Part::ToolCall {
        id,
        name,
        arguments,
    })
}

/// A piece of thinking and whose proof it has.
type Block = (Thinking, Option<Origin>);

/// What the model thought, under any of the names in use.
///
/// `reasoning_details` is the only one with proofs. A client that collected a stream
/// may have the words as `reasoning_content` and only the proof as a detail: then
/// they belong together, as long as there is one proof.
fn reasoning(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
    left_out: &mut LeftOut,
) -> Result<Vec<Block>, BadRequest> {
    let plain = fields.text("reasoning_content")?.unwrap_or_default();
    let other = fields.text("reasoning")?.unwrap_or_default();
    let words = if plain.is_empty() { other } else { plain };
    let mut blocks = Vec::new();
    if let Some(list) = fields.list("reasoning_details")? {
        let all = Place::Member(place, "reasoning_details");
        let mut open = None;
        for (index, raw) in list.into_iter().enumerate() {
            detail(
                raw,
                &Place::Element(&all, index),
                &mut open,
                &mut blocks,
                left_out,
            )?;
        }
    }
    let has_words =
        |(block, _): &Block| matches!(block, Thinking::Plain { text, .. } if !text.is_empty());
    if words.is_empty() || blocks.iter().any(has_words) {
        return Ok(blocks);
    }
    let wordless = |(block, _): &Block| matches!(block, Thinking::Plain { .. });
    if blocks.iter().filter(|block| wordless(block)).count() > 1 {
        // Which words are proven by which signature is not known any more.
        left_out.add(place, "reasoning_details");
        blocks.retain(|block| !wordless(block));
    }
    match blocks.iter_mut().find(|block| wordless(block)) {
        Some((Thinking::Plain { text, .. }, _)) => *text = words,
        Some((Thinking::Redacted { .. }, _)) | None => {
            let signature = None;
            let text = words;
            blocks.insert(0, (Thinking::Plain { text, signature }, None));
        }
    }
    Ok(blocks)
}

/// Adds one of `reasoning_details`. `open` is the number of the block of words that
/// the next detail may go on with.
fn detail(
    raw: &RawValue,
    place: &Place<'_>,
    open: &mut Option<Option<u64>>,
    blocks: &mut Vec<Block>,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let kind = fields.needed_text("type")?;
    let number = fields.whole("index")?;
    // Any vendor's: what is none of ours is not looked into.
    let id = fields.take("id")?;
    let id = id.and_then(|id| serde_json::from_str::<&str>(id.get()).ok());
    let origin = id.and_then(Origin::read);
    // A proof is of use only to the vendor that made it.
    let is_ours = fields
        .text("format")?
        .is_none_or(|format| format.starts_with("anthropic") || format == "unknown");
    match kind.as_str() {
        "reasoning.text" | "reasoning.summary" => {
            let text = fields.text("text")?.or(fields.text("summary")?);
            let signature = fields.text("signature")?.filter(|_| is_ours);
            if *open != Some(number) {
                let (text, signature) = (String::new(), None);
                blocks.push((Thinking::Plain { text, signature }, None));
            }
            *open = signature.is_none().then_some(number);
            if let Some((
                Thinking::Plain {
                    text: words,
                    signature: proof,
                },
                by,
            )) = blocks.last_mut()
            {
                words.push_str(text.as_deref().unwrap_or_default());
                *proof = signature;
                *by = origin;
            }
        }
        "reasoning.encrypted" if is_ours => {
            let data = fields.needed_text("data")?;
            blocks.push((Thinking::Redacted { data }, origin));
            *open = None;
        }
        _ => {
            left_out.add(place, &kind);
            return Ok(());
        }
    }
    fields.leave(left_out);
    Ok(())
}
