//! One finished call, as the gateway reports it and as the usage tables keep it.

use serde::{Deserialize, Serialize};
use wire::provider::{Call, Passed};
use wire::usage::Usage;

use crate::money::Cost;

/// Which API was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Chat completions, and whatever is translated to them.
    Chat,
    /// Legacy text completions.
    Completion,
    /// Embeddings.
    Embedding,
    /// Pictures, made or edited.
    Image,
    /// Sound from words.
    Speech,
    /// Words from sound.
    Transcription,
    /// English words from sound.
    Translation,
    /// Moderations.
    Moderation,
    /// Texts put in order.
    Rerank,
}

impl CallKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Chat,
        Self::Completion,
        Self::Embedding,
        Self::Image,
        Self::Speech,
        Self::Transcription,
        Self::Translation,
        Self::Moderation,
        Self::Rerank,
    ];

    /// The kind of `call`.
    #[must_use]
    pub fn of(call: Call) -> Self {
        match call {
            Call::Completions => Self::Completion,
            Call::Embeddings => Self::Embedding,
            Call::Chat | Call::Models => Self::Chat,
            Call::Passed(passed) => match passed {
                Passed::ImageGeneration | Passed::ImageEdit | Passed::ImageVariation => Self::Image,
                Passed::Speech => Self::Speech,
                Passed::Transcription => Self::Transcription,
                Passed::Translation => Self::Translation,
                Passed::Moderation => Self::Moderation,
                Passed::Rerank => Self::Rerank,
            },
        }
    }

    /// Whether tokens that nobody has counted are estimated by what was said: not of sound
    /// and pictures, and not of calls of which nothing is read.
    #[must_use]
    pub fn is_estimated(self) -> bool {
        match self {
            Self::Chat | Self::Completion | Self::Embedding => true,
            Self::Image
            | Self::Speech
            | Self::Transcription
            | Self::Translation
            | Self::Moderation
            | Self::Rerank => false,
        }
    }

    /// The text in the column `request_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Embedding => "embedding",
            Self::Image => "image",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Translation => "translation",
            Self::Moderation => "moderation",
            Self::Rerank => "rerank",
        }
    }

    /// The kind of that text; a chat for any that is unknown.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.unwrap_or(Self::Chat)
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The caller has the whole answer.
    Success,
    /// The caller's request was wrong.
    ClientError,
    /// The endpoint failed, could not be reached, or answered nonsense.
    UpstreamError,
    /// The endpoint took longer than the time allowed.
    Timeout,
    /// The caller hung up before the end.
    ClientCancelled,
    /// The endpoint stopped in the middle of its answer.
    Truncated,
    /// The gateway refused the call: no such model, no right, a limit.
    Refused,
    /// A fault of the gateway itself.
    InternalError,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 8] = [
        Self::Success,
        Self::ClientError,
        Self::UpstreamError,
        Self::Timeout,
        Self::ClientCancelled,
        Self::Truncated,
        Self::Refused,
        Self::InternalError,
    ];

    /// The text in the column `outcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client_error",
            Self::UpstreamError => "upstream_error",
            Self::Timeout => "timeout",
            Self::ClientCancelled => "client_cancelled",
            Self::Truncated => "truncated",
            Self::Refused => "refused",
            Self::InternalError => "internal_error",
        }
    }

    /// Whether something was wrong; a caller that hangs up is not.
    #[must_use]
    pub fn is_failure(self) -> bool {
        match self {
            Self::Success | Self::ClientCancelled => false,
            Self::ClientError
            | Self::UpstreamError
            | Self::Timeout
            | Self::Truncated
            | Self::Refused
            | Self::InternalError => true,
        }
    }

    /// The outcome of that text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

/// One try of a call with one candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// The endpoint's name.
    pub endpoint: String,
    /// The endpoint's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<i64>,
    /// The virtual model it was tried as.
    pub virtual_model: String,
    /// That virtual model's id, which its prices are known by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_model_id: Option<i64>,
    /// The model's name at that endpoint.
    pub model: String,
    /// The HTTP status it answered with; 0 when it answered with none.
    pub status: u16,
    /// The error code of a failure; `None` for a good answer.
    pub code: Option<String>,
    /// Milliseconds it took.
    pub ms: u64,
    /// The tokens it spent; `None` when it spent none that anybody knows of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What that cost in nano-dollars, once written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// What the cache of answers did for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheUse {
    /// It had no answer.
    Miss,
    /// It had the answer, which would have taken these tokens.
    Hit(Usage),
}

