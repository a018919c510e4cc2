//! Sums by hour and by day of everything, and of each virtual model, endpoint and key; by day
//! also of what each endpoint has served, by virtual model and key, and of what each key has
//! called, by virtual model and endpoint: what a page needs of many roll-ups in few rows. Written together with the roll-ups.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use rusqlite::{
    Connection, params_from_iter,
    types::{Value, ValueRef},
};

use super::rollups::{self, DAYS, Group, HOURS};
use crate::histogram::Histogram;
use crate::totals::{Sum, Totals};

/// How long a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Span {
    Hour,
    Day,
}

impl Span {
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Hour => 0,
            Self::Day => 1,
        }
    }

    /// The roll-ups of such spans.
    pub(super) fn rollups(self) -> &'static str {
        match self {
            Self::Hour => HOURS,
            Self::Day => DAYS,
        }
    }
}

/// Of what a row is the sum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Of {
    /// Everything, and each virtual model, endpoint and key, with the spread of times.
    All,
    Model(String),
    Endpoint(i64, String),
    Key(i64, String),
    /// Of what this endpoint has served, this virtual model's.
    ModelAt(i64, String),
    /// Of what this endpoint has served, what was called with this key.
    KeyAt(i64, i64, String),
    /// Of what was called with this key, this virtual model's.
    ModelBy(i64, String),
    /// Of what was called with this key, what this endpoint has served.
    EndpointBy(i64, i64, String),
}

impl Of {
    /// The sums that calls of a group count in, of such a span.
    pub(super) fn each(span: Span, group: &Group) -> impl Iterator<Item = Self> {
        let (at, by) = (group.endpoint_id, group.key_id);
        let of_any = [
            Self::All,
            Self::Model(group.virtual_model.clone()),
            Self::Endpoint(at, group.endpoint_name.clone()),
            Self::Key(by, group.key_label.clone()),
        ];
        let divided = (span == Span::Day).then(|| {
            [
                Self::ModelAt(at, group.virtual_model.clone()),
                Self::KeyAt(at, by, group.key_label.clone()),
                Self::ModelBy(by, group.virtual_model.clone()),
                Self::EndpointBy(by, at, group.endpoint_name.clone()),
            ]
        });
        of_any.into_iter().chain(divided.into_iter().flatten())
    }

    fn number(&self) -> i64 {
        match self {
            Self::All => ALL,
            Self::Model(_) => MODELS,
            Self::Endpoint(..) => ENDPOINTS,
            Self::Key(..) => KEYS,
            Self::ModelAt(..) => MODELS_AT,
            Self::KeyAt(..) => KEYS_AT,
            Self::ModelBy(..) => MODELS_BY,
            Self::EndpointBy(..) => ENDPOINTS_BY,
        }
    }

    fn id(&self) -> i64 {
        match self {
            Self::All | Self::Model(_) => 0,
            Self::Endpoint(id, _)
            | Self::Key(id, _)
            | Self::ModelAt(id, _)
            | Self::ModelBy(id, _)
            | Self::KeyAt(id, ..)
            | Self::EndpointBy(id, ..) => *id,
        }
    }

    fn name(&self) -> Cow<'_, str> {
        match self {
            Self::All => "".into(),
            Self::Model(name)
            | Self::Endpoint(_, name)
            | Self::Key(_, name)
            | Self::ModelAt(_, name)
            | Self::ModelBy(_, name) => name.into(),
            Self::KeyAt(_, id, name) | Self::EndpointBy(_, id, name) => {
                format!("{id} {name}").into()
            }
        }
    }
}

/// Whose sum it is by the name of one of [`KEYS_AT`] or [`ENDPOINTS_BY`].
pub(super) fn whose(name: &str) -> (i64, &str) {
    let (id, name) = name.split_once(' ').unwrap_or_default();
    (id.parse().unwrap_or(0), name)
}

/// The number of each kind of sum in the column `of`.
pub(super) const ALL: i64 = 0;
pub(super) const MODELS: i64 = 1;
pub(super) const ENDPOINTS: i64 = 2;
pub(super) const KEYS: i64 = 3;
pub(super) const MODELS_AT: i64 = 4;
pub(super) const KEYS_AT: i64 = 5;
pub(super) const MODELS_BY: i64 = 6;
pub(super) const ENDPOINTS_BY: i64 = 7;

