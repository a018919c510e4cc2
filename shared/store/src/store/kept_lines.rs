//! What spans of usage are made up of, as it was last read: of all the hours and days that a
//! page shows, new calls change the last one alone.
//!
//! Lines hold as long as everything in their span adds up to the same. In memory, and
//! bounded; what is not here is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::rollups::{self, One, Only};
use super::sums::{self, Span};
use crate::totals::{Sum, Totals};

/// Most lines that are kept: ninety days of a thousand virtual models, twice. A line takes
/// some 400 bytes.
const MOST: usize = 200_000;

/// Of which endpoint or key, 0 for virtual models, and the name.
pub(super) type Whose = (i64, Arc<str>);

/// What one virtual model, endpoint or key adds to a span.
type Line = (Whose, Totals);

/// What a span is made up of: everything in it, with the spread of times, and that by what it
/// is grouped by, without.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) whole: Totals,
    pub(super) models: Vec<Line>,
    pub(super) endpoints: Vec<Line>,
    pub(super) keys: Vec<Line>,
}

/// Totals by id and name.
type ByName = HashMap<i64, HashMap<String, Totals>>;

/// The span, its start, and which of its calls.
type Place = (Span, i64, Only);

/// The lines that are kept.
#[derive(Default)]
pub(super) struct KeptLines(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// With what everything in the span added up to, whichever of its calls are asked for.
    spans: HashMap<Place, (Totals, Arc<Parts>)>,
    lines: usize,
}

impl KeptLines {
    /// The lines of a span in which everything adds up to `all`, as both are in the
    /// transaction of `connection`.
    pub(super) fn of(
        &self,
        connection: &Connection,
        place: &Place,
        all: &Totals,
    ) -> rusqlite::Result<Arc<Parts>> {
        if let Some(parts) = self.known(place, all) {
            return Ok(parts);
        }
        let (span, start, only) = place;
        let parts = Arc::new(Parts::read(connection, *span, *start, only, all)?);
        self.keep(place.clone(), all, &parts);
        Ok(parts)
    }

    /// Forgets everything: costs were moved between lines.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    fn known(&self, place: &Place, all: &Totals) -> Option<Arc<Parts>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, parts) = kept.spans.get(place)?;
        (known == all).then(|| Arc::clone(parts))
    }

    fn keep(&self, place: Place, all: &Totals, parts: &Arc<Parts>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lines + parts.lines() > MOST {
            *kept = Kept::default();
        }
        kept.lines += parts.lines();
        let former = kept.spans.insert(place, (all.clone(), Arc::clone(parts)));
        kept.lines -= former.map_or(0, |(_, parts)| parts.lines());
    }
}

impl Parts {
    /// Whatever is added up, one more for the whole.
    fn lines(&self) -> usize {
        1 + self.models.len() + self.endpoints.len() + self.keys.len()
    }

    fn read(
        connection: &Connection,
        span: Span,
        start: i64,
        only: &Only,
        all: &Totals,
    ) -> rusqlite::Result<Self> {
        if *only == Only::default() {
            return Self::of_everything(connection, span, start, all);
        }
        if let (Span::Day, Some(one)) = (span, only.one())
            && let Some(parts) = Self::of_one(connection, start, one)?
        {
            return Ok(parts);
        }
        Self::of_some(connection, span, start, only)
    }

    /// Of all calls there are sums.
    fn of_everything(
        connection: &Connection,
        span: Span,
        start: i64,
        all: &Totals,
    ) -> rusqlite::Result<Self> {
        let lines = |of| {
            let mut lines = Vec::new();
            sums::each_plain(connection, span, of, start, |id, name, totals| {
                lines.push(((id, name.into()), totals.clone()));
            })?;
            Ok::<_, rusqlite::Error>(lines)
        };
        Ok(Self {
            whole: all.clone(),
            models: lines(sums::MODELS)?,
            endpoints: lines(sums::ENDPOINTS)?,
            keys: lines(sums::KEYS)?,
        })
    }

    /// Of a day of an endpoint or key there are sums as well. `None` where they are not
    /// complete: a program of an older version has counted calls and does not know of them.
    fn of_one(connection: &Connection, start: i64, one: One) -> rusqlite::Result<Option<Self>> {
        let (id, of, models, others) = match one {
            One::Endpoint(id) => (id, sums::ENDPOINTS, sums::MODELS_AT, sums::KEYS_AT),
            One::Key(id) => (id, sums::KEYS, sums::MODELS_BY, sums::ENDPOINTS_BY),
        };
        let each = |of, take: &mut dyn FnMut(&str, &Totals)| {
            sums::each_of(connection, Span::Day, of, (start, id), take)
        };
        let mut parts = Self::default();
        let (mut own, mut other) = (Vec::new(), Vec::new());
        each(of, &mut |name, totals| {
            parts.whole.join(totals);
            own.push(((id, name.into()), totals.without_spread()));
        })?;
        let mut known = [Totals::default(), Totals::default()];
        let [of_models, of_others] = &mut known;
        each(models, &mut |name, totals| {
            of_models.join_sums(totals);
            parts.models.push(((0, name.into()), totals.clone()));
        })?;
        each(others, &mut |name, totals| {
            of_others.join_sums(totals);
            let (id, name) = sums::whose(name);
            other.push(((id, name.into()), totals.clone()));
        })?;
        (parts.endpoints, parts.keys) = match one {
            One::Endpoint(_) => (own, other),
            One::Key(_) => (other, own),
        };
        let sums = parts.whole.without_spread();
        let spread = i64::try_from(parts.whole.latency.count());
        let is_complete = known.iter().all(|known| *known == sums)
            && spread.is_ok_and(|spread| spread == sums.get(Sum::Requests));
        Ok(is_complete.then_some(parts))
    }

    fn of_some(
        connection: &Connection,
        span: Span,
        start: i64,
        only: &Only,
    ) -> rusqlite::Result<Self> {
        let mut whole = Totals::default();
        let mut lines = [ByName::new(), ByName::new(), ByName::new()];
        rollups::each_of(connection, span, start, only, |group, totals| {
            whole.join(totals);
            let whose = [
                (0, &group.virtual_model),
                (group.endpoint_id, &group.endpoint_name),
                (group.key_id, &group.key_label),
            ];
            for (lines, (id, name)) in lines.iter_mut().zip(whose) {
                let of_id = lines.entry(id).or_default();
                match of_id.get_mut(name) {
                    Some(line) => line.join_sums(totals),
                    None => drop(of_id.insert(name.clone(), totals.without_spread())),
                }
            }
            Ok(())
        })?;
        let [models, endpoints, keys] = lines.map(|lines| {
            let lines = lines.into_iter().flat_map(|(id, of_id)| {
                let of_id = of_id.into_iter();
                of_id.map(move |(name, totals)| ((id, name.into()), totals))
            });
            lines.collect()
        });
        Ok(Self {
            whole,
            models,
            endpoints,
            keys,
        })
    }
}
