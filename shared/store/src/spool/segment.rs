//! One spool file: written by many, held by a lock while its program lives.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::ENDING;

/// A file that this program holds.
#[derive(Debug)]
pub(super) struct Segment {
    /// Known by it in the store.
    pub(super) name: String,
    path: PathBuf,
    file: File,
    /// Whether its last line may be torn.
    torn: AtomicBool,
}

impl Segment {
    /// A new file of a name that no other has ever had.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let name = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let path = folder.join(format!("{name}.{ENDING}"));
        // Under its own name only once it is locked: until then it would look left behind.
        let unlocked = folder.join(format!("{name}.new"));
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&unlocked)?;
        let begun = file.lock().and_then(|()| fs::rename(&unlocked, &path));
        if let Err(error) = begun {
            let _ = fs::remove_file(&unlocked);
            return Err(error);
        }
        Ok(Self {
            name,
            path,
            file,
            torn: AtomicBool::new(false),
        })
    }

    /// A file that somebody has left behind; `None` when it is in use or gone.
    pub(super) fn adopt(path: &Path) -> io::Result<Option<Self>> {
        let name = path.file_stem().and_then(|name| name.to_str());
        let Some(name) = name else { return Ok(None) };
        let file = OpenOptions::new().read(true).append(true).open(path);
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Who held it until now may have taken it over and removed it.
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(Self {
            name: name.to_owned(),
            path: path.to_path_buf(),
            file,
            torn: AtomicBool::new(false),
        }))
    }

    /// Appends a line in one write.
    pub(super) fn append(&self, line: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        if self.torn.swap(false, Ordering::Relaxed)
            && let Err(error) = file.write(b"\n")
        {
            self.torn.store(true, Ordering::Relaxed);
            return Err(error);
        }
        loop {
            match file.write(line) {
                Ok(length) if length == line.len() => return Ok(()),
                Ok(_) => {
                    self.torn.store(true, Ordering::Relaxed);
                    return Err(io::Error::from(io::ErrorKind::StorageFull));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads what stands behind `from`, at most as much as `room` takes.
    pub(super) fn read(&self, from: u64, room: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while got < room.len() {
            match self.file.read_at(&mut room[got..], from + got as u64) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    /// Bytes in it.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Takes it away; the lock goes with the value.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
