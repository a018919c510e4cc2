//! Typed access to the fields of a body; every failure names its field as the vendor would.

use serde_json::{Map, Value};

use super::Call;
use crate::vendor::Flavor;
use crate::vendor::refusal::Refusal;

const GENERATION: &[&str] = &[
    "model",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "user",
];
const CHAT: &[&str] = &[
    "messages",
    "audio",
    "function_call",
    "functions",
    "max_completion_tokens",
    "metadata",
    "modalities",
    "moderation",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "service_tier",
    "store",
    "tool_choice",
    "tools",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];
const RESPONSES: &[&str] = &[
    "background",
    "client_metadata",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];
const COMPLETIONS: &[&str] = &["prompt", "best_of", "echo", "suffix"];
const EMBEDDINGS: &[&str] = &["model", "input", "encoding_format", "dimensions", "user"];

pub(super) struct Fields<'a> {
    pub(super) flavor: Flavor,
    pub(super) map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Refuses fields OpenAI does not know.
    pub(super) fn only_known(&self, call: Call) -> Result<(), Refusal> {
        let known = |name: &str| match call {
            Call::Chat => GENERATION.contains(&name) || CHAT.contains(&name),
            Call::Responses => RESPONSES.contains(&name),
            Call::Completions => GENERATION.contains(&name) || COMPLETIONS.contains(&name),
            Call::Embeddings | Call::Messages | Call::CountTokens | Call::Native(_) => {
                EMBEDDINGS.contains(&name)
            }
        };
        match self.map.keys().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => {
                let message = format!("Unknown parameter: '{name}'.");
                Err(Refusal::field(name, Some("unknown_parameter"), message))
            }
        }
    }

    /// True if the field is there and not null.
    pub(super) fn present(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a Value, Refusal> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    pub(super) fn required_string(&self, name: &str) -> Result<&'a str, Refusal> {
        let value = self.required(name)?;
        value
            .as_str()
            .ok_or_else(|| self.wrong_type(name, "a string", value))
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.typed(name, "a boolean", Value::as_bool)
    }

    pub(super) fn array(&self, name: &str) -> Result<Option<&'a [Value]>, Refusal> {
        self.typed(name, "an array", |value| {
            value.as_array().map(Vec::as_slice)
        })
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, Refusal> {
        self.typed(name, "an object", Value::as_object)
    }

    pub(super) fn integer(&self, name: &str, min: i64) -> Result<Option<i64>, Refusal> {
        let value = self.typed(name, "an integer", Value::as_i64)?;
        match value {
            Some(value) if value < min => {
                let message = format!("Invalid '{name}': integer below minimum value {min}.");
                Err(Refusal::field(
                    name,
                    Some("integer_below_min_value"),
                    message,
                ))
            }
            _ => Ok(value),
        }
    }

    pub(super) fn number(&self, name: &str, min: f64, max: f64) -> Result<(), Refusal> {
        let value = self.typed(name, "a number", Value::as_f64)?;
        match value {
            Some(value) if value < min || value > max => {
                let (code, side, bound) = if value < min {
                    ("decimal_below_min_value", "below minimum", min)
                } else {
                    ("decimal_above_max_value", "above maximum", max)
                };
                let message = format!("Invalid '{name}': decimal {side} value {bound}.");
                Err(Refusal::field(name, Some(code), message))
            }
            _ => Ok(()),
        }
    }

    /// `stop`: a string or up to four.
    pub(super) fn stop(&self) -> Result<(), Refusal> {
        let Some(stop) = self.get("stop") else {
            return Ok(());
        };
        match stop.as_array() {
            None if stop.is_string() => Ok(()),
            Some(items) if items.len() > 4 && self.flavor == Flavor::OpenAi => {
                let message = "Invalid 'stop': array too long. Expected at most 4 items.";
                Err(Refusal::field(
                    "stop",
                    Some("array_above_max_length"),
                    message,
                ))
            }
            Some(items) if items.iter().all(Value::is_string) => Ok(()),
            _ => Err(self.wrong_type("stop", "a string or an array of strings", stop)),
        }
    }

    /// `logprobs`: a switch on chat, a number elsewhere and at Together.
    pub(super) fn logprobs(&self) -> Result<bool, Refusal> {
        let Some(value) = self.get("logprobs") else {
            return Ok(false);
        };
        match (value.as_bool(), value.as_u64()) {
            (Some(wanted), _) => Ok(wanted),
            (None, Some(_)) => Ok(true),
            (None, None) => Err(self.wrong_type("logprobs", "a boolean", value)),
        }
    }

    pub(super) fn missing(&self, name: &str) -> Refusal {
        let (code, message) = match self.flavor {
            Flavor::OpenAi | Flavor::Together => (
                "missing_required_parameter",
                format!("Missing required parameter: '{name}'."),
            ),
            Flavor::Ollama if name == "model" => ("missing", "model is required".to_owned()),
            Flavor::Vllm
            | Flavor::DeepInfra
            | Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Ollama
            | Flavor::Anthropic
            | Flavor::Runpod => ("missing", format!("{name}: Field required")),
        };
        Refusal::field(name, Some(code), message)
    }

    pub(super) fn wrong_type(&self, name: &str, expected: &str, got: &Value) -> Refusal {
        let got = match got {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        let message = match self.flavor {
            Flavor::OpenAi | Flavor::Together => {
                format!("Invalid type for '{name}': expected {expected}, but got {got} instead.")
            }
            Flavor::Vllm
            | Flavor::DeepInfra
            | Flavor::OpenWebui
            | Flavor::Queue
            | Flavor::Ollama
            | Flavor::Anthropic
            | Flavor::Runpod => format!("{name}: Input should be {expected}, not {got}"),
        };
        Refusal::field(name, Some("invalid_type"), message)
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(self.wrong_type(name, expected, value)),
            },
        }
    }
}