const COLUMNS: &str = "span, of, start, id, name";

/// Makes the table from the roll-ups.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let sums: Vec<_> = Sum::ALL
        .iter()
        .map(|sum| format!("{} INTEGER NOT NULL DEFAULT 0", sum.column()))
        .collect();
    connection.execute_batch(&format!(
        "CREATE TABLE usage_sums (span INTEGER NOT NULL, of INTEGER NOT NULL, \
         start INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, {}, \
         latency BLOB, ttft BLOB, PRIMARY KEY ({COLUMNS})) WITHOUT ROWID; \
         CREATE INDEX idx_usage_days_endpoint ON {DAYS} (endpoint_id, start); \
         CREATE INDEX idx_usage_days_key ON {DAYS} (key_id, start);",
        sums.join(", ")
    ))?;
    make_anew(connection, Span::Hour)?;
    make_anew(connection, Span::Day)
}

/// Gives the sums of endpoints the spread of times, in the last hours: further back nobody
/// asks for it.
pub(crate) fn spread_endpoints(connection: &Connection) -> rusqlite::Result<()> {
    let from: i64 = connection.query_row("SELECT unixepoch() - 172800", [], |row| row.get(0))?;
    let mut spreads: HashMap<(i64, i64, String), Totals> = HashMap::new();
    rollups::each(connection, HOURS, from, i64::MAX, |start, group, totals| {
        let key = (start, group.endpoint_id, group.endpoint_name.clone());
        spreads.entry(key).or_default().join(totals);
        Ok(())
    })?;
    let mut update = connection.prepare(
        "UPDATE usage_sums SET latency = ?, ttft = ? \
         WHERE span = ? AND of = ? AND start = ? AND id = ? AND name = ?",
    )?;
    for ((start, id, name), totals) in spreads {
        let (latency, ttft) = (totals.latency.to_bytes(), totals.ttft.to_bytes());
        let span = Span::Hour.number();
        update.execute((latency, ttft, span, ENDPOINTS, start, id, name))?;
    }
    Ok(())
}

/// Makes all sums anew: those of virtual models and keys had no spread of times, and days of
/// endpoints and keys were not divided.
pub(crate) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    make_anew(connection, Span::Hour)?;
    make_anew(connection, Span::Day)
}

/// Makes all sums of a kind of span from its roll-ups.
pub(super) fn make_anew(connection: &Connection, span: Span) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM usage_sums WHERE span = ?", [span.number()])?;
    let mut start = None;
    let mut kept = rollups::Sums::new();
    // Roll-ups come in the order of their starts, so that one start is held at a time.
    rollups::each(
        connection,
        span.rollups(),
        i64::MIN,
        i64::MAX,
        |at, group, totals| {
            if start.replace(at) != Some(at) {
                write(connection, &mut kept)?;
            }
            for of in Of::each(span, group) {
                kept.entry((span, at, of)).or_default().join(totals);
            }
            Ok(())
        },
    )?;
    write(connection, &mut kept)
}

/// Adds to the sums, and empties what was to be added.
pub(super) fn write(connection: &Connection, kept: &mut rollups::Sums) -> rusqlite::Result<()> {
    for ((span, start, of), totals) in kept.drain() {
        add(connection, span, start, &of, &totals)?;
    }
    Ok(())
}

fn add(
    connection: &Connection,
    span: Span,
    start: i64,
    of: &Of,
    totals: &Totals,
) -> rusqlite::Result<()> {
    static ADDED: OnceLock<String> = OnceLock::new();
    let key = [
        Value::from(span.number()),
        Value::from(of.number()),
        Value::from(start),
        Value::from(of.id()),
        Value::from(of.name().into_owned()),
    ];
    let spread = match of {
        Of::All | Of::Model(_) | Of::Endpoint(..) | Of::Key(..) => spread(connection, &key)?,
        Of::ModelAt(..) | Of::KeyAt(..) | Of::ModelBy(..) | Of::EndpointBy(..) => None,
    };
    let spread = match spread {
        Some((mut latency, mut ttft)) => {
            latency.join(&totals.latency);
            ttft.join(&totals.ttft);
            [latency, ttft].map(|times| Value::from(times.to_bytes()))
        }
        None => [Value::Null, Value::Null],
    };
    let sums = totals.list().iter().map(|sum| Value::from(*sum));
    connection
        .prepare_cached(ADDED.get_or_init(|| rollups::addition("usage_sums", COLUMNS)))?
        .execute(params_from_iter(key.into_iter().chain(sums).chain(spread)))?;
    Ok(())
}

