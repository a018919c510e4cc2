//! Roll-ups: what the calls of an hour and of a day add up to, by virtual model, endpoint,
//! key and kind. They are kept for ever.
//!
//! Hours and days are those of the configured time zone. An hour is known by the second it
//! begins; days are made anew from the hours when the zone changes.

use std::collections::HashMap;
use std::sync::OnceLock;

use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter, types::Value};

use super::raw::{self, Stored};
use super::settings;
use super::sums::{self, Of, Span};
use crate::call::CallKind;
use crate::histogram::Histogram;
use crate::report::UsageQuery;
use crate::totals::{SUMS, Sum, Totals};
use crate::zone::{DISPLAY_TIMEZONE, Zone};

/// The tables, and the zone for which the days were made.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    let sums: Vec<_> = Sum::ALL
        .iter()
        .map(|sum| format!("{} INTEGER NOT NULL DEFAULT 0", sum.column()))
        .collect();
    for table in [HOURS, DAYS] {
        connection.execute_batch(&format!(
            "CREATE TABLE {table} (start INTEGER NOT NULL, virtual_model TEXT NOT NULL, \
             endpoint_id INTEGER NOT NULL, endpoint_name TEXT NOT NULL, \
             key_id INTEGER NOT NULL, key_label TEXT NOT NULL, kind TEXT NOT NULL, {}, \
             latency BLOB, ttft BLOB, \
             PRIMARY KEY (start, virtual_model, endpoint_id, endpoint_name, key_id, key_label, \
             kind)) WITHOUT ROWID",
            sums.join(", ")
        ))?;
    }
    connection.execute_batch(
        "CREATE TABLE rollup_zone (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL); \
         CREATE TABLE usage_trimmed (id INTEGER PRIMARY KEY CHECK (id = 1), \
         before INTEGER NOT NULL)",
    )
}

pub(super) const HOURS: &str = "usage_hours";
pub(super) const DAYS: &str = "usage_days";

/// What calls are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Group {
    pub(crate) virtual_model: String,
    /// 0 for none.
    pub(crate) endpoint_id: i64,
    /// Empty for none.
    pub(crate) endpoint_name: String,
    /// 0 for none.
    pub(crate) key_id: i64,
    /// Empty for none.
    pub(crate) key_label: String,
    pub(crate) kind: CallKind,
}

/// What is to be added to the sums of spans.
pub(super) type Sums = HashMap<(Span, i64, Of), Totals>;

/// What is to be added to the roll-ups in one transaction.
#[derive(Default)]
pub(super) struct Batch {
    by_hour: HashMap<(i64, Group), Totals>,
    /// Nano-dollars of virtual models that took over for the one that was named.
    taken_over: HashMap<(i64, String), i64>,
}

impl Batch {
    /// Where a call that began at `at` is counted.
    pub(super) fn of(&mut self, zone: &Zone, at: i64, group: Group) -> &mut Totals {
        self.by_hour.entry((zone.hour(at), group)).or_default()
    }

    /// What `virtual_model` has cost in a call at `at` that named another one.
    pub(super) fn took_over(&mut self, zone: &Zone, at: i64, virtual_model: &str, nanos: i64) {
        let key = (zone.hour(at), virtual_model.to_owned());
        let sum = self.taken_over.entry(key).or_default();
        *sum = sum.saturating_add(nanos);
    }

    /// Adds a stored call.
    pub(super) fn count(&mut self, zone: &Zone, call: &Stored) {
        for (group, spent, whole) in call.counted() {
            self.of(zone, call.at, group)
                .count(&call.facts, &spent, whole);
        }
    }

    /// Writes all of it into both tables, and into the sums over them.
    pub(super) fn write(self, connection: &Connection, zone: &Zone) -> rusqlite::Result<()> {
        let mut sums = Sums::new();
        for ((hour, group), totals) in &self.by_hour {
            for (span, start) in [(Span::Hour, *hour), (Span::Day, zone.day(*hour))] {
                for of in Of::each(span, group) {
                    sums.entry((span, start, of)).or_default().join(totals);
                }
            }
        }
        self.write_rollups(connection, zone)?;
        sums::write(connection, &mut sums)
    }

    fn write_rollups(self, connection: &Connection, zone: &Zone) -> rusqlite::Result<()> {
        let mut days: HashMap<(i64, Group), Totals> = HashMap::new();
        for ((hour, group), totals) in self.by_hour {
            let day = days.entry((zone.day(hour), group.clone())).or_default();
            day.join(&totals);
            add(connection, Span::Hour, hour, &group, &totals)?;
        }
        for ((day, group), totals) in days {
            add(connection, Span::Day, day, &group, &totals)?;
        }
        for ((hour, virtual_model), nanos) in self.taken_over {
            connection
                .prepare_cached(
                    "INSERT INTO takeover_hours (start, virtual_model, cost_nanos) \
                     VALUES (?, ?, ?) ON CONFLICT DO UPDATE \
                     SET cost_nanos = cost_nanos + excluded.cost_nanos",
                )?
                .execute((hour, virtual_model, nanos))?;
        }
        Ok(())
    }
}

