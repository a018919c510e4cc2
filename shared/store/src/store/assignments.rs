//! Column values of one insert or update. Column and table names are ours, never input.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

/// The id that the next row of `table` gets, for what must know it before; never one that a
/// deleted row had. The caller holds a write transaction, and sets it.
pub(super) fn next_id(connection: &Connection, table: &'static str) -> rusqlite::Result<i64> {
    let used: Option<i64> = connection
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = ?",
            [table],
            |row| row.get(0),
        )
        .optional()?;
    let highest: i64 = connection.query_row(
        &format!("SELECT COALESCE(max(id), 0) FROM {table}"),
        [],
        |row| row.get(0),
    )?;
    Ok(highest.max(used.unwrap_or(0)) + 1)
}

/// Columns and the values they get.
#[derive(Default)]
pub(super) struct Assignments {
    columns: Vec<&'static str>,
    values: Vec<Value>,
}

impl Assignments {
    /// Sets `column`.
    pub(super) fn set(&mut self, column: &'static str, value: impl Into<Value>) {
        self.columns.push(column);
        self.values.push(value.into());
    }

    /// Sets `column` when a value was given.
    pub(super) fn set_given(&mut self, column: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(column, value);
        }
    }

    /// Sets each column to its value.
    pub(super) fn set_all(&mut self, columns: impl Iterator<Item = (&'static str, Value)>) {
        for (column, value) in columns {
            self.set(column, value);
        }
    }

    /// Whether nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Inserts a row and gives its id.
    pub(super) fn insert(self, connection: &Connection, table: &str) -> rusqlite::Result<i64> {
        let marks = vec!["?"; self.columns.len()].join(", ");
        let columns = self.columns.join(", ");
        connection.execute(
            &format!("INSERT INTO {table} ({columns}) VALUES ({marks})"),
            params_from_iter(self.values),
        )?;
        Ok(connection.last_insert_rowid())
    }

    /// Updates the row `id` and its `updated_at`.
    pub(super) fn update(
        mut self,
        connection: &Connection,
        table: &str,
        id: i64,
    ) -> rusqlite::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let list = self.columns.join(" = ?, ");
        self.values.push(Value::Integer(id));
        connection.execute(
            &format!("UPDATE {table} SET {list} = ?, updated_at = unixepoch() WHERE id = ?"),
            params_from_iter(self.values),
        )?;
        Ok(())
    }
}
