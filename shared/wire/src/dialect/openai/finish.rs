//! Why a choice ended, in the words of every OpenAI-family server.

use super::error::UpstreamError;
use crate::hub::Finish;

/// What `word` means; words that are not known mean that the model was done.
///
/// # Errors
/// When it means that the answer is broken.
pub(super) fn read(word: &str) -> Result<Finish, UpstreamError> {
    match word {
        "length" | "model_length" => Ok(Finish::Length),
        "tool_calls" | "function_call" => Ok(Finish::ToolCalls),
        "content_filter" => Ok(Finish::ContentFilter),
        "error" | "abort" | "insufficient_system_resource" => Err(UpstreamError {
            message: Some(format!(
                "The upstream gave up inside the answer (finish reason '{word}')."
            )),
            code: Some(word.to_owned()),
            ..UpstreamError::default()
        }),
        // `stop`, Together's `eos`, and what is not known.
        _ => Ok(Finish::Stop),
    }
}

/// Whether OpenAI has the word; strictly typed clients take no other.
pub(super) fn is_openais(word: &str) -> bool {
    matches!(
        word,
        "stop" | "length" | "tool_calls" | "function_call" | "content_filter"
    )
}

/// OpenAI's word as JSON.
pub(super) fn json(reason: Finish) -> &'static [u8] {
    match reason {
        Finish::Stop => br#""stop""#,
        Finish::Length => br#""length""#,
        Finish::ToolCalls => br#""tool_calls""#,
        Finish::ContentFilter => br#""content_filter""#,
    }
}
