//! One finished call, as the gateway reports it and as the usage tables keep it.

use serde::{Deserialize, Serialize};

/// Which API was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Chat completions, and whatever is translated to them.
    Chat,
    /// Legacy text completions.
    Completion,
    /// Embeddings.
    Embedding,
}

impl CallKind {
    /// The text in the column `request_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Embedding => "embedding",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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
}

/// One try of a call with one candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The endpoint's name.
    pub endpoint: String,
    /// The virtual model it was tried as.
    pub virtual_model: String,
    /// The model's name at that endpoint.
    pub model: String,
    /// The HTTP status it answered with; 0 when it answered with none.
    pub status: u16,
    /// The error code of a failure; `None` for a good answer.
    pub code: Option<String>,
    /// Milliseconds it took.
    pub ms: u64,
}

/// A finished call, ready to be written. Costs are not in it: the store computes them from
/// the virtual model's prices at the moment of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// Which API was called.
    pub kind: CallKind,
    /// The request's `x-request-id`.
    pub request_id: String,
    /// The virtual model's name, as resolved; what the caller asked for when nothing was.
    pub virtual_model: String,
    /// The endpoint that served the call, if one was chosen.
    pub endpoint_id: Option<i64>,
    /// That endpoint's name.
    pub endpoint_name: Option<String>,
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub completion_tokens: u64,
    /// The endpoint's own total; prompt plus completion is written when this is 0.
    pub total_tokens: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached_input_tokens: u64,
    /// Prompt tokens written to the provider's cache.
    pub cache_creation_tokens: u64,
    /// Whether the counts are the gateway's guess instead of the endpoint's.
    pub estimated: bool,
    /// The HTTP status the caller got.
    pub status: u16,
    /// How the call ended.
    pub outcome: Outcome,
    /// Whether the caller was answered with a stream.
    pub stream: bool,
    /// Milliseconds from accepting the request to its end.
    pub latency_ms: u64,
    /// Milliseconds to the first byte of the answer, if there was one.
    pub ttft_ms: Option<u64>,
    /// The error code the caller was given.
    pub error_code: Option<String>,
    /// When the request was accepted, unix seconds.
    pub started_at: i64,
    /// Every candidate that was tried, in order.
    pub attempts: Vec<Attempt>,
    /// Milliseconds the endpoint says the call waited for a worker.
    pub queue_ms: Option<u64>,
    /// Milliseconds the endpoint says a worker worked on it.
    pub execution_ms: Option<u64>,
}

/// One row of `request_usage` or `embedding_usage`, with the original's column names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallRow {
    /// The row's id; unique only within its table.
    pub id: i64,
    /// `chat`, `completion` or `embedding`.
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
    /// Dollars for uncached prompt and completion; cached tokens are not in it.
    pub cost_estimate: f64,
    /// Dollars for the whole prompt at the input price.
    pub cost_in: f64,
    /// Dollars for the completion.
    pub cost_out: f64,
    /// Dollars for cached tokens; to be added to `cost_estimate` for the whole.
    pub cached_cost_estimate: f64,
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
}
