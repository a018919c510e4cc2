//! What is counted of the calls of one virtual model at one endpoint, and of one pattern.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::{Outcome, PatternCount};
use wire::dialect::ollama::OllamaCall;
use wire::inbound::CallerDialect;
use wire::provider::Passed;
use wire::usage::Usage;

use super::times::{CALLS, OWN, Times};
use super::{Closed, Tried};

/// What callers may speak, as labels say it.
pub(super) const DIALECTS: [&str; 15] = [
    "openai_chat",
    "openai_completions",
    "openai_embeddings",
    "openai_responses",
    "openai_images",
    "openai_speech",
    "openai_transcriptions",
    "openai_translations",
    "openai_moderations",
    "openai_rerank",
    "anthropic_messages",
    "ollama_chat",
    "ollama_generate",
    "ollama_embed",
    "ollama_embeddings",
];

/// The classes of statuses; the first is of a call that was dropped before it had one.
pub(super) const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Kinds of tokens: the two that make the whole, then what is in them.
pub(super) const WHOLE_KINDS: [&str; 2] = ["prompt", "completion"];

/// Kinds of tokens that are in those.
pub(super) const PART_KINDS: [&str; 8] = [
    "cached_prompt",
    "cache_write",
    "cached_completion",
    "reasoning",
    "audio_prompt",
    "audio_completion",
    "image_prompt",
    "image_completion",
];

const OUTCOMES: usize = Outcome::ALL.len();

/// Where a dialect stands among [`DIALECTS`].
pub(super) fn place(dialect: CallerDialect) -> usize {
    match dialect {
        CallerDialect::OpenAiChat => 0,
        CallerDialect::OpenAiCompletions => 1,
        CallerDialect::OpenAiEmbeddings => 2,
        CallerDialect::OpenAiResponses => 3,
        CallerDialect::OpenAiPassed(passed) => match passed {
            Passed::ImageGeneration | Passed::ImageEdit | Passed::ImageVariation => 4,
            Passed::Speech => 5,
            Passed::Transcription => 6,
            Passed::Translation => 7,
            Passed::Moderation => 8,
            Passed::Rerank => 9,
        },
        CallerDialect::AnthropicMessages => 10,
        CallerDialect::Ollama(OllamaCall::Chat) => 11,
        CallerDialect::Ollama(OllamaCall::Generate) => 12,
        CallerDialect::Ollama(OllamaCall::Embed) => 13,
        CallerDialect::Ollama(OllamaCall::Embeddings) => 14,
    }
}

/// Numbers in rows.
#[derive(Debug)]
struct Counts(Box<[AtomicU64]>);

impl Counts {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, at: usize, more: u64) {
        if let Some(count) = self.0.get(at).filter(|_| more > 0) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn get(&self, at: usize) -> u64 {
        self.0
            .get(at)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// One virtual model's calls at one endpoint.
#[derive(Debug)]
pub(super) struct Series {
    /// By dialect, outcome and class of status.
    requests: Counts,
    /// By outcome.
    attempts: Counts,
    /// By kind: [`WHOLE_KINDS`], then [`PART_KINDS`].
    tokens: Counts,
    /// Nano-dollars.
    cost: AtomicU64,
    /// Attempts of whose cost a part is not known.
    unpriced: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
    pub(super) duration: Times,
    pub(super) first_token: Times,
    pub(super) overhead: Times,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            requests: Counts::new(DIALECTS.len() * OUTCOMES * CLASSES.len()),
            attempts: Counts::new(OUTCOMES),
            tokens: Counts::new(WHOLE_KINDS.len() + PART_KINDS.len()),
            cost: AtomicU64::new(0),
            unpriced: AtomicU64::new(0),
            cache_hits: AtomicU64::new(0),
            cache_misses: AtomicU64::new(0),
            duration: Times::within(CALLS),
            first_token: Times::within(CALLS),
            overhead: Times::within(OWN),
        }
    }
}

impl Series {
    /// A call has ended.
    pub(super) fn ended(&self, closed: &Closed<'_>) {
        let record = closed.record;
        let class = usize::from(record.status / 100).min(CLASSES.len() - 1);
        let row = place(closed.dialect) * OUTCOMES + record.outcome as usize;
        self.requests.add(row * CLASSES.len() + class, 1);
        self.duration.add(closed.took);
        if let Some(millis) = record.ttft_ms {
            self.first_token.add(Duration::from_millis(millis));
        }
        if let Some(waited) = closed.waited {
            self.overhead.add(closed.took.saturating_sub(waited));
        }
    }

