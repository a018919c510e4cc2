//! Calls that the gateway itself refuses, and what their callers are told.

use wire::code::Code;
use wire::dialect::openai::BadRequest;
use wire::dialect::runpod::Worker;
use wire::hub::Refusal;
use wire::outbound::Unsaid;
use wire::provider::Call;

use super::limited::{self, Whose};
use super::{NoRoute, not_made, not_served};
use crate::call::Outcome;
use crate::endpoint::Endpoint;
use crate::meter::Over;

/// Longest name that is repeated or kept, in characters.
const LONGEST: usize = 200;

/// Why a call goes to no upstream, or not to one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status of the answer.
    pub status: u16,
    /// Who is to blame, as the ledger counts it.
    pub outcome: Outcome,
    /// For programs.
    pub code: Code,
    /// For people; holds no key and no address.
    pub message: String,
    /// The field or header that is wrong, if it is one.
    pub param: Option<String>,
    /// Another candidate may still serve the call.
    pub next: bool,
    /// Seconds after which it may be let through.
    pub retry_after: Option<u64>,
}

impl Refused {
    fn new(status: u16, outcome: Outcome, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            outcome,
            code,
            message: message.into(),
            param: None,
            next: outcome == Outcome::UpstreamError,
            retry_after: None,
        }
    }

    /// The body is longer than `limit` bytes.
    pub fn too_long(limit: usize) -> Self {
        Self::new(
            413,
            Outcome::ClientError,
            Code::RequestTooLarge,
            format!(
                "The request body is longer than the {} MB that this gateway takes (MAX_BODY_MB).",
                limit / (1024 * 1024)
            ),
        )
    }

    /// The body has a content-encoding.
    pub fn compressed() -> Self {
        Self::new(
            415,
            Outcome::ClientError,
            Code::UnsupportedContentEncoding,
            "The request body is compressed. Send it without a content-encoding.",
        )
    }

    /// The virtual model exists and cannot be prepared.
    pub fn misconfigured() -> Self {
        Self::new(
            502,
            Outcome::UpstreamError,
            Code::EndpointMisconfigured,
            "The endpoint of this model is not usable as it is configured. The operator finds the reason in the gateway's log and in its admin app.",
        )
    }

    /// The provider type of `endpoint` does not serve `call`.
    pub fn not_served(endpoint: &Endpoint, call: Call) -> Self {
        Self::unsupported(not_served(endpoint, call))
    }

    /// A RunPod worker whose form was not known has turned out to take only its own, in
    /// which there are no embeddings.
    pub fn no_embeddings() -> Self {
        Self {
            next: true,
            ..Self::unsupported(not_made(Worker::VllmNative))
        }
    }

    /// A limit is used up.
    pub fn limit(whose: Whose<'_>, over: &Over) -> Self {
        let code = if over.limit.is_budget() {
            Code::BudgetExceeded
        } else {
            Code::RateLimitExceeded
        };
        Self {
            retry_after: Some(limited::wait(over)),
            ..Self::new(429, Outcome::Refused, code, limited::message(whose, over))
        }
    }

    /// The request asks a model for nothing; the gateway answers it itself.
    pub fn nothing_asked() -> Self {
        Self::unsupported(
            "The request asks for nothing, as one of Ollama's that only loads a model: it is sent to nobody, and answered at once.".to_owned(),
        )
    }

    /// As `message` says, the call cannot be served.
    pub(super) fn unsupported(message: String) -> Self {
        Self::new(400, Outcome::Refused, Code::UnsupportedOperation, message)
    }

    /// The virtual model `name` has no candidate left.
    pub(super) fn no_candidate(name: &str) -> Self {
        Self::new(
            503,
            Outcome::UpstreamError,
            Code::NoCandidate,
            format!(
                "The model '{name}' has no candidate that can be called: each is disabled or not usable as it is configured. The operator finds the reasons in the gateway's admin app."
            ),
        )
    }

    /// The caller's header `name` has another value than `wanted` says.
    pub(super) fn header(name: &str, wanted: &str) -> Self {
        Self {
            param: Some(name.to_owned()),
            ..Self::new(
                400,
                Outcome::ClientError,
                Code::InvalidValue,
                format!("The header '{name}' {wanted}."),
            )
        }
    }
}

impl From<&NoRoute> for Refused {
    fn from(none: &NoRoute) -> Self {
        let message = none.to_string();
        Self {
            param: Some("model".to_owned()),
            ..Self::new(404, Outcome::Refused, Code::ModelNotFound, short(&message))
        }
    }
}

impl From<Refusal> for Refused {
    /// What one candidate's dialect cannot say another's may.
    fn from(refusal: Refusal) -> Self {
        Self {
            param: Some(refusal.param),
            next: true,
            ..Self::new(
                400,
                Outcome::Refused,
                Code::UnsupportedValue,
                refusal.message,
            )
        }
    }
}

impl From<BadRequest> for Refused {
    fn from(bad: BadRequest) -> Self {
        let code = match bad.param {
            Some(_) => Code::InvalidValue,
            None => Code::InvalidJson,
        };
        Self {
            param: bad.param,
            ..Self::new(400, Outcome::ClientError, code, bad.message)
        }
    }
}

impl From<Unsaid> for Refused {
    fn from(unsaid: Unsaid) -> Self {
        match unsaid {
            Unsaid::Bad(bad) => bad.into(),
            Unsaid::Refused(refusal) => refusal.into(),
        }
    }
}

/// What others name, at the length that a name may have.
pub fn short(text: &str) -> &str {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
