//! What a model is to work on that is no conversation.

use serde_json::value::RawValue;

use super::BadRequest;

/// The inputs of embeddings.
///
/// # Errors
/// When there is none, or it is of another type.
pub(super) fn check_input(input: Option<&RawValue>) -> Result<(), BadRequest> {
    let wanted = "must be a non-empty string or a list of strings or token ids";
    match input.map(RawValue::get) {
        None => Err(BadRequest::field("input", "is required")),
        Some("\"\"") => Err(BadRequest::field("input", wanted)),
        Some(text) if text.starts_with('"') => Ok(()),
        Some(text) if text.starts_with('[') && !is_empty_list(text) => Ok(()),
        Some(_) => Err(BadRequest::field("input", wanted)),
    }
}

/// The prompts of completions.
///
/// # Errors
/// When it is of another type.
pub(super) fn check_prompt(prompt: Option<&RawValue>) -> Result<(), BadRequest> {
    match prompt.map(RawValue::get) {
        None => Ok(()),
        Some(text) if text.starts_with('"') => Ok(()),
        Some(text) if text.starts_with('[') && !is_empty_list(text) => Ok(()),
        Some(_) => Err(BadRequest::field(
            "prompt",
            "must be a string or a non-empty list of strings or token ids",
        )),
    }
}

fn is_empty_list(text: &str) -> bool {
    text[1..].trim_start().starts_with(']')
}