    /// An attempt has ended.
    pub(super) fn tried(&self, tried: &Tried<'_>) {
        self.attempts.add(tried.outcome as usize, 1);
        if let Some(usage) = &tried.usage {
            self.spent(usage);
        }
        if let Some(cost) = &tried.cost {
            let nanos = u64::try_from(cost.known()).unwrap_or(0);
            self.cost.fetch_add(nanos, Ordering::Relaxed);
            if cost.total().is_none() {
                self.unpriced.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tokens were spent.
    pub(super) fn spent(&self, usage: &Usage) {
        let kinds = [
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.cached_completion_tokens,
            usage.reasoning_tokens,
            usage.audio_prompt_tokens,
            usage.audio_completion_tokens,
            usage.image_prompt_tokens,
            usage.image_completion_tokens,
        ];
        for (at, tokens) in kinds.into_iter().enumerate() {
            self.tokens.add(at, tokens);
        }
    }

    /// The memory of answers was asked.
    pub(super) fn looked_up(&self, hit: bool) {
        let count = if hit {
            &self.cache_hits
        } else {
            &self.cache_misses
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls by dialect, outcome and class of status, those that there were.
    pub(super) fn requests(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> {
        let labels = DIALECTS.into_iter().flat_map(|dialect| {
            Outcome::ALL.into_iter().flat_map(move |outcome| {
                CLASSES
                    .into_iter()
                    .map(move |class| [dialect, outcome.as_str(), class])
            })
        });
        let counted = labels
            .enumerate()
            .map(|(at, labels)| (labels, self.requests.get(at)));
        counted.filter(|(_, count)| *count > 0)
    }

    /// Attempts by outcome, those that there were.
    pub(super) fn attempts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let outcomes = Outcome::ALL.into_iter().enumerate();
        let counted = outcomes.map(|(at, outcome)| (outcome.as_str(), self.attempts.get(at)));
        counted.filter(|(_, count)| *count > 0)
    }

    /// Tokens by the kinds that make the whole.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let kinds = WHOLE_KINDS.into_iter().enumerate();
        kinds.map(|(at, kind)| (kind, self.tokens.get(at)))
    }

    /// Tokens by the kinds that are in those, where there were some.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let kinds = PART_KINDS.into_iter().enumerate();
        let counted = kinds.map(|(at, kind)| (kind, self.tokens.get(WHOLE_KINDS.len() + at)));
        counted.filter(|(_, count)| *count > 0)
    }

    /// Nano-dollars.
    pub(super) fn cost(&self) -> u64 {
        self.cost.load(Ordering::Relaxed)
    }

    /// Attempts of whose cost a part is not known.
    pub(super) fn unpriced(&self) -> u64 {
        self.unpriced.load(Ordering::Relaxed)
    }

    /// What the memory of answers had; nothing where it was never asked.
    pub(super) fn lookups(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let hits = self.cache_hits.load(Ordering::Relaxed);
        let misses = self.cache_misses.load(Ordering::Relaxed);
        let both = [("hit", hits), ("miss", misses)];
        both.into_iter().filter(move |_| hits + misses > 0)
    }
}

/// What became of the candidates of one tool pattern.
#[derive(Debug, Default)]
pub(super) struct PatternSeries {
    calls: AtomicU64,
    mended: AtomicU64,
    text: AtomicU64,
}

impl PatternSeries {
    pub(super) fn add(&self, count: &PatternCount) {
        let as_they_were = count.hits.saturating_sub(count.repairs);
        self.calls.fetch_add(as_they_were, Ordering::Relaxed);
        self.mended.fetch_add(count.repairs, Ordering::Relaxed);
        self.text.fetch_add(count.refusals, Ordering::Relaxed);
    }

    pub(super) fn results(&self) -> [(&'static str, u64); 3] {
        [
            ("call", self.calls.load(Ordering::Relaxed)),
            ("mended", self.mended.load(Ordering::Relaxed)),
            ("text", self.text.load(Ordering::Relaxed)),
        ]
    }
}
