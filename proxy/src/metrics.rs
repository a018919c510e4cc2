//! The gateway's numbers, for Prometheus: what calls have come to since the start, and at
//! which state it is.
//!
//! A call is counted once, where its record is closed, by atomic additions and nothing else:
//! no lock, no text, no allocation once a series is there. Names in labels are those of the
//! configuration; what callers make up goes into one series ([`table`]). No counter ever
//! goes back. What they mean is told in `docs/metrics.md`.

mod families;
mod page;
mod scraped;
mod series;
mod state;
mod table;
mod times;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::{CacheUse, CallRecord, Cost, Outcome, PatternCount, Snapshot};
use wire::inbound::CallerDialect;
use wire::usage::Usage;

pub(crate) use page::Page;
pub(crate) use scraped::Scraped;
use series::{PatternSeries, Series};
use table::{Table, UNKNOWN};

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Closed<'c> {
    pub(crate) record: &'c CallRecord,
    /// What its caller speaks.
    pub(crate) dialect: CallerDialect,
    /// From its first byte to its end.
    pub(crate) took: Duration,
    /// Of that, the time in which endpoints were waited for; `None` when none was asked.
    pub(crate) waited: Option<Duration>,
}

/// What one attempt of it has come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried<'c> {
    /// The endpoint's name.
    pub(crate) endpoint: &'c str,
    pub(crate) outcome: Outcome,
    /// The tokens that it has spent.
    pub(crate) usage: Option<Usage>,
    /// What they cost.
    pub(crate) cost: Option<Cost>,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// By virtual model and endpoint.
    calls: Table<Series>,
    /// By tool pattern.
    patterns: Table<PatternSeries>,
    /// Answers that are being passed on as they come.
    streams: AtomicU64,
}

impl Metrics {
    /// Counts a call and its attempts.
    pub(crate) fn count<'c>(
        &self,
        closed: &Closed<'_>,
        tried: impl IntoIterator<Item = Tried<'c>>,
    ) {
        let record = closed.record;
        // A name that no virtual model has is the caller's word.
        let is_known = record.virtual_model_id.is_some();
        let model = if is_known {
            record.virtual_model.as_str()
        } else {
            UNKNOWN
        };
        let endpoint = record.endpoint_name.as_deref().unwrap_or_default();
        let mut spent = false;
        for tried in tried {
            spent |= tried.usage.is_some();
            self.calls
                .with(model, tried.endpoint, |series| series.tried(&tried));
        }
        self.calls.with(model, endpoint, |series| {
            series.ended(closed);
            if !spent {
                series.spent(&record.usage);
            }
            match record.cache {
                Some(CacheUse::Hit(_)) => series.looked_up(true),
                Some(CacheUse::Miss) => series.looked_up(false),
                None => {}
            }
        });
    }

    /// Counts what became of candidates for tool calls.
    pub(crate) fn count_patterns(&self, counts: &[PatternCount]) {
        for count in counts {
            self.patterns
                .with(&count.pattern_name, "", |series| series.add(count));
        }
    }

    /// An answer begins to be passed on as it comes.
    pub(crate) fn stream_begins(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// Such an answer has ended.
    pub(crate) fn stream_ends(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Forgets what is not in the configuration any more, once room becomes scarce.
    pub(crate) fn follow(&self, snapshot: &Snapshot) {
        self.calls.make_room(|model, endpoint| {
            let has = |name: &str| snapshot.endpoints.iter().any(|known| known.name == name);
            snapshot.models.contains_key(model) && (endpoint.is_empty() || has(endpoint))
        });
        self.patterns.make_room(|name, _| {
            let mut known = snapshot.tool_patterns.iter();
            known.any(|pattern| pattern.pattern_name == name)
        });
    }
}

#[cfg(test)]
mod tests;
