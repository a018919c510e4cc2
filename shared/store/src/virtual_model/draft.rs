//! Values for a new virtual model, or changes to one: only the fields the input carries.

use std::fmt;

use serde_json::Value;

use super::caching::CachingDraft;
use super::repair::RepairDraft;
use super::routing::RoutingDraft;
use crate::config::QueuePriority;
use crate::custom_headers::CustomHeaders;
use crate::field_errors::FieldErrors;
use crate::input::Input;
use crate::limits::LimitsDraft;

/// The largest `max_tokens` default.
pub(crate) const MAX_TOKENS: i64 = 1_000_000;
/// The largest `temperature` default.
pub(crate) const MAX_TEMPERATURE: f64 = 2.0;
/// The largest `top_p` default.
pub(crate) const MAX_TOP_P: f64 = 1.0;
/// The largest context, in tokens.
pub(crate) const MAX_NUM_CTX: i64 = 16_777_216;
/// What `keep_alive` may be.
pub(super) const KEEP_ALIVE: &str =
    "must be a duration such as 5m, 1h30m or 300s, a whole number of seconds, or -1 for ever";
/// The largest price, dollars per million tokens.
const MAX_PRICE: f64 = 1_000_000.0;

/// Checked values for a new virtual model or for changes to one. A field that is `None`
/// keeps the stored value, or the column's default in a new row; an inner `None` clears it.
#[derive(Clone, Default, PartialEq)]
pub struct VirtualModelDraft {
    pub(crate) name: Option<String>,
    pub(crate) endpoint_id: Option<i64>,
    pub(crate) actual_model: Option<String>,
    pub(crate) description: Option<Option<String>>,
    pub(crate) cost_in: Option<Option<f64>>,
    pub(crate) cost_out: Option<Option<f64>>,
    pub(crate) cost_in_cached: Option<Option<f64>>,
    pub(crate) cost_out_cached: Option<Option<f64>>,
    pub(crate) cost_cache_write: Option<Option<f64>>,
    pub(crate) cost_cache_write_1h: Option<Option<f64>>,
    pub(crate) disable_streaming: Option<bool>,
    pub(crate) force_non_streaming: Option<bool>,
    pub(crate) custom_headers: Option<CustomHeaders>,
    pub(crate) enabled: Option<bool>,
    pub(crate) max_tokens: Option<Option<i64>>,
    pub(crate) temperature: Option<Option<f64>>,
    pub(crate) top_p: Option<Option<f64>>,
    pub(crate) system_prompt: Option<Option<String>>,
    pub(crate) show_reasoning: Option<bool>,
    pub(crate) queue_priority: Option<Option<QueuePriority>>,
    pub(crate) auto_cache: Option<bool>,
    pub(crate) capture_bodies: Option<bool>,
    pub(crate) inline_system: Option<bool>,
    pub(crate) keep_alive: Option<Option<String>>,
    pub(crate) num_ctx: Option<Option<i64>>,
    pub(crate) repair: RepairDraft,
    pub(crate) caching: CachingDraft,
    pub(crate) routing: Option<RoutingDraft>,
    pub(crate) limits: LimitsDraft,
}

/// Names the row only: custom headers may carry keys.
impl fmt::Debug for VirtualModelDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualModelDraft")
            .field("name", &self.name)
            .field("endpoint_id", &self.endpoint_id)
            .field("actual_model", &self.actual_model)
            .finish_non_exhaustive()
    }
}

