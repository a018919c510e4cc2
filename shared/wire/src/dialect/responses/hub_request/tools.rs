//! Tools, and which of them the model is to call.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::Namespaces;
use crate::dialect::openai::{BadRequest, CUSTOM_SCHEMA, Fields, LeftOut, Place, text};
use crate::hub::{Chat, Tool, ToolChoice};

/// More tools than any model takes.
const MOST_TOOLS: usize = 4096;

/// Namespaces in namespaces are read up to this depth; nobody nests them.
const DEEPEST: usize = 4;

/// Where tools go that a caller offers.
pub(super) struct Offer<'o> {
    pub(super) chat: &'o mut Chat,
    pub(super) namespaces: &'o mut Namespaces,
    pub(super) left_out: &'o mut LeftOut,
}

impl Offer<'_> {
    /// Reads the tool at `place`, in `namespace`. One that runs at the vendor is left
    /// out, and so is one whose name another one has.
    pub(super) fn read(
        &mut self,
        raw: &RawValue,
        place: &Place<'_>,
        namespace: Option<&str>,
    ) -> Result<(), BadRequest> {
        self.nested(raw, place, namespace, DEEPEST)
    }

    fn nested(
        &mut self,
        raw: &RawValue,
        place: &Place<'_>,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<(), BadRequest> {
        let mut fields = Fields::read(raw, place)?;
        let kind = fields.text("type")?;
        match kind.as_deref() {
            None | Some("function") => self.function(fields, place, namespace),
            Some("custom") => self.custom(fields, place, namespace),
            Some("namespace") if depth > 0 => {
                let name = name(&mut fields)?;
                let all = Place::Member(place, "tools");
                for (index, raw) in fields.list("tools")?.unwrap_or_default().iter().enumerate() {
                    self.nested(raw, &Place::Element(&all, index), Some(&name), depth - 1)?;
                }
                // The tools describe themselves.
                fields.text("description")?;
                fields.leave(self.left_out);
                Ok(())
            }
            Some(other) => {
                self.left_out.add(place, other);
                Ok(())
            }
        }
    }

    fn function(
        &mut self,
        mut fields: Fields<'_, '_>,
        place: &Place<'_>,
        namespace: Option<&str>,
    ) -> Result<(), BadRequest> {
        let at = Place::Member(place, "function");
        let mut inner = match fields.take("function")? {
            // Not this API's form, but one that clients of chat completions write.
            Some(raw) => {
                let inner = Fields::read(raw, &at)?;
                fields.leave(self.left_out);
                inner
            }
            None => fields,
        };
        let own = name(&mut inner)?;
        let tool = Tool {
            name: Namespaces::joined(namespace, &own),
            description: inner.text("description")?,
            parameters: inner.object("parameters")?,
            strict: inner.flag("strict")?,
            cache: None,
        };
        inner.leave(self.left_out);
        self.add(tool, place, namespace, &own, false)
    }

    fn custom(
        &mut self,
        mut fields: Fields<'_, '_>,
        place: &Place<'_>,
        namespace: Option<&str>,
    ) -> Result<(), BadRequest> {
        let own = name(&mut fields)?;
        let mut description = fields.text("description")?.unwrap_or_default();
        if let Some(raw) = fields.take("format")? {
            let at = Place::Member(place, "format");
            let mut format = Fields::read(raw, &at)?;
            if format.needed_text("type")? != "text" {
                // No other dialect holds a model to it, but it can be told.
                describe(&mut format, &mut description)?;
                self.left_out.add(place, "format");
            }
        }
        let tool = Tool {
            name: Namespaces::joined(namespace, &own),
            description: Some(description).filter(|text| !text.is_empty()),
            parameters: Some(CUSTOM_SCHEMA.to_owned()),
            strict: None,
            cache: None,
        };
        fields.leave(self.left_out);
        self.add(tool, place, namespace, &own, true)
    }

    fn add(
        &mut self,
        tool: Tool,
        place: &Place<'_>,
        namespace: Option<&str>,
        own: &str,
        is_custom: bool,
    ) -> Result<(), BadRequest> {
        if self.chat.tools.len() >= MOST_TOOLS {
            let wrong = format!("is one tool too many: send at most {MOST_TOOLS}");
            return Err(place.refuse(&wrong));
        }
        if self.chat.tools.iter().any(|had| had.name == tool.name) {
            self.left_out.add(place, own);
            return Ok(());
        }
        self.namespaces.add(&tool.name, namespace, own);
        if is_custom {
            self.chat.custom_tools.push(tool.name.clone());
        }
        self.chat.tools.push(tool);
        Ok(())
    }
}

