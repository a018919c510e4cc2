//! Which clients have been seen calling which virtual models: one row for each pair, kept
//! for ever, so that nothing has to be looked for among single calls.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};

use super::Store;
use crate::call::{CallRecord, Outcome};
use crate::client::ClientRow;
use crate::error::StoreError;

/// The table, empty: of calls from before it is not known who made them.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE client_calls (
            client TEXT NOT NULL,
            virtual_model TEXT NOT NULL,
            calls INTEGER NOT NULL DEFAULT 0,
            last_at INTEGER NOT NULL,
            last_success_at INTEGER,
            last_status INTEGER NOT NULL,
            last_error_code TEXT,
            PRIMARY KEY (client, virtual_model)
        ) WITHOUT ROWID",
    )
}

/// Most pairs that are kept: names are the callers' own.
const MOST: i64 = 10_000;

/// Who has been seen, until it is written.
#[derive(Default)]
pub(super) struct Clients<'c> {
    seen: HashMap<(&'c str, &'c str), Seen<'c>>,
}

impl<'c> Clients<'c> {
    /// Notes who made a call.
    pub(super) fn note(&mut self, call: &'c CallRecord) {
        // What was not resolved is any text.
        if let (Some(client), Some(_)) = (call.client.as_deref(), call.virtual_model_id) {
            let pair = (client, call.virtual_model.as_str());
            self.seen.entry(pair).or_default().take(call);
        }
    }

    /// Writes all of them.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        for ((client, model), seen) in self.seen {
            let Some(last) = seen.last else { continue };
            connection.prepare_cached(NOTE)?.execute(params![
                client,
                model,
                seen.calls,
                last.started_at,
                seen.success,
                last.status,
                last.error_code,
                MOST,
            ])?;
        }
        Ok(())
    }
}

/// A pair that is known is counted on; a new one is taken in while there is room.
const NOTE: &str = "
    INSERT INTO client_calls (client, virtual_model, calls, last_at, last_success_at,
        last_status, last_error_code)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
    WHERE (SELECT COUNT(*) FROM client_calls) < ?8
        OR EXISTS (SELECT 1 FROM client_calls WHERE client = ?1 AND virtual_model = ?2)
    ON CONFLICT DO UPDATE SET
        calls = calls + excluded.calls,
        last_success_at = COALESCE(MAX(last_success_at, excluded.last_success_at),
            last_success_at, excluded.last_success_at),
        last_status = CASE WHEN excluded.last_at >= last_at
            THEN excluded.last_status ELSE last_status END,
        last_error_code = CASE WHEN excluded.last_at >= last_at
            THEN excluded.last_error_code ELSE last_error_code END,
        last_at = MAX(last_at, excluded.last_at)
";

#[derive(Default)]
struct Seen<'c> {
    calls: i64,
    last: Option<&'c CallRecord>,
    success: Option<i64>,
}

impl<'c> Seen<'c> {
    fn take(&mut self, call: &'c CallRecord) {
        self.calls += 1;
        let later = |last: &CallRecord| last.started_at <= call.started_at;
        if self.last.is_none_or(later) {
            self.last = Some(call);
        }
        if call.outcome == Outcome::Success {
            self.success = self.success.max(Some(call.started_at));
        }
    }
}

impl Store {
    /// The clients that have called virtual models, the latest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn clients(&self) -> Result<Vec<ClientRow>, StoreError> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached("SELECT * FROM client_calls ORDER BY last_at DESC, client")?
                .query_map([], read)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ClientRow> {
    Ok(ClientRow {
        client: row.get("client")?,
        virtual_model: row.get("virtual_model")?,
        calls: row.get("calls")?,
        last_at: row.get("last_at")?,
        last_success_at: row.get("last_success_at")?,
        last_status: row.get("last_status")?,
        last_error_code: row.get("last_error_code")?,
    })
}
