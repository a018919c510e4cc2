//! Looks a database over without changing it, for `--check`.

use std::fs::{self, OpenOptions};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::file::READ_WRITE;
use super::{BUSY_TIMEOUT, Store};
use crate::error::StoreError;
use crate::migrations;
use crate::problem::Problem;
use crate::snapshot::StoredConfiguration;

impl Store {
    /// Everything wrong with the file: unreadable, not writable, damaged, too new, rows
    /// that cannot be used. A missing file is no problem when it could be created, an older
    /// one none: it is migrated at start. The file is not changed; whether its folder takes
    /// new files is tried with one that is removed at once.
    pub fn check(path: &Path) -> Vec<Problem> {
        if !path.exists() {
            return missing(path);
        }
        let mut problems = Vec::new();
        if let Err(error) = look(path, &mut problems) {
            problems.push(Problem::new("database", error.to_string()));
        }
        problems
    }
}

/// Whether a missing file could be made, with the folders above it.
fn missing(path: &Path) -> Vec<Problem> {
    let folder = path
        .ancestors()
        .skip(1)
        .map(or_here)
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("."));
    let refused = if folder.is_dir() {
        takes_files(folder).err().map(|error| error.to_string())
    } else {
        Some("it is not a folder".to_owned())
    };
    let problem = |reason| {
        let message = format!(
            "{} cannot be created in {}: {reason}",
            path.display(),
            folder.display()
        );
        Problem::new("database", message)
    };
    refused.map(problem).into_iter().collect()
}

/// Tries whether a folder takes new files, with one that is removed at once: permission
/// bits alone do not tell.
fn takes_files(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".store-check-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)?;
    fs::remove_file(probe)
}

fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

fn look(path: &Path, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    if path.is_dir() {
        return Err(StoreError::Open {
            path: path.to_path_buf(),
            reason: "it is a folder; name a file in it".to_owned(),
        });
    }
    let folder = or_here(path.parent().unwrap_or(Path::new(".")));
    // SQLite keeps its journal beside the file.
    let writable = opens_for_writing(path).map_err(sqlite)? && takes_files(folder).is_ok();
    if !writable {
        let error = StoreError::ReadOnly {
            path: path.to_path_buf(),
        };
        problems.push(Problem::new("database", error.to_string()));
    }
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    match migrations::refuse_foreign(path, &connection) {
        // Without a journal not even reading works, and why has just been said.
        Err(StoreError::Open { .. }) if !writable => return Ok(()),
        judged => judged?,
    }
    integrity(&connection, problems).map_err(sqlite)?;
    let stored = if migrations::are_pending(path, &connection)? {
        // An older file is judged as it would be after the migration: in a copy.
        let mut copy = copy_in_memory(&connection).map_err(sqlite)?;
        migrations::run(path, &mut copy)?;
        read(&mut copy)
    } else {
        read(&mut connection)
    };
    problems.extend(stored.map_err(sqlite)?.judge().problems);
    Ok(())
}

/// Asks SQLite, and reads nothing. Opening the file here would do harm: closing it again
/// drops the locks of every other connection of this process.
fn opens_for_writing(path: &Path) -> rusqlite::Result<bool> {
    let connection = Connection::open_with_flags(path, READ_WRITE)?;
    connection.is_readonly("main").map(|read_only| !read_only)
}

fn integrity(connection: &Connection, problems: &mut Vec<Problem>) -> rusqlite::Result<()> {
    let mut check = connection.prepare("PRAGMA integrity_check(10)")?;
    for finding in check.query_map([], |row| row.get::<_, String>(0))? {
        let finding = finding?;
        if finding != "ok" {
            problems.push(Problem::new("database", format!("damaged: {finding}")));
        }
    }
    Ok(())
}

fn copy_in_memory(connection: &Connection) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open_in_memory()?;
    rusqlite::backup::Backup::new(connection, &mut copy)?.run_to_completion(
        1024,
        std::time::Duration::ZERO,
        None,
    )?;
    Ok(copy)
}

fn read(connection: &mut Connection) -> rusqlite::Result<StoredConfiguration> {
    let transaction = connection.transaction()?;
    super::read_configuration(&transaction)
}
