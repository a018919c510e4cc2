//! Paths of the public API under which models are called.

use wire::dialect::ollama::OllamaCall;
use wire::inbound::CallerDialect;
use wire::provider::Passed;

/// Beginnings that mean the same place, longest first. The bare form is for clients
/// whose base URL lacks `/v1`, the `/api` forms for clients of Open WebUI.
const PREFIXES: [&str; 4] = ["/api/v1", "/v1", "/api", ""];

/// A path without its beginning: that, and the rest, which starts with a slash.
pub fn below_prefix(path: &str) -> Option<(&'static str, &str)> {
    PREFIXES.iter().find_map(|prefix| {
        let rest = path.strip_prefix(prefix)?;
        rest.starts_with('/').then_some((*prefix, rest))
    })
}

/// The dialect of the call that a POST to `path` is; a query and a slash at the end do not
/// matter.
pub fn dialect_at(path: &str) -> Option<CallerDialect> {
    let path = path.split('?').next().unwrap_or(path);
    let (prefix, name) = below_prefix(path.strip_suffix('/').unwrap_or(path))?;
    if prefix == "/api"
        && let Some(called) = OllamaCall::at(name)
    {
        return Some(CallerDialect::Ollama(called));
    }
    match name {
        "/chat/completions" => Some(CallerDialect::OpenAiChat),
        "/completions" => Some(CallerDialect::OpenAiCompletions),
        "/embeddings" => Some(CallerDialect::OpenAiEmbeddings),
        "/messages" => Some(CallerDialect::AnthropicMessages),
        "/responses" => Some(CallerDialect::OpenAiResponses),
        _ => Passed::at(name).map(CallerDialect::OpenAiPassed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_path_is_the_same_call() {
        for (path, dialect) in [
            ("/v1/chat/completions", Some(CallerDialect::OpenAiChat)),
            (
                "/api/v1/chat/completions/?x=1",
                Some(CallerDialect::OpenAiChat),
            ),
            ("/completions", Some(CallerDialect::OpenAiCompletions)),
            ("/embeddings/", Some(CallerDialect::OpenAiEmbeddings)),
            (
                "/v1/messages?beta=true",
                Some(CallerDialect::AnthropicMessages),
            ),
            ("/v1/responses", Some(CallerDialect::OpenAiResponses)),
            ("/v1/responses/resp_1", None),
            ("/messages", Some(CallerDialect::AnthropicMessages)),
            ("/v1/messages/batches", None),
            (
                "/api/embeddings",
                Some(CallerDialect::Ollama(OllamaCall::Embeddings)),
            ),
            (
                "/api/chat/?x=1",
                Some(CallerDialect::Ollama(OllamaCall::Chat)),
            ),
            ("/api/chat/completions", Some(CallerDialect::OpenAiChat)),
            ("/api/v1/chat", None),
            ("/chat", None),
            ("/generate", None),
            (
                "/v1/audio/speech",
                Some(CallerDialect::OpenAiPassed(Passed::Speech)),
            ),
            ("/rerank", Some(CallerDialect::OpenAiPassed(Passed::Rerank))),
            (
                "/api/v1/images/edits/",
                Some(CallerDialect::OpenAiPassed(Passed::ImageEdit)),
            ),
            ("/v1/images", None),
            ("/v1/audio/speeches", None),
            ("/v1/models", None),
            ("v1/completions", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(dialect_at(path), dialect, "{path}");
        }
    }
}
