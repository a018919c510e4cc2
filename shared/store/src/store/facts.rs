//! A few facts about a file that is only looked at: its schema, and the calls in it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, Store};
use crate::error::StoreError;
use crate::migrations;

/// What there is to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The file's schema version.
    pub schema: i64,
    /// The one that this program brings it to.
    pub newest_schema: i64,
    /// How many single calls it has.
    pub calls: i64,
    /// When the first of them began, unix seconds.
    pub first_call: Option<i64>,
    /// When the last of them began, unix seconds.
    pub last_call: Option<i64>,
}

impl Store {
    /// Facts about the file at `path`, which is not changed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn facts(path: &Path) -> Result<Facts, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
        let mut facts = Facts {
            schema: migrations::version(&connection).map_err(sqlite)?,
            newest_schema: migrations::NEWEST,
            ..Facts::default()
        };
        for table in ["request_usage", "embedding_usage"] {
            let query = format!("SELECT count(*), min(created_at), max(created_at) FROM {table}");
            let found = connection.query_row(&query, [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            });
            // A file that is still without the table has no calls.
            let Ok((count, first, last)) = found else {
                continue;
            };
            let (first, last): (Option<i64>, Option<i64>) = (first, last);
            let count: i64 = count;
            facts.calls += count;
            facts.first_call = facts.first_call.into_iter().chain(first).min();
            facts.last_call = facts.last_call.max(last);
        }
        Ok(facts)
    }
}
