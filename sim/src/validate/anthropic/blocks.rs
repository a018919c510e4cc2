//! Content blocks: which kinds stand where, and what each must look like.

use serde_json::Value;

use super::object::{Object, refuse, unknown_tag};
use crate::signature::Signer;
use crate::vendor::refusal::Refusal;

const USER: &[&str] = &[
    "text",
    "image",
    "document",
    "search_result",
    "tool_result",
    "container_upload",
];
const ASSISTANT: &[&str] = &[
    "text",
    "tool_use",
    "thinking",
    "redacted_thinking",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "bash_code_execution_tool_result",
    "tool_search_tool_result",
    "compaction",
    "mcp_tool_use",
    "mcp_tool_result",
];
const IN_RESULT: &[&str] = &[
    "text",
    "image",
    "document",
    "search_result",
    "tool_reference",
];
const MEDIA_TYPES: &[&str] = &["image/jpeg", "image/png", "image/gif", "image/webp"];

/// What checking the blocks of a request has counted, and what it checks with.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) signer: Signer,
    pub(super) text_bytes: usize,
    pub(super) cache_points: usize,
}

/// One block of a message of that role.
pub(super) fn check(
    path: &str,
    role: &str,
    block: &Value,
    counted: &mut Counted,
) -> Result<(), Refusal> {
    let allowed = match role {
        "user" => USER,
        "assistant" => ASSISTANT,
        _ => &["text"],
    };
    one(path, allowed, block, counted)
}

/// The blocks of `system`: text only.
pub(super) fn system(value: &Value, counted: &mut Counted) -> Result<(), Refusal> {
    match value {
        Value::String(text) => {
            counted.text_bytes += text.len();
            Ok(())
        }
        Value::Array(blocks) => {
            for (index, block) in blocks.iter().enumerate() {
                one(&format!("system.{index}"), &["text"], block, counted)?;
            }
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err(refuse("system", "Input should be a valid string or list"))
        }
    }
}

/// Counts the `cache_control` of an object after looking at it.
pub(super) fn cache_point(object: &Object<'_>, counted: &mut Counted) -> Result<(), Refusal> {
    let Some(cache) = object.object("cache_control")? else {
        return Ok(());
    };
    if cache.required_string("type")? != "ephemeral" {
        return Err(cache.refuse("type", "Input should be 'ephemeral'"));
    }
    let cache = cache.chosen("ephemeral");
    cache.only(&["type", "ttl"])?;
    cache.one_of("ttl", &["5m", "1h"])?;
    counted.cache_points += 1;
    Ok(())
}

fn one(path: &str, allowed: &[&str], block: &Value, counted: &mut Counted) -> Result<(), Refusal> {
    let block = Object::at(path.to_owned(), block)?;
    let kind = block.required_string("type")?;
    if !allowed.contains(&kind) {
        return Err(unknown_tag(path, kind, allowed));
    }
    let block = block.chosen(kind);
    match kind {
        "text" => text(&block, counted)?,
        "image" => {
            block.only(&["type", "source", "cache_control"])?;
            image(&block)?;
        }
        "document" => {
            block.only(&[
                "type",
                "source",
                "title",
                "context",
                "citations",
                "cache_control",
            ])?;
            document(&block)?;
        }
        "search_result" => {
            block.only(&[
                "type",
                "source",
                "title",
                "content",
                "citations",
                "cache_control",
            ])?;
            block.required_string("source")?;
            block.required_string("title")?;
            block.required("content")?;
        }
        "tool_use" => {
            block.only(&["type", "id", "name", "input", "caller", "cache_control"])?;
            let id = block.required_string("id")?;
            if id.is_empty() || !id.bytes().all(in_a_name) {
                return Err(block.refuse("id", "String should match pattern '^[a-zA-Z0-9_-]+$'"));
            }
            tool_name(&block)?;
            let input = block.required("input")?;
            if !input.is_object() {
                return Err(block.refuse("input", "Input should be an object"));
            }
            counted.text_bytes += input.to_string().len();
        }
        "tool_result" => result(&block, counted)?,
        "thinking" => {
            block.only(&["type", "thinking", "signature"])?;
            let thought = block.required_string("thinking")?;
            if block.required_string("signature")? != counted.signer.sign(thought) {
                return Err(refuse(path, "Invalid `signature` in `thinking` block"));
            }
        }
        "redacted_thinking" => {
            block.only(&["type", "data"])?;
            if block.required_string("data")? != counted.signer.sign("") {
                return Err(refuse(path, "Invalid `data` in `redacted_thinking` block"));
            }
        }
        // What the vendor's own tools have left is echoed as it was.
        _ => {}
    }
    cache_point(&block, counted)
}

