//! Dated prices: what each virtual model cost when.
//!
//! The virtual model's own columns hold what it costs now. Each change of them starts a new
//! price here; calls are charged by what held when they began. The first price of a virtual
//! model holds for all time before it. Prices of a deleted one stay.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;

use super::{Failure, Store};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::money::{Price, Prices};

/// The columns of a virtual model that hold its prices, in the order of [`Prices::list`].
const COLUMNS: [&str; 6] = [
    "cost_per_1m_tokens_in",
    "cost_per_1m_tokens_out",
    "cost_per_1m_tokens_in_cached",
    "cost_per_1m_tokens_out_cached",
    "cost_per_1m_tokens_cache_write",
    "cost_per_1m_tokens_cache_write_1h",
];

/// One price of a virtual model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatedPrices {
    /// The row's id.
    pub id: i64,
    /// The virtual model's name when it was set.
    pub virtual_model: String,
    /// From when on it holds, unix seconds; 0 for ever.
    pub valid_from: i64,
    /// In pico-dollars a token, which is micro-dollars per million tokens.
    pub prices: Prices,
    /// When it was set, unix seconds.
    pub created_at: i64,
}

impl Store {
    /// The prices of a virtual model, the newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn price_history(&self, virtual_model_id: i64) -> Result<Vec<DatedPrices>, StoreError> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached(&format!(
                    "{SELECT} WHERE virtual_model_id = ? ORDER BY valid_from DESC"
                ))?
                .query_map([virtual_model_id], dated)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
    }

    /// Sets what a virtual model cost from a moment in the past on, until the next price.
    /// Costs that are written already stay until they are re-priced.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when no such virtual model ever was, or when the file cannot
    /// be written.
    pub fn set_price(
        &self,
        virtual_model_id: i64,
        valid_from: i64,
        prices: &Prices,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let Some(name) = name_of(connection, virtual_model_id)? else {
                return Err(Failure::Store(StoreError::Missing {
                    what: "virtual model",
                    id: virtual_model_id,
                }));
            };
            set(connection, virtual_model_id, &name, valid_from, prices)?;
            let what = serde_json::json!({ "valid_from": valid_from, "prices": prices });
            self.note_done(connection, AuditKind::Price, "price set", &name, what)
        })
    }
}

const SELECT: &str = "SELECT id, virtual_model, valid_from, input, output, cached_input, \
                      cached_output, cache_write, cache_write_1h, created_at FROM model_prices";

fn dated(row: &Row<'_>) -> rusqlite::Result<DatedPrices> {
    Ok(DatedPrices {
        id: row.get(0)?,
        virtual_model: row.get(1)?,
        valid_from: row.get(2)?,
        prices: prices_of(row, 3)?,
        created_at: row.get(9)?,
    })
}

fn prices_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Prices> {
    let mut list = [None; 6];
    for (at, price) in list.iter_mut().enumerate() {
        let stored: Option<i64> = row.get(first + at)?;
        *price = stored.and_then(|pico| u64::try_from(pico).ok()).map(Price);
    }
    Ok(Prices::from_list(list))
}

fn name_of(connection: &Connection, id: i64) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT name FROM virtual_models WHERE id = ?1 UNION ALL \
             SELECT virtual_model FROM (SELECT virtual_model FROM model_prices \
             WHERE virtual_model_id = ?1 ORDER BY id DESC LIMIT 1) LIMIT 1",
            [id],
            |row| row.get(0),
        )
        .optional()
}

fn set(
    connection: &Connection,
    id: i64,
    name: &str,
    valid_from: i64,
    prices: &Prices,
) -> rusqlite::Result<()> {
    let [a, b, c, d, e, f] = prices
        .list()
        .map(|price| price.map(|price| i64::try_from(price.0).unwrap_or(i64::MAX)));
    connection.execute(
        "INSERT INTO model_prices (virtual_model_id, virtual_model, valid_from, input, output, \
         cached_input, cached_output, cache_write, cache_write_1h) VALUES (?,?,?,?,?,?,?,?,?) \
         ON CONFLICT (virtual_model_id, valid_from) DO UPDATE SET \
         virtual_model = excluded.virtual_model, input = excluded.input, \
         output = excluded.output, cached_input = excluded.cached_input, \
         cached_output = excluded.cached_output, cache_write = excluded.cache_write, \
         cache_write_1h = excluded.cache_write_1h, created_at = unixepoch()",
        params![id, name, valid_from, a, b, c, d, e, f],
    )?;
    Ok(())
}

