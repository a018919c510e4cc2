//! The database file itself: created, backed up, migrated, and how connections to it are set.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use time::OffsetDateTime;
use time::macros::format_description;

use super::{BUSY_TIMEOUT, secrets};
use crate::error::StoreError;
use crate::migrations;
use crate::vault::{KeySource, Vault};

/// How connections are opened: the path is a path, never a `file:` address.
pub(super) const READ_WRITE: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Owner only: the file and its backups hold providers' keys.
const PRIVATE: u32 = 0o600;

/// Settings of every connection.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    // What is deleted or replaced may have been a secret: it is overwritten.
    connection.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;",
    )
}

/// Makes sure that the file exists, can be written, has the newest schema and no secret that
/// is not encrypted with the key in use.
pub(super) fn prepare(path: &Path, source: &KeySource) -> Result<Vault, StoreError> {
    create(path)?;
    let sqlite = |error| StoreError::from_sqlite(path, error);
    let mut connection = Connection::open_with_flags(path, READ_WRITE).map_err(sqlite)?;
    ready(path, source, &mut connection)
}

/// The part of [`prepare`] that works on an open connection.
fn ready(
    path: &Path,
    source: &KeySource,
    connection: &mut Connection,
) -> Result<Vault, StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    // Before the first read: in a folder that takes no files that fails for a file like this
    // with a much poorer reason.
    if connection.is_readonly("main").map_err(sqlite)? {
        return Err(StoreError::ReadOnly {
            path: path.to_path_buf(),
        });
    }
    configure(connection).map_err(sqlite)?;
    migrations::refuse_foreign(path, connection)?;
    // Both programs may start over an old file at once: one migrates, the other waits.
    let _turn = wait_for_turn(path);
    let vault = Vault::prepare(path, source)?;
    if migrations::are_pending(path, connection)? {
        let old = migrations::has_tables(connection).map_err(sqlite)?;
        if old {
            back_up(path, connection)?;
        }
        // Free pages can go back to the file system in small steps: known from the first
        // table on, or after the file was written anew.
        let vacuums: i64 = connection
            .pragma_query_value(None, "auto_vacuum", |row| row.get(0))
            .map_err(sqlite)?;
        connection
            .pragma_update(None, "auto_vacuum", "INCREMENTAL")
            .map_err(sqlite)?;
        migrations::run(path, connection)?;
        if old && vacuums == 0 {
            connection.execute_batch("VACUUM").map_err(sqlite)?;
        }
    }
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .map_err(sqlite)?;
    secrets::seal_all(path, connection, &vault)?;
    Ok(vault)
}

fn create(path: &Path) -> Result<(), StoreError> {
    let open = |reason: String| StoreError::Open {
        path: path.to_path_buf(),
        reason,
    };
    if path.is_dir() {
        return Err(open("it is a folder; name a file in it".to_owned()));
    }
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder).map_err(|error| {
            open(format!(
                "its folder {} cannot be created: {error}",
                folder.display()
            ))
        })?;
    }
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path);
    match created {
        Ok(_) => Ok(()),
        // The other program was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(open(format!(
            "it cannot be created: {error}; check the folder's owner and permissions"
        ))),
    }
}

/// Holds a lock on the folder while the value lives. A file system without such locks is
/// no reason to fail: then only two simultaneous first starts could disturb each other.
pub(super) fn wait_for_turn(path: &Path) -> Option<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}

/// Copies the database beside itself, without ever overwriting a copy.
fn back_up(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let version =
        migrations::version(connection).map_err(|error| StoreError::from_sqlite(path, error))?;
    let copy = new_backup_file(path, version, OffsetDateTime::now_utc())?;
    copy_into(connection, &copy).map_err(|error| {
        // Half a copy would look like a whole one.
        let _ = fs::remove_file(&copy);
        StoreError::from_sqlite(&copy, error)
    })?;
    tracing::info!(
        database = %path.display(),
        backup = %copy.display(),
        "copied the database before changing its schema"
    );
    Ok(())
}

fn copy_into(connection: &Connection, copy: &Path) -> rusqlite::Result<()> {
    let mut target = Connection::open_with_flags(copy, READ_WRITE)?;
    Backup::new(connection, &mut target)?.run_to_completion(1024, Duration::ZERO, None)
}

/// Creates the empty file `<name>.backup-<time>-v<version>`, with a number added when the
/// name is taken.
fn new_backup_file(path: &Path, version: i64, now: OffsetDateTime) -> Result<PathBuf, StoreError> {
    let stamp = now
        .format(format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap_or_else(|_| now.unix_timestamp().to_string());
    let mut number = 1;
    loop {
        let suffix = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".backup-{stamp}-v{version}{suffix}"));
        let copy = PathBuf::from(name);
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&copy);
        match created {
            Ok(_) => return Ok(copy),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => {
                return Err(StoreError::Open {
                    path: path.to_path_buf(),
                    reason: format!(
                        "its schema must be changed, but no backup copy can be made at {}: \
                         {error}",
                        copy.display()
                    ),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use rusqlite::{Connection, OpenFlags};
    use time::macros::datetime;

    use super::{new_backup_file, ready};
    use crate::error::StoreError;
    use crate::vault::KeySource;

    /// SQLite opens a file it may not write read-only, without an error. Permissions do not
    /// bind root, so the file is opened that way here.
    #[test]
    fn a_file_that_opens_read_only_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.db");
        let source = KeySource::default();
        super::prepare(&path, &source).unwrap();
        let mut connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let error = ready(&path, &source, &mut connection).unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    }

    #[test]
    fn backup_names_carry_time_and_version_and_are_never_taken_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.db");
        let now = datetime!(2026-11-23 22:00:00 UTC);
        let name = |version| {
            let copy = new_backup_file(&path, version, now).unwrap();
            copy.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name(0), "proxy.db.backup-20261123T220000Z-v0");
        assert_eq!(name(0), "proxy.db.backup-20261123T220000Z-v0-2");
        assert_eq!(name(0), "proxy.db.backup-20261123T220000Z-v0-3");
        assert_eq!(name(2), "proxy.db.backup-20261123T220000Z-v2");
    }

    #[test]
    fn without_a_backup_nothing_is_migrated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone/proxy.db");
        let error = new_backup_file(&path, 0, datetime!(2026-11-23 22:00 UTC)).unwrap_err();
        assert!(
            error.to_string().contains("no backup copy can be made"),
            "{error}"
        );
    }
}
