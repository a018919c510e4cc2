//! Errors in OpenAI's shape, and what upstreams send instead.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::code::Code;

/// The error that a caller receives: `{"error":{message,type,param,code}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody {
    /// What happened and what to do, for a person.
    pub message: String,
    /// OpenAI's class of error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field of the request that is wrong.
    pub param: Option<String>,
    /// What a program can match on, such as `model_not_found`.
    pub code: Option<String>,
}

impl ErrorBody {
    /// The body as JSON.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a ErrorBody,
        }
        // Strings always serialise; the fallback keeps this total.
        serde_json::to_vec(&Envelope { error: self }).map_or_else(
            |_| Bytes::from_static(br#"{"error":{"message":"internal error","type":"server_error","param":null,"code":null}}"#),
            Bytes::from,
        )
    }

    /// The body as the last event of a stream.
    #[must_use]
    pub fn to_event(&self) -> Bytes {
        let mut event = b"data: ".to_vec();
        event.extend_from_slice(&self.to_json());
        event.extend_from_slice(b"\n\n");
        event.into()
    }
}

/// Errors in the texts of errors are read up to this depth.
const DEEPEST: usize = 3;

/// What an upstream said about a failure, as far as it said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// The message.
    pub message: Option<String>,
    /// The error's type.
    pub kind: Option<String>,
    /// The field of the request.
    pub param: Option<String>,
    /// The code; numbers are written as text.
    pub code: Option<String>,
}

impl UpstreamError {
    /// Reads an error body in any of the forms in use: OpenAI's nested object,
    /// vLLM's and Mistral's flat object, FastAPI's `detail`, a bare string under
    /// `error`, Google's one-element array, a line of plain text. An error that is
    /// handed on as text inside another one, as queues do, is taken out of it. What is
    /// none of them, such as a page, is all `None`.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::from_value(&value).unwrapped(DEEPEST),
            Err(_) => Self {
                message: plain_line(body),
                ..Self::default()
            },
        }
    }

    /// Whether it says, in the words of any vendor, that the prompt is longer than the
    /// model's context. Clients look for one code: `context_length_exceeded`.
    #[must_use]
    pub fn is_context_overflow(&self) -> bool {
        let is = |said: &Option<String>, word: &str| said.as_deref() == Some(word);
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        is(&self.kind, "exceed_context_size_error")
            || is(&self.code, Code::ContextLengthExceeded.as_str())
            || [
                "maximum context length",
                "longer than the maximum model length",
                "prompt is too long",
                "exceeds the available context",
                "exceeds the context length",
            ]
            .iter()
            .any(|words| message.contains(words))
    }

    /// The error that the message is the JSON of, if it is. What only the outer one
    /// says stays.
    fn unwrapped(self, depth: usize) -> Self {
        let text = self.message.as_deref().map(str::trim_ascii);
        let json = text.filter(|text| text.starts_with(['{', '[', '"']) && depth > 0);
        let Some(value) = json.and_then(|json| serde_json::from_str(json).ok()) else {
            return self;
        };
        let inner = Self::from_value(&value).unwrapped(depth.saturating_sub(1));
        if inner.message.is_none() {
            return self;
        }
        Self {
            message: inner.message,
            kind: inner.kind.or(self.kind),
            param: inner.param.or(self.param),
            code: inner.code.or(self.code),
        }
    }

    fn from_value(value: &Value) -> Self {
        match value {
            Value::String(text) => Self {
                message: Some(text.clone()),
                ..Self::default()
            },
            Value::Array(list) => list.first().map(Self::from_value).unwrap_or_default(),
            Value::Object(object) => {
                if let Some(inner) = object
                    .get("error")
                    .or_else(|| object.get("detail"))
                    .filter(|inner| inner.is_string() || inner.is_object() || inner.is_array())
                {
                    return Self::from_value(inner);
                }
                let text = |name: &str| match object.get(name) {
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(Value::Number(number)) => Some(number.to_string()),
                    _ => None,
                };
                Self {
                    message: text("message").or_else(|| text("msg")),
                    kind: text("type"),
                    param: text("param"),
                    code: text("code"),
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::default(),
        }
    }
}

/// A short text that is neither markup nor broken JSON.
fn plain_line(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_line = !text.is_empty()
        && text.len() <= 500
        && !text.starts_with(['<', '{', '['])
        && !text.contains('\n');
    is_line.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendors_form_gives_its_message() {
        for (vendor, body, message, code) in [
            (
                "openai",
                r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
                Some("m"),
                Some("c"),
            ),
            (
                "vllm new",
                r#"{"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}"#,
                Some("m"),
                Some("400"),
            ),
            (
                "vllm old",
                r#"{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"#,
                Some("m"),
                Some("400"),
            ),
            ("vllm auth", r#"{"error":"m"}"#, Some("m"), None),
            ("fastapi", r#"{"detail":"m"}"#, Some("m"), None),
            (
                "fastapi list",
                r#"{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}"#,
                Some("m"),
                None,
            ),
            ("deepinfra", r#"{"detail":{"error":"m"}}"#, Some("m"), None),
            (
                "google",
                r#"[{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]"#,
                Some("m"),
                Some("404"),
            ),
            (
                "queue, twice",
                r#"{"error":"{\"error\":{\"message\":\"m\",\"code\":\"queue_error\"}}"}"#,
                Some("m"),
                Some("queue_error"),
            ),
            (
                "queue, as a message",
                r#"{"error":{"message":"{\"message\":\"m\"}","code":503}}"#,
                Some("m"),
                Some("503"),
            ),
            (
                "queue, in fastapi",
                r#"{"detail":" {\"error\":\"m\"} "}"#,
                Some("m"),
                None,
            ),
            ("a text of a text", r#""\"m\"""#, Some("m"), None),
            (
                "a message in braces",
                r#"{"error":"{model} is {\"not\": \"there\"}"}"#,
                Some(r#"{model} is {"not": "there"}"#),
                None,
            ),
            (
                "json without a message",
                r#"{"error":"{\"a\":1}"}"#,
                Some(r#"{"a":1}"#),
                None,
            ),
            ("html", "<html>bad gateway</html>", None, None),
            ("plain text", "queue is full\n", Some("queue is full"), None),
            ("broken json", "{\"error\":", None, None),
            ("empty", "", None, None),
            (
                "no error",
                r#"{"error":null,"message":"m"}"#,
                Some("m"),
                None,
            ),
        ] {
            let got = UpstreamError::read(body.as_bytes());
            assert_eq!(got.message.as_deref(), message, "{vendor}");
            assert_eq!(got.code.as_deref(), code, "{vendor}");
        }
    }

    #[test]
    fn texts_in_texts_end_somewhere() {
        let mut body = r#"{"message":"m"}"#.to_owned();
        for _ in 0..8 {
            body = serde_json::json!({ "error": body }).to_string();
        }
        let got = UpstreamError::read(body.as_bytes()).message;
        assert!(got.is_some_and(|message| message.starts_with(r#"{"error":"#)));
    }

    #[test]
    fn all_four_members_are_always_written() {
        let body = ErrorBody {
            message: "no \"x\"".to_owned(),
            kind: "invalid_request_error".to_owned(),
            param: None,
            code: None,
        };
        assert_eq!(
            body.to_json(),
            r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,"code":null}}"#
        );
        assert!(body.to_event().starts_with(b"data: {"));
        assert!(body.to_event().ends_with(b"}}\n\n"));
    }
}
