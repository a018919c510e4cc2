//! Token counts as Anthropic declares them.
//!
//! A stream declares them twice or more: `message_start` the prompt's, every
//! `message_delta` those that it names, counted from the beginning. Each replaces what
//! it names and leaves the rest as it was.

use serde::Deserialize;
use serde_json::Number;

use crate::object;
use crate::provider::Format;
use crate::usage::Usage;

/// One declaration.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Counts {
    #[serde(default)]
    input_tokens: Option<Number>,
    #[serde(default)]
    cache_creation_input_tokens: Option<Number>,
    #[serde(default)]
    cache_read_input_tokens: Option<Number>,
    #[serde(default, deserialize_with = "object::member")]
    cache_creation: Option<Creation>,
    #[serde(default)]
    output_tokens: Option<Number>,
    #[serde(default, deserialize_with = "object::member")]
    output_tokens_details: Option<OutputDetails>,
}

/// What was written to the cache, by how long it is kept.
#[derive(Debug, Deserialize)]
struct Creation {
    #[serde(default)]
    ephemeral_5m_input_tokens: Option<Number>,
    #[serde(default)]
    ephemeral_1h_input_tokens: Option<Number>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Option<Number>,
}

/// All that has been declared of one answer so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// Without what the cache took.
    input: Option<u64>,
    written: Option<u64>,
    written_5m: Option<u64>,
    written_1h: Option<u64>,
    read: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Counted {
    /// Takes the counts that are there.
    pub(super) fn take(&mut self, counts: &Counts) {
        let creation = counts.cache_creation.as_ref();
        let short = creation.and_then(|c| c.ephemeral_5m_input_tokens.as_ref());
        let long = creation.and_then(|c| c.ephemeral_1h_input_tokens.as_ref());
        let details = counts.output_tokens_details.as_ref();
        let thinking = details.and_then(|d| d.thinking_tokens.as_ref());
        for (known, declared) in [
            (&mut self.input, counts.input_tokens.as_ref()),
            (
                &mut self.written,
                counts.cache_creation_input_tokens.as_ref(),
            ),
            (&mut self.written_5m, short),
            (&mut self.written_1h, long),
            (&mut self.read, counts.cache_read_input_tokens.as_ref()),
            (&mut self.output, counts.output_tokens.as_ref()),
            (&mut self.thinking, thinking),
        ] {
            *known = number(declared).or(*known);
        }
    }

    /// What it comes to; `None` while neither the prompt nor the answer was counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let cached = self.read.unwrap_or(0);
        let long = self.written_1h.unwrap_or(0);
        let parts = self.written_5m.unwrap_or(0).saturating_add(long);
        let written = self.written.unwrap_or(parts);
        let counting = Format::Anthropic.cache_counting();
        let usage = Usage {
            prompt_tokens: counting.prompt_tokens(self.input.unwrap_or(0), cached, written),
            completion_tokens: self.output.unwrap_or(0),
            cached_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: long,
            reasoning_tokens: self.thinking.unwrap_or(0),
            ..Usage::default()
        };
        Some(usage.clamped())
    }
}

fn number(number: Option<&Number>) -> Option<u64> {
    let number = number?;
    number.as_u64().or_else(|| {
        let fraction = number.as_f64().filter(|x| *x >= 0.0)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates and the sign was looked at"
        )]
        Some(fraction as u64)
    })
}
