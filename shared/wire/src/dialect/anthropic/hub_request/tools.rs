//! Tools, and which of them the model is to call.
//!
//! A tool without a type, or of the type `custom`, is a function. Tools that the vendor
//! defines and the caller runs become functions with the arguments that the caller knows
//! to read. Tools that run at the vendor are left out.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::cache_mark;
use crate::dialect::openai::{BadRequest, Fields, LeftOut, Place};
use crate::hub::{Chat, Tool, ToolChoice};

/// A tool that the vendor defines and the caller runs.
struct Known {
    /// What its type begins with; a date follows.
    kind: &'static str,
    description: &'static str,
    parameters: &'static str,
}

const KNOWN: [Known; 3] = [
    Known {
        kind: "bash_",
        description: "Runs a command in a shell that keeps its state from call to call.",
        parameters: r#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run."},"restart":{"type":"boolean","description":"True to begin anew with a fresh shell."}}}"#,
    },
    Known {
        kind: "text_editor_",
        description: "Views, creates and edits files.",
        parameters: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"]},"path":{"type":"string","description":"The file or folder."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: first and last line."},"file_text":{"type":"string","description":"For create: the file's text."},"old_str":{"type":"string","description":"For str_replace: the text to replace, which occurs once."},"new_str":{"type":"string","description":"For str_replace: what takes its place."},"insert_line":{"type":"integer","description":"For insert: the line behind which the text goes."},"insert_text":{"type":"string","description":"For insert: the text."}},"required":["command","path"]}"#,
    },
    Known {
        kind: "memory_",
        description: "Views, creates and edits the files in the folder /memories, which outlast the conversation.",
        parameters: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},"path":{"type":"string"},"view_range":{"type":"array","items":{"type":"integer"}},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"},"old_path":{"type":"string"},"new_path":{"type":"string"}},"required":["command"]}"#,
    },
];

/// More tools than any model takes.
const MOST_TOOLS: usize = 4096;

/// What becomes of one definition.
enum Read {
    Tool(Tool),
    /// A function that is to be offered only once a search has found it.
    Deferred(Tool),
    /// It runs at the vendor; whether it searches for deferred tools.
    Vendors {
        searches: bool,
    },
}

/// Reads the tools. Those that wait to be found are offered when one of the conversation's
/// results names them, or when the search that would find them runs at the vendor.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    chat: &mut Chat,
    referenced: &HashSet<String>,
    left_out: &mut LeftOut,
) -> Result<(), BadRequest> {
    let all = Place::Member(&Place::Body, "tools");
    let list = fields.list("tools")?.unwrap_or_default();
    if list.len() > MOST_TOOLS {
        let wrong = format!("holds too many tools: send at most {MOST_TOOLS}");
        return Err(all.refuse(&wrong));
    }
    let mut has_search = false;
    let mut reads = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let read = one(raw, &Place::Element(&all, index), left_out)?;
        has_search |= matches!(read, Read::Vendors { searches: true });
        reads.push(read);
    }
    for (index, read) in reads.into_iter().enumerate() {
        let place = Place::Element(&all, index);
        match read {
            Read::Tool(tool) => chat.tools.push(tool),
            Read::Deferred(tool) if has_search || referenced.contains(&tool.name) => {
                left_out.add(&place, "defer_loading");
                chat.tools.push(tool);
            }
            Read::Deferred(tool) => left_out.add(&place, &tool.name),
            Read::Vendors { .. } => {}
        }
    }
    if let Some(raw) = fields.take("tool_choice")? {
        choice(raw, chat, left_out)?;
    }
    Ok(())
}

fn one(raw: &RawValue, place: &Place<'_>, left_out: &mut LeftOut) -> Result<Read, BadRequest> {
    let mut fields = Fields::read(raw, place)?;
    let cache = cache_mark(&mut fields)?;
    let kind = fields.text("type")?;
    let deferred = fields.flag("defer_loading")?.unwrap_or(false);
    // Said of how arguments are streamed, and of who may call.
    fields.take("eager_input_streaming")?;
    fields.take("allowed_callers")?;
    let tool = match kind.as_deref() {
        None | Some("custom") => {
            let name = fields.needed_text("name")?;
            if name.is_empty() {
                return Err(fields.wrong("name", "must not be empty"));
            }
            Tool {
                name,
                description: fields.text("description")?,
                parameters: fields.object("input_schema")?,
                strict: fields.flag("strict")?,
                cache,
            }
        }
        Some(kind) => {
            let known = KNOWN.iter().find(|known| kind.starts_with(known.kind));
            let name = fields.text("name")?.filter(|name| !name.is_empty());
            let (Some(known), Some(name)) = (known, name) else {
                left_out.add(place, kind);
                return Ok(Read::Vendors {
                    searches: kind.starts_with("tool_search_tool"),
                });
            };
            left_out.add(place, "type");
            Tool {
                name,
                description: Some(known.description.to_owned()),
                parameters: Some(known.parameters.to_owned()),
                strict: None,
                cache,
            }
        }
    };
    fields.leave(left_out);
    Ok(if deferred {
        Read::Deferred(tool)
    } else {
        Read::Tool(tool)
    })
}

fn choice(raw: &RawValue, chat: &mut Chat, left_out: &mut LeftOut) -> Result<(), BadRequest> {
    let place = Place::Member(&Place::Body, "tool_choice");
    let mut fields = Fields::read(raw, &place)?;
    let choice = match fields.needed_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => {
            let name = fields.needed_text("name")?;
            if chat.tools.iter().any(|tool| tool.name == name) {
                ToolChoice::Named(name)
            } else {
                // It is one of those that are left out.
                left_out.add(&place, "name");
                ToolChoice::Auto
            }
        }
        _ => return Err(fields.wrong("type", "must be 'auto', 'any', 'tool' or 'none'")),
    };
    if fields.flag("disable_parallel_tool_use")? == Some(true) {
        chat.parallel_tool_calls = Some(false);
    }
    // A choice of nothing is none.
    let is_possible = !chat.tools.is_empty() || choice != ToolChoice::Required;
    chat.tool_choice = is_possible.then_some(choice);
    fields.leave(left_out);
    Ok(())
}
