//! Errors in Anthropic's shape.

use bytes::Bytes;
use serde::Serialize;

use crate::dialect::openai::{ErrorBody, UpstreamError};
use crate::hub::StreamFault;

/// Anthropic's classes of errors: no others, because clients match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Something in the request is wrong.
    #[serde(rename = "invalid_request_error")]
    InvalidRequest,
    /// The key is.
    #[serde(rename = "authentication_error")]
    Authentication,
    /// There is no credit left.
    #[serde(rename = "billing_error")]
    Billing,
    /// The key may not do this.
    #[serde(rename = "permission_error")]
    Permission,
    /// There is no such model or path.
    #[serde(rename = "not_found_error")]
    NotFound,
    /// The body is too long.
    RequestTooLarge,
    /// Too many requests.
    #[serde(rename = "rate_limit_error")]
    RateLimit,
    /// Anything else that went wrong behind the gateway, or in it.
    #[serde(rename = "api_error")]
    Api,
    /// It took too long.
    #[serde(rename = "timeout_error")]
    Timeout,
    /// There is no capacity.
    #[serde(rename = "overloaded_error")]
    Overloaded,
}

impl ErrorKind {
    /// The class of a status that the gateway answers with.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::RequestTooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Api,
        }
    }

    /// The class of a fault inside a stream. An upstream's complaint about the
    /// gateway's own key is not the caller's, and none about the request can come so
    /// late.
    #[must_use]
    pub fn of_fault(fault: &StreamFault) -> Self {
        let StreamFault::Upstream(UpstreamError { kind, code, .. }) = fault else {
            return Self::Api;
        };
        let says = |words: &[&str]| {
            [kind, code].into_iter().flatten().any(|said| {
                let said = said.to_ascii_lowercase();
                words.iter().any(|word| said.contains(word))
            })
        };
        if says(&["overloaded", "unavailable", "503", "529"]) {
            Self::Overloaded
        } else if says(&["rate_limit", "429"]) {
            Self::RateLimit
        } else if says(&["timeout", "504", "408"]) {
            Self::Timeout
        } else {
            Self::Api
        }
    }
}

/// An error of the road as callers of Messages know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The status of an answer that is this error.
    pub status: u16,
    kind: ErrorKind,
    message: String,
}

/// What the vendor says of a prompt that is longer than the context. Clients look for it:
/// they shorten the conversation then, and repeat anything else.
const TOO_LONG: &str = "prompt is too long";

impl Told {
    /// `error` with `status`, both as OpenAI's clients know them.
    #[must_use]
    pub fn of(status: u16, error: &ErrorBody) -> Self {
        let code = error.code.as_deref().unwrap_or_default();
        let message = error.message.clone();
        match (status, code) {
            (_, "context_length_exceeded") => Self {
                status: 400,
                kind: ErrorKind::InvalidRequest,
                message: if message.to_lowercase().contains(TOO_LONG) {
                    message
                } else {
                    format!("{TOO_LONG}: {message}")
                },
            },
            // An account without credit is not mended by waiting.
            (429, "insufficient_quota" | "budget_exceeded") => Self {
                status: 402,
                kind: ErrorKind::Billing,
                message,
            },
            (503 | 529, _) => Self {
                status: 529,
                kind: ErrorKind::Overloaded,
                message,
            },
            (status, _) => Self {
                status,
                kind: ErrorKind::of_status(status),
                message,
            },
        }
    }

    /// The body of an answer that is this error.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Bytes {
        error_body(self.kind, &self.message, Some(request_id))
    }

    /// The last event of a stream that this error breaks.
    #[must_use]
    pub fn event(&self, request_id: &str) -> Bytes {
        error_event(self.kind, &self.message, Some(request_id))
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    is: &'static str,
    error: Inner<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inner<'a> {
    #[serde(rename = "type")]
    kind: ErrorKind,
    message: &'a str,
}

/// The body of an error's answer. `message` has no secrets in it.
#[must_use]
pub fn error_body(kind: ErrorKind, message: &str, request_id: Option<&str>) -> Bytes {
    let envelope = Envelope {
        is: "error",
        error: Inner { kind, message },
        request_id,
    };
    // Strings always serialise; the fallback keeps this total.
    serde_json::to_vec(&envelope).map_or_else(
        |_| {
            Bytes::from_static(
                br#"{"type":"error","error":{"type":"api_error","message":"internal error"}}"#,
            )
        },
        Bytes::from,
    )
}

/// The same as the last event of a stream.
#[must_use]
pub fn error_event(kind: ErrorKind, message: &str, request_id: Option<&str>) -> Bytes {
    let mut event = b"event: error\ndata: ".to_vec();
    event.extend_from_slice(&error_body(kind, message, request_id));
    event.extend_from_slice(b"\n\n");
    event.into()
}
