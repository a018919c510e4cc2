//! What the step of the pages adds: where calls came from, sums that a page is made of
//! without a look at single calls, which clients have been seen, what gateways tell of
//! themselves, and bodies that are kept for a while.

use rusqlite::Connection;

use super::original::columns_of;
use crate::store::{captures, clients, gateways, sums};

/// Columns of both usage tables.
const COLUMNS: [(&str, &str); 4] = [
    ("route", "TEXT"),
    ("address", "TEXT"),
    ("client", "TEXT"),
    ("tool_repairs", "INTEGER NOT NULL DEFAULT 0"),
];

/// Adds the columns, the indexes by which single calls are found, and the tables.
pub(super) fn add(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["request_usage", "embedding_usage"] {
        let present = columns_of(connection, table)?;
        for (name, definition) in COLUMNS {
            if !present.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                connection.execute_batch(&format!(
                    "ALTER TABLE {table} ADD COLUMN {name} {definition}"
                ))?;
            }
        }
        // Most calls succeed with 200: those of another status are the ones looked for. Of a
        // request's id the end is enough to find it, and takes a third of the room.
        connection.execute_batch(&format!(
            "CREATE INDEX idx_{table}_endpoint_time ON {table} (endpoint_id, created_at);
             CREATE INDEX idx_{table}_status_time ON {table} (status, created_at)
                 WHERE status <> 200;
             CREATE INDEX idx_{table}_request ON {table} (substr(request_id, -8));"
        ))?;
    }
    captures::create(connection)?;
    clients::create(connection)?;
    gateways::create(connection)?;
    sums::create(connection)
}
