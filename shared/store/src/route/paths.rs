//! Paths of the public API under which models are called.

use wire::provider::{Call, Passed};

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

/// The call that a POST to `path` is; a query and a slash at the end do not matter.
pub fn call_at(path: &str) -> Option<Call> {
    let path = path.split('?').next().unwrap_or(path);
    let (prefix, name) = below_prefix(path.strip_suffix('/').unwrap_or(path))?;
    match name {
        "/chat/completions" => Some(Call::Chat),
        "/completions" => Some(Call::Completions),
        // `/api/embeddings` is Ollama's own call of another dialect.
        "/embeddings" if prefix != "/api" => Some(Call::Embeddings),
        _ => Passed::at(name).map(Call::Passed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_path_is_the_same_call() {
        for (path, call) in [
            ("/v1/chat/completions", Some(Call::Chat)),
            ("/api/v1/chat/completions/?x=1", Some(Call::Chat)),
            ("/completions", Some(Call::Completions)),
            ("/embeddings/", Some(Call::Embeddings)),
            ("/api/embeddings", None),
            ("/v1/audio/speech", Some(Call::Passed(Passed::Speech))),
            ("/rerank", Some(Call::Passed(Passed::Rerank))),
            (
                "/api/v1/images/edits/",
                Some(Call::Passed(Passed::ImageEdit)),
            ),
            ("/v1/images", None),
            ("/v1/audio/speeches", None),
            ("/v1/models", None),
            ("v1/completions", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(call_at(path), call, "{path}");
        }
    }
}
