//! A virtual model: the name clients ask for, and what it stands for.

mod caching;
mod draft;
mod repair;
mod routing;
mod stored;

use std::fmt;

use serde::Serialize;

pub(crate) use caching::CachingDraft;
pub use caching::{Caching, CachingRow};
pub use draft::VirtualModelDraft;
pub(crate) use repair::RepairDraft;
pub use repair::{ReasoningForm, Repair, RepairRow, Thinking};
pub use routing::{RouteTarget, Routing, RoutingRow, Strategy};
pub(crate) use routing::{RoutingDraft, parse_targets};
pub(crate) use stored::StoredVirtualModel;

use crate::config::QueuePriority;
use crate::custom_headers::CustomHeaders;
use crate::limits::{Limits, LimitsRow};
use crate::money::{Price, Prices};

/// A virtual model the gateway can resolve. For every optional default 0 is a value and
/// `None` is "not set".
#[derive(Clone, PartialEq)]
pub struct VirtualModel {
    /// The row's id.
    pub id: i64,
    /// The name clients send, unique, case-sensitive.
    pub name: String,
    /// The endpoint that serves it.
    pub endpoint_id: i64,
    /// The model's name at that endpoint.
    pub actual_model: String,
    /// For people.
    pub description: Option<String>,
    /// Dollars per million prompt tokens.
    pub cost_per_1m_tokens_in: Option<f64>,
    /// Dollars per million completion tokens.
    pub cost_per_1m_tokens_out: Option<f64>,
    /// Dollars per million prompt tokens read from the provider's cache.
    pub cost_per_1m_tokens_in_cached: Option<f64>,
    /// Dollars per million completion tokens read from the provider's cache.
    pub cost_per_1m_tokens_out_cached: Option<f64>,
    /// Dollars per million prompt tokens written to the provider's cache for five minutes.
    pub cost_per_1m_tokens_cache_write: Option<f64>,
    /// Dollars per million prompt tokens written to the provider's cache for an hour.
    pub cost_per_1m_tokens_cache_write_1h: Option<f64>,
    /// Ask the endpoint without a stream; the caller still gets one.
    pub disable_streaming: bool,
    /// Answer with one JSON body even when a stream was asked for.
    pub force_non_streaming: bool,
    /// Headers added to every request for it, after the endpoint's.
    pub custom_headers: CustomHeaders,
    /// Whether it is listed and can be called.
    pub enabled: bool,
    /// Sent when the client set none.
    pub max_tokens: Option<u32>,
    /// Sent when the client set none.
    pub temperature: Option<f64>,
    /// Sent when the client set none.
    pub top_p: Option<f64>,
    /// Put in front of the conversation.
    pub system_prompt: Option<String>,
    /// Whether the model's reasoning is shown to the client.
    pub show_reasoning: bool,
    /// The urgency a queue is told when the client names none; `None` for the gateway's.
    pub queue_priority: Option<QueuePriority>,
    /// Whether the prompt is marked for Anthropic's cache where the client marked nothing.
    pub auto_cache: bool,
    /// Whether what its calls say and are answered is kept for a while.
    pub capture_bodies: bool,
    /// Whether later system messages stay where they are instead of joining the first.
    pub inline_system: bool,
    /// How long Ollama keeps the model loaded: a duration such as `5m`, or seconds.
    pub keep_alive: Option<String>,
    /// The largest context Ollama is asked for, in tokens.
    pub num_ctx: Option<u32>,
    /// What is repaired in answers and requests, and how reasoning is shown.
    pub repair: Repair,
    /// What is answered from the gateway's memory.
    pub caching: Caching,
    /// Who else may serve it.
    pub routing: Routing,
    /// What all calls of its name together may use.
    pub limits: Limits,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// A virtual model as the admin API shows it, whatever its row holds.
#[derive(Clone, PartialEq, Serialize)]
pub struct VirtualModelRow {
    /// The row's id.
    pub id: i64,
    /// The name clients send.
    pub name: String,
    /// The endpoint that serves it.
    pub endpoint_id: i64,
    /// The model's name at that endpoint.
    pub actual_model: String,
    /// For people.
    pub description: Option<String>,
    /// Dollars per million prompt tokens.
    pub cost_per_1m_tokens_in: Option<f64>,
    /// Dollars per million completion tokens.
    pub cost_per_1m_tokens_out: Option<f64>,
    /// Dollars per million cached prompt tokens.
    pub cost_per_1m_tokens_in_cached: Option<f64>,
    /// Dollars per million cached completion tokens.
    pub cost_per_1m_tokens_out_cached: Option<f64>,
    /// Dollars per million prompt tokens written to a cache for five minutes.
    pub cost_per_1m_tokens_cache_write: Option<f64>,
    /// Dollars per million prompt tokens written to a cache for an hour.
    pub cost_per_1m_tokens_cache_write_1h: Option<f64>,
    /// 1: the endpoint is asked without a stream.
    pub disable_streaming: i64,
    /// 1: the caller gets one JSON body.
    pub force_non_streaming: i64,
    /// A JSON object of strings, as text.
    pub custom_headers: Option<String>,
    /// 1 when it is listed and can be called.
    pub enabled: i64,
    /// Sent when the client set none.
    pub max_tokens: Option<i64>,
    /// Sent when the client set none.
    pub temperature: Option<f64>,
    /// Sent when the client set none.
    pub top_p: Option<f64>,
    /// Put in front of the conversation.
    pub system_prompt: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Moves with every change; sent back, it keeps one change from undoing another.
    pub version: i64,
    /// 1 when the model's reasoning is shown to the client.
    pub show_reasoning: i64,
    /// The urgency a queue is told: `HIGH`, `NORMAL` or `LOW`.
    pub queue_priority: Option<String>,
    /// 1 when the prompt is marked for Anthropic's cache.
    pub auto_cache: i64,
    /// 1 when what its calls say and are answered is kept for a while.
    pub capture_bodies: i64,
    /// 1 when later system messages stay where they are.
    pub inline_system: i64,
    /// How long Ollama keeps the model loaded.
    pub keep_alive: Option<String>,
    /// The largest context Ollama is asked for, in tokens.
    pub num_ctx: Option<i64>,
    /// What is repaired in answers and requests, and how reasoning is shown.
    #[serde(flatten)]
    pub repair: RepairRow,
    /// What is answered from the gateway's memory.
    #[serde(flatten)]
    pub caching: CachingRow,
    /// Who else may serve it.
    pub routing: RoutingRow,
    /// What all calls of its name together may use.
    #[serde(flatten)]
    pub limits: LimitsRow,
    /// Why its headers cannot be read; `None` when they can.
    pub locked: Option<String>,
    /// The endpoint's name; `None` when the endpoint does not exist.
    pub endpoint_name: Option<String>,
    /// The endpoint's URL; `None` when the endpoint does not exist.
    pub endpoint_url: Option<String>,
}

/// Names the row only: custom headers may carry keys.
impl fmt::Debug for VirtualModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualModel")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("endpoint_id", &self.endpoint_id)
            .field("actual_model", &self.actual_model)
            .finish_non_exhaustive()
    }
}

