//! Charging calls anew by the prices that are known now for when they began.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rusqlite::{Connection, params};

use super::calls::legacy;
use super::prices::Book;
use super::raw::{self, Stored, counted};
use super::reports::kept_from;
use super::rollups::{self, Batch};
use super::{Failure, Store};
use crate::audit::AuditKind;
use crate::call::{Attempt, Priced};
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::money::Cost;
use crate::report::{Repriced, Repricing, UsageQuery};
use crate::totals::Sum;

impl Store {
    /// What re-pricing would change, without changing it. Of the query the range and the
    /// virtual model count.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn preview_repricing(&self, query: &UsageQuery) -> Result<Repricing, StoreError> {
        self.read(|connection| Ok(repricing(connection, query)?.0))
    }

    /// Charges the calls of a range anew, in the rows and in the roll-ups, if everything is
    /// still as the preview with that token said. To do it twice changes nothing more.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when calls or prices have changed since the preview, or when
    /// the file cannot be written.
    pub fn apply_repricing(
        &self,
        query: &UsageQuery,
        token: &str,
    ) -> Result<Repricing, StoreError> {
        let applied = self.write(|connection| {
            let (mut found, changes) = repricing(connection, query)?;
            if found.token != token {
                let why = "calls or prices have changed since the preview; look at a new one";
                return Err(Failure::Store(FieldErrors::one("token", why).into()));
            }
            let zone = rollups::zone(connection)?;
            rollups::follow_zone(connection, &zone)?;
            let mut batch = Batch::default();
            for change in changes {
                change.count(&mut batch, &zone);
                change.write(connection)?;
            }
            batch.write(connection, &zone)?;
            found.applied = true;
            let what = serde_json::json!({ "from": query.from, "to": query.to });
            self.note_done(connection, AuditKind::Usage, "re-priced", "", what)?;
            Ok(found)
        });
        // Two virtual models may have exchanged their costs, which the sum of all does not tell.
        self.inner.kept_lines.forget();
        applied
    }
}

/// A call and what it costs by the prices known now.
struct Change {
    call: Stored,
    attempts: Vec<Attempt>,
    spent: Priced,
    saved: i64,
}

fn repricing(
    connection: &Connection,
    query: &UsageQuery,
) -> rusqlite::Result<(Repricing, Vec<Change>)> {
    let mut models: BTreeMap<String, Repriced> = BTreeMap::new();
    let mut changes = Vec::new();
    let mut book = Book::default();
    let mut state = DefaultHasher::new();
    (query.from, query.to, &query.virtual_model).hash(&mut state);
    raw::each::<rusqlite::Error>(connection, query.from, query.end(), |call| {
        let name = &call.group.virtual_model;
        if query
            .virtual_model
            .as_ref()
            .is_some_and(|wanted| wanted != name)
        {
            return Ok(());
        }
        let model = models.entry(name.clone()).or_insert_with(|| Repriced {
            virtual_model: name.clone(),
            ..Repriced::default()
        });
        let change = Change::of(connection, &mut book, call)?;
        let (old, new) = (&change.call.spent.cost, &change.spent.cost);
        model.calls += 1;
        model.cost_nanos = model.cost_nanos.saturating_add(old.known());
        model.new_cost_nanos = model.new_cost_nanos.saturating_add(new.known());
        model.unpriced += u64::from(change.call.facts.unpriced);
        model.new_unpriced += u64::from(new.total().is_none());
        (
            change.call.table.name(),
            change.call.id,
            old.parts(),
            new.parts(),
        )
            .hash(&mut state);
        if change.is_one() {
            model.changed += 1;
            changes.push(change);
        }
        Ok(())
    })?;
    let found = Repricing {
        models: models.into_values().collect(),
        token: format!("{:016x}", state.finish()),
        applied: false,
        kept_from: kept_from(connection)?.max(0),
    };
    Ok((found, changes))
}

impl Change {
    fn of(connection: &Connection, book: &mut Book, call: Stored) -> rusqlite::Result<Self> {
        let mut attempts = call.attempts.clone();
        let mut cost = None;
        for attempt in &mut attempts {
            let Some(usage) = attempt.usage else { continue };
            let (id, name) = (attempt.virtual_model_id, &attempt.virtual_model);
            let part = Cost::of(&usage, &book.at(connection, id, name, call.at)?);
            attempt.cost = Some(part);
            cost = Some(cost.unwrap_or(Cost::ZERO).plus(&part));
        }
        let name = &call.group.virtual_model;
        let own = book.at(connection, call.virtual_model_id, name, call.at)?;
        let saved = call
            .saved_usage
            .map_or(0, |usage| Cost::of(&usage, &own).known());
        let usage = call.spent.usage;
        let cost = cost.unwrap_or_else(|| Cost::of(&usage, &own));
        Ok(Self {
            call,
            attempts,
            spent: Priced { usage, cost },
            saved,
        })
    }

    /// Whether anything differs.
    fn is_one(&self) -> bool {
        self.spent.cost != self.call.spent.cost
            || self.attempts != self.call.attempts
            || (self.call.saved_usage.is_some() && self.saved != self.call.facts.saved)
    }

    /// Takes the old cost out of the roll-ups and puts the new one in.
    fn count(&self, batch: &mut Batch, zone: &crate::zone::Zone) {
        let at = self.call.at;
        for (group, spent, whole) in self.call.counted() {
            let totals = batch.of(zone, at, group);
            totals.charge(&spent, -1);
            if whole {
                let facts = &self.call.facts;
                totals.add(Sum::Unpriced, -i64::from(facts.unpriced));
                totals.add(Sum::Saved, -facts.saved);
            }
        }
        for (group, spent, whole) in counted(&self.call.group, &self.attempts, &self.spent) {
            let totals = batch.of(zone, at, group);
            totals.charge(&spent, 1);
            if whole {
                let unpriced = self.spent.cost.total().is_none();
                totals.add(Sum::Unpriced, i64::from(unpriced));
                totals.add(Sum::Saved, self.saved);
            }
        }
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let cost = &self.spent.cost;
        let reals = legacy(cost);
        let attempts = match self.attempts.as_slice() {
            [] => None,
            attempts => serde_json::to_string(attempts).ok(),
        };
        let usage = serde_json::to_string(&self.spent.usage).ok();
        let saved = self.call.saved_usage.map(|_| self.saved);
        connection
            .prepare_cached(&format!(
                "UPDATE {} SET cost_estimate = ?, cost_in = ?, cost_out = ?, \
                 cached_cost_estimate = ?, cost_nanos = ?, cost_in_nanos = ?, \
                 cost_out_nanos = ?, cost_cached_nanos = ?, cost_cache_write_nanos = ?, \
                 attempts = ?, usage = ?, saved_nanos = ?, exact = 1 WHERE id = ?",
                self.call.table.name()
            ))?
            .execute(params![
                reals.estimate,
                reals.input,
                reals.output,
                reals.cached,
                cost.total(),
                cost.input,
                cost.output,
                cost.cached,
                cost.cache_write,
                attempts,
                usage,
                saved,
                self.call.id,
            ])?;
        Ok(())
    }
}
