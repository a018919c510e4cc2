//! The dialects that the simulated upstream speaks, each at its vendor's path.

/// How an upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's own chat.
    Ollama,
}

impl Dialect {
    /// Every dialect.
    pub(crate) const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Ollama];

    /// The gateway's type of endpoints that speak it.
    pub(crate) fn endpoint_type(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }

    /// What the report calls it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Anthropic => "Anthropic",
            Self::Ollama => "Ollama",
        }
    }

    /// The name that clients of the gateway use for the model behind such an
    /// endpoint: it must be rewritten both ways. All are of one length, so that no
    /// stream has more bytes than another because of it.
    pub(crate) fn virtual_model(self) -> &'static str {
        match self {
            Self::OpenAi => "bench-virtual",
            Self::Anthropic => "bench-claudes",
            Self::Ollama => "bench-ollamas",
        }
    }
}
