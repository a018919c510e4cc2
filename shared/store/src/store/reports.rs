//! Reports of usage: whole days and hours from the roll-ups, the rest of the range from the
//! single calls.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use super::rollups::{self, Group, Only};
use super::sums::{self, Span};
use super::{Store, raw};
use crate::call::CallKind;
use crate::error::StoreError;
use crate::report::{By, Label, UsageQuery, UsageReport, is_embedding};
use crate::totals::Totals;
use crate::zone::Zone;

impl Store {
    /// The calls of a range, added up by what `by` says.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn usage(&self, query: &UsageQuery, by: &[By]) -> Result<UsageReport, StoreError> {
        self.read(|connection| {
            let zone = rollups::zone(connection)?;
            let mut sums = Sums {
                query,
                by,
                zone: &zone,
                lines: BTreeMap::new(),
                run: None,
            };
            let exact = sums.gather(connection)?;
            sums.end_run();
            let lines = sums.lines.into_iter().collect();
            Ok(UsageReport { lines, zone, exact })
        })
    }

    /// The time zone in which days begin.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn zone(&self) -> Result<Zone, StoreError> {
        self.read(|connection| Ok(rollups::zone(connection)?))
    }
}

/// Single calls that began before this second are gone.
pub(super) fn kept_from(connection: &Connection) -> rusqlite::Result<i64> {
    let before = connection
        .prepare_cached("SELECT before FROM usage_trimmed")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(before.unwrap_or(i64::MIN))
}

struct Sums<'q> {
    query: &'q UsageQuery,
    by: &'q [By],
    zone: &'q Zone,
    lines: BTreeMap<Label, Totals>,
    run: Option<Run>,
}

/// What one line has got since another one had something: roll-ups come in the order of their
/// starts and virtual models, so that many of a line follow each other.
struct Run {
    /// When the calls began, or the hour or day of them.
    at: i64,
    label: Label,
    totals: Totals,
}

impl Run {
    /// Whether a group at this time is counted in the same line.
    fn goes_on(&self, at: i64, group: &Group) -> bool {
        let Label {
            virtual_model,
            endpoint,
            key,
            ..
        } = &self.label;
        let at_endpoint =
            |(id, name): &(i64, String)| (*id, name) == (group.endpoint_id, &group.endpoint_name);
        let by_key = |(id, label): &(i64, String)| (*id, label) == (group.key_id, &group.key_label);
        let of_model = |name: &String| *name == group.virtual_model;
        self.at == at
            && virtual_model.as_ref().is_none_or(of_model)
            && endpoint.as_ref().is_none_or(at_endpoint)
            && key.as_ref().is_none_or(by_key)
    }
}

