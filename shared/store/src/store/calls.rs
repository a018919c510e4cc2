//! The usage tables: one row a call, written in batches together with the roll-ups.

use std::io;
use std::sync::OnceLock;

use rusqlite::{
    Connection, params_from_iter,
    types::{ToSqlOutput, Value, ValueRef},
};
use wire::usage::Usage;

use super::clients::Clients;
use super::prices::Book;
use super::raw::{Table, counted};
use super::rollups::{self, Batch, Group};
use super::{Failure, Store};
use crate::call::{Attempt, CacheUse, CallRecord, LateTimes, Priced};
use crate::error::StoreError;
use crate::money::{Cost, dollars};
use crate::spool::Spooled;
use crate::totals::{Facts, total};
use crate::zone::Zone;

impl Store {
    /// Writes finished calls, all or none, in one transaction: chat and completions to
    /// `request_usage`, embeddings to `embedding_usage`, and adds them to the roll-ups.
    /// They are charged by the prices that held when they began.
    ///
    /// # Errors
    /// When the file cannot be written; no row was written then.
    pub fn record_calls(&self, calls: &[CallRecord]) -> Result<(), StoreError> {
        if calls.is_empty() {
            return Ok(());
        }
        self.write(|connection| Ok(record(connection, calls)?))
    }

    /// Writes what a spool file holds between two of its bytes, and with it that the file
    /// has been taken over so far: each call exactly once, whatever happens between
    /// two of these transactions.
    ///
    /// # Errors
    /// When the file has not been taken over up to `from`, or the store cannot be written.
    pub fn take_spool(
        &self,
        spool: &str,
        from: u64,
        to: u64,
        entries: &[Spooled],
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let taken = taken(connection, spool)?;
            if taken != from {
                return Err(Failure::Store(StoreError::SpoolMoved {
                    spool: spool.to_owned(),
                    expected: from,
                    found: taken,
                }));
            }
            let calls = entries.iter().filter_map(|entry| match entry {
                Spooled::Call(call) => Some(call.as_ref()),
                Spooled::Times(_) => None,
            });
            record(connection, calls)?;
            for entry in entries {
                if let Spooled::Times(times) = entry {
                    amend(connection, times)?;
                }
            }
            connection
                .prepare_cached(
                    "INSERT INTO ledger_spools (name, taken_to) VALUES (?, ?) \
                     ON CONFLICT (name) DO UPDATE SET taken_to = excluded.taken_to",
                )?
                .execute((spool, i64::try_from(to).unwrap_or(i64::MAX)))?;
            Ok(())
        })
    }

    /// Up to which byte a spool file has been taken over.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn spool_taken(&self, spool: &str) -> Result<u64, StoreError> {
        self.read(|connection| Ok(taken(connection, spool)?))
    }

    /// Forgets how far spool files have been taken over that are not among those that `kept`
    /// finds. Only of files that are no more: one that is forgotten would be taken over again.
    /// `kept` looks once it is known which ones the store knows: other programs make new files
    /// at any time, and one of those is not to be missed.
    ///
    /// # Errors
    /// When the store cannot be written, or `kept` cannot tell.
    pub fn forget_spools(
        &self,
        kept: impl FnOnce() -> io::Result<Vec<String>>,
    ) -> Result<(), StoreError> {
        let known: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT name FROM ledger_spools")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<_>>()?)
        })?;
        let kept = kept().map_err(|error| StoreError::Spool {
            reason: error.to_string(),
        })?;
        let gone: Vec<_> = known.iter().filter(|name| !kept.contains(name)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.write(|connection| {
            for name in &gone {
                connection.execute("DELETE FROM ledger_spools WHERE name = ?", [name])?;
            }
            Ok(())
        })
    }

    /// How many calls both tables hold.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count_calls(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let count: i64 = connection.query_row(
                "SELECT (SELECT COUNT(*) FROM request_usage) \
                 + (SELECT COUNT(*) FROM embedding_usage)",
                [],
                |row| row.get(0),
            )?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
    }
}

fn taken(connection: &Connection, spool: &str) -> rusqlite::Result<u64> {
    use rusqlite::OptionalExtension as _;
    let taken: Option<i64> = connection
        .prepare_cached("SELECT taken_to FROM ledger_spools WHERE name = ?")?
        .query_row([spool], |row| row.get(0))
        .optional()?;
    Ok(taken
        .and_then(|taken| u64::try_from(taken).ok())
        .unwrap_or(0))
}

