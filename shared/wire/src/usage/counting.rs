//! Whether what a cache took is in the declared prompt or beside it.

/// How a server's count of the prompt stands to the tokens that its cache took. To
/// take one for the other charges them twice, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheCounting {
    /// Cached and cache-written tokens are parts of the declared prompt: OpenAI, and
    /// whoever speaks its API.
    InPrompt,
    /// They come on top of it: Anthropic's `input_tokens`, and servers that hand its
    /// numbers on.
    BesidePrompt,
}

impl CacheCounting {
    /// All tokens of a prompt that was declared as `declared`.
    #[must_use]
    pub fn prompt_tokens(self, declared: u64, cached: u64, written: u64) -> u64 {
        match self {
            Self::InPrompt => declared,
            Self::BesidePrompt => declared.saturating_add(cached).saturating_add(written),
        }
    }
}
