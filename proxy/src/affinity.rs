//! Which candidate has served a conversation, so that the next call of it finds the
//! prompt in that provider's cache.

use std::hash::{BuildHasher, RandomState};

use quick_cache::sync::Cache;
use wire::dialect::openai::conversation;

/// Conversations that are remembered; the least used go first.
const MOST: usize = 100_000;

/// A conversation with one virtual model, told by a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conversation(u64);

impl Conversation {
    /// The conversation that a request to the virtual model `model` belongs to: what the
    /// caller names it (`x-session-id`, then the body's own fields), or what it begins
    /// with. `None` when nothing tells.
    pub(crate) fn find(model: i64, body: &[u8], session: Option<&[u8]>) -> Option<Self> {
        let hash = |kind: &str, bytes: &[u8]| Self(HASHER.hash_one((model, kind, bytes)));
        if let Some(session) = session.filter(|id| !id.is_empty()) {
            return Some(hash("session", session));
        }
        let found = conversation(body)?;
        Some(hash(found.kind, found.text))
    }
}

/// Keyed anew in each process: callers cannot aim at a neighbour's place.
static HASHER: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::new);

/// Candidates by conversation.
pub(crate) struct Affinity(Cache<u64, i64>);

impl Affinity {
    pub(crate) fn new() -> Self {
        Self(Cache::new(MOST))
    }

    /// The virtual model that served it last.
    pub(crate) fn candidate(&self, conversation: Conversation) -> Option<i64> {
        self.0.get(&conversation.0)
    }

    /// `model` has served it.
    pub(crate) fn remember(&self, conversation: Conversation, model: i64) {
        self.0.insert(conversation.0, model);
    }
}
