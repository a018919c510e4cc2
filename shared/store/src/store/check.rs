//! Looks a database over without changing it, for `--check`.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, Store};
use crate::error::StoreError;
use crate::migrations;
use crate::problem::Problem;
use crate::snapshot::StoredConfiguration;

impl Store {
    /// Everything wrong with the file: unreadable, not writable, damaged, too new, rows
    /// that cannot be used. A missing file is no problem when it could be created, an older
    /// one none: it is migrated at start. The file is not changed.
    pub fn check(path: &Path) -> Vec<Problem> {
        if !path.exists() {
            return missing(path);
        }
        match look(path) {
            Ok(problems) => problems,
            Err(error) => vec![Problem::new("database", error.to_string())],
        }
    }
}

fn missing(path: &Path) -> Vec<Problem> {
    let parent = path.ancestors().skip(1).find(|folder| folder.exists());
    let nearest = match parent {
        Some(folder) => folder,
        None => Path::new("."),
    };
    match nearest.metadata() {
        Ok(about) if about.is_dir() && !about.permissions().readonly() => Vec::new(),
        Ok(about) if about.is_dir() => vec![Problem::new(
            "database",
            format!(
                "{} cannot be created: the folder is read-only",
                path.display()
            ),
        )],
        Ok(_) => vec![Problem::new(
            "database",
            format!(
                "{} cannot be created: {} is not a folder",
                path.display(),
                nearest.display()
            ),
        )],
        Err(error) => vec![Problem::new(
            "database",
            format!("{} cannot be created: {error}", path.display()),
        )],
    }
}

fn look(path: &Path) -> Result<Vec<Problem>, StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    if path.is_dir() {
        return Err(StoreError::Open {
            path: path.to_path_buf(),
            reason: "it is a folder; name a file in it".to_owned(),
        });
    }
    let mut problems = Vec::new();
    if std::fs::OpenOptions::new().append(true).open(path).is_err() {
        let error = StoreError::ReadOnly {
            path: path.to_path_buf(),
        };
        problems.push(Problem::new("database", error.to_string()));
    }
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    migrations::refuse_foreign(path, &connection)?;
    integrity(&connection, &mut problems).map_err(sqlite)?;
    let stored = if migrations::are_pending(path, &connection)? {
        // An older file is judged as it would be after the migration: in a copy.
        let mut copy = copy_in_memory(&connection).map_err(sqlite)?;
        migrations::run(path, &mut copy)?;
        read(&mut copy)
    } else {
        read(&mut connection)
    };
    problems.extend(stored.map_err(sqlite)?.judge().problems);
    Ok(problems)
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
