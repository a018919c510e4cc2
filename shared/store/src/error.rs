//! Why a store operation failed, sorted by what an operator would do about it.
//!
//! Every message says what happened, to which file, and what to do. None carries a value
//! of a row: names and ids only.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::field_errors::FieldErrors;

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file, or the folder it should be in, cannot be opened or created.
    #[error("cannot open the database {}: {reason}", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What was tried, why it failed and what to do.
        reason: String,
    },
    /// The path no longer leads to the file that was opened.
    #[error(
        "the database file {} was moved, deleted or replaced while it was in use: put it \
         back, or restart this program to go on with what is there now",
        path.display()
    )]
    Moved {
        /// Where the database file was.
        path: PathBuf,
    },
    /// Another program holds the file for longer than the busy timeout.
    #[error(
        "the database {} is locked by another program: waited {} s; try again, or end the \
         program that holds it",
        path.display(),
        crate::store::BUSY_TIMEOUT.as_secs()
    )]
    Busy {
        /// The database file.
        path: PathBuf,
    },
    /// The file, its folder or its file system does not take writes.
    #[error(
        "the database {} cannot be written: make the file and its folder writable for the \
         user this program runs as",
        path.display()
    )]
    ReadOnly {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not an SQLite database, or is damaged.
    #[error(
        "{} is not a usable SQLite database ({reason}): restore a backup copy, or move the \
         file away to begin with an empty store",
        path.display()
    )]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        reason: String,
    },
    /// The disk is full.
    #[error(
        "no space left to write the database {}: free some disk space; nothing was changed",
        path.display()
    )]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// A usage spool file cannot be read, or what it holds not be put aside.
    #[error("the usage spool beside the database fails: {reason}; records stay in it")]
    Spool {
        /// What the file system says.
        reason: String,
    },
    /// A spool file was taken over by somebody else meanwhile.
    #[error(
        "the usage spool {spool} was to be taken over from byte {expected} on, but byte \
         {found} is what the database has: another program works on the same spool; see that \
         only one gateway uses this folder's files"
    )]
    SpoolMoved {
        /// The spool file's name.
        spool: String,
        /// Where this program is.
        expected: u64,
        /// Where the database is.
        found: u64,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "the database {} has schema version {found}, this program knows up to {known}: \
         install the newer version, or restore a backup copy made before the upgrade",
        path.display()
    )]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// The file's schema version.
        found: i64,
        /// The newest schema version this program knows.
        known: i64,
    },
    /// The file with the key that secrets are encrypted with.
    #[error("the key file {} cannot be used: {reason}", path.display())]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A copy of the store cannot be made.
    #[error("no backup is made at {}: {reason}", path.display())]
    Backup {
        /// Where the copy was to be.
        path: PathBuf,
        /// What is in the way.
        reason: String,
    },
    /// The system gives no random numbers.
    #[error(
        "the system has no random numbers to encrypt a secret with: nothing was stored; see \
         that /dev/urandom and getrandom(2) work for this program"
    )]
    NoRandomness,
    /// Another row already has this name.
    #[error("{what} named {name:?} already exists: choose another name")]
    Duplicate {
        /// The kind of row, with its article: `an endpoint`.
        what: &'static str,
        /// The name both would have.
        name: String,
    },
    /// There is no row with this id.
    #[error("there is no {what} with id {id}")]
    Missing {
        /// The kind of row.
        what: &'static str,
        /// The id asked for.
        id: i64,
    },
    /// An endpoint cannot be deleted while virtual models use it.
    #[error(
        "endpoint {endpoint:?} still has virtual models ({}): delete or move them first, or \
         ask for a cascading delete",
        models.join(", ")
    )]
    HasModels {
        /// The endpoint's name.
        endpoint: String,
        /// The names of its virtual models.
        models: Vec<String>,
    },
    /// The row was changed by somebody else meanwhile.
    #[error(
        "this {what} was changed meanwhile{}: load it again and repeat your change",
        if since.is_empty() { String::new() } else { format!(" ({})", since.join("; ")) }
    )]
    Changed {
        /// The kind of row.
        what: &'static str,
        /// Its id.
        id: i64,
        /// The version it has now; `None` when it is gone or there again.
        version: Option<i64>,
        /// Who changed which fields since, newest first.
        since: Vec<String>,
    },
    /// Values that no row may have; found only with the other rows at hand.
    #[error("invalid values: {fields}")]
    Invalid {
        /// The bad fields.
        fields: FieldErrors,
    },
    /// Anything else SQLite reports.
    #[error("the database {} refused an operation: {source}", path.display())]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite reported.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Sorts an SQLite failure on the file `path`.
    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Corrupt {
                path,
                reason: source.to_string(),
            },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::CannotOpen) => Self::Open {
                reason: format!("{source}; check that the path is a file this user may open"),
                path,
            },
            _ => Self::Sqlite { path, source },
        }
    }
}

impl From<FieldErrors> for StoreError {
    fn from(fields: FieldErrors) -> Self {
        Self::Invalid { fields }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::ffi;

    use super::StoreError;

    fn sorted(code: i32) -> StoreError {
        let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        StoreError::from_sqlite(Path::new("/data/proxy.db"), source)
    }

    #[test]
    fn failures_are_sorted_by_what_to_do_about_them() {
        for (code, says) in [
            (ffi::SQLITE_BUSY, "locked by another program"),
            (ffi::SQLITE_LOCKED, "locked by another program"),
            (ffi::SQLITE_READONLY, "writable"),
            (ffi::SQLITE_READONLY_DIRECTORY, "writable"),
            (ffi::SQLITE_PERM, "writable"),
            (ffi::SQLITE_FULL, "free some disk space"),
            (ffi::SQLITE_CORRUPT, "restore a backup"),
            (ffi::SQLITE_NOTADB, "restore a backup"),
            (ffi::SQLITE_CANTOPEN, "cannot open"),
            (ffi::SQLITE_IOERR, "refused an operation"),
        ] {
            let text = sorted(code).to_string();
            assert!(text.contains(says), "{code}: {text}");
            assert!(text.contains("/data/proxy.db"), "{code}: {text}");
        }
    }
}