/// Tells in words what a tool's text must keep to.
fn describe(format: &mut Fields<'_, '_>, description: &mut String) -> Result<(), BadRequest> {
    let syntax = format.text("syntax")?.unwrap_or_default();
    let Some(definition) = format.text("definition")? else {
        return Ok(());
    };
    if !description.is_empty() {
        description.push_str("\n\n");
    }
    description.push_str("The text in \"input\" must keep to this ");
    if !syntax.is_empty() {
        description.push_str(&syntax);
        description.push(' ');
    }
    description.push_str("grammar:\n");
    description.push_str(&definition);
    Ok(())
}

fn name(fields: &mut Fields<'_, '_>) -> Result<String, BadRequest> {
    match fields.needed_text("name")? {
        name if name.is_empty() => Err(fields.wrong("name", "must not be empty")),
        name => Ok(name),
    }
}

/// `tool_choice` and `parallel_tool_calls`, once all tools are known.
pub(super) fn choose(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    chat.parallel_tool_calls = fields.flag("parallel_tool_calls")?;
    let Some(raw) = fields.take("tool_choice")? else {
        return Ok(());
    };
    let place = Place::Member(&Place::Body, "tool_choice");
    let choice = if raw.get().starts_with('"') {
        word(&text(raw, &place)?, &place)?
    } else if raw.get().starts_with('{') {
        object(raw, &place, chat, left_out)?
    } else {
        return Err(place.refuse(WRONG));
    };
    // A call cannot be demanded where every tool was left out.
    let is_possible =
        !chat.tools.is_empty() || matches!(choice, ToolChoice::Auto | ToolChoice::None);
    if is_possible {
        chat.tool_choice = Some(choice);
    } else {
        left_out.add(&Place::Body, "tool_choice");
    }
    Ok(())
}

const WRONG: &str =
    "must be 'none', 'auto', 'required', or an object that names a tool or the allowed ones";

fn word(word: &str, place: &Place<'_>) -> Result<ToolChoice, BadRequest> {
    match word {
        "none" => Ok(ToolChoice::None),
        "auto" => Ok(ToolChoice::Auto),
        "required" | "any" => Ok(ToolChoice::Required),
        _ => Err(place.refuse(WRONG)),
    }
}

fn object(
    raw: &RawValue,
    place: &Place<'_>,
    chat: &mut Chat,
    left_out: &mut LeftOut,
) -> Result<ToolChoice, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let kind = fields.needed_text("type")?;
    let choice = match kind.as_str() {
        "function" | "custom" => {
            let joined = joined(&mut fields)?;
            if !chat.tools.iter().any(|tool| tool.name == joined) {
                return Err(fields.wrong("name", "names no tool of 'tools'"));
            }
            ToolChoice::Named(joined)
        }
        "allowed_tools" => allowed(&mut fields, place, chat)?,
        "auto" | "none" | "required" | "any" => word(&kind, place)?,
        // A tool that runs at the vendor and has been left out.
        _ => {
            left_out.add(place, &kind);
            ToolChoice::Auto
        }
    };
    fields.leave(left_out);
    Ok(choice)
}

/// The one name of the tool that an object names.
fn joined(fields: &mut Fields<'_, '_>) -> Result<String, BadRequest> {
    let own = name(fields)?;
    let namespace = fields.text("namespace")?;
    Ok(Namespaces::joined(namespace.as_deref(), &own))
}

/// Keeps only the allowed tools.
fn allowed(
    fields: &mut Fields<'_, '_>,
    place: &Place<'_>,
    chat: &mut Chat,
) -> Result<ToolChoice, BadRequest> {
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
        if matches!(kind.as_deref(), None | Some("function" | "custom")) {
            names.insert(joined(&mut fields)?);
        }
    }
    chat.tools.retain(|tool| names.contains(&tool.name));
    chat.custom_tools.retain(|name| names.contains(name));
    Ok(choice)
}
