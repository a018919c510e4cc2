//! The second look at a body that could not be read: which field, and why.

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::error::Category;

use super::BadRequest;
use crate::provider::Call;

/// Longest body, in bytes, that is looked at again: a tree of values takes many
/// times the room of its text.
const SECOND_LOOK: usize = 1024 * 1024;

/// Says what is wrong with a body that does not begin like a JSON object.
pub(super) fn not_an_object(body: &[u8]) -> BadRequest {
    if body.trim_ascii().is_empty() {
        return BadRequest::body("the request has no body; send a JSON object".to_owned());
    }
    BadRequest::body(match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => "the request body must be a JSON object".to_owned(),
        Err(err) => format!("the request body is not valid JSON: {err}"),
    })
}

/// Says what is wrong with `body`, which gave `err`.
pub(super) fn explain(call: Call, body: &[u8], err: &serde_json::Error) -> BadRequest {
    if err.classify() != Category::Data {
        return BadRequest::body(format!("the request body is not valid JSON: {err}"));
    }
    let text = err.to_string();
    if let Some(name) = text
        .strip_prefix("duplicate field `")
        .and_then(|rest| rest.split('`').next())
    {
        return BadRequest::field(name, "is given more than once");
    }
    if body.len() > SECOND_LOOK {
        return BadRequest::body(format!("the request body is not usable: {text}"));
    }
    let found = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(fields)) if call == Call::Chat => messages(fields.get("messages")),
        Ok(_) => None,
        Err(err) => Some(BadRequest::body(format!(
            "the request body is not valid JSON: {err}"
        ))),
    };
    found.unwrap_or_else(|| BadRequest::body(format!("the request body is not usable: {text}")))
}

fn messages(value: Option<&Value>) -> Option<BadRequest> {
    let Value::Array(list) = value? else {
        return Some(BadRequest::field("messages", "must be a list of messages"));
    };
    list.iter()
        .enumerate()
        .find_map(|(index, message)| one_message(index, message))
}

fn one_message(index: usize, message: &Value) -> Option<BadRequest> {
    let at = |name: &str| format!("messages[{index}].{name}");
    let Value::Object(fields) = message else {
        return Some(BadRequest::field(
            format!("messages[{index}]"),
            "must be an object with a role",
        ));
    };
    match fields.get("role") {
        None => return Some(BadRequest::field(at("role"), "is required")),
        Some(Value::String(_)) => {}
        Some(_) => return Some(BadRequest::field(at("role"), "must be a string")),
    }
    if !matches!(
        fields.get("tool_call_id"),
        None | Some(Value::Null | Value::String(_))
    ) {
        return Some(BadRequest::field(at("tool_call_id"), "must be a string"));
    }
    match fields.get("tool_calls") {
        None | Some(Value::Null) => None,
        Some(Value::Array(calls)) => calls.iter().enumerate().find_map(|(n, call)| {
            let id = call.get("id").unwrap_or(&Value::Null);
            if !call.is_object() {
                Some(BadRequest::field(
                    at(&format!("tool_calls[{n}]")),
                    "must be an object",
                ))
            } else if !(id.is_string() || id.is_null()) {
                Some(BadRequest::field(
                    at(&format!("tool_calls[{n}].id")),
                    "must be a string",
                ))
            } else {
                None
            }
        }),
        Some(_) => Some(BadRequest::field(at("tool_calls"), "must be a list")),
    }
}
