//! The `usage` object of OpenAI-family servers, under all names in use. Sources: the
//! vendors' API references and recorded replies.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{CacheCounting, Usage, cost};
use crate::object;
use crate::provider::Format;

#[derive(Deserialize)]
struct Declared<'a> {
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
    /// Servers in front of Anthropic's models.
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(borrow, default)]
    cache_creation: Option<&'a RawValue>,
    /// SGLang.
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
    /// Mistral, beside OpenAI's name for the same.
    #[serde(default, deserialize_with = "count")]
    num_cached_tokens: Option<u64>,
    #[serde(borrow, default)]
    prompt_token_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    completion_tokens_details: Option<&'a RawValue>,
    /// The newer names, from OpenAI's other API.
    #[serde(borrow, default)]
    input_tokens_details: Option<&'a RawValue>,
    /// OpenAI's transcriptions.
    #[serde(borrow, default)]
    input_token_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    output_tokens_details: Option<&'a RawValue>,
    /// DeepInfra: dollars.
    #[serde(borrow, default)]
    estimated_cost: Option<&'a RawValue>,
    /// OpenRouter: credits, which are dollars.
    #[serde(borrow, default)]
    cost: Option<&'a RawValue>,
    /// OpenRouter: the vendor sends a bill of its own, and `cost` is only the fee.
    #[serde(borrow, default)]
    is_byok: Option<&'a RawValue>,
}

/// The parts of either side.
#[derive(Default, Deserialize)]
struct Details {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    audio_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    image_tokens: Option<u64>,
}

/// Anthropic's parts of what was written to the cache, by how long it is kept.
#[derive(Debug, Default, Deserialize)]
struct Written {
    #[serde(default, deserialize_with = "count")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    ephemeral_1h_input_tokens: Option<u64>,
}

/// What was said of the prompt.
struct Prompt {
    declared: u64,
    cached: u64,
    written: u64,
    /// The cache's part is declared in Anthropic's words.
    in_anthropics_words: bool,
    /// So is the prompt itself, and in no other.
    has_anthropics_name: bool,
}

pub(super) fn read(json: &str) -> Option<Usage> {
    let declared: Declared<'_> = object::read_str(json).ok()?;
    let completion = declared.output_tokens.or(declared.completion_tokens);
    let total = declared.total_tokens;
    let prompt = declared.input_tokens.or(declared.prompt_tokens);
    if prompt.is_none() && completion.is_none() && total.is_none() {
        return None;
    }
    let of_prompt: Details = parts([
        declared.prompt_tokens_details,
        declared.prompt_token_details,
        declared.input_tokens_details,
        declared.input_token_details,
    ]);
    let of_completion: Details = parts([
        declared.completion_tokens_details,
        declared.output_tokens_details,
        None,
        None,
    ]);
    let written: Written = parts([declared.cache_creation, None, None, None]);
    let written_1h = written.ephemeral_1h_input_tokens.unwrap_or(0);
    let written_5m = written.ephemeral_5m_input_tokens.unwrap_or(0);
    let mut completion_tokens = completion.unwrap_or(0);
    let prompt = Prompt {
        declared: prompt.unwrap_or_else(|| total.unwrap_or(0).saturating_sub(completion_tokens)),
        cached: first([
            declared.cache_read_input_tokens,
            of_prompt.cached_tokens,
            declared.cached_tokens,
            declared.prompt_cache_hit_tokens,
            declared.num_cached_tokens,
        ]),
        written: first([
            declared.cache_creation_input_tokens,
            of_prompt.cache_write_tokens,
            Some(written_1h.saturating_add(written_5m)),
        ]),
        in_anthropics_words: declared.cache_read_input_tokens.is_some()
            || declared.cache_creation_input_tokens.is_some(),
        has_anthropics_name: declared.prompt_tokens.is_none() && declared.input_tokens.is_some(),
    };
    let prompt_tokens = prompt.tokens(completion_tokens, total);
    let reasoning_tokens = first([of_completion.reasoning_tokens, declared.reasoning_tokens]);
    // xAI, Gemini, and Gemini's models at DeepInfra leave the reasoning out of the
    // completion; some of them count it in the total.
    let beside_the_prompt = total.unwrap_or(0).saturating_sub(prompt_tokens);
    if completion.is_some() && beside_the_prompt > completion_tokens && !prompt.in_anthropics_words
    {
        completion_tokens = beside_the_prompt;
    } else if reasoning_tokens > completion_tokens {
        completion_tokens = completion_tokens.saturating_add(reasoning_tokens);
    }
    let is_byok = declared.is_byok.is_some_and(|raw| raw.get() == "true");
    let cost = declared.cost.filter(|_| !is_byok).and_then(cost::dollars);
    let usage = Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: total.unwrap_or(0),
        cached_tokens: prompt.cached,
        cache_write_tokens: prompt.written,
        cache_write_1h_tokens: written_1h,
        reasoning_tokens,
        cached_completion_tokens: of_completion.cached_tokens.unwrap_or(0),
        audio_prompt_tokens: of_prompt.audio_tokens.unwrap_or(0),
        audio_completion_tokens: of_completion.audio_tokens.unwrap_or(0),
        image_prompt_tokens: of_prompt.image_tokens.unwrap_or(0),
        image_completion_tokens: of_completion.image_tokens.unwrap_or(0),
        cost: declared.estimated_cost.and_then(cost::dollars).or(cost),
        ..Usage::default()
    };
    Some(usage.clamped())
}

impl Prompt {
    fn tokens(&self, completion: u64, total: Option<u64>) -> u64 {
        let counting = self.counting(completion, total);
        counting.prompt_tokens(self.declared, self.cached, self.written)
    }

    /// The dialect's own rule, unless the object shows the other one. Only one that
    /// speaks of the cache in Anthropic's words can: when it gives the prompt
    /// Anthropic's name too; when its total has more in it than prompt and completion;
    /// and when the prompt could not hold what the cache took.
    fn counting(&self, completion: u64, total: Option<u64>) -> CacheCounting {
        let sum = self.declared.saturating_add(completion);
        let is_beside = self.in_anthropics_words
            && (self.has_anthropics_name
                || total.is_some_and(|total| total > sum)
                || self.cached.saturating_add(self.written) > self.declared);
        if is_beside {
            Format::Anthropic.cache_counting()
        } else {
            Format::OpenAi.cache_counting()
        }
    }
}

/// The first count that is not zero: a server that gives one thing two names may leave
/// one of them at zero.
fn first<const N: usize>(counts: [Option<u64>; N]) -> u64 {
    let mut counts = counts.into_iter().flatten();
    counts.find(|count| *count > 0).unwrap_or(0)
}

/// The first of several objects that is one. Another kind of value says nothing, and
/// does not keep the rest from being read.
fn parts<'a, T: Deserialize<'a> + Default>(objects: [Option<&'a RawValue>; 4]) -> T {
    objects
        .into_iter()
        .flatten()
        .filter(|raw| raw.get().starts_with('{'))
        .find_map(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// A count, whatever number or other value a server writes; what is not a count
/// reads as absent.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
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
