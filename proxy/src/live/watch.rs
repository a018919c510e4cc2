//! Following the store: a new revision becomes a new [`Live`] within a second.
//!
//! A store that cannot be read, and a revision in which rows have become unusable,
//! leave the last good configuration in place; the log says so once, `/health` for
//! as long as it lasts.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use store::{Redaction, Store};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{Build, Live};
use crate::metrics::Metrics;
use crate::phase::Phase;

/// How often the revision is looked at.
const EVERY: Duration = Duration::from_millis(400);

/// How often the last use of keys is written.
const SAVE_USES: Duration = Duration::from_secs(2);

/// The current configuration and whether the store can be followed.
#[derive(Debug)]
pub(crate) struct Current {
    live: ArcSwap<Live>,
    trouble: ArcSwapOption<String>,
    refused: ArcSwapOption<Refused>,
    changed: Notify,
    /// Told the secrets of each configuration.
    redaction: Arc<Redaction>,
    /// Told the names of each configuration.
    metrics: Arc<Metrics>,
}

/// A revision that is not used.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) revision: i64,
    /// The rows that are to blame.
    pub(crate) rows: Vec<String>,
}

impl Current {
    pub(crate) fn new(live: Live, redaction: Arc<Redaction>, metrics: Arc<Metrics>) -> Self {
        redaction.follow(&live.snapshot, None);
        report(&live);
        Self {
            live: ArcSwap::from_pointee(live),
            trouble: ArcSwapOption::empty(),
            refused: ArcSwapOption::empty(),
            changed: Notify::new(),
            redaction,
            metrics,
        }
    }

    /// The next configuration; one that comes after this is called is not missed.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// The configuration now; a request keeps it to its end.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Why the store cannot be followed, if it cannot.
    pub(crate) fn trouble(&self) -> Option<Arc<String>> {
        self.trouble.load_full()
    }

    /// The revision that the store holds and that is not used, if there is one.
    pub(crate) fn refused(&self) -> Option<Arc<Refused>> {
        self.refused.load_full()
    }

    /// Follows `store` until the other end of `stop` is dropped. Circuits are saved until
    /// another process has taken over, which knows better from then on.
    pub(crate) fn follow(&self, store: &Store, build: &Build, phase: &Phase, stop: &Receiver<()>) {
        let mut saved_uses = Instant::now();
        let save = |store| {
            if phase.has_handed_over() {
                return Ok(());
            }
            self.save(store)
        };
        while matches!(stop.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            let mut done = self.look(store, build).and_then(|()| save(store));
            if done.is_ok() && saved_uses.elapsed() >= SAVE_USES {
                saved_uses = Instant::now();
                done = self.save_uses(store);
            }
            match done {
                Ok(()) => {
                    if self.trouble.swap(None).is_some() {
                        tracing::info!("the store can be read again");
                    }
                }
                Err(why) => {
                    let known = self.trouble.swap(Some(Arc::new(why.clone())));
                    if known.is_none_or(|known| *known != why) {
                        tracing::error!(error = %why, "the store cannot be read; the last good configuration stays in use");
                    }
                }
            }
        }
        if let Err(why) = save(store) {
            tracing::error!(error = %why, "the circuits that opened last are not saved; they begin closed at the next start");
        }
        if let Err(why) = self.save_uses(store) {
            tracing::error!(error = %why, "the last uses of keys are not saved");
        }
    }

    fn look(&self, store: &Store, build: &Build) -> Result<(), String> {
        let before = self.live.load();
        let revision = store.revision().map_err(|err| err.to_string())?;
        let seen = self.refused.load().as_ref().map(|refused| refused.revision);
        if revision == seen.unwrap_or(before.snapshot.revision) {
            return Ok(());
        }
        let snapshot = store.snapshot().map_err(|err| err.to_string())?;
        self.redaction.follow(&snapshot, Some(&before.snapshot));
        let saved = store.circuits().map_err(|err| err.to_string())?;
        let live = Live::build(snapshot, build, Some(&before), &saved);
        before.close_forgotten(&saved);
        let rows = live.newly_unusable(&before);
        if !rows.is_empty() {
            report(&live);
            tracing::error!(
                revision = live.snapshot.revision,
                rows = rows.join(", "),
                "the new configuration is not used, the one before stays; mend or delete these rows"
            );
            self.refused.store(Some(Arc::new(Refused {
                revision: live.snapshot.revision,
                rows,
            })));
            return Ok(());
        }
        self.refused.store(None);
        tracing::info!(
            revision = live.snapshot.revision,
            endpoints = live.snapshot.endpoints.len(),
            models = live.snapshot.models.len(),
            "new configuration in use"
        );
        report(&live);
        self.metrics.follow(&live.snapshot);
        self.live.store(Arc::new(live));
        self.changed.notify_waiters();
        Ok(())
    }

    fn save_uses(&self, store: &Store) -> Result<(), String> {
        let live = self.live.load();
        live.key_uses.save(store).map_err(|err| err.to_string())
    }

    /// Writes the circuits that have changed, so that they survive a restart and the
    /// admin app sees them.
    fn save(&self, store: &Store) -> Result<(), String> {
        let live = self.live.load();
        let standings = live
            .upstreams
            .iter()
            .flat_map(|upstream| upstream.standings());
        let (standings, rows): (Vec<_>, Vec<_>) = standings
            .filter_map(|standing| standing.to_save().map(|row| (standing, row)))
            .unzip();
        let saved = store.save_circuits(&rows);
        for (standing, row) in standings.iter().zip(&rows) {
            match saved {
                Ok(()) => standing.saved(row),
                Err(_) => standing.unsaved(),
            }
        }
        saved.map_err(|err| err.to_string())
    }
}

fn report(live: &Live) {
    for problem in &live.problems {
        tracing::warn!(subject = %problem.subject, "configuration: {}", problem.message);
    }
}
