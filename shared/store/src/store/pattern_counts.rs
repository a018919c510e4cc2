//! Counts of tool patterns: added up by day, read as totals.
//!
//! They are no configuration: adding some does not move the revision. Those of a deleted
//! pattern stay.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Store;
use crate::columns::Columns;
use crate::error::StoreError;
use crate::pattern_count::{PatternCount, PatternTotals};

/// Most days: further back SQLite finds no date.
const MAX_DAYS: u32 = 100_000;

impl Store {
    /// Adds a batch of counts to their days, all or none, in one transaction.
    ///
    /// # Errors
    /// When the file cannot be written; nothing was added then.
    pub fn count_tool_patterns(&self, counts: &[PatternCount]) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        self.write(|connection| {
            for count in counts {
                add(connection, count)?;
            }
            Ok(())
        })
    }

    /// The totals of every pattern that was counted in the last `days` days in UTC, today
    /// being the first, by pattern.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn tool_pattern_counts(&self, days: u32) -> Result<Vec<PatternTotals>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT * FROM tool_pattern_counts WHERE day > date('now', ?) \
                 ORDER BY pattern_id, day",
            )?;
            let days = days.min(MAX_DAYS);
            let mut rows = statement.query([format!("-{days} days")])?;
            let mut totals: Vec<PatternTotals> = Vec::new();
            while let Some(row) = rows.next()? {
                let day = read(row);
                match totals.last_mut() {
                    Some(sum) if sum.pattern_id == day.pattern_id => join(sum, day),
                    _ => totals.push(day),
                }
            }
            Ok(totals)
        })
    }
}

fn add(connection: &Connection, count: &PatternCount) -> rusqlite::Result<()> {
    let mut sum = PatternTotals {
        pattern_id: count.pattern_id,
        pattern_name: count.pattern_name.clone(),
        hits: count.hits,
        repairs: count.repairs,
        refusals: count.refusals,
        refusal_reasons: count.reasons.clone(),
    };
    let stored = connection
        .prepare_cached(
            "SELECT * FROM tool_pattern_counts \
             WHERE pattern_id = ? AND day = date(?, 'unixepoch')",
        )?
        .query_row(params![count.pattern_id, count.at], |row| Ok(read(row)))
        .optional()?;
    if let Some(stored) = stored {
        let name = std::mem::take(&mut sum.pattern_name);
        join(&mut sum, stored);
        sum.pattern_name = name;
    }
    let reasons = serde_json::to_string(&sum.refusal_reasons).unwrap_or_else(|_| "{}".to_owned());
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO tool_pattern_counts \
             (pattern_id, pattern_name, day, hits, repairs, refusals, reasons) \
             VALUES (?, ?, date(?, 'unixepoch'), ?, ?, ?, ?)",
        )?
        .execute(params![
            sum.pattern_id,
            sum.pattern_name,
            count.at,
            whole(sum.hits),
            whole(sum.repairs),
            whole(sum.refusals),
            reasons,
        ])?;
    Ok(())
}

/// Adds `more` to `sum`, which takes its name.
fn join(sum: &mut PatternTotals, more: PatternTotals) {
    sum.pattern_name = more.pattern_name;
    sum.hits = sum.hits.saturating_add(more.hits);
    sum.repairs = sum.repairs.saturating_add(more.repairs);
    sum.refusals = sum.refusals.saturating_add(more.refusals);
    for (reason, count) in more.refusal_reasons {
        let known = sum.refusal_reasons.entry(reason).or_default();
        *known = known.saturating_add(count);
    }
}

/// What cannot be read counts as nothing.
fn read(row: &Row<'_>) -> PatternTotals {
    let mut columns = Columns::new(row);
    let mut count = |column| {
        let number = columns.whole(column).unwrap_or(0);
        u64::try_from(number).unwrap_or(0)
    };
    let (hits, repairs, refusals) = (count("hits"), count("repairs"), count("refusals"));
    let reasons = columns.text("reasons").unwrap_or_default();
    PatternTotals {
        pattern_id: columns.whole("pattern_id").unwrap_or(0),
        pattern_name: columns.text("pattern_name").unwrap_or_default(),
        hits,
        repairs,
        refusals,
        refusal_reasons: serde_json::from_str::<BTreeMap<_, _>>(&reasons).unwrap_or_default(),
    }
}

/// At most what a column is read back as.
fn whole(count: u64) -> i64 {
    const MOST: i64 = 1 << 53;
    i64::try_from(count).unwrap_or(MOST).min(MOST)
}
