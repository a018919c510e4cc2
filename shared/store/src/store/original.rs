//! A database of the original program, read through a copy that is migrated; the file itself
//! is only read.
//!
//! The copy is SQLite's own temporary database: it has no name and is gone with the
//! connection, so that keys in plain text are never left behind.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::rollups::{self, Batch};
use super::{
    BUSY_TIMEOUT, Failure, Store, endpoints, raw, retention, tool_patterns, virtual_models,
};
use crate::endpoint::StoredEndpoint;
use crate::error::StoreError;
use crate::migrations;
use crate::tool_pattern::ToolPatternRow;
use crate::vault::{KeySource, Vault};
use crate::virtual_model::StoredVirtualModel;

/// Its tables that hold what nobody needs any more, or what this program finds out by itself.
const PASSING: [&str; 3] = ["recent_activity", "endpoint_health", "response_cache"];

/// What is in it.
pub(crate) struct Original {
    pub(crate) endpoints: Vec<StoredEndpoint>,
    pub(crate) models: Vec<StoredVirtualModel>,
    pub(crate) patterns: Vec<ToolPatternRow>,
    pub(crate) keys: Vec<OriginalKey>,
    /// Every setting, known or not.
    pub(crate) settings: Vec<(String, String)>,
    /// Virtual models whose answers were kept for others.
    pub(crate) cached: i64,
    /// Tables with passing things, and how many rows they have.
    pub(crate) passing: Vec<(&'static str, i64)>,
    copy: Connection,
}

/// A caller's key.
pub(crate) struct OriginalKey {
    pub(crate) label: String,
    pub(crate) prefix: String,
    /// The SHA-256 in hexadecimal digits, if it is one.
    pub(crate) hash: String,
    pub(crate) is_enabled: bool,
    pub(crate) notes: String,
}

/// What became of the calls of before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Calls that are in the sums now.
    pub(crate) taken: u64,
    /// Calls in hours for which this store has sums of its own.
    pub(crate) left: u64,
}

impl Original {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not the original's, or cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(path, error);
        let foreign = |reason: &str| StoreError::Open {
            path: path.to_path_buf(),
            reason: reason.to_owned(),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        source.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
        if migrations::version(&source).map_err(sqlite)? > 0 {
            return Err(foreign(
                "it is a store of this program, not of the original: move it as a whole with \
                 backup, or its configuration with export",
            ));
        }
        migrations::refuse_foreign(path, &source)?;
        let has = |table| table_exists(&source, table);
        if !(has("endpoints").map_err(sqlite)? && has("virtual_models").map_err(sqlite)?) {
            return Err(foreign(
                "it is no database of the original: it lacks the tables endpoints and \
                 virtual_models",
            ));
        }
        let mut copy = Connection::open("").map_err(sqlite)?;
        Backup::new(&source, &mut copy)
            .and_then(|backup| backup.run_to_completion(1024, Duration::ZERO, None))
            .map_err(sqlite)?;
        drop(source);
        Self::of_copy(path, copy)
    }

    fn of_copy(path: &Path, mut copy: Connection) -> Result<Self, StoreError> {
        let sqlite = |error| StoreError::from_sqlite(path, error);
        // What the migration changes is read before it.
        let keys = keys(&copy).map_err(sqlite)?;
        let settings = settings(&copy).map_err(sqlite)?;
        let cached = cached(&copy).map_err(sqlite)?;
        let mut passing = Vec::new();
        for table in PASSING {
            if table_exists(&copy, table).map_err(sqlite)? {
                let count: i64 = copy
                    .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                        row.get(0)
                    })
                    .map_err(sqlite)?;
                passing.push((table, count));
            }
        }
        migrations::run(path, &mut copy)?;
        // Nothing in it is encrypted, so no key is needed.
        let vault = Vault::look(&path.with_extension("no-key"), &KeySource::default())?;
        Ok(Self {
            endpoints: endpoints::read_all(&copy, "id", &vault).map_err(sqlite)?,
            models: virtual_models::read_all(&copy, &vault).map_err(sqlite)?,
            patterns: tool_patterns::read_all(&copy)
                .map_err(sqlite)?
                .into_iter()
                .map(|stored| stored.row)
                .collect(),
            keys,
            settings,
            cached,
            passing,
            copy,
        })
    }
}