/// Late times belong to a call that stands before them, in an earlier line or transaction.
/// One that has been trimmed in between has no row any more.
fn amend(connection: &Connection, times: &LateTimes) -> rusqlite::Result<()> {
    let table = Table::of(times.kind).name();
    connection
        .prepare_cached(&format!(
            "UPDATE {table} SET queue_ms = coalesce(?, queue_ms), \
             execution_ms = coalesce(?, execution_ms) \
             WHERE created_at = ? AND request_id = ?"
        ))?
        .execute((
            times.queue_ms.map(signed),
            times.execution_ms.map(signed),
            times.started_at,
            &times.request_id,
        ))?;
    Ok(())
}

fn record<'c>(
    connection: &Connection,
    calls: impl IntoIterator<Item = &'c CallRecord>,
) -> rusqlite::Result<()> {
    let zone = rollups::zone(connection)?;
    rollups::follow_zone(connection, &zone)?;
    let (mut book, mut batch) = (Book::default(), Batch::default());
    let mut clients = Clients::default();
    for call in calls {
        clients.note(call);
        let charged = Charged::of(connection, &mut book, call)?;
        charged.insert(connection)?;
        charged.count(&zone, &mut batch);
    }
    clients.write(connection)?;
    batch.write(connection, &zone)
}

/// A call with its costs.
struct Charged<'c> {
    call: &'c CallRecord,
    attempts: Vec<Attempt>,
    spent: Priced,
    saved: Option<(Usage, Cost)>,
}

impl<'c> Charged<'c> {
    fn of(
        connection: &Connection,
        book: &mut Book,
        call: &'c CallRecord,
    ) -> rusqlite::Result<Self> {
        let mut price = |id, name: &str, usage: &Usage| -> rusqlite::Result<Cost> {
            let prices = book.at(connection, id, name, call.started_at)?;
            Ok(Cost::of(usage, &prices))
        };
        let mut attempts = call.attempts.clone();
        let mut cost = None;
        for attempt in &mut attempts {
            let Some(usage) = attempt.usage else { continue };
            let part = price(attempt.virtual_model_id, &attempt.virtual_model, &usage)?;
            attempt.cost = Some(part);
            cost = Some(cost.unwrap_or(Cost::ZERO).plus(&part));
        }
        let cost = match cost {
            Some(cost) => cost,
            None => price(call.virtual_model_id, &call.virtual_model, &call.usage)?,
        };
        let saved = match call.cache {
            Some(CacheUse::Hit(usage)) => {
                let cost = price(call.virtual_model_id, &call.virtual_model, &usage)?;
                Some((usage, cost))
            }
            Some(CacheUse::Miss) | None => None,
        };
        let usage = call.usage;
        Ok(Self {
            call,
            attempts,
            spent: Priced { usage, cost },
            saved,
        })
    }

    fn group(&self) -> Group {
        Group {
            virtual_model: self.call.virtual_model.clone(),
            endpoint_id: self.call.endpoint_id.unwrap_or(0),
            endpoint_name: self.call.endpoint_name.clone().unwrap_or_default(),
            key_id: self.call.key_id.unwrap_or(0),
            key_label: self.call.key_label.clone().unwrap_or_default(),
            kind: self.call.kind,
        }
    }

    fn facts(&self) -> Facts {
        let call = self.call;
        Facts {
            stream: call.stream,
            estimated: call.estimated,
            unpriced: self.spent.cost.total().is_none(),
            cache_attempted: call.cache.is_some(),
            cache_hit: self.saved.is_some(),
            saved: self.saved.map_or(0, |(_, cost)| cost.known()),
            outcome: Some(call.outcome),
            latency_ms: signed(call.latency_ms),
            ttft_ms: call.ttft_ms.map(signed),
            upstream_ms: call.upstream_ms.map(signed),
            completion_tokens: signed(call.usage.completion_tokens),
        }
    }

    fn count(&self, zone: &Zone, batch: &mut Batch) {
        let facts = self.facts();
        for (group, spent, whole) in counted(&self.group(), &self.attempts, &self.spent) {
            let totals = batch.of(zone, self.call.started_at, group);
            totals.count(&facts, &spent, whole);
        }
        for attempt in &self.attempts {
            if let Some(cost) = attempt.cost
                && attempt.virtual_model != self.call.virtual_model
            {
                let (name, nanos) = (&attempt.virtual_model, cost.known());
                batch.took_over(zone, self.call.started_at, name, nanos);
            }
        }
    }