/// Tokens and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priced {
    pub(crate) usage: Usage,
    pub(crate) cost: Cost,
}

impl Priced {
    /// Whether the provider's own figure differs from ours by more than a hundredth.
    pub(crate) fn is_disputed(&self) -> bool {
        let (Some(reported), Some(ours)) = (self.usage.cost, self.cost.total()) else {
            return false;
        };
        let reported = i128::from(reported);
        (reported - i128::from(ours)).abs() * 100 > reported.max(i128::from(ours))
    }
}

/// A finished call, ready to be written. Costs are not in it: the store computes them from
/// the prices that held when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Which API was called.
    pub kind: CallKind,
    /// The request's `x-request-id`.
    pub request_id: String,
    /// The virtual model's name, as resolved; what the caller asked for when nothing was.
    pub virtual_model: String,
    /// The virtual model's id, if one was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_model_id: Option<i64>,
    /// The endpoint that served the call, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<i64>,
    /// That endpoint's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_name: Option<String>,
    /// The caller's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<i64>,
    /// That key's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_label: Option<String>,
    /// The tokens of all attempts together.
    pub usage: Usage,
    /// Whether the counts are the gateway's guess instead of the endpoint's.
    pub estimated: bool,
    /// What the cache of answers did; `None` when it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheUse>,
    /// The HTTP status the caller got.
    pub status: u16,
    /// How the call ended.
    pub outcome: Outcome,
    /// Whether the caller was answered with a stream.
    pub stream: bool,
    /// Milliseconds from accepting the request to its end.
    pub latency_ms: u64,
    /// Milliseconds to the first byte of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// Milliseconds of `latency_ms` in which an endpoint was waited for; the rest is the
    /// gateway's own. `None` when none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<u64>,
    /// The error code the caller was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// When the request was accepted, unix seconds.
    pub started_at: i64,
    /// Every candidate that was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Milliseconds the endpoint says the call waited for a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// Milliseconds the endpoint says a worker worked on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_ms: Option<u64>,
    /// The path that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The caller's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The caller's program ([`crate::client_name`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Tool calls that were made of text, or mended.
    #[serde(default)]
    pub tool_repairs: u64,
}

/// What an endpoint tells of a call's times after its record has been written: a job whose
/// answer was complete before the platform knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateTimes {
    /// The request id of the call.
    #[serde(rename = "times_of")]
    pub request_id: String,
    /// Which API was called.
    pub kind: CallKind,
    /// When the call began, as in its record.
    pub started_at: i64,
    /// Milliseconds the endpoint says the call waited for a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// Milliseconds the endpoint says a worker worked on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_ms: Option<u64>,
}

impl CallRecord {
    /// The record of a call that begins at `started_at`, unix seconds: nothing is known of
    /// it, and if it stays so, the gateway itself has failed.
    #[must_use]
    pub fn begun(kind: CallKind, request_id: String, started_at: i64) -> Self {
        Self {
            kind,
            request_id,
            virtual_model: String::new(),
            virtual_model_id: None,
            endpoint_id: None,
            endpoint_name: None,
            key_id: None,
            key_label: None,
            usage: Usage::default(),
            estimated: false,
            cache: None,
            status: 0,
            outcome: Outcome::InternalError,
            stream: false,
            latency_ms: 0,
            ttft_ms: None,
            upstream_ms: None,
            error_code: None,
            started_at,
            attempts: Vec::new(),
            queue_ms: None,
            execution_ms: None,
            route: None,
            address: None,
            client: None,
            tool_repairs: 0,
        }
    }
}