impl Sums<'_> {
    /// Adds up the range; whether its ends are exact.
    fn gather(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let (from, end) = (self.query.from, self.query.end());
        if from >= end {
            return Ok(true);
        }
        // Far beyond any call there are no hours to look for.
        let kept = kept_from(connection)?;
        let first = self.hour_from(from);
        let last = self.zone.hour(end);
        if first >= last {
            return self.edge(connection, from, end, kept);
        }
        let mut exact = self.edge(connection, from, first, kept)?;
        let day = |at| {
            if self.zone.day(at) == at {
                at
            } else {
                self.zone.next_day(at)
            }
        };
        let (days_from, days_to) = (day(first), self.zone.day(last));
        // A zone changed a moment ago, and days are made anew with the next call.
        let made = rollups::days_are_made(connection, self.zone)?;
        if self.by.contains(&By::Hour) || days_from >= days_to || !made {
            self.rolled(connection, Span::Hour, first, last)?;
        } else {
            self.rolled(connection, Span::Hour, first, days_from)?;
            self.rolled(connection, Span::Day, days_from, days_to)?;
            self.rolled(connection, Span::Hour, days_to, last)?;
        }
        exact &= self.edge(connection, last, end, kept)?;
        Ok(exact)
    }

    fn hour_from(&self, at: i64) -> i64 {
        if self.zone.hour(at) == at {
            return at;
        }
        self.zone.hour(at.saturating_add(3600))
    }

    fn rolled(
        &mut self,
        connection: &Connection,
        span: Span,
        from: i64,
        to: i64,
    ) -> rusqlite::Result<()> {
        let (only, of) = (Only::of(self.query), self.sums());
        let mut take = |start, group: &Group, totals: &Totals| {
            if let Some(line) = self.line(start, group) {
                line.join(totals);
            }
        };
        if let Some(of) = of
            && sums::are_spread(connection, span, of, (from, to))?
        {
            let take = |start, id, name: &str, totals: &Totals| {
                take(start, &group_of(id, name), totals);
            };
            return sums::each(connection, span, of, (from, to), take);
        }
        if only == Only::default() {
            let table = span.rollups();
            return rollups::each(connection, table, from, to, |start, group, totals| {
                take(start, group, totals);
                Ok(())
            });
        }
        // Each start is looked up by itself: rows are in the order of start and model.
        let mut starts = Vec::new();
        sums::each(connection, span, sums::ALL, (from, to), |start, _, _, _| {
            starts.push(start);
        })?;
        for start in starts {
            rollups::each_of(connection, span, start, &only, |group, totals| {
                take(start, group, totals);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Of what there are sums that the report can be made of.
    fn sums(&self) -> Option<i64> {
        let query = self.query;
        if Only::of(query) != Only::default() || query.embeddings.is_some() {
            return None;
        }
        let mut of = sums::ALL;
        for by in self.by {
            let one = match by {
                By::Model => sums::MODELS,
                By::Endpoint => sums::ENDPOINTS,
                By::Key => sums::KEYS,
                By::Day | By::Hour => continue,
            };
            if of != sums::ALL && of != one {
                return None;
            }
            of = one;
        }
        Some(of)
    }

    /// A part of an hour, from single calls; where they are gone, the hour if it begins
    /// there.
    fn edge(
        &mut self,
        connection: &Connection,
        from: i64,
        to: i64,
        kept: i64,
    ) -> rusqlite::Result<bool> {
        if from >= to {
            return Ok(true);
        }
        if self.zone.hour(from) < kept {
            self.rolled(connection, Span::Hour, from, to)?;
            return Ok(false);
        }
        raw::each::<rusqlite::Error>(connection, from, to, |call| {
            for (group, spent, whole) in call.counted() {
                if let Some(line) = self.line(call.at, &group) {
                    line.count(&call.facts, &spent, whole);
                }
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// The line where a group of calls is counted, if the report is about them.
    fn line(&mut self, at: i64, group: &Group) -> Option<&mut Totals> {
        let query = self.query;
        let wanted = query
            .virtual_model
            .as_ref()
            .is_none_or(|name| *name == group.virtual_model)
            && query.endpoint_id.is_none_or(|id| id == group.endpoint_id)
            && query.key_id.is_none_or(|id| id == group.key_id)
            && query
                .embeddings
                .is_none_or(|only| only == is_embedding(group.kind));
        if !wanted {
            return None;
        }
        if self.run.as_ref().is_none_or(|run| !run.goes_on(at, group)) {
            let label = self.label(at, group);
            self.end_run();
            self.run = Some(Run {
                at,
                label,
                totals: Totals::default(),
            });
        }
        self.run.as_mut().map(|run| &mut run.totals)
    }

    fn label(&self, at: i64, group: &Group) -> Label {
        // To find a day or hour takes longer than the sums of a roll-up.
        let last = self.run.as_ref().filter(|run| run.at == at);
        let mut label = last.map_or_else(Label::default, |run| Label {
            day: run.label.day,
            hour: run.label.hour,
            ..Label::default()
        });
        for by in self.by {
            match by {
                By::Model => label.virtual_model = Some(group.virtual_model.clone()),
                By::Endpoint => {
                    label.endpoint = Some((group.endpoint_id, group.endpoint_name.clone()));
                }
                By::Key => label.key = Some((group.key_id, group.key_label.clone())),
                By::Day => label.day = label.day.or_else(|| Some(self.zone.day(at))),
                By::Hour => label.hour = label.hour.or_else(|| Some(self.zone.hour(at))),
            }
        }
        label
    }

    fn end_run(&mut self) {
        if let Some(Run { label, totals, .. }) = self.run.take() {
            self.lines.entry(label).or_default().join(&totals);
        }
    }
}

/// A group that is of the virtual model, the endpoint and the key of this name alike: a sum is
/// of one of them, and the report asks for no other.
fn group_of(id: i64, name: &str) -> Group {
    Group {
        virtual_model: name.to_owned(),
        endpoint_id: id,
        endpoint_name: name.to_owned(),
        key_id: id,
        key_label: name.to_owned(),
        kind: CallKind::Chat,
    }
}
