//! How often each tool pattern matched, day by day.

use std::collections::BTreeMap;

use serde::Serialize;

/// What happened to the candidates of one pattern since the last count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternCount {
    /// The pattern's row.
    pub pattern_id: i64,
    /// Its name, kept for when the row is gone.
    pub pattern_name: String,
    /// When, unix seconds; the counts go to this day in UTC.
    pub at: i64,
    /// Candidates that became calls.
    pub hits: u64,
    /// Of these, the calls in which something had to be mended.
    pub repairs: u64,
    /// Candidates that stayed text.
    pub refusals: u64,
    /// Why they did: a reason's word to how often it was.
    pub reasons: BTreeMap<String, u64>,
}

/// The counts of one pattern over some days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PatternTotals {
    /// The pattern's row, which may be gone.
    pub pattern_id: i64,
    /// The name it had last.
    pub pattern_name: String,
    /// Candidates that became calls.
    pub hits: u64,
    /// Of these, the calls in which something had to be mended.
    pub repairs: u64,
    /// Candidates that stayed text.
    pub refusals: u64,
    /// Why they did: a reason's word to how often it was.
    pub refusal_reasons: BTreeMap<String, u64>,
}
