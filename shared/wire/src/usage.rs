//! Token counts as an upstream declares them, and what it says that they cost.
//!
//! What always holds of what is read here, and of [`Usage::clamped`]: a part is never
//! more than its whole. A count that nobody declared is 0 as a part; a whole usage that
//! nobody declared is `None`, never zeros. Prices are deliberately not here.

mod cost;
mod counting;
mod declared;
mod estimate;
mod text;
mod watch;

use serde::{Deserialize, Serialize};

pub use counting::CacheCounting;
pub use estimate::{TOKENS_PER_MEDIUM, estimate_prompt, estimate_tokens};
pub use text::text_tokens;
pub use watch::Watch;

/// Tokens of one call, in the terms of OpenAI's `usage` object: cached and
/// cache-written tokens are parts of `prompt_tokens`, reasoning tokens are a part
/// of `completion_tokens`. All but `cost` are numbers of tokens; a part that was not
/// declared is 0.
///
/// As JSON it has the names of these fields, those that are not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    #[serde(skip_serializing_if = "is_zero")]
    pub prompt_tokens: u64,
    /// Tokens of the answer, reasoning included. 0 for embeddings.
    #[serde(skip_serializing_if = "is_zero")]
    pub completion_tokens: u64,
    /// What the upstream says is the sum; never less than prompt and completion.
    #[serde(skip_serializing_if = "is_zero")]
    pub total_tokens: u64,
    /// Prompt tokens read from the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Prompt tokens written to the provider's cache, for however long.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Of those, the ones that are kept for an hour and not for five minutes. Only
    /// Anthropic's terms have them (`cache_creation.ephemeral_1h_input_tokens`).
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h_tokens: u64,
    /// Completion tokens spent on reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    /// Completion tokens read from a cache (`completion_tokens_details.cached_tokens`).
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_completion_tokens: u64,
    /// Prompt tokens that are sound.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_prompt_tokens: u64,
    /// Completion tokens that are sound.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_completion_tokens: u64,
    /// Prompt tokens that are pictures.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_prompt_tokens: u64,
    /// Completion tokens that are pictures.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_completion_tokens: u64,
    /// Seconds of sound that were listened to, begun ones counted, where the provider tells
    /// them in the place of tokens. No part of anything.
    #[serde(skip_serializing_if = "is_zero")]
    pub seconds: u64,
    /// Searches that a ranking counts as, as Cohere bills them. No part of anything.
    #[serde(skip_serializing_if = "is_zero")]
    pub search_units: u64,
    /// What the provider itself says that the call costs, all of it, in nano-dollars
    /// (a billionth of a US dollar); `None` when it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

impl Usage {
    /// Reads a `usage` object of an OpenAI-family server. `None` when it is not an
    /// object or declares no token at all, so that an empty object never counts as a
    /// known zero.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        declared::read(json)
    }

    /// Prompt tokens that the cache had nothing to do with: neither read from it nor
    /// written to it.
    #[must_use]
    pub fn uncached_prompt_tokens(&self) -> u64 {
        self.prompt_tokens
            .saturating_sub(self.cached_tokens)
            .saturating_sub(self.cache_write_tokens)
    }

    /// Cache-written tokens that are kept for five minutes, or for as long as the
    /// provider keeps any.
    #[must_use]
    pub fn cache_write_short_tokens(&self) -> u64 {
        self.cache_write_tokens
            .saturating_sub(self.cache_write_1h_tokens)
    }

    /// Whether all of it is zero, which some servers write before they have counted. A
    /// cost of nothing says no more than that.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let cost = self.cost.filter(|cost| *cost > 0);
        Self { cost, ..*self } == Self::default()
    }

    /// The same with parts that fit into their wholes. Prompt and completion are
    /// believed. What does not fit in is cut, and of parts that exclude each other the
    /// one first named here keeps its tokens: of the prompt read from the cache before
    /// written to it, sound before pictures; of the completion sound before pictures;
    /// what is kept for an hour is a part of what was written. The total is at least
    /// prompt and completion.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        let (prompt, completion) = (self.prompt_tokens, self.completion_tokens);
        self.total_tokens = self.total_tokens.max(prompt.saturating_add(completion));
        self.cached_tokens = self.cached_tokens.min(prompt);
        self.cache_write_tokens = self.cache_write_tokens.min(prompt - self.cached_tokens);
        self.cache_write_1h_tokens = self.cache_write_1h_tokens.min(self.cache_write_tokens);
        self.audio_prompt_tokens = self.audio_prompt_tokens.min(prompt);
        let rest = prompt - self.audio_prompt_tokens;
        self.image_prompt_tokens = self.image_prompt_tokens.min(rest);
        self.reasoning_tokens = self.reasoning_tokens.min(completion);
        self.cached_completion_tokens = self.cached_completion_tokens.min(completion);
        self.audio_completion_tokens = self.audio_completion_tokens.min(completion);
        let rest = completion - self.audio_completion_tokens;
        self.image_completion_tokens = self.image_completion_tokens.min(rest);
        self
    }

    /// What two calls spent together. Their cost is known when both are.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |part: fn(&Self) -> u64| part(&self).saturating_add(part(&other));
        Self {
            prompt_tokens: sum(|usage| usage.prompt_tokens),
            completion_tokens: sum(|usage| usage.completion_tokens),
            total_tokens: sum(|usage| usage.total_tokens),
            cached_tokens: sum(|usage| usage.cached_tokens),
            cache_write_tokens: sum(|usage| usage.cache_write_tokens),
            cache_write_1h_tokens: sum(|usage| usage.cache_write_1h_tokens),
            reasoning_tokens: sum(|usage| usage.reasoning_tokens),
            cached_completion_tokens: sum(|usage| usage.cached_completion_tokens),
            audio_prompt_tokens: sum(|usage| usage.audio_prompt_tokens),
            audio_completion_tokens: sum(|usage| usage.audio_completion_tokens),
            image_prompt_tokens: sum(|usage| usage.image_prompt_tokens),
            image_completion_tokens: sum(|usage| usage.image_completion_tokens),
            seconds: sum(|usage| usage.seconds),
            search_units: sum(|usage| usage.search_units),
            cost: self
                .cost
                .zip(other.cost)
                .map(|(one, other)| one.saturating_add(other)),
        }
        .clamped()
    }
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod laws;
