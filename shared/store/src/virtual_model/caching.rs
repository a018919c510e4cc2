//! Which answers of a virtual model are given again from the gateway's memory.
//!
//! All of it is off without being set. A value that makes no sense is not used, and takes
//! nothing else down.

use std::time::Duration;

use serde::Serialize;

use crate::columns::Columns;
use crate::input::Input;

/// The longest `cache_ttl_seconds`: thirty days.
const LONGEST: i64 = 2_592_000;

/// What is answered from memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caching {
    /// Whether whole answers are kept and given again to the same request.
    pub enabled: bool,
    /// How long an answer is kept; `None` for what the settings say of its kind.
    pub ttl: Option<Duration>,
    /// Whether a call waits for the answer of an identical one that is being made.
    pub join: bool,
}

/// The columns of it, whatever they hold; part of the virtual model's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CachingRow {
    /// 1 when whole answers are kept and given again to the same request.
    pub cache_enabled: i64,
    /// Seconds for which an answer is kept.
    pub cache_ttl_seconds: Option<i64>,
    /// 1 when a call waits for the answer of an identical one that is being made.
    pub join_calls: i64,
}

impl CachingRow {
    /// Reads the columns of a virtual model, and what is wrong with them.
    pub(super) fn read(columns: &mut Columns<'_, '_>) -> (Self, Vec<String>) {
        let earlier = std::mem::take(&mut columns.faults);
        let row = Self {
            cache_enabled: i64::from(columns.flag("cache_enabled", false)),
            cache_ttl_seconds: columns.whole("cache_ttl_seconds"),
            join_calls: i64::from(columns.flag("join_calls", false)),
        };
        let doubts = std::mem::replace(&mut columns.faults, earlier);
        (row, doubts)
    }

    /// What it says; notes what is not used.
    pub(super) fn judge(&self, doubts: &mut Vec<String>) -> Caching {
        let ttl = self
            .cache_ttl_seconds
            .filter(|seconds| (1..=LONGEST).contains(seconds))
            .and_then(|seconds| u64::try_from(seconds).ok());
        if self.cache_ttl_seconds.is_some() && ttl.is_none() {
            doubts.push(format!(
                "cache_ttl_seconds is not from 1 to {LONGEST} and is not used"
            ));
        }
        Caching {
            enabled: self.cache_enabled != 0,
            ttl: ttl.map(Duration::from_secs),
            join: self.join_calls != 0,
        }
    }
}

/// Checked values; `None` keeps the stored value, an inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CachingDraft {
    pub(crate) enabled: Option<bool>,
    pub(crate) ttl_seconds: Option<Option<i64>>,
    pub(crate) join: Option<bool>,
}

impl CachingDraft {
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        Self {
            enabled: input.flag("cache_enabled"),
            ttl_seconds: input.whole("cache_ttl_seconds", 1, LONGEST),
            join: input.flag("join_calls"),
        }
    }

    /// The same with every value of a new row. In a file that the original wrote the
    /// column's own default would switch the cache on.
    pub(crate) fn complete(&self) -> Self {
        Self {
            enabled: self.enabled.or(Some(false)),
            ttl_seconds: self.ttl_seconds.or(Some(None)),
            join: self.join.or(Some(false)),
        }
    }
}
