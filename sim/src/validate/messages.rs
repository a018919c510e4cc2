//! The rules for `messages`: shapes, roles, and tool answers that answer a call.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields::Fields;
use crate::vendor::Flavor;
use crate::vendor::refusal::Refusal;

/// What the conversation holds.
pub(super) struct Seen {
    pub(super) user_text: Option<String>,
    pub(super) text_bytes: usize,
}

pub(super) fn check(fields: &Fields<'_>) -> Result<Seen, Refusal> {
    let value = fields.required("messages")?;
    let Some(messages) = value.as_array() else {
        return Err(fields.wrong_type("messages", "an array of objects", value));
    };
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected at least one message.";
        return Err(Refusal::field("messages", Some("empty_array"), message));
    }
    let mut seen = Seen {
        user_text: None,
        text_bytes: 0,
    };
    let mut unanswered: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let role = role(fields, index, message)?;
        if role == "tool" {
            answer(fields, index, message, &mut unanswered)?;
        } else if !unanswered.is_empty() && strict(fields.flavor) {
            return Err(unanswered_calls(&unanswered));
        }
        let text = content(fields, index, role, message)?;
        seen.text_bytes += text.len();
        seen.user_text = (role == "user").then_some(text);
        if role == "assistant" {
            unanswered = calls(fields, index, message)?;
        }
    }
    if !unanswered.is_empty() && strict(fields.flavor) {
        return Err(unanswered_calls(&unanswered));
    }
    Ok(seen)
}

/// Whether the vendor insists that calls and answers pair up.
fn strict(flavor: Flavor) -> bool {
    match flavor {
        Flavor::OpenAi | Flavor::Together => true,
        Flavor::Vllm
        | Flavor::DeepInfra
        | Flavor::OpenWebui
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Anthropic
        | Flavor::Runpod => false,
    }
}

fn role<'a>(fields: &Fields<'_>, index: usize, message: &'a Value) -> Result<&'a str, Refusal> {
    let name = format!("messages[{index}]");
    if !message.is_object() {
        return Err(fields.wrong_type(&name, "an object", message));
    }
    let field = format!("{name}.role");
    let role = match message.get("role") {
        None => return Err(fields.missing(&field)),
        Some(Value::String(role)) => role.as_str(),
        Some(other) => return Err(fields.wrong_type(&field, "a string", other)),
    };
    match role {
        "developer" if fields.flavor == Flavor::DeepInfra => {
            let message = "Input tag 'developer' found using 'role' does not match any of the \
                           expected tags: 'system', 'user', 'assistant', 'tool'";
            Err(Refusal::field(&field, Some("invalid_value"), message))
        }
        "developer" | "system" | "user" | "assistant" | "tool" | "function" => Ok(role),
        other => {
            let message = format!("Invalid value: '{other}' is not a role.");
            Err(Refusal::field(&field, Some("invalid_value"), message))
        }
    }
}

/// The text of a message; its absence is allowed for assistants that call tools.
fn content(
    fields: &Fields<'_>,
    index: usize,
    role: &str,
    message: &Value,
) -> Result<String, Refusal> {
    let field = format!("messages[{index}].content");
    let calls = message
        .get("tool_calls")
        .or_else(|| message.get("function_call"));
    match message.get("content") {
        None | Some(Value::Null) if role == "assistant" && calls.is_some() => Ok(String::new()),
        None | Some(Value::Null) => {
            let got = message.get("content").unwrap_or(&Value::Null);
            if fields.flavor == Flavor::Ollama {
                let message = "invalid message content type: <nil>";
                return Err(Refusal::field(&field, None, message));
            }
            Err(fields.wrong_type(&field, "a string or an array of objects", got))
        }
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let mut text = String::new();
            for (number, part) in parts.iter().enumerate() {
                let field = format!("{field}[{number}].type");
                let Some(kind) = part.get("type").and_then(Value::as_str) else {
                    return Err(fields.missing(&field));
                };
                check_part(fields, &field, role, kind, part)?;
                text.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
            }
            Ok(text)
        }
        Some(other) => Err(fields.wrong_type(&field, "a string or an array of objects", other)),
    }
}

