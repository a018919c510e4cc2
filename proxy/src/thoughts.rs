//! Signed reasoning of recent answers, for callers that do not send it back.
//!
//! A provider that signs its reasoning wants it back with the results of the tool
//! calls it led to. Most clients drop it; it is kept here by the call's id, in memory, for a
//! day or until the space is needed.
//!
//! So is whose the proofs are that callers of Messages were given: their dialect has no place
//! for it, and a provider refuses what another has signed.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wire::dialect::openai::beginning;
use wire::hub::{Origin, Thinking};

/// Bytes of reasoning kept.
const SPACE: u64 = 64 * 1024 * 1024;
/// How long it is kept.
const LIFETIME: Duration = Duration::from_hours(24);
/// Answers expected in that space.
const EXPECTED: usize = 10_000;

/// Whose reasoning it is: a number of the conversation, and the id of the tool call
/// that came of it. Ids alone are not unique with every server.
type Key = (u64, String);

/// One conversation with whom its reasoning was signed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thread(u64);

impl Thread {
    /// The conversation that `body` goes on with, at `origin`.
    pub(crate) fn of(origin: Origin, body: &[u8]) -> Self {
        let begins = beginning(body).unwrap_or_default();
        Self(HASHER.hash_one((origin, begins)))
    }
}

/// Keyed anew in each process: nobody can make two conversations meet.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Reasoning by tool call, and the makers of proofs.
pub(crate) struct Thoughts {
    by_call: Cache<Key, Kept, Bytes>,
    makers: Cache<u64, Origin>,
}

/// Proofs whose makers are known.
const PROOFS: usize = 64 * 1024;

/// What was thought, and when.
#[derive(Clone)]
struct Kept {
    thinking: Arc<[Thinking]>,
    made: Instant,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Kept> for Bytes {
    fn weight(&self, key: &Key, kept: &Kept) -> u64 {
        let block = |block: &Thinking| match block {
            Thinking::Plain { text, signature } => {
                text.len() + signature.as_ref().map_or(0, String::len)
            }
            Thinking::Redacted { data } => data.len(),
        };
        let blocks: usize = kept.thinking.iter().map(block).sum();
        (key.1.len() + blocks + 64) as u64
    }
}

impl Thoughts {
    pub(crate) fn new() -> Self {
        Self {
            by_call: Cache::with_weighter(EXPECTED, SPACE, Bytes),
            makers: Cache::new(PROOFS),
        }
    }

    /// What the model thought before the tool call `id`.
    pub(crate) fn recall(&self, thread: Thread, id: &str) -> Option<Vec<Thinking>> {
        let kept = self.by_call.get(&(thread.0, id.to_owned()))?;
        (kept.made.elapsed() < LIFETIME).then(|| kept.thinking.to_vec())
    }

    /// The model thought this before the tool call `id`.
    pub(crate) fn keep(&self, thread: Thread, id: String, thinking: Vec<Thinking>) {
        if !id.is_empty() {
            self.by_call.insert(
                (thread.0, id),
                Kept {
                    thinking: thinking.into(),
                    made: Instant::now(),
                },
            );
        }
    }

    /// `maker` has signed with these `proofs`.
    pub(crate) fn signed(&self, maker: Origin, proofs: Vec<String>) {
        for proof in proofs {
            self.makers.insert(HASHER.hash_one(proof), maker);
        }
    }

    /// Whether `proof` is known to be another's than `maker`'s.
    pub(crate) fn is_foreign(&self, maker: Origin, proof: &str) -> bool {
        let known = self.makers.get(&HASHER.hash_one(proof));
        known.is_some_and(|known| known != maker)
    }
}
