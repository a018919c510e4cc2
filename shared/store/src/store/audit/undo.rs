//! Undoing a change: the row gets back what it held before, if nobody has changed it since.
//!
//! Secrets are put back as they were encrypted, for the same row and column; after the
//! store's key was changed they no longer open, and the undoing is refused.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};
use serde_json::{Map, Value};

use super::state::{ROUTING, table};
use super::{About, Store, changed, list, version};
use crate::audit::{AuditKind, AuditRow};
use crate::endpoint::StoredEndpoint;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::store::{Failure, circuits, health_checks, inbound_keys, prices};
use crate::vault::is_sealed;

impl Store {
    /// Undoes the change `entry`.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Changed`] when the row is not as the change
    /// left it, [`StoreError::Invalid`] when the entry cannot be undone, and what the rows of
    /// today refuse.
    pub fn undo(&self, entry: i64) -> Result<AuditRow, StoreError> {
        self.write(|connection| {
            let done = list::one(connection, entry)?;
            let id = done.row_id.unwrap_or_default();
            if !done.can_undo {
                return Err(refused(
                    "it was undone before, or is nothing that can be undone",
                ));
            }
            let (undo, left): (Option<String>, Option<i64>) = connection.query_row(
                "SELECT undo, version FROM audit WHERE id = ?",
                [entry],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let found = version(connection, done.kind, id)?;
            // Settings are compared by their values.
            if done.kind != AuditKind::Settings && found != left {
                return Err(changed(connection, done.kind, id, left, found)?.into());
            }
            let about = About::row(
                done.kind,
                id,
                &[AuditKind::VirtualModel, AuditKind::InboundKey],
            );
            let before = self.picture(connection, about)?;
            let mut with_it = Vec::new();
            match undo {
                None => self.remove(connection, done.kind, id)?,
                Some(undo) => {
                    let tables: Map<String, Value> = serde_json::from_str(&undo)
                        .map_err(|_| refused("what it held before cannot be read"))?;
                    if done.kind == AuditKind::Settings {
                        restore_settings(connection, &done)?;
                    } else {
                        self.restore(connection, done.kind, id, &tables, found)?;
                        if found.is_none() {
                            with_it = self.restore_parts(connection, entry, done.kind, id)?;
                        }
                    }
                }
            }
            let after = self.picture(connection, about)?;
            let by = self.note_differences(connection, about, &before, &after)?;
            for undone in with_it.into_iter().chain([entry]) {
                connection.execute(
                    "UPDATE audit SET undone_by = ? WHERE id = ?",
                    params![by.unwrap_or(entry), undone],
                )?;
            }
            Ok(done)
        })
    }

    /// Takes back that a row was made.
    fn remove(&self, connection: &Connection, kind: AuditKind, id: i64) -> Result<(), Failure> {
        let Some(table) = table(kind) else {
            return Err(refused("there is no row to take back"));
        };
        if kind == AuditKind::Endpoint {
            let used: bool = connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM virtual_models WHERE endpoint_id = ?)",
                [id],
                |row| row.get(0),
            )?;
            if used {
                return Err(refused(
                    "the endpoint has virtual models: delete or move them first",
                ));
            }
        }
        if kind == AuditKind::VirtualModel {
            let name: String = connection.query_row(
                "SELECT name FROM virtual_models WHERE id = ?",
                [id],
                |row| row.get(0),
            )?;
            inbound_keys::rename_model(connection, &name, None)?;
            crate::store::routing::forget_model(connection, id)?;
        }
        connection.execute(&format!("DELETE FROM {table} WHERE id = ?"), [id])?;
        Ok(())
    }

    pub(super) fn restore(
        &self,
        connection: &Connection,
        kind: AuditKind,
        id: i64,
        tables: &Map<String, Value>,
        found: Option<i64>,
    ) -> Result<(), Failure> {
        let Some((table, row)) =
            table(kind).and_then(|table| Some((table, tables.get(table)?.as_object()?)))
        else {
            return Err(refused("what it held before is not there"));
        };
        self.require_open(table, id, row)?;
        require_free(connection, kind, id, row)?;
        if kind == AuditKind::VirtualModel {
            let new = row.get("name").and_then(Value::as_str);
            let old: Option<String> = connection
                .query_row(
                    "SELECT name FROM virtual_models WHERE id = ?",
                    [id],
                    |row| row.get(0),
                )
                .optional()?;
            if let (Some(old), Some(new)) = (old, new)
                && old != new
            {
                inbound_keys::rename_model(connection, &old, Some(new))?;
            }
        }
        match found {
            Some(_) => update(connection, table, id, row)?,
            None => insert(connection, table, row)?,
        }
        if let Some(routing) = tables.get(ROUTING) {
            connection.execute(
                &format!("DELETE FROM {ROUTING} WHERE virtual_model_id = ?"),
                [id],
            )?;
            if let Some(row) = routing.as_object() {
                insert(connection, ROUTING, row)?;
            }
        }
        match kind {
            AuditKind::Endpoint => {
                circuits::forget_endpoint(connection, id)?;
                health_checks::forget_endpoint(connection, id)?;
            }
            AuditKind::VirtualModel => prices::follow(connection, id)?,
            AuditKind::ToolPattern
            | AuditKind::ToolAlias
            | AuditKind::InboundKey
            | AuditKind::Settings
            | AuditKind::User
            | AuditKind::Price
            | AuditKind::Circuit
            | AuditKind::Usage => {}
        }
        Ok(())
    }

    /// Refuses secrets that no key opens any more.
    fn require_open(
        &self,
        table: &'static str,
        id: i64,
        row: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let keys = self.vault().to_open();
        let text = |column: &str| row.get(column).and_then(Value::as_str);
        let key = text("api_key").filter(|key| is_sealed(key));
        let is_locked = key
            .is_some_and(|key| keys.open(StoredEndpoint::api_key_place(id), key).is_err())
            || text("custom_headers")
                .is_some_and(|headers| !keys.open_headers(table, id, headers).locked.is_empty());
        if is_locked {
            return Err(refused(
                "its secrets were encrypted with a key that the store no longer has: enter them anew",
            ));
        }
        Ok(())
    }
}

