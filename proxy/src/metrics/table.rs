//! Series by the names in their labels, found without a lock.
//!
//! How many there can be is bounded: beyond [`ROOM`], new names share one series. A series
//! stays until the program ends, so that no counter goes back; only when half of the room is
//! taken does a change of the configuration drop those whose names it no longer has.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Series in one table.
pub(super) const ROOM: usize = 1000;

/// Stands for a name that is not in the configuration.
pub(super) const UNKNOWN: &str = "(unknown)";

/// Stands for names that have no room.
pub(super) const OTHER: &str = "(other)";

/// All series at one moment.
#[derive(Debug)]
struct Known<S> {
    by_name: HashMap<Arc<str>, HashMap<Arc<str>, Arc<S>>>,
    count: usize,
}

impl<S> Default for Known<S> {
    fn default() -> Self {
        Self {
            by_name: HashMap::new(),
            count: 0,
        }
    }
}

impl<S> Clone for Known<S> {
    fn clone(&self) -> Self {
        Self {
            by_name: self.by_name.clone(),
            count: self.count,
        }
    }
}

impl<S> Known<S> {
    fn get(&self, first: &str, second: &str) -> Option<&Arc<S>> {
        self.by_name.get(first)?.get(second)
    }

    /// The series of those names, or the one that stands for it where there is no room.
    fn find(&self, first: &str, second: &str) -> Option<&Arc<S>> {
        let found = self.get(first, second);
        found.or_else(|| self.get(OTHER, OTHER).filter(|_| self.count >= ROOM))
    }

    fn insert(&mut self, first: &str, second: &str, series: Arc<S>) {
        let of_first = self.by_name.entry(first.into()).or_default();
        if of_first.insert(second.into(), series).is_none() {
            self.count += 1;
        }
    }
}

/// Series by two names.
#[derive(Debug)]
pub(super) struct Table<S> {
    known: ArcSwap<Known<S>>,
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Self {
            known: ArcSwap::from_pointee(Known::default()),
        }
    }
}

impl<S: Default> Table<S> {
    /// Does `work` on the series of those names.
    pub(super) fn with(&self, first: &str, second: &str, work: impl FnOnce(&S)) {
        let known = self.known.load();
        if let Some(series) = known.find(first, second) {
            return work(series);
        }
        drop(known);
        work(&self.begin(first, second));
    }

    /// A series that was not there a moment ago.
    fn begin(&self, first: &str, second: &str) -> Arc<S> {
        let new = Arc::new(S::default());
        let mut found = Arc::clone(&new);
        self.known.rcu(|known| {
            // Another call may have begun it meanwhile.
            if let Some(series) = known.find(first, second) {
                found = Arc::clone(series);
                return Arc::clone(known);
            }
            found = Arc::clone(&new);
            let mut next = Known::clone(known);
            if known.count < ROOM {
                next.insert(first, second, Arc::clone(&new));
            } else {
                next.insert(OTHER, OTHER, Arc::clone(&new));
            }
            Arc::new(next)
        });
        found
    }

    /// Drops series that are not `wanted`, if half of the room is taken.
    pub(super) fn make_room(&self, wanted: impl Fn(&str, &str) -> bool) {
        if self.known.load().count <= ROOM / 2 {
            return;
        }
        let stays =
            |first: &str, second: &str| [UNKNOWN, OTHER].contains(&first) || wanted(first, second);
        self.known.rcu(|known| {
            let mut next = Known::default();
            for (first, of_first) in &known.by_name {
                for (second, series) in of_first {
                    if stays(first, second) {
                        next.insert(first, second, Arc::clone(series));
                    }
                }
            }
            next
        });
    }

    /// Every series with its names, in their order.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Arc<str>, Arc<S>)> {
        let known = self.known.load();
        let mut all: Vec<_> = known
            .by_name
            .iter()
            .flat_map(|(first, of_first)| {
                let named = |(second, series): (&Arc<str>, &Arc<S>)| {
                    (Arc::clone(first), Arc::clone(second), Arc::clone(series))
                };
                of_first.iter().map(named)
            })
            .collect();
        all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        all
    }
}
