//! What many calls add up to: the numbers of a roll-up row and of a report.

use crate::call::{Outcome, Priced};
use crate::histogram::Histogram;

/// One of the sums, in the order of the roll-up tables' columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// Calls.
    Requests,
    /// Calls that did not succeed, hang-ups of the caller not counted.
    Failed,
    /// Calls whose caller hung up.
    Cancelled,
    /// Calls answered with a stream.
    Streamed,
    /// Calls whose tokens are a guess.
    Estimated,
    /// Calls with tokens whose price is unknown.
    Unpriced,
    /// Calls that might have been answered from the cache of answers.
    CacheAttempts,
    /// Calls that were.
    CacheHits,
    /// Prompt tokens.
    Prompt,
    /// Completion tokens.
    Completion,
    /// All tokens.
    Total,
    /// Prompt tokens read from a provider's cache.
    CachedInput,
    /// Prompt tokens written to a provider's cache.
    CacheWrite,
    /// Of these, for an hour.
    CacheWrite1h,
    /// Completion tokens of reasoning.
    Reasoning,
    /// Completion tokens from a provider's cache.
    CachedOutput,
    /// Prompt tokens of sound.
    AudioInput,
    /// Completion tokens of sound.
    AudioOutput,
    /// Prompt tokens of pictures.
    ImageInput,
    /// Completion tokens of pictures.
    ImageOutput,
    /// Nano-dollars for uncached input, as far as priced.
    CostIn,
    /// Nano-dollars for output, as far as priced.
    CostOut,
    /// Nano-dollars for tokens read from caches, as far as priced.
    CostCached,
    /// Nano-dollars for tokens written to caches, as far as priced.
    CostCacheWrite,
    /// Nano-dollars that answers from the cache have saved.
    Saved,
    /// Nano-dollars that providers reported themselves.
    ProviderCost,
    /// Our nano-dollars for the calls whose provider reported a cost.
    BesideProvider,
    /// Calls of which the provider's cost differs from ours by more than a hundredth.
    Disputed,
    /// Milliseconds of all calls.
    Latency,
    /// Milliseconds to the first token of those that had one.
    Ttft,
    /// How many had one.
    TtftCount,
    /// Milliseconds that upstreams took.
    Upstream,
    /// How many calls reached one.
    UpstreamCount,
    /// Completion tokens of calls with a known time to write them.
    PacedTokens,
    /// Milliseconds that they took.
    PacedMillis,
}

impl Sum {
    /// Every sum.
    pub const ALL: [Self; 35] = [
        Self::Requests,
        Self::Failed,
        Self::Cancelled,
        Self::Streamed,
        Self::Estimated,
        Self::Unpriced,
        Self::CacheAttempts,
        Self::CacheHits,
        Self::Prompt,
        Self::Completion,
        Self::Total,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Reasoning,
        Self::CachedOutput,
        Self::AudioInput,
        Self::AudioOutput,
        Self::ImageInput,
        Self::ImageOutput,
        Self::CostIn,
        Self::CostOut,
        Self::CostCached,
        Self::CostCacheWrite,
        Self::Saved,
        Self::ProviderCost,
        Self::BesideProvider,
        Self::Disputed,
        Self::Latency,
        Self::Ttft,
        Self::TtftCount,
        Self::Upstream,
        Self::UpstreamCount,
        Self::PacedTokens,
        Self::PacedMillis,
    ];

