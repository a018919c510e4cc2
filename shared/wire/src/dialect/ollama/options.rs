//! What every call of Ollama's API shares: the model, how it is kept loaded, `options`.

use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::hub::{Effort, Note, Refusal, ResponseFormat, Sampling};

/// The upstream's side of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// The model as the server names it.
    pub model: &'a str,
    /// Context size in tokens; a change makes the server load the model anew. `None`
    /// leaves it to the server.
    pub num_ctx: Option<u32>,
    /// How long the model stays loaded: a duration such as `5m`, or seconds; negative
    /// for ever. `None` leaves it to the server.
    pub keep_alive: Option<&'a str>,
    /// Whether the model can think, as far as `/api/show` told it.
    pub thinks: Option<bool>,
    /// Whether the model takes tools, as far as `/api/show` told it.
    pub takes_tools: Option<bool>,
}

/// `keep_alive`: the server takes text for a duration with units, and a number for
/// seconds.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum KeepAlive<'a> {
    Seconds(Number),
    Duration(&'a str),
}

impl<'a> Target<'a> {
    pub(super) fn keep_alive(&self) -> Option<KeepAlive<'a>> {
        let text = self.keep_alive?.trim();
        if text.is_empty() {
            return None;
        }
        let seconds = text.parse::<i64>().map(Number::from);
        Some(match seconds.or_else(|_| serde_json::from_str(text)) {
            Ok(number) => KeepAlive::Seconds(number),
            Err(_) => KeepAlive::Duration(text),
        })
    }
}

/// The member `options`.
#[derive(Serialize)]
pub(super) struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_ctx: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u64>,
    temperature: Number,
    top_p: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
}

/// More tokens than any model answers; the server counts in 32 bits.
const MOST_TOKENS: u64 = i32::MAX as u64;

impl<'a> Options<'a> {
    /// Temperature and `top_p` are always there: Ollama's own defaults are lower than
    /// those of the APIs that callers know.
    pub(super) fn new(
        target: &Target<'_>,
        sampling: &'a Sampling,
        max_tokens: Option<u64>,
        stop: &'a [String],
    ) -> Self {
        let or_one = |number: &Option<Number>| number.clone().unwrap_or_else(|| Number::from(1));
        Self {
            num_ctx: target.num_ctx,
            num_predict: max_tokens.map(|tokens| tokens.min(MOST_TOKENS)),
            temperature: or_one(&sampling.temperature),
            top_p: or_one(&sampling.top_p),
            top_k: sampling.top_k.as_ref(),
            min_p: sampling.min_p.as_ref(),
            seed: sampling.seed.as_ref(),
            frequency_penalty: sampling.frequency_penalty.as_ref(),
            presence_penalty: sampling.presence_penalty.as_ref(),
            repeat_penalty: sampling.repetition_penalty.as_ref(),
            stop,
        }
    }
}

/// The member `think`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Think {
    Switch(bool),
    Level(&'static str),
}

/// How much the model is to think. To a model that cannot, the server refuses any
/// `think` but `false`.
pub(super) fn think(
    effort: Option<Effort>,
    target: &Target<'_>,
    notes: &mut Vec<Note>,
) -> Option<Think> {
    const FIELD: &str = "reasoning_effort";
    let effort = effort?;
    if target.thinks == Some(false) {
        if effort != Effort::None {
            notes.push(Note::dropped(FIELD, "the model does not think"));
        }
        return None;
    }
    Some(match effort {
        Effort::None => Think::Switch(false),
        Effort::Low => Think::Level("low"),
        Effort::Medium => Think::Level("medium"),
        Effort::High => Think::Level("high"),
        Effort::Max => Think::Level("max"),
        Effort::Minimal => {
            notes.push(Note::adapted(FIELD, "the least that Ollama knows is 'low'"));
            Think::Level("low")
        }
        Effort::XHigh => {
            notes.push(Note::adapted(
                FIELD,
                "Ollama has no 'xhigh'; it gets 'high'",
            ));
            Think::Level("high")
        }
    })
}

/// The member `format`: `"json"`, or the schema as the caller wrote it.
pub(super) fn format(format: &ResponseFormat) -> Result<Option<&RawValue>, Refusal> {
    let text = match format {
        ResponseFormat::Text => return Ok(None),
        ResponseFormat::JsonObject => r#""json""#,
        ResponseFormat::JsonSchema { schema, .. } => {
            let schema = schema.trim();
            if schema == "{}" { r#""json""# } else { schema }
        }
    };
    match serde_json::from_str(text) {
        Ok(raw) => Ok(Some(raw)),
        Err(_) => Err(Refusal::field(
            "response_format.json_schema.schema",
            "must be a JSON Schema",
        )),
    }
}
