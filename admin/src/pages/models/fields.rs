//! The fields of a virtual model's form, and what they say for the draft.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use store::{FieldErrors, ReasoningForm, RoutingRow, Strategy, Thinking, VirtualModelRow};

use super::targets::{self, Line};
use crate::pages::form::{Form, Posted};
use crate::pages::row_form::{RowFields, headers_from_lines, headers_to_lines};

const FIELDS: RowFields = RowFields {
    texts: &[
        "name",
        "endpoint_id",
        "actual_model",
        "description",
        "cost_per_1m_tokens_in",
        "cost_per_1m_tokens_out",
        "cost_per_1m_tokens_in_cached",
        "cost_per_1m_tokens_out_cached",
        "cost_per_1m_tokens_cache_write",
        "cost_per_1m_tokens_cache_write_1h",
        "max_tokens",
        "temperature",
        "top_p",
        "system_prompt",
        "queue_priority",
        "keep_alive",
        "num_ctx",
        "reasoning_form",
        "thinking",
        "keep_tool_text_bytes",
        "cache_ttl_seconds",
        "limit_requests_per_minute",
        "limit_tokens_per_minute",
        "limit_parallel",
        "limit_cost_per_day",
        "limit_cost_per_month",
    ],
    flags: &[
        "enabled",
        "disable_streaming",
        "force_non_streaming",
        "show_reasoning",
        "auto_cache",
        "inline_system",
        "repair_tool_calls",
        "repair_arguments",
        "repair_history",
        "repaired_comment",
        "cache_enabled",
        "join_calls",
        "capture_bodies",
    ],
};

/// The texts of the routing; in the form with `routing.` before them, as errors name them.
const ROUTING: [&str; 5] = [
    "strategy",
    "weight",
    "max_attempts",
    "failure_threshold",
    "cooldown",
];

/// The form of a new virtual model.
pub(super) fn blank() -> Form {
    let on = [
        "enabled",
        "show_reasoning",
        "repair_tool_calls",
        "repair_arguments",
        "repair_history",
    ];
    let form = Form::default()
        .with("routing.strategy", Strategy::default().id())
        .with("routing.weight", "1")
        .with("reasoning_form", ReasoningForm::default().id())
        .with("thinking", Thinking::default().id());
    on.into_iter().fold(form, |form, flag| form.with(flag, "1"))
}

/// The form of a stored one, whose secrets are masked.
pub(super) fn of_row(row: &VirtualModelRow) -> Form {
    let whole = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
    let RoutingRow {
        strategy,
        targets: _,
        weight,
        max_attempts,
        failure_threshold,
        cooldown,
        affinity,
    } = &row.routing;
    let headers = headers_to_lines(row.custom_headers.as_deref());
    Form::of_row(row)
        .with("custom_headers", headers)
        .with("routing.strategy", strategy.as_str())
        .with("routing.weight", weight.to_string())
        .with("routing.max_attempts", whole(*max_attempts))
        .with("routing.failure_threshold", whole(*failure_threshold))
        .with("routing.cooldown", whole(*cooldown))
        .with("routing.affinity", affinity.to_string())
}

/// What the form says, and what of it is no value at all.
pub(super) fn body(
    posted: &Posted,
    lines: &[Line],
    ids: &HashMap<&str, i64>,
) -> (Value, FieldErrors) {
    let mut errors = FieldErrors::new();
    let mut object = FIELDS.object(posted);
    match headers_from_lines(posted.get("custom_headers")) {
        Ok(headers) => {
            object.insert("custom_headers".to_owned(), headers);
        }
        Err(why) => errors.add("custom_headers", why),
    }
    let mut routing = Map::new();
    for field in ROUTING {
        let text = posted.get(&format!("routing.{field}"));
        routing.insert(field.to_owned(), json!(text));
    }
    let affinity = posted.is_on("routing.affinity");
    routing.insert("affinity".to_owned(), json!(affinity));
    match targets::list(lines, ids) {
        Ok(list) => {
            routing.insert("targets".to_owned(), list);
        }
        Err(why) => errors.add("routing.targets", why),
    }
    object.insert("routing".to_owned(), Value::Object(routing));
    (Value::Object(object), errors)
}

/// Strategies for a choice.
pub(super) fn strategies() -> Vec<(&'static str, &'static str)> {
    let name = |strategy: Strategy| match strategy {
        Strategy::None => "none: its own endpoint alone",
        Strategy::Backup => "backup: its own, then the targets in order",
        Strategy::Rotational => "rotational: all in turn",
        Strategy::Duplicate => "duplicate: everyone with the same actual model",
        Strategy::Weighted => "weighted: drawn by weight",
        Strategy::LeastBusy => "least busy: fewest calls in flight first",
        Strategy::Fastest => "fastest: shortest time to the first token",
    };
    Strategy::ALL
        .map(|strategy| (strategy.id(), name(strategy)))
        .into()
}

/// Where reasoning goes, for a choice.
pub(super) fn reasoning_forms() -> Vec<(&'static str, &'static str)> {
    let name = |form: ReasoningForm| match form {
        ReasoningForm::Field => "in a field of its own",
        ReasoningForm::Inline => "in the text, between <think> tags",
    };
    ReasoningForm::ALL
        .map(|form| (form.id(), name(form)))
        .into()
}

/// Where thoughts begin, for a choice.
pub(super) fn thinkings() -> Vec<(&'static str, &'static str)> {
    let name = |thinking: Thinking| match thinking {
        Thinking::Tagged => "behind an opening tag",
        Thinking::Held => "at the beginning or not at all: hold it until that is known",
        Thinking::Open => "at the beginning, without a tag",
    };
    Thinking::ALL
        .map(|thinking| (thinking.id(), name(thinking)))
        .into()
}