/// The first prices of a store: what its virtual models cost now has always held.
pub(crate) fn begin(connection: &Connection) -> rusqlite::Result<()> {
    let ids = connection
        .prepare("SELECT id FROM virtual_models")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    ids.into_iter().try_for_each(|id| follow(connection, id))
}

/// Starts a new price where the virtual model's columns say another than the last.
pub(super) fn follow(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    // CAST: a file the original wrote may hold a price as text.
    let columns = COLUMNS.map(|column| format!("CAST({column} AS REAL)"));
    let (name, now) = connection
        .prepare_cached(&format!(
            "SELECT name, {} FROM virtual_models WHERE id = ?",
            columns.join(", ")
        ))?
        .query_row([id], |row| {
            let mut list = [None; 6];
            for (at, price) in list.iter_mut().enumerate() {
                let dollars: Option<f64> = row.get(at + 1)?;
                *price = dollars.and_then(Price::of_dollars);
            }
            Ok((row.get::<_, String>(0)?, Prices::from_list(list)))
        })?;
    let last = connection
        .prepare_cached(&format!(
            "{SELECT} WHERE virtual_model_id = ? AND valid_from <= unixepoch() \
             ORDER BY valid_from DESC LIMIT 1"
        ))?
        .query_row([id], dated)
        .optional()?;
    match last {
        None => set(connection, id, &name, 0, &now),
        Some(last) if last.prices == now => Ok(()),
        Some(_) => {
            let seconds = connection.query_row("SELECT unixepoch()", [], |row| row.get(0))?;
            set(connection, id, &name, seconds, &now)
        }
    }
}

/// Prices that were looked up, for one transaction.
#[derive(Default)]
pub(super) struct Book {
    by_id: HashMap<i64, Vec<(i64, Prices)>>,
    ids: HashMap<String, Option<i64>>,
}

impl Book {
    /// What held at `at` for a virtual model, known by its id or else by its name; nothing
    /// is known of one that has no prices.
    pub(super) fn at(
        &mut self,
        connection: &Connection,
        id: Option<i64>,
        name: &str,
        at: i64,
    ) -> rusqlite::Result<Prices> {
        let id = match id {
            Some(id) => Some(id),
            None => self.id(connection, name)?,
        };
        let Some(id) = id else {
            return Ok(Prices::default());
        };
        let known = match self.by_id.get(&id) {
            Some(known) => known,
            None => {
                let read = connection
                    .prepare_cached(&format!(
                        "{SELECT} WHERE virtual_model_id = ? ORDER BY valid_from"
                    ))?
                    .query_map([id], |row| Ok((row.get(2)?, prices_of(row, 3)?)))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                self.by_id.entry(id).or_insert(read)
            }
        };
        // The first holds for all time before it too.
        let after = known.partition_point(|(from, _)| *from <= at).max(1);
        Ok(known
            .get(after - 1)
            .map_or_else(Prices::default, |(_, prices)| *prices))
    }

    fn id(&mut self, connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
        if let Some(id) = self.ids.get(name) {
            return Ok(*id);
        }
        let id = connection
            .prepare_cached(
                "SELECT id FROM virtual_models WHERE name = ?1 UNION ALL \
                 SELECT virtual_model_id FROM (SELECT virtual_model_id FROM model_prices \
                 WHERE virtual_model = ?1 ORDER BY id DESC LIMIT 1) LIMIT 1",
            )?
            .query_row([name], |row| row.get(0))
            .optional()?;
        self.ids.insert(name.to_owned(), id);
        Ok(id)
    }
}
