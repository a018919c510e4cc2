//! What a response repeats of its request.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;

/// The members of every response that come from the request, with their values where it
/// has none. None of these is a setting that the gateway makes.
const MEMBERS: &[(&str, &str)] = &[
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", "null"),
    ("store", "true"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// The request's part of its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Members, each after a comma, on one line.
    pub(super) members: Bytes,
    /// Whether the caller may refer to the answer later.
    pub stores: bool,
}

impl Echo {
    /// Of the body as the caller sent it. What is no JSON object gives the values of an
    /// empty one.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let given: HashMap<String, &RawValue> = serde_json::from_slice(body).unwrap_or_default();
        let mut members = BytesMut::new();
        for (name, otherwise) in MEMBERS {
            let given = given.get(*name).map(|raw| raw.get());
            let value = given.filter(|value| *value != "null").unwrap_or(otherwise);
            members.put_slice(b",\"");
            members.put_slice(name.as_bytes());
            members.put_slice(b"\":");
            // Line breaks stand between tokens only, and an event has one line.
            members.extend(value.bytes().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                other => other,
            }));
        }
        let stores = given.get("store").is_none_or(|raw| raw.get() != "false");
        Self {
            members: members.freeze(),
            stores,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use serde_json::Value;

    use super::*;

    fn object(echo: &Echo) -> Value {
        let members = std::str::from_utf8(&echo.members).unwrap();
        serde_json::from_str(&format!("{{\"x\":0{members}}}")).unwrap()
    }

    #[test]
    fn what_is_given_is_repeated_on_one_line() {
        let body = "{\"store\":false,\"text\":{\n\"format\":\r\n{\"type\":\"json_object\"}},\
                    \"instructions\":\"a\\nb\",\"temperature\":1.50}";
        let echo = Echo::of(body.as_bytes());
        assert!(!echo.members.contains(&b'\n') && !echo.members.contains(&b'\r'));
        assert!(!echo.stores);
        let object = object(&echo);
        assert_eq!(object["text"]["format"]["type"], "json_object");
        assert_eq!(object["instructions"], "a\nb");
        assert_eq!(object["store"], false);
        let members = std::str::from_utf8(&echo.members).unwrap();
        assert!(members.contains("\"temperature\":1.50,"), "as written");
    }

    #[test]
    fn every_member_is_always_there() {
        for body in ["{}", "", "[]", r#"{"tools":null}"#] {
            let echo = Echo::of(body.as_bytes());
            assert!(echo.stores);
            let object = object(&echo);
            for (name, _) in MEMBERS {
                assert!(object.get(name).is_some(), "{body} {name}");
            }
            assert_eq!(object["tools"], Value::Array(Vec::new()));
        }
    }
}
