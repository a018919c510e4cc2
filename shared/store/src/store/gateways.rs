//! What gateways tell of themselves.

use rusqlite::{Connection, Row, params};

use super::Store;
use crate::error::StoreError;
use crate::gateway_status::GatewayStatus;

/// Reports of gateways that have said nothing for so long, in seconds, are dropped.
const FORGOTTEN: i64 = 7 * 86_400;

pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE gateways (
            id TEXT PRIMARY KEY,
            version TEXT NOT NULL,
            address TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            seen_at INTEGER NOT NULL,
            ended_at INTEGER,
            revision INTEGER NOT NULL,
            troubles TEXT NOT NULL
        ) WITHOUT ROWID",
    )
}

impl Store {
    /// Writes what a gateway tells of itself, in place of what it has told before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn report_gateway(&self, status: &GatewayStatus) -> Result<(), StoreError> {
        let troubles = status.troubles.join("\n");
        self.write(|connection| {
            connection.execute(
                "DELETE FROM gateways WHERE seen_at < ?",
                [status.seen_at.saturating_sub(FORGOTTEN)],
            )?;
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO gateways (id, version, address, started_at, \
                     seen_at, ended_at, revision, troubles) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    status.id,
                    status.version,
                    status.address,
                    status.started_at,
                    status.seen_at,
                    status.ended_at,
                    status.revision,
                    troubles,
                ])?;
            Ok(())
        })
    }

    /// The gateways that have used this store of late, the latest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn gateways(&self) -> Result<Vec<GatewayStatus>, StoreError> {
        self.read(|connection| {
            let rows = connection
                .prepare_cached(
                    "SELECT * FROM gateways ORDER BY ended_at IS NOT NULL, seen_at DESC, \
                     started_at DESC",
                )?
                .query_map([], read)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<GatewayStatus> {
    let troubles: String = row.get("troubles")?;
    Ok(GatewayStatus {
        id: row.get("id")?,
        version: row.get("version")?,
        address: row.get("address")?,
        started_at: row.get("started_at")?,
        seen_at: row.get("seen_at")?,
        ended_at: row.get("ended_at")?,
        revision: row.get("revision")?,
        troubles: troubles.lines().map(str::to_owned).collect(),
    })
}
