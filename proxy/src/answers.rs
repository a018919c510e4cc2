//! Whole answers of recent calls, given again to the same request.
//!
//! In memory alone and bounded in bytes. An answer is found by a hash of everything that
//! it depends on, so that nobody gets another one's: see [`Key::of`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use ring::digest::{Context, SHA256};
use store::Caching;
use store::config::Config;
use wire::canonical::canonical;
use wire::inbound::CallerDialect;
use wire::provider::Call;
use wire::usage::Usage;

/// Parts of the memory, each with a lock of its own. An answer fits into one.
const PARTS: usize = 8;
/// The largest answer that is kept, as a part of all memory.
const LARGEST: u64 = 16;
/// Bytes of a usual answer, by which room for keys is made.
const USUAL: u64 = 4096;
/// Bytes that an answer takes besides its own.
const BESIDES: u64 = 256;

/// What has no say in a whole answer.
const LEFT_OUT: [&str; 2] = ["stream", "stream_options"];

/// What an answer is found by: SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 32]);

/// What an answer depends on besides the request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'s> {
    /// Of the caller, and with it of the answer.
    pub(crate) dialect: CallerDialect,
    /// Of the virtual model and everything behind it.
    pub(crate) edition: u64,
    /// The id of the caller's key.
    pub(crate) key: Option<i64>,
    /// `x-user-id`.
    pub(crate) user: Option<&'s [u8]>,
}

impl Key {
    /// The key of a request with that body; `None` when it has no canonical text.
    pub(crate) fn of(scope: Scope<'_>, body: &[u8]) -> Option<Self> {
        let body = canonical(body, &LEFT_OUT)?;
        let mut hash = Context::new(&SHA256);
        hash.update(&[scope.dialect.mark()]);
        hash.update(&scope.edition.to_be_bytes());
        hash.update(&[u8::from(scope.key.is_some())]);
        hash.update(&scope.key.unwrap_or(0).to_be_bytes());
        hash.update(&[u8::from(scope.user.is_some())]);
        let user = scope.user.unwrap_or_default();
        hash.update(&(user.len() as u64).to_be_bytes());
        hash.update(user);
        hash.update(&body);
        hash.finish().as_ref().try_into().ok().map(Self)
    }

    /// One of `parts` numbers, evenly.
    pub(crate) fn part(&self, parts: usize) -> usize {
        let [first, ..] = self.0;
        usize::from(first) % parts.max(1)
    }
}

/// A whole answer as its caller got it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) body: Bytes,
    /// What it took.
    pub(crate) usage: Usage,
    /// When it was made.
    pub(crate) made: Instant,
}

#[derive(Clone)]
struct Entry {
    kept: Arc<Kept>,
    until: Instant,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.kept.body.len() as u64 + BESIDES
    }
}

/// Answers by their keys.
pub(crate) struct Answers {
    kept: Cache<Key, Entry, Weight>,
    /// Bytes of all of them.
    room: u64,
    /// Bytes of the largest answer that is kept.
    largest: u64,
    ttl_chat: Duration,
    ttl_embeddings: Duration,
}

impl Answers {
    pub(crate) fn new(config: &Config) -> Self {
        let room = config.cache_max_bytes;
        let expected = usize::try_from(room / USUAL).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            .shards(PARTS)
            .estimated_items_capacity(expected)
            .weight_capacity(room)
            .build();
        let kept = match options {
            Ok(options) => {
                let hasher = DefaultHashBuilder::default();
                Cache::with_options(options, Weight, hasher, DefaultLifecycle::default())
            }
            // Only what is left out of the options is refused.
            Err(_) => Cache::with_weighter(expected, room, Weight),
        };
        Self {
            kept,
            room,
            largest: room / LARGEST,
            ttl_chat: config.cache_ttl_chat,
            ttl_embeddings: config.cache_ttl_embeddings,
        }
    }

    /// How long an answer to `call` is kept for a virtual model.
    pub(crate) fn ttl(&self, call: Call, caching: &Caching) -> Duration {
        caching.ttl.unwrap_or(match call {
            Call::Embeddings => self.ttl_embeddings,
            Call::Chat | Call::Completions | Call::Models | Call::Passed(_) => self.ttl_chat,
        })
    }

    /// The answer that is kept under `key` and has not expired `now`.
    pub(crate) fn get(&self, key: &Key, now: Instant) -> Option<Arc<Kept>> {
        let Entry { kept, until } = self.kept.get(key)?;
        if now < until {
            return Some(kept);
        }
        self.kept.remove(key);
        None
    }

    /// Keeps an answer for `ttl` from when it was made; one that is too large is not kept.
    pub(crate) fn keep(&self, key: Key, kept: Arc<Kept>, ttl: Duration) {
        let Some(until) = kept.made.checked_add(ttl) else {
            return;
        };
        let entry = Entry { kept, until };
        if Weight.weight(&key, &entry) <= self.largest {
            self.kept.insert(key, entry);
        }
    }

    /// How many are kept, and their bytes, those of expired ones too until their room is
    /// wanted.
    pub(crate) fn held(&self) -> (usize, u64) {
        (self.kept.len(), self.kept.weight())
    }

    /// Bytes that all of them may take.
    pub(crate) fn limit(&self) -> u64 {
        self.room
    }
}

#[cfg(test)]
mod tests;