fn check_part(
    fields: &Fields<'_>,
    field: &str,
    role: &str,
    kind: &str,
    part: &Value,
) -> Result<(), Refusal> {
    let allowed: &[&str] = match role {
        "user" => &["text", "image_url", "input_audio", "file"],
        "assistant" => &["text", "refusal"],
        _ => &["text"],
    };
    if !allowed.contains(&kind) {
        let message = format!("Invalid value: '{kind}'. Supported: {allowed:?}.");
        return Err(Refusal::field(field, Some("invalid_value"), message));
    }
    let url = part.pointer("/image_url/url").and_then(Value::as_str);
    if kind == "image_url" && url.is_none() {
        return Err(fields.missing(&format!("{field}: image_url.url")));
    }
    if let Some(url) = url {
        image(fields, field, url, part)?;
    }
    Ok(())
}

/// An image the vendor can read.
fn image(fields: &Fields<'_>, field: &str, url: &str, part: &Value) -> Result<(), Refusal> {
    let kind = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split(';').next());
    if fields.flavor == Flavor::OpenAi {
        let detail = part.pointer("/image_url/detail").and_then(Value::as_str);
        if let Some(other) = detail.filter(|name| !["auto", "low", "high"].contains(name)) {
            let message = format!("Invalid value: '{other}'. Supported: 'auto', 'low' and 'high'.");
            return Err(Refusal::field(field, Some("invalid_value"), message));
        }
        let known = ["image/png", "image/jpeg", "image/gif", "image/webp"];
        if kind.is_some_and(|kind| !known.contains(&kind)) {
            let message = "You uploaded an unsupported image. Please make sure your image has of \
                           one the following formats: ['png', 'jpeg', 'gif', 'webp'].";
            return Err(Refusal::field(field, Some("invalid_image_format"), message));
        }
    }
    if fields.flavor != Flavor::Ollama {
        return Ok(());
    }
    if kind == Some("image/gif") {
        return Err(Refusal::field(field, None, "invalid image input"));
    }
    if url.starts_with("http") {
        let message =
            "image URLs are not currently supported, please use base64 encoded data instead";
        return Err(Refusal::field(field, None, message));
    }
    Ok(())
}

/// The ids an assistant message calls.
fn calls<'a>(
    fields: &Fields<'_>,
    index: usize,
    message: &'a Value,
) -> Result<BTreeSet<&'a str>, Refusal> {
    let mut ids = BTreeSet::new();
    let Some(calls) = message.get("tool_calls").and_then(Value::as_array) else {
        return Ok(ids);
    };
    for (number, call) in calls.iter().enumerate() {
        let field = format!("messages[{index}].tool_calls[{number}]");
        let Some(id) = call.get("id").and_then(Value::as_str) else {
            return Err(fields.missing(&format!("{field}.id")));
        };
        let Some(arguments) = call.pointer("/function/arguments") else {
            return Err(fields.missing(&format!("{field}.function.arguments")));
        };
        let Some(arguments) = arguments.as_str() else {
            let field = format!("{field}.function.arguments");
            return Err(fields.wrong_type(&field, "a string", arguments));
        };
        let parsed: Option<Value> = serde_json::from_str(arguments).ok();
        if fields.flavor == Flavor::Ollama && !parsed.is_some_and(|value| value.is_object()) {
            return Err(Refusal::field(&field, None, "invalid tool call arguments"));
        }
        ids.insert(id);
    }
    Ok(ids)
}

fn answer<'a>(
    fields: &Fields<'_>,
    index: usize,
    message: &'a Value,
    unanswered: &mut BTreeSet<&'a str>,
) -> Result<(), Refusal> {
    let field = format!("messages[{index}].tool_call_id");
    let Some(id) = message.get("tool_call_id").and_then(Value::as_str) else {
        return Err(fields.missing(&field));
    };
    if !unanswered.remove(id) && strict(fields.flavor) {
        let message = "Invalid parameter: messages with role 'tool' must be a response to a \
                       preceding message with 'tool_calls'.";
        return Err(Refusal::field(
            &format!("messages[{index}].role"),
            None,
            message,
        ));
    }
    Ok(())
}

fn unanswered_calls(ids: &BTreeSet<&str>) -> Refusal {
    let ids: Vec<&str> = ids.iter().copied().collect();
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'. No response for: {}",
        ids.join(", ")
    );
    Refusal::field("messages", None, message)
}
