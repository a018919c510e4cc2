//! Usage records on disk before they are in the store: append-only files that survive the
//! end of the program at any moment.
//!
//! Whoever finishes a call writes its record with one write and waits for nothing else, no
//! lock and no disk. A reader in the background takes the files over into the store, each
//! record exactly once: how far a file has been taken is written in the same transaction as
//! its records ([`Store::take_spool`](crate::Store::take_spool)). Files of a program that
//! has ended are found by their lock, which nobody holds any more.
//!
//! A record is one line: a mark, the checksum, the record as JSON. What becomes known of a
//! record later is a line of its own behind it. What is torn, because the
//! disk was full or the program was killed inside the write, is recognised and left out; the
//! reply that it was for had not been sent then.

mod handed;
mod line;
mod reader;
mod segment;
mod spooled;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use serde::Serialize;

use crate::call::{CallRecord, LateTimes};
use handed::Handed;
pub use handed::Written;
use line::Line;
pub use reader::{Drained, SpoolReader};
use segment::Segment;
pub use spooled::Spooled;

/// The ending of a spool file's name.
const ENDING: &str = "spool";

/// Why a record is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The files hold as much as they may.
    #[error("the usage spool holds its {limit} bytes; the store does not take records")]
    Full {
        /// The limit in bytes.
        limit: u64,
    },
    /// The file system does not take it.
    #[error("the usage spool cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// The side of the calls.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    current: ArcSwap<Segment>,
    /// Bytes in all files of this program.
    held: AtomicU64,
    limit: u64,
}

impl Spool {
    /// Where the spool files of a store are.
    #[must_use]
    pub fn folder_of(store: &Path) -> PathBuf {
        let mut folder = store.as_os_str().to_owned();
        folder.push(".spool");
        PathBuf::from(folder)
    }

    /// Begins a new file in `folder`, which is made when missing, and finds those that
    /// others have left. All files together hold at most `limit` bytes.
    ///
    /// # Errors
    /// When the folder cannot be made or takes no file.
    pub fn open(folder: &Path, limit: u64) -> io::Result<(Arc<Self>, SpoolReader)> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let first = Arc::new(Segment::create(folder)?);
        let spool = Arc::new(Self {
            folder: folder.to_path_buf(),
            current: ArcSwap::new(Arc::clone(&first)),
            held: AtomicU64::new(0),
            limit,
        });
        let reader = SpoolReader::new(Arc::clone(&spool), first);
        Ok((spool, reader))
    }

    /// Writes one record, in one write that waits for no disk.
    ///
    /// # Errors
    /// When it is not on disk; nothing of it will be taken over then.
    pub fn write(&self, record: &CallRecord) -> Result<Written, SpoolError> {
        self.append(record)
    }

    /// Writes what has become known of a record that was written before.
    ///
    /// # Errors
    /// When it is not on disk; the record stays as it was.
    pub fn amend(&self, times: &LateTimes) -> Result<(), SpoolError> {
        self.append(times).map(drop)
    }

    fn append(&self, entry: &impl Serialize) -> Result<Written, SpoolError> {
        Line::with(entry, |line, sum| {
            let length = line.len() as u64;
            let held = self.held.fetch_add(length, Ordering::Relaxed);
            let written = if held.saturating_add(length) > self.limit {
                Err(SpoolError::Full { limit: self.limit })
            } else {
                self.current.load().append(line).map_err(SpoolError::Io)
            };
            if written.is_err() {
                self.held.fetch_sub(length, Ordering::Relaxed);
            }
            written.map(|()| Written { sum })
        })
    }

    /// Bytes that wait in this program's files.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// The most that they may hold.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }
}