    /// The column.
    #[must_use]
    pub fn column(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Streamed => "streamed",
            Self::Estimated => "estimated",
            Self::Unpriced => "unpriced",
            Self::CacheAttempts => "cache_attempts",
            Self::CacheHits => "cache_hits",
            Self::Prompt => "prompt_tokens",
            Self::Completion => "completion_tokens",
            Self::Total => "total_tokens",
            Self::CachedInput => "cached_input_tokens",
            Self::CacheWrite => "cache_creation_tokens",
            Self::CacheWrite1h => "cache_write_1h_tokens",
            Self::Reasoning => "reasoning_tokens",
            Self::CachedOutput => "cached_output_tokens",
            Self::AudioInput => "audio_input_tokens",
            Self::AudioOutput => "audio_output_tokens",
            Self::ImageInput => "image_input_tokens",
            Self::ImageOutput => "image_output_tokens",
            Self::CostIn => "cost_in_nanos",
            Self::CostOut => "cost_out_nanos",
            Self::CostCached => "cost_cached_nanos",
            Self::CostCacheWrite => "cost_cache_write_nanos",
            Self::Saved => "saved_nanos",
            Self::ProviderCost => "provider_cost_nanos",
            Self::BesideProvider => "beside_provider_nanos",
            Self::Disputed => "disputed",
            Self::Latency => "latency_ms",
            Self::Ttft => "ttft_ms",
            Self::TtftCount => "ttft_count",
            Self::Upstream => "upstream_ms",
            Self::UpstreamCount => "upstream_count",
            Self::PacedTokens => "paced_tokens",
            Self::PacedMillis => "paced_ms",
        }
    }
}

/// How many sums there are.
pub(crate) const SUMS: usize = Sum::ALL.len();

/// Sums, and how times are spread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    sums: Sums,
    /// How long calls took, in milliseconds.
    pub latency: Histogram,
    /// How long callers waited for the first token, in milliseconds.
    pub ttft: Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums([i64; SUMS]);

impl Default for Sums {
    fn default() -> Self {
        Self([0; SUMS])
    }
}

impl Totals {
    /// One sum.
    #[must_use]
    pub fn get(&self, sum: Sum) -> i64 {
        self.sums.0[sum as usize]
    }

    /// Nano-dollars, as far as prices are known.
    #[must_use]
    pub fn cost(&self) -> i64 {
        [
            Sum::CostIn,
            Sum::CostOut,
            Sum::CostCached,
            Sum::CostCacheWrite,
        ]
        .into_iter()
        .fold(0, |all: i64, part| all.saturating_add(self.get(part)))
    }

    pub(crate) fn add(&mut self, sum: Sum, amount: i64) {
        let all = &mut self.sums.0[sum as usize];
        *all = all.saturating_add(amount);
    }

    pub(crate) fn set(&mut self, sum: Sum, amount: i64) {
        self.sums.0[sum as usize] = amount;
    }

    pub(crate) fn list(&self) -> &[i64; SUMS] {
        &self.sums.0
    }

    /// Adds what another has.
    pub fn join(&mut self, other: &Self) {
        self.join_sums(other);
        self.latency.join(&other.latency);
        self.ttft.join(&other.ttft);
    }

    /// Adds what another has, but for how its times are spread.
    pub(crate) fn join_sums(&mut self, other: &Self) {
        for (all, amount) in self.sums.0.iter_mut().zip(other.sums.0) {
            *all = all.saturating_add(amount);
        }
    }

    /// The same, but for how times are spread.
    pub(crate) fn without_spread(&self) -> Self {
        Self {
            sums: self.sums,
            ..Self::default()
        }
    }

