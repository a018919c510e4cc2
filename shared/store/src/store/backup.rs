//! A copy of the whole file while both programs are at work.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{Store, file};
use crate::error::StoreError;
use crate::vault::{hex, random};

impl Store {
    /// A copy of the file as it is at one moment, open for reading; on disk it has no name
    /// any more. It needs as much room beside the file. Secrets in it are encrypted with the
    /// store's key, which is not in it.
    ///
    /// # Errors
    /// When there is no room for it, or the file cannot be read.
    pub fn copy(&self) -> Result<File, StoreError> {
        self.in_place()?;
        let number: [u8; 8] = random().ok_or(StoreError::NoRandomness)?;
        let path = self
            .path()
            .with_extension(format!("download-{}", hex(&number)));
        let refused = |error: io::Error| StoreError::Open {
            path: path.clone(),
            reason: format!("no copy can be made here: {error}"),
        };
        // Owner only: SQLite fills an empty file that is there.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(refused)?;
        let copied = self.connection().and_then(|connection| {
            connection
                .execute("VACUUM INTO ?", [path.to_string_lossy()])
                .map_err(|error| StoreError::from_sqlite(self.path(), error))
        });
        let opened = copied.and_then(|_| File::open(&path).map_err(refused));
        let removed = fs::remove_file(&path).map_err(refused);
        let file = opened?;
        removed?;
        Ok(file)
    }

    /// Writes a copy of the file as it is at one moment to `to`, which must not be there, and
    /// gives its size in bytes. Nobody but its owner may read it. Secrets in it are encrypted
    /// with the store's key, which is not in it.
    ///
    /// # Errors
    /// When `to` is there or cannot be written, and when the copy is not whole; it is gone
    /// then.
    pub fn back_up(&self, to: &Path) -> Result<u64, StoreError> {
        self.in_place()?;
        let refused = |error: io::Error| StoreError::Backup {
            path: to.to_path_buf(),
            reason: if error.kind() == io::ErrorKind::AlreadyExists {
                "it is there already, and nothing is written over; choose another name".to_owned()
            } else {
                error.to_string()
            },
        };
        // Owner only: SQLite fills an empty file that is there.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(to)
            .map_err(refused)?;
        let copied = self.copy_whole(to);
        if copied.is_err() {
            // Half a copy would look like a whole one.
            let _ = fs::remove_file(to);
        }
        copied?;
        let file = File::open(to).map_err(refused)?;
        file.sync_all().map_err(refused)?;
        Ok(file.metadata().map_err(refused)?.len())
    }

    fn copy_whole(&self, to: &Path) -> Result<(), StoreError> {
        let from_there = |error| StoreError::from_sqlite(to, error);
        let broken = |reason: String| StoreError::Backup {
            path: to.to_path_buf(),
            reason,
        };
        let source = self.connection()?;
        let mut target = Connection::open_with_flags(to, file::READ_WRITE).map_err(from_there)?;
        {
            let backup = Backup::new(&source, &mut target).map_err(from_there)?;
            // All at once: what is written meanwhile cannot make it begin anew.
            let step = backup.step(-1).map_err(from_there)?;
            if !matches!(step, StepResult::Done) {
                return Err(broken(format!("it did not become whole ({step:?})")));
            }
        }
        // A copy is one file; the programs switch it back when they open it.
        target
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(from_there)?;
        let whole: String = target
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(from_there)?;
        if whole == "ok" {
            Ok(())
        } else {
            Err(broken(format!(
                "the copy is damaged, as the store may be: {whole}"
            )))
        }
    }
}
