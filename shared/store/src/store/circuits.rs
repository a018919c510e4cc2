//! Circuits: saved as they open and close, read at start and by the admin app.
//!
//! They are no configuration: saving them does not move the revision. Forgetting one does, so
//! that the gateway closes it too. A circuit goes with its endpoint, and when that changes.

use rusqlite::{Connection, Row, params};

use super::Store;
use crate::audit::AuditKind;
use crate::circuit::CircuitRow;
use crate::columns::Columns;
use crate::error::StoreError;

impl Store {
    /// Writes the circuits, all or none: one that is closed (`opened_at` 0) is deleted, one
    /// of an endpoint that no longer exists is not kept.
    ///
    /// # Errors
    /// When the file cannot be written; nothing was changed then.
    pub fn save_circuits(&self, circuits: &[CircuitRow]) -> Result<(), StoreError> {
        if circuits.is_empty() {
            return Ok(());
        }
        self.write(|connection| {
            for circuit in circuits {
                if circuit.opened_at == 0 {
                    forget(connection, circuit.endpoint_id, &circuit.model)?;
                    continue;
                }
                connection
                    .prepare_cached(
                        "INSERT INTO circuits \
                         (endpoint_id, model, opened_at, open_until, failures, last_error) \
                         SELECT ?, ?, ?, ?, ?, ? FROM endpoints WHERE id = ?1 \
                         ON CONFLICT (endpoint_id, model) DO UPDATE SET \
                         opened_at = excluded.opened_at, open_until = excluded.open_until, \
                         failures = excluded.failures, last_error = excluded.last_error, \
                         updated_at = unixepoch()",
                    )?
                    .execute(params![
                        circuit.endpoint_id,
                        circuit.model,
                        circuit.opened_at,
                        circuit.open_until,
                        circuit.failures,
                        circuit.last_error,
                    ])?;
            }
            Ok(())
        })
    }

    /// Every circuit kept, by endpoint and model.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn circuits(&self) -> Result<Vec<CircuitRow>, StoreError> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT c.* FROM circuits c JOIN endpoints e ON e.id = c.endpoint_id \
                     ORDER BY c.endpoint_id, c.model",
                )?
                .query_map([], read)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
    }

    /// Deletes one circuit, and says whether there was one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_circuit(&self, endpoint_id: i64, model: &str) -> Result<bool, StoreError> {
        self.write(|connection| {
            let forgotten = forget(connection, endpoint_id, model)?;
            announce(connection, forgotten)?;
            if forgotten {
                let what = serde_json::json!({ "endpoint_id": endpoint_id });
                self.note_done(connection, AuditKind::Circuit, "reset", model, what)?;
            }
            Ok(forgotten)
        })
    }

    /// Deletes the circuits of one endpoint, or all, and says how many there were.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_circuits(&self, endpoint_id: Option<i64>) -> Result<usize, StoreError> {
        self.write(|connection| {
            let count = match endpoint_id {
                Some(id) => forget_endpoint(connection, id)?,
                None => connection.execute("DELETE FROM circuits", [])?,
            };
            announce(connection, count > 0)?;
            if count > 0 {
                let what = serde_json::json!({ "endpoint_id": endpoint_id, "circuits": count });
                self.note_done(connection, AuditKind::Circuit, "reset", "", what)?;
            }
            Ok(count)
        })
    }
}

/// Deletes the circuits of an endpoint.
pub(super) fn forget_endpoint(connection: &Connection, id: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM circuits WHERE endpoint_id = ?", [id])
}

/// Moves the revision when something was forgotten, for the gateway to look.
fn announce(connection: &Connection, forgotten: bool) -> rusqlite::Result<()> {
    if forgotten {
        connection.execute("UPDATE configuration_revision SET value = value + 1", [])?;
    }
    Ok(())
}

fn forget(connection: &Connection, endpoint_id: i64, model: &str) -> rusqlite::Result<bool> {
    let deleted = connection
        .prepare_cached("DELETE FROM circuits WHERE endpoint_id = ? AND model = ?")?
        .execute(params![endpoint_id, model])?;
    Ok(deleted > 0)
}

fn read(row: &Row<'_>) -> rusqlite::Result<CircuitRow> {
    let mut columns = Columns::new(row);
    Ok(CircuitRow {
        endpoint_id: columns.whole("endpoint_id").unwrap_or(0),
        model: columns.text("model").unwrap_or_default(),
        opened_at: columns.whole("opened_at").unwrap_or(0),
        open_until: columns.whole("open_until").unwrap_or(0),
        failures: columns
            .whole("failures")
            .and_then(|failures| u32::try_from(failures).ok())
            .unwrap_or(0),
        last_error: columns.text("last_error"),
    })
}
