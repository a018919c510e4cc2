//! A copy of the whole file while both programs are at work.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;

use super::Store;
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
}
