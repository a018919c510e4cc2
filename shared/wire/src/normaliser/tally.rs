//! What became of the patterns' candidates in one answer, counted.

use std::collections::BTreeMap;

use super::machine::Seen;
use super::patterns::Patterns;

/// What became of one pattern's candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The pattern's id.
    pub pattern: i64,
    /// Its name.
    pub name: String,
    /// Candidates that became calls.
    pub hits: u64,
    /// Calls in which more than the form was mended.
    pub repairs: u64,
    /// Candidates that stayed text.
    pub refusals: u64,
    /// Why they did, by the reason's word.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// The tallies of `seen`, a pattern each.
pub(super) fn tally<'s>(patterns: &Patterns, seen: impl Iterator<Item = &'s Seen>) -> Vec<Tally> {
    let mut rows: BTreeMap<usize, Tally> = BTreeMap::new();
    for seen in seen {
        let Some(pattern) = patterns.pattern(seen.row) else {
            continue;
        };
        let tally = rows.entry(seen.row).or_insert_with(|| Tally {
            pattern: pattern.id,
            name: pattern.name.clone(),
            ..Tally::default()
        });
        match &seen.outcome {
            Ok((_, repaired)) => {
                tally.hits += 1;
                tally.repairs += *repaired as u64;
            }
            Err(reason) => {
                tally.refusals += 1;
                *tally.reasons.entry(reason.id()).or_default() += 1;
            }
        }
    }
    rows.into_values().collect()
}