const KEYS: &str = "start, virtual_model, endpoint_id, endpoint_name, key_id, key_label, kind";

/// The statements of a roll-up, written once: they are long.
struct RollUp {
    spread: String,
    added: String,
}

impl RollUp {
    fn of(span: Span) -> &'static Self {
        static HOURLY: OnceLock<RollUp> = OnceLock::new();
        static DAILY: OnceLock<RollUp> = OnceLock::new();
        let kept = match span {
            Span::Hour => &HOURLY,
            Span::Day => &DAILY,
        };
        kept.get_or_init(|| {
            let table = span.rollups();
            let wanted = KEYS.replace(',', " = ? AND");
            Self {
                spread: format!("SELECT latency, ttft FROM {table} WHERE {wanted} = ?"),
                added: addition(table, KEYS),
            }
        })
    }
}

fn add(
    connection: &Connection,
    span: Span,
    start: i64,
    group: &Group,
    totals: &Totals,
) -> rusqlite::Result<()> {
    let key = [
        Value::from(start),
        Value::from(group.virtual_model.clone()),
        Value::from(group.endpoint_id),
        Value::from(group.endpoint_name.clone()),
        Value::from(group.key_id),
        Value::from(group.key_label.clone()),
        Value::from(group.kind.as_str().to_owned()),
    ];
    let roll_up = RollUp::of(span);
    let spread = connection
        .prepare_cached(&roll_up.spread)?
        .query_row(params_from_iter(key.iter()), |row| {
            Ok((histogram(row, 0)?, histogram(row, 1)?))
        })
        .optional()?;
    let (mut latency, mut ttft) = spread.unwrap_or_default();
    latency.join(&totals.latency);
    ttft.join(&totals.ttft);
    let values = key
        .into_iter()
        .chain(totals.list().iter().map(|sum| Value::from(*sum)))
        .chain([
            Value::from(latency.to_bytes()),
            Value::from(ttft.to_bytes()),
        ]);
    connection
        .prepare_cached(&roll_up.added)?
        .execute(params_from_iter(values))?;
    Ok(())
}

/// What adds sums to the row of `table` that the values of `keys` name, or makes it: the
/// keys, the sums, how latencies and times to the first token are spread.
pub(super) fn addition(table: &str, keys: &str) -> String {
    let columns: Vec<_> = Sum::ALL.iter().map(|sum| sum.column()).collect();
    let added: Vec<_> = columns
        .iter()
        .map(|column| format!("{column} = {column} + excluded.{column}"))
        .collect();
    let marks = vec!["?"; keys.split(',').count() + SUMS + 2].join(",");
    format!(
        "INSERT INTO {table} ({keys}, {}, latency, ttft) VALUES ({marks}) \
         ON CONFLICT DO UPDATE SET {}, latency = excluded.latency, ttft = excluded.ttft",
        columns.join(", "),
        added.join(", ")
    )
}

pub(super) fn histogram(row: &Row<'_>, column: usize) -> rusqlite::Result<Histogram> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    Ok(Histogram::from_bytes(&bytes.unwrap_or_default()))
}

/// Reads into `totals` the sums of a row from its column `first` on, and how times are spread
/// behind them.
pub(super) fn read_totals(
    row: &Row<'_>,
    first: usize,
    totals: &mut Totals,
) -> rusqlite::Result<()> {
    for (at, sum) in Sum::ALL.into_iter().enumerate() {
        totals.set(sum, row.get(first + at)?);
    }
    let bytes = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_blob_or_null()?);
    let latency = bytes(first + SUMS)?;
    totals.latency.read(latency.unwrap_or_default());
    let ttft = bytes(first + SUMS + 1)?;
    totals.ttft.read(ttft.unwrap_or_default());
    Ok(())
}

/// Whose rows alone are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum One {
    Endpoint(i64),
    Key(i64),
}

/// Which rows of a roll-up are asked for; all where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Only {
    pub(super) virtual_model: Option<String>,
    pub(super) endpoint_id: Option<i64>,
    pub(super) key_id: Option<i64>,
}

impl Only {
    /// Those that a report is about.
    pub(super) fn of(query: &UsageQuery) -> Self {
        Self {
            virtual_model: query.virtual_model.clone(),
            endpoint_id: query.endpoint_id,
            key_id: query.key_id,
        }
    }

    /// The endpoint or key, where nothing else is said.
    pub(super) fn one(&self) -> Option<One> {
        match (&self.virtual_model, self.endpoint_id, self.key_id) {
            (None, Some(id), None) => Some(One::Endpoint(id)),
            (None, None, Some(id)) => Some(One::Key(id)),
            _ => None,
        }
    }
}