/// Refuses a name that another row has meanwhile, and an endpoint that is gone.
fn require_free(
    connection: &Connection,
    kind: AuditKind,
    id: i64,
    row: &Map<String, Value>,
) -> Result<(), Failure> {
    let (column, what) = match kind {
        AuditKind::Endpoint => ("name", "an endpoint"),
        AuditKind::VirtualModel => ("name", "a virtual model"),
        AuditKind::ToolPattern => ("pattern_name", "a tool pattern"),
        AuditKind::InboundKey => ("label", "an inbound key"),
        AuditKind::ToolAlias
        | AuditKind::Settings
        | AuditKind::User
        | AuditKind::Price
        | AuditKind::Circuit
        | AuditKind::Usage => return Ok(()),
    };
    let Some(table) = table(kind) else {
        return Ok(());
    };
    let name = row.get(column).and_then(Value::as_str).unwrap_or_default();
    let taken: bool = connection.query_row(
        &format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {column} = ? AND id IS NOT ?)"),
        params![name, id],
        |row| row.get(0),
    )?;
    if taken {
        let name = name.to_owned();
        return Err(StoreError::Duplicate { what, name }.into());
    }
    if let Some(endpoint) = row.get("endpoint_id").and_then(Value::as_i64) {
        let there: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM endpoints WHERE id = ?)",
            [endpoint],
            |row| row.get(0),
        )?;
        if !there {
            return Err(refused(
                "its endpoint is gone: undo the endpoint's deletion first",
            ));
        }
    }
    Ok(())
}

/// Puts back the settings that the entry names, if each is as the entry left it.
fn restore_settings(connection: &Connection, done: &AuditRow) -> Result<(), Failure> {
    let fields = done.before.keys().chain(done.after.keys());
    for key in fields {
        let now = crate::store::settings::read_one(connection, key)?;
        if now.as_deref() != done.after.get(key).and_then(Value::as_str) {
            let found = version(connection, AuditKind::Settings, super::SETTINGS_ID)?;
            let refusal = changed(
                connection,
                AuditKind::Settings,
                super::SETTINGS_ID,
                None,
                found,
            )?;
            return Err(refusal.into());
        }
        match done.before.get(key).and_then(Value::as_str) {
            None => {
                connection.execute("DELETE FROM settings WHERE key = ?", [key])?;
            }
            Some(value) => {
                connection.execute(
                    "INSERT INTO settings (key, value, updated_at) VALUES (?, ?, unixepoch()) \
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value, \
                     updated_at = excluded.updated_at",
                    params![key, value],
                )?;
            }
        }
    }
    Ok(())
}

/// The columns that the table has today, with what they held.
fn columns<'a>(
    connection: &Connection,
    table: &str,
    row: &'a Map<String, Value>,
) -> rusqlite::Result<Vec<(&'a str, Sql)>> {
    let names = connection
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let known = row.iter().filter(|(column, _)| names.contains(column));
    Ok(known
        .map(|(column, value)| (column.as_str(), sql(value)))
        .collect())
}

fn sql(value: &Value) -> Sql {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => Sql::Null,
        Value::Bool(flag) => Sql::Integer(i64::from(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Sql::Integer(whole),
            None => number.as_f64().map_or(Sql::Null, Sql::Real),
        },
        Value::String(text) => Sql::Text(text.clone()),
    }
}

fn update(
    connection: &Connection,
    table: &str,
    id: i64,
    row: &Map<String, Value>,
) -> rusqlite::Result<()> {
    let is_kept = |column: &str| {
        ["id", "version", "created_at", "updated_at"].contains(&column)
            || column.starts_with("last_used")
    };
    let mut columns = columns(connection, table, row)?;
    columns.retain(|(column, _)| !is_kept(column));
    let list: Vec<String> = columns
        .iter()
        .map(|(column, _)| format!("{column} = ?"))
        .collect();
    let mut values: Vec<Sql> = columns.into_iter().map(|(_, value)| value).collect();
    values.push(Sql::Integer(id));
    connection.execute(
        &format!(
            "UPDATE {table} SET {}, updated_at = unixepoch() WHERE id = ?",
            list.join(", ")
        ),
        params_from_iter(values),
    )?;
    Ok(())
}

fn insert(connection: &Connection, table: &str, row: &Map<String, Value>) -> rusqlite::Result<()> {
    let mut columns = columns(connection, table, row)?;
    for (column, value) in &mut columns {
        // A form of before must not pass for one of this row.
        if *column == "version"
            && let Sql::Integer(version) = value
        {
            *version = version.saturating_add(1);
        }
    }
    let names: Vec<&str> = columns.iter().map(|(column, _)| *column).collect();
    let marks = vec!["?"; names.len()].join(", ");
    connection.execute(
        &format!(
            "INSERT INTO {table} ({}) VALUES ({marks})",
            names.join(", ")
        ),
        params_from_iter(columns.into_iter().map(|(_, value)| value)),
    )?;
    Ok(())
}

fn refused(why: &str) -> Failure {
    StoreError::from(FieldErrors::one("undo", why)).into()
}
