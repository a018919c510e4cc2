//! Signed reasoning of recent answers, for callers that do not send it back.
//!
//! A provider that signs its reasoning wants it back with the results of the tool
//! calls it led to. Most clients drop it; it is kept here by the call's id, in memory,
//! until the space is needed.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wire::hub::Thinking;

/// Bytes of reasoning kept.
const SPACE: u64 = 64 * 1024 * 1024;
/// Answers expected in that space.
const EXPECTED: usize = 10_000;

/// Whose reasoning it is: the model as its endpoint names it, and the id of the tool
/// call that came of it.
type Key = (String, String);

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
        (key.0.len() + key.1.len() + blocks + 64) as u64
    }
}

impl Thoughts {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(EXPECTED, SPACE, Bytes))
    }

    /// What `model` thought before the tool call `id`.
    pub(crate) fn recall(&self, model: &str, id: &str) -> Option<Vec<Thinking>> {
        let kept = self.0.get(&(model.to_owned(), id.to_owned()))?;
        Some(kept.to_vec())
    }

    /// `model` thought this before the tool call `id`.
    pub(crate) fn keep(&self, model: &str, id: String, thinking: Vec<Thinking>) {
        self.0.insert((model.to_owned(), id), thinking.into());
    }
}