    // The values go in by position: SQLite looks a name up among all names of the
    // statement, for each value of each row.
    fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        static TEXTS: [OnceLock<String>; Table::ALL.len()] =
            [const { OnceLock::new() }; Table::ALL.len()];
        let table = Table::of(self.call.kind);
        let columns = self.columns(table);
        let text = TEXTS[table as usize].get_or_init(|| {
            let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
            let marks = vec!["?"; names.len()].join(",");
            let (table, names) = (table.name(), names.join(", "));
            format!("INSERT INTO {table} ({names}) VALUES ({marks})")
        });
        connection.prepare_cached(text)?.execute(params_from_iter(
            columns.into_iter().map(|(_, value)| value),
        ))?;
        Ok(())
    }

    /// The columns of a row with their values: the same columns, in the same order, for every
    /// call of a table.
    fn columns(&self, table: Table) -> Vec<(&'static str, ToSqlOutput<'_>)> {
        let (call, cost) = (self.call, &self.spent.cost);
        let usage = &call.usage;
        let [prompt, completion] = table.token_columns();
        let json = |text: Result<String, _>| text.map_or(NULL, plain);
        let reals = legacy(cost);
        let attempts = match self.attempts.as_slice() {
            [] => NULL,
            attempts => json(serde_json::to_string(attempts)),
        };
        let saved = self.saved.as_ref();
        let saved_usage = saved.map_or(NULL, |(usage, _)| json(serde_json::to_string(usage)));
        let mut columns = vec![
            ("virtual_model", text(&call.virtual_model)),
            ("virtual_model_id", plain(call.virtual_model_id)),
            ("endpoint_name", optional(call.endpoint_name.as_deref())),
            ("endpoint_id", plain(call.endpoint_id)),
            ("inbound_api_key_id", plain(call.key_id)),
            ("inbound_api_key_label", optional(call.key_label.as_deref())),
            (prompt, count(usage.prompt_tokens)),
            (completion, count(usage.completion_tokens)),
            ("total_tokens", count(total(usage))),
            ("cached_input_tokens", count(usage.cached_tokens)),
            ("cache_creation_tokens", count(usage.cache_write_tokens)),
            ("usage", json(serde_json::to_string(usage))),
            ("cost_estimate", plain(reals.estimate)),
            ("cost_in", plain(reals.input)),
            ("cost_out", plain(reals.output)),
            ("cached_cost_estimate", plain(reals.cached)),
            ("cost_nanos", plain(cost.total())),
            ("cost_in_nanos", plain(cost.input)),
            ("cost_out_nanos", plain(cost.output)),
            ("cost_cached_nanos", plain(cost.cached)),
            ("cost_cache_write_nanos", plain(cost.cache_write)),
            ("provider_cost_nanos", plain(usage.cost.map(signed))),
            ("saved_nanos", plain(saved.map(|(_, cost)| cost.known()))),
            ("saved_usage", saved_usage),
            ("cache_attempted", flag(call.cache.is_some())),
            ("cache_hit", flag(saved.is_some())),
            ("response_time_ms", count(call.latency_ms)),
            ("ttft_ms", plain(call.ttft_ms.map(signed))),
            ("upstream_ms", plain(call.upstream_ms.map(signed))),
            ("created_at", plain(call.started_at)),
            ("request_id", text(&call.request_id)),
            ("status", plain(i64::from(call.status))),
            ("outcome", text(call.outcome.as_str())),
            ("stream", flag(call.stream)),
            ("estimated", flag(call.estimated)),
            ("error_code", optional(call.error_code.as_deref())),
            ("attempts", attempts),
            ("attempt_count", count(call.attempts.len() as u64)),
            ("queue_ms", plain(call.queue_ms.map(signed))),
            ("execution_ms", plain(call.execution_ms.map(signed))),
            ("exact", flag(true)),
            ("route", optional(call.route.as_deref())),
            ("address", optional(call.address.as_deref())),
            ("client", optional(call.client.as_deref())),
            ("tool_repairs", count(call.tool_repairs)),
        ];
        if table == Table::Requests {
            columns.push(("request_type", text(call.kind.as_str())));
        }
        columns
    }
}

/// Costs in dollars, in the columns that the original has.
pub(super) struct Reals {
    pub(super) estimate: f64,
    pub(super) input: f64,
    pub(super) output: f64,
    pub(super) cached: f64,
}

/// Costs in dollars as far as they are known.
pub(super) fn legacy(cost: &Cost) -> Reals {
    let known = |part: Option<i64>| part.unwrap_or(0);
    let (input, output) = (known(cost.input), known(cost.output));
    Reals {
        estimate: dollars(input.saturating_add(output)),
        input: dollars(input),
        output: dollars(output),
        cached: dollars(known(cost.cached).saturating_add(known(cost.cache_write))),
    }
}

const NULL: ToSqlOutput<'static> = ToSqlOutput::Owned(Value::Null);

fn plain(value: impl Into<Value>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(value.into())
}

fn count(number: u64) -> ToSqlOutput<'static> {
    plain(signed(number))
}

fn flag(set: bool) -> ToSqlOutput<'static> {
    plain(i64::from(set))
}

fn text(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::from(text))
}

fn optional(value: Option<&str>) -> ToSqlOutput<'_> {
    value.map_or(NULL, text)
}

/// SQLite's integers are signed; no call comes near the limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
