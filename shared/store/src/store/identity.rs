//! Which file a path leads to, so that nothing is ever written into one that was moved
//! away, deleted or replaced while it was in use.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::StoreError;

/// A file, whatever name it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The file `path` leads to now.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        match fs::metadata(path) {
            Ok(found) => Ok(Self {
                device: found.dev(),
                inode: found.ino(),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Moved {
                path: path.to_path_buf(),
            }),
            Err(error) => Err(StoreError::Open {
                path: path.to_path_buf(),
                reason: format!("it cannot be looked at: {error}; check its folder's permissions"),
            }),
        }
    }

    /// Whether `path` still leads to this file.
    pub(super) fn require(self, path: &Path) -> Result<(), StoreError> {
        if Self::of(path)? == self {
            Ok(())
        } else {
            Err(StoreError::Moved {
                path: path.to_path_buf(),
            })
        }
    }
}
