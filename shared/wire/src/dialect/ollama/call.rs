//! The calls of a model that Ollama's clients make.

use super::Form;

/// Which one, each with a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OllamaCall {
    /// `/api/chat`.
    Chat,
    /// `/api/generate`.
    Generate,
    /// `/api/embed`: a vector for each of several texts.
    Embed,
    /// `/api/embeddings`, the older one: the vector of one text.
    Embeddings,
}

impl OllamaCall {
    /// Every call.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Generate, Self::Embed, Self::Embeddings];

    /// The one at `/api` followed by `path`.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/chat" => Self::Chat,
            "/generate" => Self::Generate,
            "/embed" => Self::Embed,
            "/embeddings" => Self::Embeddings,
            _ => return None,
        })
    }

    /// How an answer in words is written; calls for vectors have none.
    #[must_use]
    pub fn form(self) -> Form {
        match self {
            Self::Chat | Self::Embed | Self::Embeddings => Form::Chat,
            Self::Generate => Form::Generate,
        }
    }

    /// Whether vectors are wanted.
    #[must_use]
    pub fn embeds(self) -> bool {
        match self {
            Self::Chat | Self::Generate => false,
            Self::Embed | Self::Embeddings => true,
        }
    }
}