impl Store {
    /// Adds the original's calls to the sums by hour and day, in hours for which this store
    /// has none of its own: doing it twice adds nothing. `endpoints` are ids here by ids
    /// there, `keys` ids here by label.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn take_history(
        &self,
        original: &Original,
        endpoints: &HashMap<i64, (i64, String)>,
        keys: &HashMap<String, i64>,
    ) -> Result<History, StoreError> {
        self.write(|connection| {
            let zone = rollups::zone(connection)?;
            let own = hours(connection)?;
            let mut batch = Batch::default();
            let mut history = History::default();
            let mut last = None;
            raw::each::<Failure>(&original.copy, i64::MIN, i64::MAX, |mut call| {
                if own.contains(&zone.hour(call.at)) {
                    history.left += 1;
                    return Ok(());
                }
                history.taken += 1;
                last = last.max(Some(call.at));
                match endpoints.get(&call.group.endpoint_id) {
                    Some((id, name)) => {
                        call.group.endpoint_id = *id;
                        call.group.endpoint_name.clone_from(name);
                    }
                    None => call.group.endpoint_id = 0,
                }
                let key = keys.get(&call.group.key_label);
                call.group.key_id = key.copied().unwrap_or(0);
                batch.count(&zone, &call);
                Ok(())
            })?;
            batch.write(connection, &zone)?;
            // Single calls of before are not here; those that are stay what they are.
            if let Some(last) = last
                && first_call(connection)?.is_none_or(|first| first > last)
            {
                retention::note_trimmed(connection, last + 1)?;
            }
            Ok(history)
        })
    }
}

/// When the first single call began.
fn first_call(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let query = "SELECT min(created_at) FROM (SELECT created_at FROM request_usage \
                 UNION ALL SELECT created_at FROM embedding_usage)";
    connection.query_row(query, [], |row| row.get(0))
}

/// The hours for which there are sums.
fn hours(connection: &Connection) -> rusqlite::Result<HashSet<i64>> {
    connection
        .prepare(&format!("SELECT DISTINCT start FROM {}", rollups::HOURS))?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn table_exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?)",
        [table],
        |row| row.get(0),
    )
}

fn has_column(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?) WHERE name = ?)",
        [table, column],
        |row| row.get(0),
    )
}

fn keys(connection: &Connection) -> rusqlite::Result<Vec<OriginalKey>> {
    if !table_exists(connection, "inbound_api_keys")? {
        return Ok(Vec::new());
    }
    connection
        .prepare(
            "SELECT COALESCE(CAST(label AS TEXT), ''), COALESCE(CAST(key_prefix AS TEXT), ''), \
             COALESCE(CAST(key_hash AS TEXT), ''), COALESCE(enabled, 1) <> 0 AND \
             revoked_at IS NULL, COALESCE(CAST(notes AS TEXT), '') \
             FROM inbound_api_keys ORDER BY id",
        )?
        .query_map([], |row| {
            Ok(OriginalKey {
                label: row.get(0)?,
                prefix: row.get(1)?,
                hash: row.get(2)?,
                is_enabled: row.get(3)?,
                notes: row.get(4)?,
            })
        })?
        .collect()
}

fn settings(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    if !table_exists(connection, "settings")? {
        return Ok(Vec::new());
    }
    connection
        .prepare(
            "SELECT key, COALESCE(CAST(value AS TEXT), '') FROM settings \
             WHERE key IS NOT NULL ORDER BY key",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn cached(connection: &Connection) -> rusqlite::Result<i64> {
    if !has_column(connection, "virtual_models", "cache_enabled")? {
        return Ok(0);
    }
    let query = "SELECT count(*) FROM virtual_models WHERE cache_enabled <> 0";
    connection.query_row(query, [], |row| row.get(0))
}