impl VirtualModelDraft {
    /// Checks the values of a new virtual model: `name`, `endpoint_id` and `actual_model`
    /// are required. Whether the endpoint exists is checked when it is written.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_create(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let draft = Self::read(&mut input);
        for field in ["name", "endpoint_id", "actual_model"] {
            if value.get(field).is_none() {
                input.refuse(field, "is required");
            }
        }
        input.finish(draft)
    }

    /// Checks changes to a virtual model: only the fields that are there.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_update(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let draft = Self::read(&mut input);
        input.finish(draft)
    }

    fn read(input: &mut Input<'_>) -> Self {
        input.ignore(&[
            "id",
            "created_at",
            "updated_at",
            "version",
            "endpoint_name",
            "endpoint_url",
            "locked",
        ]);
        let mut price = |field| input.real(field, 0.0, MAX_PRICE);
        let cost_in = price("cost_per_1m_tokens_in");
        let cost_out = price("cost_per_1m_tokens_out");
        let cost_in_cached = price("cost_per_1m_tokens_in_cached");
        let cost_out_cached = price("cost_per_1m_tokens_out_cached");
        let cost_cache_write = price("cost_per_1m_tokens_cache_write");
        let cost_cache_write_1h = price("cost_per_1m_tokens_cache_write_1h");
        Self {
            name: input.name("name", 200),
            endpoint_id: endpoint_id(input),
            actual_model: input.name("actual_model", 500),
            description: input.text("description", 10_000),
            cost_in,
            cost_out,
            cost_in_cached,
            cost_out_cached,
            cost_cache_write,
            cost_cache_write_1h,
            disable_streaming: input.flag("disable_streaming"),
            force_non_streaming: input.flag("force_non_streaming"),
            custom_headers: input.headers("custom_headers"),
            enabled: input.flag("enabled"),
            max_tokens: input.whole("max_tokens", 1, MAX_TOKENS),
            temperature: input.real("temperature", 0.0, MAX_TEMPERATURE),
            top_p: input.real("top_p", 0.0, MAX_TOP_P),
            system_prompt: input.exact_text("system_prompt", 1_000_000),
            show_reasoning: input.flag("show_reasoning"),
            queue_priority: queue_priority(input),
            auto_cache: input.flag("auto_cache"),
            capture_bodies: input.flag("capture_bodies"),
            inline_system: input.flag("inline_system"),
            keep_alive: keep_alive(input),
            num_ctx: input.whole("num_ctx", 1, MAX_NUM_CTX),
            repair: RepairDraft::read(input),
            caching: CachingDraft::read(input),
            limits: LimitsDraft::read(input),
            routing: input
                .object("routing", RoutingDraft::read)
                .map(|routing| routing.unwrap_or_else(RoutingDraft::cleared)),
        }
    }
}

/// Whether Ollama takes `text` for `keep_alive`: a duration of Go without a sign, or whole
/// seconds, -1 included.
pub(super) fn is_keep_alive(text: &str) -> bool {
    if text.len() > 20 {
        return false;
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds >= -1 && !text.starts_with('+');
    }
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let units = ["ms", "h", "m", "s"];
        let unit = units.iter().find(|unit| rest[number..].starts_with(**unit));
        match unit {
            Some(unit) if number > 0 => rest = &rest[number + unit.len()..],
            _ => return false,
        }
    }
    !text.is_empty()
}

fn queue_priority(input: &mut Input<'_>) -> Option<Option<QueuePriority>> {
    let Some(text) = input.text("queue_priority", 100)? else {
        return Some(None);
    };
    let priority = QueuePriority::from_id(&text);
    if priority.is_none() {
        input.refuse("queue_priority", "must be HIGH, NORMAL or LOW");
    }
    priority.map(Some)
}

fn keep_alive(input: &mut Input<'_>) -> Option<Option<String>> {
    let text = match input.take("keep_alive")? {
        Value::Null => return Some(None),
        Value::String(text) if text.trim().is_empty() => return Some(None),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    };
    if !is_keep_alive(&text) {
        input.refuse("keep_alive", KEEP_ALIVE);
        return None;
    }
    Some(Some(text))
}

fn endpoint_id(input: &mut Input<'_>) -> Option<i64> {
    let id = input.whole("endpoint_id", 1, i64::MAX)?;
    if id.is_none() {
        input.refuse("endpoint_id", "must be the id of an endpoint");
    }
    id
}