/// The spread of times that a sum has so far; `None` where a program of an older version,
/// which writes none, has added to it.
fn spread(
    connection: &Connection,
    key: &[Value; 5],
) -> rusqlite::Result<Option<(Histogram, Histogram)>> {
    use rusqlite::OptionalExtension as _;
    let found = connection
        .prepare_cached(
            "SELECT latency, ttft FROM usage_sums \
             WHERE span = ? AND of = ? AND start = ? AND id = ? AND name = ?",
        )?
        .query_row(params_from_iter(key), |row| {
            let is_known = row.get_ref(0)? != ValueRef::Null;
            let spread = (rollups::histogram(row, 0)?, rollups::histogram(row, 1)?);
            Ok(is_known.then_some(spread))
        })
        .optional()?;
    Ok(found.unwrap_or_else(|| Some(Default::default())))
}

/// Whether every sum of a kind that begins from `from` on and before `to` has the spread of
/// times.
pub(super) fn are_spread(
    connection: &Connection,
    span: Span,
    of: i64,
    (from, to): (i64, i64),
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM usage_sums WHERE span = ? AND of = ? \
             AND start >= ? AND start < ? AND latency IS NULL)",
        )?
        .query_row((span.number(), of, from, to), |row| row.get(0))
}

/// Goes through the sums of a kind that begin from `from` on and before `to`: start, id,
/// name and totals.
pub(super) fn each(
    connection: &Connection,
    span: Span,
    of: i64,
    (from, to): (i64, i64),
    take: impl FnMut(i64, i64, &str, &Totals),
) -> rusqlite::Result<()> {
    static WANTED: OnceLock<String> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| selection("latency, ttft", IN_ORDER));
    selected(connection, wanted, [span.number(), of, from, to], take)
}

/// The same of one span, without the spread of times: name and totals, and of what id.
pub(super) fn each_plain(
    connection: &Connection,
    span: Span,
    of: i64,
    start: i64,
    mut take: impl FnMut(i64, &str, &Totals),
) -> rusqlite::Result<()> {
    static WANTED: OnceLock<String> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| selection("NULL, NULL", IN_ORDER));
    let range = [span.number(), of, start, start.saturating_add(1)];
    let take = |_, id, name: &str, totals: &Totals| take(id, name, totals);
    selected(connection, wanted, range, take)
}

/// Goes through the sums of a kind of the span that begins at `start`, of one endpoint or key:
/// name and totals.
pub(super) fn each_of(
    connection: &Connection,
    span: Span,
    of: i64,
    (start, id): (i64, i64),
    mut take: impl FnMut(&str, &Totals),
) -> rusqlite::Result<()> {
    static WANTED: OnceLock<String> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| selection("latency, ttft", "start = ? AND id = ?"));
    let take = |_, _, name: &str, totals: &Totals| take(name, totals);
    selected(connection, wanted, [span.number(), of, start, id], take)
}

const IN_ORDER: &str = "start >= ? AND start < ? ORDER BY start";

/// The statement for the sums of a kind of span that are `wanted`, and for how times are
/// spread.
fn selection(spread: &str, wanted: &str) -> String {
    let names: Vec<_> = Sum::ALL.iter().map(|sum| sum.column()).collect();
    format!(
        "SELECT start, id, name, {}, {spread} FROM usage_sums \
         WHERE span = ? AND of = ? AND {wanted}",
        names.join(", ")
    )
}

fn selected(
    connection: &Connection,
    statement: &str,
    values: [i64; 4],
    mut take: impl FnMut(i64, i64, &str, &Totals),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(values)?;
    let mut totals = Totals::default();
    while let Some(row) = rows.next()? {
        rollups::read_totals(row, 3, &mut totals)?;
        let name = row.get_ref(2)?.as_str().unwrap_or_default();
        take(row.get(0)?, row.get(1)?, name, &totals);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
