//! How long single calls are kept: by age and by the size of the file, trimmed in small
//! steps. Their sums are kept for ever.

use rusqlite::{Connection, params};

use super::raw::Table;
use super::{Failure, Store};
use crate::error::StoreError;
use crate::report::Trimmed;

/// Rows that one step takes away at most.
const STEP: i64 = 500;

/// Free pages that one step gives back to the file system at most.
const PAGES: i64 = 512;

impl Store {
    /// Takes away at most a few hundred single calls: those that began before `before`, and,
    /// while the file holds more than `max_bytes`, the oldest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trim_usage(&self, before: i64, max_bytes: u64) -> Result<Trimmed, StoreError> {
        let due = self.read(|connection| Ok(due(connection, before, max_bytes)?))?;
        let Some(limit) = due else {
            self.give_back()?;
            return Ok(Trimmed::default());
        };
        let rows = self.write(|connection| {
            let mut rows = 0;
            for table in Table::ALL {
                rows += trim(connection, table, limit)?;
            }
            Ok::<_, Failure>(rows)
        })?;
        self.give_back()?;
        Ok(Trimmed {
            rows,
            more: rows > 0,
        })
    }

    /// Gives free pages back to the file system.
    fn give_back(&self) -> Result<(), StoreError> {
        let sqlite = |error| StoreError::from_sqlite(self.path(), error);
        self.in_place()?;
        let connection = self.connection()?;
        let free: i64 = connection
            .pragma_query_value(None, "freelist_count", |row| row.get(0))
            .map_err(sqlite)?;
        if free == 0 {
            return Ok(());
        }
        let mut statement = connection
            .prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))
            .map_err(sqlite)?;
        // A page for each step.
        let mut rows = statement.query([]).map_err(sqlite)?;
        while rows.next().map_err(sqlite)?.is_some() {}
        Ok(())
    }
}

/// Before which second calls have to go now; `None` when none have to.
fn due(connection: &Connection, before: i64, max_bytes: u64) -> rusqlite::Result<Option<i64>> {
    let number = |pragma: &str| -> rusqlite::Result<u64> {
        let value: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or(0))
    };
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    let too_large = pages.saturating_mul(number("page_size")?) > max_bytes;
    let mut oldest = None;
    for table in Table::ALL {
        let found: Option<i64> = connection
            .prepare_cached(&format!("SELECT MIN(created_at) FROM {}", table.name()))?
            .query_row([], |row| row.get(0))?;
        oldest = match (oldest, found) {
            (Some(a), Some(b)) => Some(std::cmp::min::<i64>(a, b)),
            (a, b) => a.or(b),
        };
    }
    let Some(oldest) = oldest else {
        return Ok(None);
    };
    if oldest < before {
        return Ok(Some(before));
    }
    if !too_large {
        return Ok(None);
    }
    // Of both tables together the oldest few hundred.
    connection
        .prepare_cached(
            "SELECT MAX(created_at) + 1 FROM (SELECT created_at FROM (\
             SELECT * FROM (SELECT created_at FROM request_usage ORDER BY created_at LIMIT ?1) \
             UNION ALL \
             SELECT * FROM (SELECT created_at FROM embedding_usage ORDER BY created_at LIMIT ?1)) \
             ORDER BY created_at LIMIT ?1)",
        )?
        .query_row([STEP], |row| row.get(0))
}

fn trim(connection: &Connection, table: Table, before: i64) -> rusqlite::Result<u64> {
    let name = table.name();
    let last: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT MAX(created_at) FROM (SELECT created_at FROM {name} WHERE created_at < ? \
             ORDER BY created_at LIMIT ?)"
        ))?
        .query_row([before, STEP], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    let rows = connection
        .prepare_cached(&format!(
            "DELETE FROM {name} WHERE id IN (SELECT id FROM {name} WHERE created_at < ? \
             ORDER BY created_at LIMIT ?)"
        ))?
        .execute([before, STEP])?;
    note_trimmed(connection, last + 1)?;
    Ok(rows as u64)
}

/// Notes that single calls from before this second are gone.
pub(super) fn note_trimmed(connection: &Connection, before: i64) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO usage_trimmed (id, before) VALUES (1, ?1) \
         ON CONFLICT (id) DO UPDATE SET before = MAX(before, ?1)",
        params![before],
    )?;
    Ok(())
}
