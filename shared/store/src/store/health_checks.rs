//! What health checks found: told by the gateway, read by the admin app.
//!
//! They are no configuration: saving them does not move the revision. One goes with its
//! endpoint, and when that changes: it tells of the endpoint as it was.

use rusqlite::{Connection, Row, params};

use super::Store;
use crate::error::StoreError;
use crate::health_check::HealthCheckRow;

impl Store {
    /// Writes what was found, all or none; of an endpoint that no longer exists, nothing.
    ///
    /// # Errors
    /// When the file cannot be written; nothing was changed then.
    pub fn save_health_checks(&self, checks: &[HealthCheckRow]) -> Result<(), StoreError> {
        if checks.is_empty() {
            return Ok(());
        }
        self.write(|connection| {
            for check in checks {
                connection
                    .prepare_cached(
                        "INSERT INTO health_checks \
                         (endpoint_id, checked_at, since, is_well, reason) \
                         SELECT ?1, ?2, ?3, ?4, ?5 FROM endpoints WHERE id = ?1 \
                         ON CONFLICT (endpoint_id) DO UPDATE SET \
                         checked_at = excluded.checked_at, since = excluded.since, \
                         is_well = excluded.is_well, reason = excluded.reason",
                    )?
                    .execute(params![
                        check.endpoint_id,
                        check.checked_at,
                        check.since,
                        check.is_well,
                        check.reason,
                    ])?;
            }
            Ok(())
        })
    }

    /// The last health check of every endpoint that was asked, by endpoint.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn health_checks(&self) -> Result<Vec<HealthCheckRow>, StoreError> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached("SELECT * FROM health_checks ORDER BY endpoint_id")?
                .query_map([], read)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
    }
}

/// Deletes what was found of an endpoint.
pub(super) fn forget_endpoint(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM health_checks WHERE endpoint_id = ?", [id])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<HealthCheckRow> {
    Ok(HealthCheckRow {
        endpoint_id: row.get("endpoint_id")?,
        checked_at: row.get("checked_at")?,
        since: row.get("since")?,
        is_well: row.get("is_well")?,
        reason: row.get("reason")?,
    })
}