    /// Adds one call: what it spent, and with `whole` the call itself. Of a call that was
    /// tried at several endpoints the call counts at one of them, the tokens where they
    /// were spent.
    pub(crate) fn count(&mut self, call: &Facts, spent: &Priced, whole: bool) {
        self.spend(spent);
        if !whole {
            return;
        }
        self.add(Sum::Requests, 1);
        self.add(Sum::Streamed, i64::from(call.stream));
        self.add(Sum::Estimated, i64::from(call.estimated));
        self.add(Sum::Unpriced, i64::from(call.unpriced));
        self.add(Sum::CacheAttempts, i64::from(call.cache_attempted));
        self.add(Sum::CacheHits, i64::from(call.cache_hit));
        self.add(Sum::Saved, call.saved);
        match call.outcome {
            Some(Outcome::Success) | None => {}
            Some(Outcome::ClientCancelled) => self.add(Sum::Cancelled, 1),
            Some(
                Outcome::ClientError
                | Outcome::UpstreamError
                | Outcome::Timeout
                | Outcome::Truncated
                | Outcome::Refused
                | Outcome::InternalError,
            ) => self.add(Sum::Failed, 1),
        }
        self.add(Sum::Latency, call.latency_ms);
        self.latency
            .add(u64::try_from(call.latency_ms).unwrap_or(0));
        if let Some(ttft) = call.ttft_ms {
            self.add(Sum::Ttft, ttft);
            self.add(Sum::TtftCount, 1);
            self.ttft.add(u64::try_from(ttft).unwrap_or(0));
            if call.stream && call.completion_tokens > 1 && call.latency_ms > ttft {
                self.add(Sum::PacedTokens, call.completion_tokens);
                self.add(Sum::PacedMillis, call.latency_ms - ttft);
            }
        }
        if let Some(upstream) = call.upstream_ms {
            self.add(Sum::Upstream, upstream);
            self.add(Sum::UpstreamCount, 1);
        }
    }

    /// Adds tokens and their cost.
    pub(crate) fn spend(&mut self, spent: &Priced) {
        let usage = &spent.usage;
        for (sum, tokens) in [
            (Sum::Prompt, usage.prompt_tokens),
            (Sum::Completion, usage.completion_tokens),
            (Sum::Total, total(usage)),
            (Sum::CachedInput, usage.cached_tokens),
            (Sum::CacheWrite, usage.cache_write_tokens),
            (Sum::CacheWrite1h, usage.cache_write_1h_tokens),
            (Sum::Reasoning, usage.reasoning_tokens),
            (Sum::CachedOutput, usage.cached_completion_tokens),
            (Sum::AudioInput, usage.audio_prompt_tokens),
            (Sum::AudioOutput, usage.audio_completion_tokens),
            (Sum::ImageInput, usage.image_prompt_tokens),
            (Sum::ImageOutput, usage.image_completion_tokens),
        ] {
            self.add(sum, i64::try_from(tokens).unwrap_or(i64::MAX));
        }
        self.charge(spent, 1);
    }

    /// Adds the cost alone, or takes it away with -1.
    pub(crate) fn charge(&mut self, spent: &Priced, times: i64) {
        for (sum, part) in [
            Sum::CostIn,
            Sum::CostOut,
            Sum::CostCached,
            Sum::CostCacheWrite,
        ]
        .into_iter()
        .zip(spent.cost.parts())
        {
            self.add(sum, times * part.unwrap_or(0));
        }
        if let Some(reported) = spent.usage.cost {
            let reported = i64::try_from(reported).unwrap_or(i64::MAX);
            self.add(Sum::ProviderCost, times * reported);
            self.add(Sum::BesideProvider, times * spent.cost.known());
            self.add(Sum::Disputed, times * i64::from(spent.is_disputed()));
        }
    }
}

/// The provider's total, or prompt and completion where it told none.
pub(crate) fn total(usage: &wire::usage::Usage) -> u64 {
    if usage.total_tokens == 0 {
        usage.prompt_tokens.saturating_add(usage.completion_tokens)
    } else {
        usage.total_tokens
    }
}

/// What a call was, apart from what it spent.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
pub(crate) struct Facts {
    pub(crate) stream: bool,
    pub(crate) estimated: bool,
    pub(crate) unpriced: bool,
    pub(crate) cache_attempted: bool,
    pub(crate) cache_hit: bool,
    pub(crate) saved: i64,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) latency_ms: i64,
    pub(crate) ttft_ms: Option<i64>,
    pub(crate) upstream_ms: Option<i64>,
    pub(crate) completion_tokens: i64,
}