/// Goes through the rows of a roll-up that begin from `from` on and before `to`.
pub(super) fn each(
    connection: &Connection,
    table: &str,
    from: i64,
    to: i64,
    take: impl FnMut(i64, &Group, &Totals) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let wanted = "start >= ? AND start < ? ORDER BY start";
    selected(
        connection,
        table,
        wanted,
        vec![Value::from(from), Value::from(to)],
        take,
    )
}

/// Goes through those rows of a span's roll-up that begin at `start` and are asked for.
pub(super) fn each_of(
    connection: &Connection,
    span: Span,
    start: i64,
    only: &Only,
    mut take: impl FnMut(&Group, &Totals) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let name = only.virtual_model.clone().map(Value::from);
    let given = [
        ("virtual_model", name),
        ("endpoint_id", only.endpoint_id.map(Value::from)),
        ("key_id", only.key_id.map(Value::from)),
    ];
    let mut wanted = "start = ?".to_owned();
    let mut values = vec![Value::from(start)];
    for (column, value) in given {
        if let Some(value) = value {
            wanted.push_str(&format!(" AND {column} = ?"));
            values.push(value);
        }
    }
    selected(
        connection,
        span.rollups(),
        &wanted,
        values,
        |_, group, totals| take(group, totals),
    )
}

fn selected(
    connection: &Connection,
    table: &str,
    wanted: &str,
    values: Vec<Value>,
    mut take: impl FnMut(i64, &Group, &Totals) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let columns: Vec<_> = Sum::ALL.iter().map(|sum| sum.column()).collect();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {KEYS}, {}, latency, ttft FROM {table} WHERE {wanted}",
        columns.join(", ")
    ))?;
    let mut rows = statement.query(params_from_iter(values))?;
    // There may be hundreds of thousands: each is read where the last one was.
    let mut totals = Totals::default();
    let mut group = Group {
        virtual_model: String::new(),
        endpoint_id: 0,
        endpoint_name: String::new(),
        key_id: 0,
        key_label: String::new(),
        kind: CallKind::Chat,
    };
    while let Some(row) = rows.next()? {
        let names = [
            (1, &mut group.virtual_model),
            (3, &mut group.endpoint_name),
            (5, &mut group.key_label),
        ];
        for (column, name) in names {
            name.clear();
            name.push_str(row.get_ref(column)?.as_str()?);
        }
        group.endpoint_id = row.get(2)?;
        group.key_id = row.get(4)?;
        group.kind = CallKind::from_text(row.get_ref(6)?.as_str()?);
        read_totals(row, 7, &mut totals)?;
        take(row.get(0)?, &group, &totals)?;
    }
    Ok(())
}

/// The zone that is configured; the machine's own where a name is none.
pub(super) fn zone(connection: &Connection) -> rusqlite::Result<Zone> {
    let name = settings::read_one(connection, DISPLAY_TIMEZONE)?;
    Ok(Zone::of(name.as_deref())
        .or_else(|_| Zone::of(None))
        .unwrap_or(Zone::UTC))
}

/// Whether the days are those of this zone.
pub(super) fn days_are_made(connection: &Connection, zone: &Zone) -> rusqlite::Result<bool> {
    let made: Option<String> = connection
        .prepare_cached("SELECT name FROM rollup_zone")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(made.as_deref() == Some(zone.name()))
}

/// Makes the days anew from the hours when they were made for another zone.
pub(super) fn follow_zone(connection: &Connection, zone: &Zone) -> rusqlite::Result<()> {
    if days_are_made(connection, zone)? {
        return Ok(());
    }
    make_days(connection, zone)?;
    sums::make_anew(connection, Span::Day)
}

fn make_days(connection: &Connection, zone: &Zone) -> rusqlite::Result<()> {
    let mut days: HashMap<(i64, Group), Totals> = HashMap::new();
    each(
        connection,
        HOURS,
        i64::MIN,
        i64::MAX,
        |hour, group, totals| {
            days.entry((zone.day(hour), group.clone()))
                .or_default()
                .join(totals);
            Ok(())
        },
    )?;
    connection.execute(&format!("DELETE FROM {DAYS}"), [])?;
    for ((day, group), totals) in days {
        add(connection, Span::Day, day, &group, &totals)?;
    }
    connection.execute(
        "INSERT INTO rollup_zone (id, name) VALUES (1, ?) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        [zone.name()],
    )?;
    Ok(())
}

/// Rolls up every raw row of a store that has no roll-ups yet, nor sums over them.
pub(crate) fn rebuild(connection: &Connection) -> rusqlite::Result<()> {
    let zone = zone(connection)?;
    let mut batch = Batch::default();
    raw::each::<rusqlite::Error>(connection, i64::MIN, i64::MAX, |call| {
        batch.count(&zone, &call);
        Ok(())
    })?;
    batch.write_rollups(connection, &zone)?;
    make_days(connection, &zone)
}
