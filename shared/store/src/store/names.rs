//! The names of what calls can be asked for by, without anything else of their rows.

use rusqlite::Connection;

use super::Store;
use crate::error::StoreError;
use crate::report::Names;

impl Store {
    /// The names of all endpoints, virtual models and keys, in their order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn names(&self) -> Result<Names, StoreError> {
        self.read(|connection| {
            Ok(Names {
                endpoints: list(connection, "endpoints", "name")?,
                models: list(connection, "virtual_models", "name")?,
                keys: list(connection, "inbound_api_keys", "label")?,
            })
        })
    }
}

fn list(
    connection: &Connection,
    table: &str,
    column: &str,
) -> rusqlite::Result<Vec<(i64, String)>> {
    connection
        .prepare_cached(&format!(
            "SELECT id, CAST({column} AS TEXT) FROM {table} WHERE {column} IS NOT NULL \
             ORDER BY {column}, id"
        ))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
