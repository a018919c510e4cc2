//! What vLLM refuses where the rest of the family looks away.
//!
//! A model with `no-tools` in its name is served without a parser for tool calls, one with
//! `strict` with a chat template that takes the system's message at the beginning alone.

use serde_json::Value;

use super::fields::Fields;
use super::{Choice, Facts};
use crate::vendor::refusal::Refusal;

/// Tokens of the context, as the model list tells.
const CONTEXT: u64 = 32_768;

pub(super) fn check(fields: &Fields<'_>, facts: &Facts) -> Result<(), Refusal> {
    let on = |name: &str| fields.map.get(name) == Some(&Value::Bool(true));
    let refuse = |name: &str, words: &str| Err(Refusal::field(name, None, words));
    if fields.present("top_logprobs") && !on("logprobs") {
        let words = "when using `top_logprobs`, `logprobs` must be set to true.";
        return refuse("top_logprobs", words);
    }
    if fields.present("prompt_logprobs") && facts.stream {
        let words = "`prompt_logprobs` are not available when `stream=True`.";
        return refuse("prompt_logprobs", words);
    }
    if on("continue_final_message") && on("add_generation_prompt") {
        let words = "Cannot set both `continue_final_message` and `add_generation_prompt` to True.";
        return refuse("continue_final_message", words);
    }
    if !facts.tools.is_empty() && facts.choice == Choice::Auto && facts.model.contains("no-tools") {
        let words = "\"auto\" tool choice requires --enable-auto-tool-choice and \
                     --tool-call-parser to be set";
        return refuse("tool_choice", words);
    }
    let messages = fields.map.get("messages").and_then(Value::as_array);
    let is_late = |message: &Value| message.get("role") == Some(&Value::from("system"));
    if facts.model.contains("strict") && messages.into_iter().flatten().skip(1).any(is_late) {
        return refuse("messages", "System message must be at the beginning.");
    }
    let limit = fields
        .integer("max_completion_tokens", 1)?
        .or(fields.integer("max_tokens", 0)?);
    let limit = limit
        .and_then(|limit| u64::try_from(limit).ok())
        .unwrap_or(0);
    if facts.prompt_tokens.saturating_add(limit) > CONTEXT {
        let words = format!(
            "This model's maximum context length is {CONTEXT} tokens. However, you requested \
             {limit} output tokens and your prompt contains {} input tokens.",
            facts.prompt_tokens
        );
        return refuse("max_tokens", &words);
    }
    Ok(())
}
