//! Token counts as an upstream declares them.

use serde::{Deserialize, Serialize};

/// Tokens of one call, in the terms of OpenAI's `usage` object: cached and
/// cache-written tokens are parts of `prompt_tokens`, reasoning tokens are a part
/// of `completion_tokens`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens of the answer, reasoning included. 0 for embeddings.
    pub completion_tokens: u64,
    /// What the upstream says is the sum.
    pub total_tokens: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Prompt tokens written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Of these, written for an hour instead of five minutes.
    pub cache_write_1h_tokens: u64,
    /// Completion tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// Completion tokens read from the provider's cache.
    pub cached_completion_tokens: u64,
    /// Prompt tokens of sound.
    pub audio_prompt_tokens: u64,
    /// Completion tokens of sound.
    pub audio_completion_tokens: u64,
    /// Prompt tokens of pictures.
    pub image_prompt_tokens: u64,
    /// Completion tokens of pictures.
    pub image_completion_tokens: u64,
    /// What the provider says the call cost, in nano-dollars.
    pub cost: Option<u64>,
}

/// The fields that OpenAI-family servers use. Sources: the vendors' API references
/// and recorded replies.
#[derive(Deserialize)]
struct Declared {
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    total_tokens: Option<u64>,
    /// Open WebUI: the whole reply, where `prompt_tokens` is its last model call.
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    /// Together.
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    /// DeepSeek.
    #[serde(default, deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    /// SGLang.
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
    /// Mistral, beside OpenAI's name for the same.
    #[serde(default, deserialize_with = "count")]
    num_cached_tokens: Option<u64>,
    #[serde(default)]
    prompt_token_details: Option<PromptDetails>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

/// A count, whatever number or other value a server writes; what is not a count
/// reads as absent.
fn count<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(u64),
        Fraction(f64),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Number::deserialize(deserializer)? {
        Number::Whole(n) => Some(n),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates and the sign was looked at"
        )]
        Number::Fraction(x) if x >= 0.0 => Some(x as u64),
        Number::Fraction(_) | Number::Other(_) => None,
    })
}

impl Usage {
    /// Reads a `usage` object. `None` when it is not an object or declares no
    /// token at all, so that an empty object never counts as a known zero.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        let declared: Declared = serde_json::from_str(json).ok()?;
        let prompt = declared.input_tokens.or(declared.prompt_tokens);
        let completion = declared.output_tokens.or(declared.completion_tokens);
        let total = declared.total_tokens;
        if prompt.is_none() && completion.is_none() && total.is_none() {
            return None;
        }
        let reasoning_tokens = declared
            .completion_tokens_details
            .and_then(|d| d.reasoning_tokens)
            .or(declared.reasoning_tokens)
            .unwrap_or(0);
        let mut completion_tokens = completion.unwrap_or(0);
        let prompt_tokens =
            prompt.unwrap_or_else(|| total.unwrap_or(0).saturating_sub(completion_tokens));
        // xAI, Gemini, and Gemini's models at DeepInfra leave the reasoning out of the
        // completion; some of them count it in the total.
        let beside_the_prompt = total.unwrap_or(0).saturating_sub(prompt_tokens);
        let is_anthropic = declared.cache_read_input_tokens.is_some()
            || declared.cache_creation_input_tokens.is_some();
        if completion.is_some() && beside_the_prompt > completion_tokens && !is_anthropic {
            completion_tokens = beside_the_prompt;
        } else if reasoning_tokens > completion_tokens {
            completion_tokens = completion_tokens.saturating_add(reasoning_tokens);
        }
        let prompt_details = declared
            .prompt_tokens_details
            .or(declared.prompt_token_details);
        let details = prompt_details.as_ref();
        Some(Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: total
                .unwrap_or(0)
                .max(prompt_tokens.saturating_add(completion_tokens)),
            cached_tokens: declared
                .cache_read_input_tokens
                .or_else(|| details.and_then(|d| d.cached_tokens))
                .or(declared.cached_tokens)
                .or(declared.prompt_cache_hit_tokens)
                .or(declared.num_cached_tokens)
                .unwrap_or(0),
            cache_write_tokens: declared
                .cache_creation_input_tokens
                .or_else(|| details.and_then(|d| d.cache_write_tokens))
                .unwrap_or(0),
            reasoning_tokens,
            ..Self::default()
        })
    }
}

/// Tokens in `bytes` bytes of text when nobody counted them: four bytes a token,
/// rounded up. Good to a factor of about two; always marked as an estimate.
#[must_use]
pub fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Option<[u64; 6]> {
        Usage::read(json).map(|u| {
            [
                u.prompt_tokens,
                u.completion_tokens,
                u.total_tokens,
                u.cached_tokens,
                u.cache_write_tokens,
                u.reasoning_tokens,
            ]
        })
    }

    #[test]
    fn every_vendors_fields_are_read() {
        for (vendor, json, expected) in [
            (
                "openai",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}"#,
                [10, 5, 15, 4, 0, 3],
            ),
            (
                "cache writes",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2}}"#,
                [10, 5, 15, 4, 2, 0],
            ),
            (
                "together",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cached_tokens":6}"#,
                [10, 5, 15, 6, 0, 0],
            ),
            (
                "deepseek",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_cache_hit_tokens":7,"prompt_cache_miss_tokens":3}"#,
                [10, 5, 15, 7, 0, 0],
            ),
            (
                "sglang",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"reasoning_tokens":2,"prompt_tokens_details":null}"#,
                [10, 5, 15, 0, 0, 2],
            ),
            (
                "open webui",
                r#"{"prompt_tokens":1,"completion_tokens":1,"input_tokens":20,"output_tokens":8,"total_tokens":28}"#,
                [20, 8, 28, 0, 0, 0],
            ),
            (
                "embeddings",
                r#"{"prompt_tokens":8,"total_tokens":8}"#,
                [8, 0, 8, 0, 0, 0],
            ),
            (
                "total missing",
                r#"{"prompt_tokens":8,"completion_tokens":2}"#,
                [8, 2, 10, 0, 0, 0],
            ),
            (
                "mistral",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"num_cached_tokens":3,"prompt_token_details":{"cached_tokens":3},"prompt_tokens_details":{"cached_tokens":3}}"#,
                [10, 5, 15, 3, 0, 0],
            ),
            (
                "xai, gemini: reasoning in the total alone",
                r#"{"prompt_tokens":307,"completion_tokens":26,"total_tokens":560,"completion_tokens_details":{"reasoning_tokens":227}}"#,
                [307, 253, 560, 0, 0, 227],
            ),
            (
                "deepinfra's gemini: reasoning nowhere in it",
                r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"completion_tokens_details":{"reasoning_tokens":20}}"#,
                [10, 25, 35, 0, 0, 20],
            ),
            (
                "floats",
                r#"{"prompt_tokens":8.0,"completion_tokens":2.0,"total_tokens":10.0}"#,
                [8, 2, 10, 0, 0, 0],
            ),
        ] {
            assert_eq!(usage(json), Some(expected), "{vendor}");
        }
    }

    #[test]
    fn nothing_declared_is_not_a_zero() {
        for json in [
            "null",
            "{}",
            "[]",
            r#"{"queue_time":1.5}"#,
            r#"{"prompt_tokens":null}"#,
        ] {
            assert_eq!(usage(json), None, "{json}");
        }
    }
}