/// One row of `request_usage` or `embedding_usage`, with the original's column names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallRow {
    /// The row's id; unique only within its table.
    pub id: i64,
    /// Which API was called ([`CallKind::as_str`]).
    pub request_type: String,
    /// The request's `x-request-id`; `None` in rows the original wrote.
    pub request_id: Option<String>,
    /// The virtual model's name.
    pub virtual_model: String,
    /// The endpoint's name.
    pub endpoint_name: Option<String>,
    /// The endpoint's id.
    pub endpoint_id: Option<i64>,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// The total.
    pub total_tokens: i64,
    /// Prompt tokens read from the provider's cache.
    pub cached_input_tokens: i64,
    /// Prompt tokens written to the provider's cache.
    pub cache_creation_tokens: i64,
    /// All token counts; `None` in rows the original wrote.
    pub usage: Option<Usage>,
    /// Nano-dollars for everything; `None` when a price is unknown.
    pub cost_nanos: Option<i64>,
    /// Nano-dollars that the provider says it cost.
    pub provider_cost_nanos: Option<i64>,
    /// Whether those two differ by more than a hundredth.
    pub cost_disputed: bool,
    /// Dollars for uncached prompt and completion, as far as priced.
    pub cost_estimate: f64,
    /// Dollars for the uncached prompt.
    pub cost_in: f64,
    /// Dollars for the completion.
    pub cost_out: f64,
    /// Dollars for tokens read from or written to caches; to be added to `cost_estimate`
    /// for the whole.
    pub cached_cost_estimate: f64,
    /// Nano-dollars that an answer from the cache has saved.
    pub saved_nanos: Option<i64>,
    /// 1 when the answer came from the cache of answers.
    pub cache_hit: i64,
    /// 1 when that cache was asked.
    pub cache_attempted: i64,
    /// The caller's key.
    pub inbound_api_key_id: Option<i64>,
    /// That key's label.
    pub inbound_api_key_label: Option<String>,
    /// Milliseconds in which an endpoint was waited for.
    pub upstream_ms: Option<i64>,
    /// Milliseconds of the call that were the gateway's own; `None` when no endpoint was
    /// asked.
    pub overhead_ms: Option<i64>,
    /// Completion tokens a second, from the first token of a stream to its end.
    pub tokens_per_second: Option<f64>,
    /// Milliseconds from accepting the request to its end.
    pub response_time_ms: i64,
    /// Milliseconds to the first byte of the answer.
    pub ttft_ms: Option<i64>,
    /// The HTTP status the caller got; `None` in rows the original wrote.
    pub status: Option<i64>,
    /// How the call ended ([`Outcome::as_str`]); `None` in rows the original wrote.
    pub outcome: Option<String>,
    /// 1 when the caller was answered with a stream.
    pub stream: i64,
    /// 1 when the counts are a guess.
    pub estimated: i64,
    /// The error code the caller was given.
    pub error_code: Option<String>,
    /// When the request was accepted, unix seconds.
    pub created_at: i64,
    /// Every candidate that was tried, in order; empty in rows the original wrote.
    pub attempts: Vec<Attempt>,
    /// How many they are.
    pub attempt_count: i64,
    /// Milliseconds the endpoint says the call waited for a worker.
    pub queue_ms: Option<i64>,
    /// Milliseconds the endpoint says a worker worked on it.
    pub execution_ms: Option<i64>,
    /// The path that was called; `None` in rows of before it was kept, as the three below.
    pub route: Option<String>,
    /// The caller's address.
    pub address: Option<String>,
    /// The caller's program.
    pub client: Option<String>,
    /// Tool calls that were made of text, or mended.
    pub tool_repairs: i64,
}

/// Which row a call is: of which table, and its id there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallKey {
    pub(crate) embedding: bool,
    pub(crate) id: i64,
}

impl CallKey {
    /// As a text for an address.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}{}", if self.embedding { 'e' } else { 'r' }, self.id)
    }

    /// The key of such a text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (embedding, id) = match text.strip_prefix('r') {
            Some(id) => (false, id),
            None => (true, text.strip_prefix('e')?),
        };
        let id = id.parse().ok().filter(|id| *id > 0)?;
        Some(Self { embedding, id })
    }
}

impl CallRow {
    /// Which row it is.
    #[must_use]
    pub fn key(&self) -> CallKey {
        CallKey {
            embedding: self.request_type == CallKind::Embedding.as_str(),
            id: self.id,
        }
    }
}
