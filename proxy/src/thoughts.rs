//! Signed reasoning of recent answers, for callers that do not send it back.
//!
//! A provider that signs its reasoning wants it back with the results of the tool
//! calls it led to. Most clients drop it; it is kept here by the call's id, in memory,
//! until the space is needed.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wire::dialect::openai::beginning;
use wire::hub::{Origin, Thinking};

/// Bytes of reasoning kept.
const SPACE: u64 = 64 * 1024 * 1024;
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

/// Reasoning by tool call.
pub(crate) struct Thoughts(Cache<Key, Arc<[Thinking]>, Bytes>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Arc<[Thinking]>> for Bytes {
    fn weight(&self, key: &Key, thinking: &Arc<[Thinking]>) -> u64 {
        let block = |block: &Thinking| match block {
            Thinking::Plain { text, signature } => {
                text.len() + signature.as_ref().map_or(0, String::len)
            }
            Thinking::Redacted { data } => data.len(),
        };
        let blocks: usize = thinking.iter().map(block).sum();
        (key.1.len() + blocks + 64) as u64
    }
}

impl Thoughts {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(EXPECTED, SPACE, Bytes))
    }

    /// What the model thought before the tool call `id`.
    pub(crate) fn recall(&self, thread: Thread, id: &str) -> Option<Vec<Thinking>> {
        let kept = self.0.get(&(thread.0, id.to_owned()))?;
        Some(kept.to_vec())
    }

    /// The model thought this before the tool call `id`.
    pub(crate) fn keep(&self, thread: Thread, id: String, thinking: Vec<Thinking>) {
        if !id.is_empty() {
            self.0.insert((thread.0, id), thinking.into());
        }
    }
}