fn text(block: &Object<'_>, counted: &mut Counted) -> Result<(), Refusal> {
    block.only(&["type", "text", "cache_control", "citations"])?;
    let text = block.required_string("text")?;
    filled(text)?;
    counted.text_bytes += text.len();
    Ok(())
}

/// Refuses a text the vendor would not show its model.
pub(super) fn filled(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        let words = "text content blocks must be non-empty";
        return Err(refuse("messages", words));
    }
    if text.trim().is_empty() {
        let words = "text content blocks must contain non-whitespace text";
        return Err(refuse("messages", words));
    }
    Ok(())
}

fn image(block: &Object<'_>) -> Result<(), Refusal> {
    let source = source(block)?;
    let kind = source.required_string("type")?;
    let chosen = source.chosen(kind);
    match kind {
        "base64" => {
            chosen.only(&["type", "media_type", "data"])?;
            chosen.required("media_type")?;
            chosen.one_of("media_type", MEDIA_TYPES)?;
            base64(&chosen)
        }
        "url" => url(&chosen),
        "file" => {
            chosen.only(&["type", "file_id"])?;
            chosen.required_string("file_id").map(|_| ())
        }
        other => {
            let path = block.name("source");
            Err(unknown_tag(&path, other, &["base64", "url", "file"]))
        }
    }
}

fn document(block: &Object<'_>) -> Result<(), Refusal> {
    let source = source(block)?;
    let kind = source.required_string("type")?;
    let chosen = source.chosen(kind);
    match kind {
        "base64" => {
            chosen.only(&["type", "media_type", "data"])?;
            chosen.required("media_type")?;
            chosen.one_of("media_type", &["application/pdf"])?;
            base64(&chosen)
        }
        "text" => {
            chosen.only(&["type", "media_type", "data"])?;
            chosen.one_of("media_type", &["text/plain"])?;
            chosen.required_string("data").map(|_| ())
        }
        "url" => url(&chosen),
        "content" => chosen.required("content").map(|_| ()),
        "file" => chosen.required_string("file_id").map(|_| ()),
        other => {
            let known = &["base64", "text", "url", "content", "file"];
            Err(unknown_tag(&block.name("source"), other, known))
        }
    }
}

fn source<'a>(block: &Object<'a>) -> Result<Object<'a>, Refusal> {
    block.required("source")?;
    let source = block.object("source")?;
    source.ok_or_else(|| block.refuse("source", "Field required"))
}

fn base64(source: &Object<'_>) -> Result<(), Refusal> {
    let data = source.required_string("data")?;
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = data.trim_end_matches('=');
    if data.is_empty() || !data.len().is_multiple_of(4) || !digits.bytes().all(digit) {
        return Err(source.refuse("data", "Invalid base64 data"));
    }
    Ok(())
}

fn url(source: &Object<'_>) -> Result<(), Refusal> {
    source.only(&["type", "url"])?;
    let url = source.required_string("url")?;
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    Err(source.refuse("url", "Only HTTP and HTTPS URLs are supported"))
}

fn result(block: &Object<'_>, counted: &mut Counted) -> Result<(), Refusal> {
    block.only(&[
        "type",
        "tool_use_id",
        "content",
        "is_error",
        "cache_control",
    ])?;
    let id = block.required_string("tool_use_id")?;
    if id.is_empty() || !id.bytes().all(in_a_name) {
        let words = "String should match pattern '^[a-zA-Z0-9_-]+$'";
        return Err(block.refuse("tool_use_id", words));
    }
    block.boolean("is_error")?;
    match block.get("content") {
        None => Ok(()),
        Some(Value::String(text)) => {
            counted.text_bytes += text.len();
            Ok(())
        }
        Some(Value::Array(blocks)) => {
            for (index, part) in blocks.iter().enumerate() {
                let path = block.name(&format!("content.{index}"));
                one(&path, IN_RESULT, part, counted)?;
            }
            Ok(())
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            Err(block.refuse("content", "Input should be a valid string or list"))
        }
    }
}

/// A tool's name: what the vendor's pattern allows.
pub(super) fn tool_name<'a>(object: &Object<'a>) -> Result<&'a str, Refusal> {
    let name = object.required_string("name")?;
    if (1..=128).contains(&name.len()) && name.bytes().all(in_a_name) {
        return Ok(name);
    }
    let words = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'";
    Err(object.refuse("name", words))
}

fn in_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
