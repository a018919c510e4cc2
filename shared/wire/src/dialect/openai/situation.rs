//! What an upstream's error means, whatever it calls it, and what OpenAI's clients call
//! that: they branch on type and code.
//!
//! Not here: what the gateway does about it.

use super::error::UpstreamError;
use crate::code::{Code, Kind};

/// What went wrong at an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// The prompt is longer than the model's context.
    TooLong,
    /// The account is empty, or has reached the limit that its owner has set.
    NoCredit,
    /// It has no such model.
    NoModel,
    /// Too many requests.
    RateLimited,
    /// It has more to do than it can.
    Overloaded,
    /// The key may not do this, or the text is not allowed.
    Forbidden,
    /// The request is wrong.
    BadRequest,
    /// It took too long.
    Timeout,
    /// Anything else that is not the request's fault.
    Failed,
}

impl Situation {
    /// The type of the error in OpenAI's form.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::TooLong | Self::NoModel | Self::BadRequest => Kind::InvalidRequest,
            Self::NoCredit => Kind::NoQuota,
            Self::RateLimited => Kind::RateLimit,
            Self::Overloaded => Kind::Overloaded,
            Self::Forbidden => Kind::Permission,
            Self::Timeout | Self::Failed => Kind::Server,
        }
    }

    /// The code of the error, where there is one that every client knows.
    #[must_use]
    pub fn code(self) -> Option<Code> {
        match self {
            Self::TooLong => Some(Code::ContextLengthExceeded),
            Self::NoCredit => Some(Code::InsufficientQuota),
            Self::NoModel => Some(Code::ModelNotFound),
            Self::RateLimited => Some(Code::RateLimitExceeded),
            Self::Overloaded => Some(Code::ServerIsOverloaded),
            Self::Forbidden | Self::BadRequest | Self::Timeout | Self::Failed => None,
        }
    }

    fn of_status(status: u16) -> Self {
        match status {
            402 => Self::NoCredit,
            403 => Self::Forbidden,
            408 | 504 => Self::Timeout,
            429 => Self::RateLimited,
            503 | 529 => Self::Overloaded,
            400..500 => Self::BadRequest,
            _ => Self::Failed,
        }
    }

    /// Of the words that vendors use as types and codes.
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "insufficient_quota" | "billing_error" => Self::NoCredit,
            "model_not_found" => Self::NoModel,
            "rate_limit_error" | "rate_limit_exceeded" | "RateLimitError" => Self::RateLimited,
            "overloaded_error" | "server_is_overloaded" | "service_unavailable_error" => {
                Self::Overloaded
            }
            "permission_error" => Self::Forbidden,
            "timeout_error" => Self::Timeout,
            "invalid_request_error"
            | "not_found_error"
            | "request_too_large"
            | "BadRequestError"
            | "NotFoundError" => Self::BadRequest,
            "api_error" | "server_error" | "InternalServerError" => Self::Failed,
            _ => return None,
        })
    }
}

impl UpstreamError {
    /// What it means. `status` is that of the response; `None` for an error inside a
    /// successful one, which may carry a status as its code. `None` when nothing tells.
    #[must_use]
    pub fn situation(&self, status: Option<u16>) -> Option<Situation> {
        let number = || self.code.as_deref()?.parse().ok();
        let status = status.or_else(number);
        let words = [&self.code, &self.kind].into_iter().flatten();
        let mut said = words.filter_map(|word| Situation::of_word(word));
        if status.is_none_or(|status| status == 400) && self.is_context_overflow() {
            return Some(Situation::TooLong);
        }
        let is_empty = status.is_none_or(|status| status == 400) && self.speaks_of_the_account();
        if is_empty || said.clone().any(|word| word == Situation::NoCredit) {
            return Some(Situation::NoCredit);
        }
        let Some(status) = status else {
            return said.next();
        };
        Some(match status {
            404 if self.speaks_of_the_model() => Situation::NoModel,
            status => Situation::of_status(status),
        })
    }