/// Names the row only: custom headers may carry keys.
impl fmt::Debug for VirtualModelRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualModelRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("endpoint_id", &self.endpoint_id)
            .field("actual_model", &self.actual_model)
            .finish_non_exhaustive()
    }
}

impl VirtualModel {
    /// Whether reasoning is shown as the upstream tells it: in a place of its own.
    pub fn shows_reasoning_apart(&self) -> bool {
        self.show_reasoning && self.repair.reasoning_form == ReasoningForm::Field
    }

    /// What its tokens cost; a price that makes no sense is unknown.
    pub fn prices(&self) -> Prices {
        let list = [
            self.cost_per_1m_tokens_in,
            self.cost_per_1m_tokens_out,
            self.cost_per_1m_tokens_in_cached,
            self.cost_per_1m_tokens_out_cached,
            self.cost_per_1m_tokens_cache_write,
            self.cost_per_1m_tokens_cache_write_1h,
        ];
        Prices::from_list(list.map(|price| price.and_then(Price::of_dollars)))
    }

    /// Whether it stands for the same model at the same endpoint as `other`.
    pub(crate) fn is_where(&self, other: &Self) -> bool {
        (self.endpoint_id, &self.actual_model) == (other.endpoint_id, &other.actual_model)
    }

    /// Whether a request to it goes out as one to `other` does.
    pub(crate) fn asks_the_same_as(&self, other: &Self) -> bool {
        // All named, so that of a new field somebody has to say whether it shows.
        let Self {
            id: _,
            name: _,
            endpoint_id: _,
            actual_model: _,
            description: _,
            cost_per_1m_tokens_in: _,
            cost_per_1m_tokens_out: _,
            cost_per_1m_tokens_in_cached: _,
            cost_per_1m_tokens_out_cached: _,
            cost_per_1m_tokens_cache_write: _,
            cost_per_1m_tokens_cache_write_1h: _,
            disable_streaming,
            force_non_streaming: _,
            custom_headers,
            enabled: _,
            max_tokens,
            temperature,
            top_p,
            system_prompt,
            show_reasoning: _,
            queue_priority,
            auto_cache,
            capture_bodies: _,
            inline_system,
            keep_alive,
            num_ctx,
            repair:
                Repair {
                    tool_calls: _,
                    arguments: _,
                    history,
                    reasoning_form: _,
                    thinking: _,
                    comment: _,
                    keep_text_bytes: _,
                },
            caching: _,
            routing: _,
            limits: _,
            created_at: _,
            updated_at: _,
        } = self;
        self.is_where(other)
            && *disable_streaming == other.disable_streaming
            && *custom_headers == other.custom_headers
            && *max_tokens == other.max_tokens
            && *temperature == other.temperature
            && *top_p == other.top_p
            && *system_prompt == other.system_prompt
            && *queue_priority == other.queue_priority
            && *auto_cache == other.auto_cache
            && *inline_system == other.inline_system
            && *keep_alive == other.keep_alive
            && *num_ctx == other.num_ctx
            && *history == other.repair.history
    }
}
