//! What spans of usage are made up of, as it was last read: of all the hours and days that a
//! page shows, new calls change the last one alone.
//!
//! Lines hold as long as everything in their span adds up to the same. In memory, and
//! bounded; what is not here is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::sums::{self, Span};
use crate::totals::Totals;

/// Most lines that are kept: a month of days of a thousand virtual models, three times. A
/// line takes some 350 bytes.
const MOST: usize = 100_000;

/// What one virtual model, endpoint or key adds to a span.
pub(super) struct Line {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) totals: Totals,
}

/// The kind of span, of what its lines are, and its start.
type Place = (Span, i64, i64);

/// The lines that are kept.
#[derive(Default)]
pub(super) struct KeptLines(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// With what everything in the span added up to.
    spans: HashMap<Place, (Totals, Arc<[Line]>)>,
    lines: usize,
}

impl KeptLines {
    /// The lines of a span in which everything adds up to `all`, as both are in the
    /// transaction of `connection`.
    pub(super) fn of(
        &self,
        connection: &Connection,
        place: Place,
        all: &Totals,
    ) -> rusqlite::Result<Arc<[Line]>> {
        if let Some(lines) = self.known(place, all) {
            return Ok(lines);
        }
        let (span, of, start) = place;
        let mut lines = Vec::new();
        let range = (start, start.saturating_add(1));
        sums::each(connection, span, of, range, |_, id, name, totals| {
            lines.push(Line {
                id,
                name: name.to_owned(),
                totals: totals.clone(),
            });
        })?;
        let lines: Arc<[Line]> = lines.into();
        self.keep(place, all, &lines);
        Ok(lines)
    }

    /// Forgets everything: costs were moved between lines.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    fn known(&self, place: Place, all: &Totals) -> Option<Arc<[Line]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, lines) = kept.spans.get(&place)?;
        (known == all).then(|| Arc::clone(lines))
    }

    fn keep(&self, place: Place, all: &Totals, lines: &Arc<[Line]>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lines + lines.len() > MOST {
            *kept = Kept::default();
        }
        kept.lines += lines.len();
        let former = kept.spans.insert(place, (all.clone(), Arc::clone(lines)));
        kept.lines -= former.map_or(0, |(_, lines)| lines.len());
    }
}