    /// Type and code for a caller. A code of the upstream's own stays, and the type with
    /// it; `None` where neither it nor the situation has one.
    #[must_use]
    pub fn named(&self, status: Option<u16>) -> (String, Option<String>) {
        let situation = self.situation(status);
        let own = self.code.as_deref().filter(|code| !is_number(code));
        let kind = match (&self.kind, situation) {
            (_, Some(situation)) if own.is_none() || situation == Situation::TooLong => {
                situation.kind().as_str()
            }
            (Some(kind), _) => kind,
            (None, situation) => situation.unwrap_or(Situation::Failed).kind().as_str(),
        };
        let known = situation.and_then(Situation::code).map(Code::as_str);
        let code = if situation == Some(Situation::TooLong) {
            known
        } else {
            own.or(known)
        };
        (kind.to_owned(), code.map(str::to_owned))
    }

    /// Anthropic says that an account is empty, or has reached the limit that its owner
    /// has set, with the type and status of a wrong request.
    fn speaks_of_the_account(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        [
            "credit balance",
            "spend limit",
            "spending limit",
            "usage limits",
        ]
        .iter()
        .any(|words| message.contains(words))
    }

    fn speaks_of_the_model(&self) -> bool {
        let words = [&self.message, &self.code, &self.kind];
        let mut said = words.into_iter().flatten();
        said.any(|words| words.to_lowercase().contains("model"))
    }
}

fn is_number(code: &str) -> bool {
    code.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendors_errors_have_one_name() {
        for (status, body, kind, code) in [
            // OpenAI's own, untouched.
            (
                Some(400),
                r#"{"error":{"message":"m","type":"image_error","code":"bad_image"}}"#,
                "image_error",
                Some("bad_image"),
            ),
            (
                Some(429),
                r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#,
                "tokens",
                Some("rate_limit_exceeded"),
            ),
            (
                Some(429),
                r#"{"error":{"message":"m","type":"insufficient_quota","code":null}}"#,
                "insufficient_quota",
                Some("insufficient_quota"),
            ),
            (
                None,
                r#"{"error":{"message":"m","type":"server_error","code":"gone"}}"#,
                "server_error",
                Some("gone"),
            ),
            // Numbers are no codes.
            (
                Some(404),
                r#"{"message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#,
                "invalid_request_error",
                Some("model_not_found"),
            ),
            (
                Some(400),
                r#"{"message":"m","type":"BadRequestError","code":400}"#,
                "invalid_request_error",
                None,
            ),
            (
                None,
                r#"{"error":{"message":"m","code":429}}"#,
                "rate_limit_error",
                Some("rate_limit_exceeded"),
            ),
            // Anthropic's types, by status and inside a stream.
            (
                Some(404),
                r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
                "invalid_request_error",
                Some("model_not_found"),
            ),
            (
                None,
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#,
                "rate_limit_error",
                Some("rate_limit_exceeded"),
            ),
            (
                None,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
                "service_unavailable_error",
                Some("server_is_overloaded"),
            ),
            (
                None,
                r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#,
                "server_error",
                None,
            ),
            (
                Some(402),
                r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#,
                "insufficient_quota",
                Some("insufficient_quota"),
            ),
            (
                Some(504),
                r#"{"type":"error","error":{"type":"timeout_error","message":"m"}}"#,
                "server_error",
                None,
            ),
            (
                Some(400),
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low."}}"#,
                "insufficient_quota",
                Some("insufficient_quota"),
            ),
            (
                Some(400),
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}}"#,
                "insufficient_quota",
                Some("insufficient_quota"),
            ),
            (
                Some(400),
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: above the limit"}}"#,
                "invalid_request_error",
                None,
            ),
            // Texts alone.
            (
                Some(404),
                r#"{"error":"model \"x\" not found, try pulling it first"}"#,
                "invalid_request_error",
                Some("model_not_found"),
            ),
            (
                Some(404),
                r#"{"detail":"Not Found"}"#,
                "invalid_request_error",
                None,
            ),
            (
                Some(429),
                r#"{"detail":"slow down"}"#,
                "rate_limit_error",
                Some("rate_limit_exceeded"),
            ),
            (
                Some(503),
                "queue is full",
                "service_unavailable_error",
                Some("server_is_overloaded"),
            ),
            (Some(502), "<html>", "server_error", None),
            (None, r#"{"error":"out of luck"}"#, "server_error", None),
            (
                Some(400),
                r#"{"error":"prompt is too long: 9 tokens"}"#,
                "invalid_request_error",
                Some("context_length_exceeded"),
            ),
        ] {
            let named = UpstreamError::read(body.as_bytes()).named(status);
            let expected = (kind.to_owned(), code.map(str::to_owned));
            assert_eq!(named, expected, "{status:?} {body}");
        }
    }
}
