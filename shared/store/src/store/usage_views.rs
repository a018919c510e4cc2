//! What the usage page is made of: whole hours or days, all told and by what they are
//! grouped by. Single calls are not looked at, and without a filter no roll-up either.

use std::collections::HashMap;

use rusqlite::Connection;

use super::Store;
use super::kept_lines::{Parts, Whose};
use super::rollups::{self, Only};
use super::sums::{self, Span};
use crate::error::StoreError;
use crate::histogram::Histogram;
use crate::report::{UsageQuery, UsageView};
use crate::totals::Totals;
use crate::zone::Zone;

impl Store {
    /// The calls of a range, of its whole hours (`by_hour`) or whole days: of the hour or day
    /// in which it begins and of that in which it ends all are counted.
    ///
    /// # Errors
    /// When the file cannot be read, or its days cannot be brought into the time zone.
    pub fn usage_view(&self, query: &UsageQuery, by_hour: bool) -> Result<UsageView, StoreError> {
        self.view(query, by_hour, true)
    }

    /// The same, of all calls in a range of hours, with nothing but the course of it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn usage_course(&self, from: i64, to: i64) -> Result<UsageView, StoreError> {
        self.view(&UsageQuery::between(from, to), true, false)
    }

    /// The milliseconds that half of each endpoint's calls did not exceed, in the hours from
    /// that of `from` to that of `to`, by the endpoint's id.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn endpoint_medians(&self, from: i64, to: i64) -> Result<HashMap<i64, u64>, StoreError> {
        self.read(|connection| {
            let zone = rollups::zone(connection)?;
            let range = (zone.hour(from), next_hour(&zone, to));
            let mut times: HashMap<i64, Histogram> = HashMap::new();
            let span = Span::Hour;
            sums::each(
                connection,
                span,
                sums::ENDPOINTS,
                range,
                |_, id, _, totals| {
                    times.entry(id).or_default().join(&totals.latency);
                },
            )?;
            let median = |(id, times): (i64, Histogram)| Some((id, times.percentile(50)?));
            Ok(times.into_iter().filter_map(median).collect())
        })
    }

    fn view(
        &self,
        query: &UsageQuery,
        by_hour: bool,
        whole: bool,
    ) -> Result<UsageView, StoreError> {
        let made = |connection: &Connection| {
            let zone = rollups::zone(connection)?;
            rollups::days_are_made(connection, &zone)
        };
        if !by_hour && !self.read(|connection| Ok(made(connection)?))? {
            self.write(|connection| {
                let zone = rollups::zone(connection)?;
                Ok(rollups::follow_zone(connection, &zone)?)
            })?;
        }
        self.read(|connection| {
            let zone = rollups::zone(connection)?;
            let span = if by_hour { Span::Hour } else { Span::Day };
            let range = range(&zone, query, span);
            let only = Only::of(query);
            let mut alls = HashMap::new();
            sums::each(connection, span, sums::ALL, range, |start, _, _, all| {
                alls.insert(start, all.clone());
            })?;
            let mut view = View::default();
            if whole {
                for (start, all) in alls {
                    let place = (span, start, only.clone());
                    let parts = self.inner.kept_lines.of(connection, &place, &all)?;
                    view.join(start, &parts);
                }
            } else {
                view.spans = alls;
            }
            Ok(view.done(zone, span, range))
        })
    }
}

/// From the beginning of the first span to the end of the last, in unix seconds.
fn range(zone: &Zone, query: &UsageQuery, span: Span) -> (i64, i64) {
    match span {
        Span::Hour => (zone.hour(query.from), next_hour(zone, query.to)),
        Span::Day => (zone.day(query.from), zone.next_day(query.to)),
    }
}

fn next_hour(zone: &Zone, at: i64) -> i64 {
    zone.hour(zone.hour(at).saturating_add(3600))
}

#[derive(Default)]
struct View {
    spans: HashMap<i64, Totals>,
    models: HashMap<Whose, Totals>,
    endpoints: HashMap<Whose, Totals>,
    keys: HashMap<Whose, Totals>,
}

impl View {
    fn join(&mut self, start: i64, parts: &Parts) {
        self.spans.insert(start, parts.whole.clone());
        for (joined, lines) in [
            (&mut self.models, &parts.models),
            (&mut self.endpoints, &parts.endpoints),
            (&mut self.keys, &parts.keys),
        ] {
            for (whose, totals) in lines {
                match joined.get_mut(whose) {
                    Some(known) => known.join_sums(totals),
                    None => drop(joined.insert(whose.clone(), totals.clone())),
                }
            }
        }
    }

    fn done(mut self, zone: Zone, span: Span, (from, to): (i64, i64)) -> UsageView {
        let mut whole = Totals::default();
        let mut spans = Vec::new();
        let mut start = from;
        // Far beyond any range that a page asks for.
        while start < to && spans.len() < 5000 {
            let totals = self.spans.remove(&start).unwrap_or_default();
            whole.join(&totals);
            spans.push((start, totals));
            let next = match span {
                Span::Hour => next_hour(&zone, start),
                Span::Day => zone.next_day(start),
            };
            start = next.max(start.saturating_add(1));
        }
        // Hours of another zone's offset, from before it was changed.
        for (start, totals) in self.spans {
            whole.join(&totals);
            spans.push((start, totals));
        }
        spans.sort_by_key(|(start, _)| *start);
        let named = |lines: HashMap<Whose, Totals>| {
            let lines = lines.into_iter();
            let lines = lines.map(|((id, name), totals)| ((id, name.to_string()), totals));
            let mut lines: Vec<_> = lines.collect();
            lines.sort_by(|a, b| order(&a.1, &b.1).then_with(|| a.0.cmp(&b.0)));
            lines
        };
        let models = named(self.models).into_iter();
        let models = models.map(|((_, name), totals)| (name, totals)).collect();
        UsageView {
            whole,
            spans,
            models,
            endpoints: named(self.endpoints),
            keys: named(self.keys),
            zone,
            from,
            to,
        }
    }
}

/// What costs most first; at the same cost what took most tokens.
fn order(one: &Totals, other: &Totals) -> std::cmp::Ordering {
    use crate::totals::Sum;
    let by = |sum| other.get(sum).cmp(&one.get(sum));
    other
        .cost()
        .cmp(&one.cost())
        .then_with(|| by(Sum::Total))
        .then_with(|| by(Sum::Requests))
}
