//! When keys were used last: noted by calls without a lock, at most once a second for each
//! key, and written by the thread that follows the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use store::{InboundKeys, KeyUse, Store, StoreError};

/// The last use of every key.
#[derive(Debug, Default)]
pub(crate) struct KeyUses {
    by_id: HashMap<i64, Arc<LastUse>>,
}

#[derive(Debug, Default)]
struct LastUse {
    last: ArcSwapOption<KeyUse>,
    /// When the last one was, in unix seconds.
    noted_at: AtomicI64,
    /// When the last one that is in the store was.
    saved_at: AtomicI64,
}

impl KeyUses {
    /// Room for `keys`, with what is known of those that were there `before`.
    pub(super) fn new(keys: &InboundKeys, before: Option<&Self>) -> Self {
        let known = |id| before.and_then(|uses| uses.by_id.get(id)).cloned();
        let by_id = keys
            .iter()
            .map(|key| (key.id, known(&key.id).unwrap_or_default()));
        Self {
            by_id: by_id.collect(),
        }
    }

    /// The key `id` is used at `now`, in unix seconds.
    pub(crate) fn note(&self, id: i64, now: i64, made: impl FnOnce() -> KeyUse) {
        let Some(known) = self.by_id.get(&id) else {
            return;
        };
        if known.noted_at.swap(now, Ordering::Relaxed) != now {
            known.last.store(Some(Arc::new(made())));
        }
    }

    /// Writes what is not in the store yet. A use that is noted meanwhile waits for the next
    /// time.
    ///
    /// # Errors
    /// When the store does not take it; it waits too.
    pub(super) fn save(&self, store: &Store) -> Result<(), StoreError> {
        let is_new = |(known, used): &(&Arc<LastUse>, Arc<KeyUse>)| {
            used.at > known.saved_at.load(Ordering::Relaxed)
        };
        let new: Vec<_> = self
            .by_id
            .values()
            .filter_map(|known| known.last.load_full().map(|used| (known, used)))
            .filter(is_new)
            .collect();
        let uses: Vec<KeyUse> = new.iter().map(|(_, used)| KeyUse::clone(used)).collect();
        store.record_key_uses(&uses)?;
        for (known, used) in new {
            known.saved_at.store(used.at, Ordering::Relaxed);
        }
        Ok(())
    }
}
