//! A conversation as the body of `POST /api/chat`.

mod messages;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use self::messages::{Messages, OutMessage};
use super::options::{KeepAlive, Options, Target, Think, format, think};
use crate::hub::{Chat, Note, Refusal, Tool, ToolChoice, ToolNames, Written};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: &'a [OutMessage<'a>],
    /// Always there: the server streams when it is not.
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<KeepAlive<'a>>,
    options: Options<'a>,
}

#[derive(Serialize)]
struct OutTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: OutFunction<'a>,
}

#[derive(Serialize)]
struct OutFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: &'a RawValue,
}

/// Writes `chat` for `target`.
///
/// # Errors
/// When the conversation holds what Ollama's API cannot say: several answers, log
/// probabilities, pictures on the web, documents that are no plain text, tools for a model that takes none.
pub fn write(chat: &Chat, target: &Target<'_>) -> Result<Written, Refusal> {
    if chat.n.is_some_and(|n| n > 1) {
        return Err(Refusal::field(
            "n",
            "must be 1: an Ollama server gives one answer",
        ));
    }
    if chat.logprobs.is_some() {
        return Err(Refusal::field(
            "logprobs",
            "is not possible: an Ollama server's log probabilities have no place in the answer",
        ));
    }
    let mut notes = Vec::new();
    let messages = Messages::read(chat, &mut notes)?;
    let tools = tools(chat, target, &mut notes)?;
    left_out(chat, messages.cache_marks, &mut notes);
    let body = Body {
        model: target.model,
        messages: &messages.list,
        stream: chat.stream,
        tools,
        format: format(&chat.response_format)?,
        think: think(chat.effort, target, &mut notes),
        keep_alive: target.keep_alive(),
        options: Options::new(target, &chat.sampling, chat.max_tokens, &chat.stop),
    };
    Ok(Written {
        body: to_json(&body)?,
        notes,
        names: ToolNames::default(),
    })
}

/// The JSON of a body.
pub(super) fn to_json(body: &impl Serialize) -> Result<Bytes, Refusal> {
    // Texts, numbers and checked JSON always serialise; this keeps it total.
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|err| Refusal::field("body", &format!("cannot be written: {err}")))
}

fn tools<'a>(
    chat: &'a Chat,
    target: &Target<'_>,
    notes: &mut Vec<Note>,
) -> Result<Vec<OutTool<'a>>, Refusal> {
    if chat.tools.is_empty() || chat.tool_choice == Some(ToolChoice::None) {
        return Ok(Vec::new());
    }
    if target.takes_tools == Some(false) {
        return Err(Refusal::field(
            "tools",
            &format!(
                "cannot be used: the model '{}' takes no tools; leave them out or use a model \
                 that has the capability 'tools'",
                target.model
            ),
        ));
    }
    let mut only = None;
    match &chat.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::None) => {}
        Some(ToolChoice::Required) => notes.push(Note::adapted(
            "tool_choice",
            "Ollama cannot force a call; the model chooses",
        )),
        Some(ToolChoice::Named(name)) => {
            only = Some(name.as_str()).filter(|name| chat.tools.iter().any(|t| t.name == *name));
            notes.push(Note::adapted(
                "tool_choice",
                "Ollama cannot force a call; the model gets this tool alone",
            ));
        }
    }
    if chat.parallel_tool_calls == Some(false) {
        notes.push(Note::dropped(
            "parallel_tool_calls",
            "Ollama has no such field; the model may call several",
        ));
    }
    let numbered = chat.tools.iter().enumerate();
    numbered
        .filter(|(_, tool)| only.is_none_or(|name| tool.name == name))
        .map(|(at, tool)| out_tool(at, tool, notes))
        .collect()
}

fn out_tool<'a>(at: usize, tool: &'a Tool, notes: &mut Vec<Note>) -> Result<OutTool<'a>, Refusal> {
    let field = |name: &str| format!("tools[{at}].function.{name}");
    if tool.strict == Some(true) {
        notes.push(Note::dropped(
            field("strict"),
            "Ollama does not hold arguments to their schema",
        ));
    }
    let text = tool.parameters.as_deref();
    let text = text.unwrap_or(r#"{"type":"object","properties":{}}"#);
    let parameters: &RawValue = serde_json::from_str(text)
        .ok()
        .filter(|raw: &&RawValue| raw.get().starts_with('{'))
        .ok_or_else(|| Refusal::field(field("parameters"), "must be a JSON Schema, an object"))?;
    Ok(OutTool {
        kind: "function",
        function: OutFunction {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters,
        },
    })
}

/// Notes of the fields that Ollama's API has no place for.
fn left_out(chat: &Chat, cache_marks: bool, notes: &mut Vec<Note>) {
    let no_field = "Ollama's API has no such field";
    if chat.user.is_some() {
        notes.push(Note::dropped("user", no_field));
    }
    if chat.service_tier.is_some() {
        notes.push(Note::dropped("service_tier", no_field));
    }
    let tool_marks = chat.tools.iter().any(|tool| tool.cache.is_some());
    if cache_marks || tool_marks || chat.cache.is_some() {
        notes.push(Note::dropped(
            "cache_control",
            "Ollama keeps the last prompts by itself",
        ));
    }
    let others = chat.left_out.iter();
    notes.extend(others.map(|name| Note::dropped(name, no_field)));
}

#[cfg(test)]
mod tests;
