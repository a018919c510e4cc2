//! Tools, and which of them the model is to call.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::super::request::BadRequest;
use super::fields::{Fields, LeftOut, Place, text};
use super::parts::cache_mark;
use crate::hub::{Chat, Tool, ToolChoice};

/// The schema of a tool that takes free text: one member, as [`custom_arguments`]
/// fills it.
pub(crate) const CUSTOM_SCHEMA: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// More tools than any model takes.
const MOST_TOOLS: usize = 4096;

/// The arguments of a call of a tool that takes free text.
pub(crate) fn custom_arguments(input: &str) -> String {
    serde_json::json!({ "input": input }).to_string()
}

pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    let body = Place::Body;
    let all = Place::Member(&body, "tools");
    let tools = fields.list("tools")?.unwrap_or_default();
    let functions = fields.list("functions")?.unwrap_or_default();
    if tools.len() + functions.len() > MOST_TOOLS {
        let wrong = format!("holds too many tools: send at most {MOST_TOOLS}");
        return Err(all.refuse(&wrong));
    }
    for (index, raw) in tools.into_iter().enumerate() {
        tool(raw, &Place::Element(&all, index), chat, left_out)?;
    }
    let all = Place::Member(&body, "functions");
    for (index, raw) in functions.into_iter().enumerate() {
        let tool = function(raw, &Place::Element(&all, index), left_out)?;
        chat.tools.push(tool);
    }
    chat.parallel_tool_calls = fields.flag("parallel_tool_calls")?;
    if let Some(raw) = fields.take("function_call")? {
        chat.tool_choice = Some(legacy_choice(raw, left_out)?);
    }
    if let Some(raw) = fields.take("tool_choice")? {
        chat.tool_choice = Some(choice(raw, chat, left_out)?);
    }
    Ok(())
}

fn tool(
    raw: &RawValue,
    place: &Place<'_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let cache = cache_mark(&mut fields, place)?;
    let mut tool = match fields.text("type")?.as_deref() {
        None | Some("function") => function(
            fields.needed("function")?,
            &Place::Member(place, "function"),
            left_out,
        )?,
        Some("custom") => {
            let tool = custom(
                fields.needed("custom")?,
                &Place::Member(place, "custom"),
                left_out,
            )?;
            chat.custom_tools.push(tool.name.clone());
            tool
        }
        Some(_) => {
            return Err(fields.wrong(
                "type",
                "must be 'function' or 'custom': other tools run at OpenAI only",
            ));
        }
    };
    tool.cache = cache.or(tool.cache);
    fields.leave(left_out);
    chat.tools.push(tool);
    Ok(())
}

fn function(raw: &RawValue, place: &Place<'_>, left_out: &mut LeftOut) -> Result<Tool, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let tool = Tool {
        name: tool_name(&mut fields)?,
        description: fields.text("description")?,
        parameters: fields.object("parameters")?,
        strict: fields.flag("strict")?,
        cache: cache_mark(&mut fields, place)?,
    };
    fields.leave(left_out);
    Ok(tool)
}

fn custom(raw: &RawValue, place: &Place<'_>, left_out: &mut LeftOut) -> Result<Tool, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let tool = Tool {
        name: tool_name(&mut fields)?,
        description: fields.text("description")?,
        parameters: Some(CUSTOM_SCHEMA.to_owned()),
        ..Tool::default()
    };
    if let Some(raw) = fields.take("format")? {
        let at = Place::Member(place, "format");
        let mut format = Fields::read(raw, &at)?;
        if format.needed_text("type")? != "text" {
            left_out.add(place, "format");
        }
    }
    fields.leave(left_out);
    Ok(tool)
}

fn tool_name(fields: &mut Fields<'_, '_>) -> Result<String, BadRequest> {
    match fields.needed_text("name")? {
        name if name.is_empty() => Err(fields.wrong("name", "must not be empty")),
        name => Ok(name),
    }
}

fn choice(
    raw: &RawValue,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<ToolChoice, BadRequest> {
    let place = Place::Member(&Place::Body, "tool_choice");
    let wrong =
        "must be 'none', 'auto', 'required', or an object that names a tool or the allowed ones";
    if raw.get().starts_with('"') {
        return match text(raw, &place)?.as_str() {
            "none" => Ok(ToolChoice::None),
            "auto" => Ok(ToolChoice::Auto),
            "required" | "any" => Ok(ToolChoice::Required),
            _ => Err(place.refuse(wrong)),
        };
    }
    if !raw.get().starts_with('{') {
        return Err(place.refuse(wrong));
    }
    let mut fields = Fields::read(raw, &place)?;
    let choice = match fields.needed_text("type")?.as_str() {
        kind @ ("function" | "custom") => ToolChoice::Named(named(&mut fields, &place, kind)?),
        "allowed_tools" => {
            let at = Place::Member(&place, "allowed_tools");
            allowed(fields.needed("allowed_tools")?, &at, chat)?
        }
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" | "any" => ToolChoice::Required,
        _ => {
            return Err(fields.wrong("type", "must be 'function', 'custom' or 'allowed_tools'"));
        }
    };
    fields.leave(left_out);
    Ok(choice)
}

/// Keeps only the allowed tools.
fn allowed(raw: &RawValue, place: &Place<'_>, chat: &mut Chat) -> Result<ToolChoice, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let choice = match fields.text("mode")?.as_deref() {
        None | Some("auto") => ToolChoice::Auto,
        Some("required") => ToolChoice::Required,
        Some(_) => return Err(fields.wrong("mode", "must be 'auto' or 'required'")),
    };
    let Some(list) = fields.list("tools")? else {
        return Err(fields.wrong("tools", "is required"));
    };
    let all = Place::Member(place, "tools");
    let mut names = HashSet::new();
    for (index, raw) in list.into_iter().enumerate() {
        let place = Place::Element(&all, index);
        let mut fields = Fields::read(raw, &place)?;
        let kind = fields.text("type")?;
        names.insert(named(
            &mut fields,
            &place,
            kind.as_deref().unwrap_or("function"),
        )?);
    }
    chat.tools.retain(|tool| names.contains(&tool.name));
    chat.custom_tools.retain(|name| names.contains(name));
    Ok(choice)
}

/// The name in `{"type": kind, kind: {"name": …}}`.
fn named(fields: &mut Fields<'_, '_>, place: &Place<'_>, kind: &str) -> Result<String, BadRequest> {
    let at = Place::Member(place, kind);
    tool_name(&mut Fields::read(fields.needed(kind)?, &at)?)
}

fn legacy_choice(raw: &RawValue, left_out: &mut LeftOut) -> Result<ToolChoice, BadRequest> {
    let place = Place::Member(&Place::Body, "function_call");
    match raw.get() {
        "\"none\"" => Ok(ToolChoice::None),
        "\"auto\"" => Ok(ToolChoice::Auto),
        object if object.starts_with('{') => {
            let mut fields = Fields::read(raw, &place)?;
            let name = tool_name(&mut fields)?;
            fields.leave(left_out);
            Ok(ToolChoice::Named(name))
        }
        _ => Err(place.refuse("must be 'none', 'auto' or an object that names a function")),
    }
}
