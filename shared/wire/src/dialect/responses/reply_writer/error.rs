//! What ends a broken answer.

use bytes::{BufMut, Bytes, BytesMut};

use super::put_event;
use crate::code::Code;
use crate::dialect::openai::{ErrorBody, put_string};

/// The codes that clients match on in a response that failed; another one makes them try
/// again, as often as they can.
const KNOWN: &[&str] = &[
    "context_length_exceeded",
    "insufficient_quota",
    "usage_not_included",
    "invalid_prompt",
    "rate_limit_exceeded",
    "server_is_overloaded",
];

/// The code of a response that failed for this reason, in the words that clients know.
#[must_use]
pub fn failure_code(error: &ErrorBody) -> &'static str {
    let said = [error.code.as_deref(), Some(error.kind.as_str())];
    let said = || said.iter().flatten().copied();
    if let Some(known) = KNOWN
        .iter()
        .find(|known| said().any(|word| word == **known))
    {
        return known;
    }
    let says = |words: &[&str]| {
        said().any(|said| {
            let said = said.to_ascii_lowercase();
            words.iter().any(|word| said.contains(word))
        })
    };
    if says(&["context_length", "exceed_context"]) {
        Code::ContextLengthExceeded.as_str()
    } else if says(&["quota", "billing"]) {
        Code::InsufficientQuota.as_str()
    } else if says(&["rate_limit", "too_many", "429"]) {
        Code::RateLimitExceeded.as_str()
    } else if says(&["overload", "unavailable", "slow_down", "503", "529"]) {
        Code::ServerIsOverloaded.as_str()
    } else {
        Code::ServerError.as_str()
    }
}

/// The status and the body of an answer that is an error. That a server is overloaded has
/// a code of its own here, by which clients wait instead of asking again at once.
#[must_use]
pub fn told(status: u16, error: &ErrorBody) -> (u16, Bytes) {
    if status != 529 {
        return (status, error.to_json());
    }
    let error = ErrorBody {
        code: Some(Code::ServerIsOverloaded.as_str().to_owned()),
        ..error.clone()
    };
    (503, error.to_json())
}

/// The error inside a response.
pub(super) fn put_object(error: &ErrorBody, out: &mut BytesMut) {
    out.put_slice(b"{\"code\":");
    put_string(failure_code(error), out);
    out.put_slice(b",\"message\":");
    put_string(&error.message, out);
    out.put_u8(b'}');
}

/// The event that comes before the response that failed.
pub(super) fn put_event_of(error: &ErrorBody, out: &mut BytesMut) {
    out.put_slice(b",\"error\":{\"type\":");
    put_string(&error.kind, out);
    out.put_slice(b",\"code\":");
    put_string(failure_code(error), out);
    out.put_slice(b",\"message\":");
    put_string(&error.message, out);
    out.put_slice(b",\"param\":");
    match &error.param {
        Some(param) => put_string(param, out),
        None => out.put_slice(b"null"),
    }
    out.put_u8(b'}');
}

/// The same as a numbered event.
pub(super) fn put_error(error: &ErrorBody, sequence: &mut u64, out: &mut BytesMut) {
    put_event(b"error", sequence, out, |out| put_event_of(error, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_the_code_that_clients_know() {
        for (kind, code, expected) in [
            (
                "invalid_request_error",
                Some("context_length_exceeded"),
                "context_length_exceeded",
            ),
            (
                "exceed_context_size_error",
                Some("400"),
                "context_length_exceeded",
            ),
            ("rate_limit_error", None, "rate_limit_exceeded"),
            (
                "requests",
                Some("rate_limit_exceeded"),
                "rate_limit_exceeded",
            ),
            ("server_error", Some("429"), "rate_limit_exceeded"),
            ("overloaded_error", None, "server_is_overloaded"),
            (
                "service_unavailable",
                Some("no_candidate"),
                "server_is_overloaded",
            ),
            ("insufficient_quota", None, "insufficient_quota"),
            ("billing_error", None, "insufficient_quota"),
            ("api_error", Some("upstream_stream_cut"), "server_error"),
        ] {
            let error = ErrorBody {
                message: String::new(),
                kind: kind.to_owned(),
                param: None,
                code: code.map(str::to_owned),
            };
            assert_eq!(failure_code(&error), expected, "{kind} {code:?}");
        }
    }
}
