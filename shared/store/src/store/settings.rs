//! Stored settings: key and value, known keys only.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::audit::{About, SETTINGS_ID};
use super::{Failure, Store, virtual_models};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::setting::{self, DEFAULT_MODEL, SettingsDraft};

impl Store {
    /// The stored settings this program knows. Keys that only the original knew stay in
    /// the file and are not shown.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn settings(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|connection| Ok(read_known(connection)?))
    }

    /// The version of the settings: moves with every change of one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn settings_version(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            let query = "SELECT version FROM settings_version";
            Ok(connection.query_row(query, [], |row| row.get(0))?)
        })
    }

    /// Writes the settings the draft carries; a cleared one goes back to its default.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the default model does not exist, or when the file
    /// cannot be written.
    pub fn save_settings(&self, draft: &SettingsDraft) -> Result<(), StoreError> {
        self.change(
            About::row(AuditKind::Settings, SETTINGS_ID, &[]),
            |connection| {
                for (key, value) in draft.iter() {
                    match value {
                        None => {
                            connection.execute("DELETE FROM settings WHERE key = ?", [key])?;
                        }
                        Some(value) => {
                            if key == DEFAULT_MODEL {
                                require_model(connection, value)?;
                            }
                            connection.execute(
                                "INSERT INTO settings (key, value, updated_at) \
                             VALUES (?, ?, unixepoch()) \
                             ON CONFLICT (key) DO UPDATE SET \
                             value = excluded.value, updated_at = excluded.updated_at",
                                params![key, value],
                            )?;
                        }
                    }
                }
                Ok(())
            },
        )
    }
}

/// The settings this program knows.
pub(super) fn read_known(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let rows = connection
        .prepare("SELECT key, CAST(value AS TEXT) FROM settings")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<HashMap<String, String>>>()?;
    Ok(rows
        .into_iter()
        .filter(|(key, _)| setting::is_known(key))
        .collect())
}

/// One value, if it is stored.
pub(super) fn read_one(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT CAST(value AS TEXT) FROM settings WHERE key = ?",
            [key],
            |row| row.get(0),
        )
        .optional()
}

fn require_model(connection: &Connection, name: &str) -> Result<(), Failure> {
    if virtual_models::exists(connection, name)? {
        return Ok(());
    }
    let why = format!("there is no virtual model named {name:?}");
    Err(StoreError::from(FieldErrors::one(DEFAULT_MODEL, why)).into())
}
