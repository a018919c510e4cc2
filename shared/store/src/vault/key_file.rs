//! The key file beside the database: one key a line, the first is in use, the others are
//! former ones that still open what was encrypted with them.
//!
//! It appears and changes whole: whoever reads it sees the file before or after, and a
//! power failure leaves one of the two.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::secret_key::SecretKey;
use crate::error::StoreError;

/// Owner only.
const PRIVATE: u32 = 0o600;
/// What group and others may not have.
const WIDER: u32 = 0o077;

/// Where the key of the database `path` is.
pub(super) fn path_for(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

/// The keys in the file; `None` when there is no file.
///
/// # Errors
/// When others may read it, when it cannot be read, and when it holds no keys.
pub(super) fn read(path: &Path) -> Result<Option<Vec<SecretKey>>, StoreError> {
    let refused = |reason: String| StoreError::KeyFile {
        path: path.to_path_buf(),
        reason,
    };
    let unreadable = |error: io::Error| {
        refused(format!(
            "it cannot be read: {error}; it must belong to the user this program runs as"
        ))
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & WIDER != 0 {
        return Err(refused(format!(
            "others may use it (mode {:04o}): run chmod 600 on it, and make a new key with \
             serverless-proxy --rotate-secret-key if somebody may have read it",
            mode & 0o7777
        )));
    }
    let text = io::read_to_string(file).map_err(unreadable)?;
    let keys: Option<Vec<_>> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(SecretKey::parse)
        .collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(Some(keys)),
        _ => Err(refused(
            "it is damaged: each line must be a key of 64 hexadecimal digits; restore it from \
             a copy, or delete it to begin with a new key and enter the secrets anew"
                .to_owned(),
        )),
    }
}

/// Makes the file with `key`; false when somebody else has just made it.
///
/// # Errors
/// When it cannot be written.
pub(super) fn create(path: &Path, key: &SecretKey) -> Result<bool, StoreError> {
    let draft = write_draft(path, std::slice::from_ref(key))?;
    // A link that exists already is left alone, so one of two first starts wins.
    let linked = fs::hard_link(&draft, path);
    let made = match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // A file system without links: the turn that starts take keeps them apart.
        Err(_) if path.exists() => Ok(false),
        Err(_) => fs::rename(&draft, path).map(|()| true),
    };
    // Renamed away already, or no use any more.
    let _ = fs::remove_file(&draft);
    let made = made.map_err(|error| unwritable(path, &error))?;
    sync_folder(path);
    Ok(made)
}

/// Puts `keys` in the place of what the file holds.
///
/// # Errors
/// When it cannot be written; the file is then as it was.
pub(super) fn replace(path: &Path, keys: &[SecretKey]) -> Result<(), StoreError> {
    let draft = write_draft(path, keys)?;
    fs::rename(&draft, path).map_err(|error| {
        let _ = fs::remove_file(&draft);
        unwritable(path, &error)
    })?;
    sync_folder(path);
    Ok(())
}

/// Writes the keys into a file of this process's own.
fn write_draft(path: &Path, keys: &[SecretKey]) -> Result<PathBuf, StoreError> {
    let mut number = 0;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".new-{}-{number}", std::process::id()));
        let draft = PathBuf::from(name);
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&draft);
        match opened {
            Ok(file) => {
                return fill(file, keys).map(|()| draft.clone()).map_err(|error| {
                    let _ = fs::remove_file(&draft);
                    unwritable(path, &error)
                });
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(unwritable(path, &error)),
        }
    }
}

fn fill(mut file: File, keys: &[SecretKey]) -> io::Result<()> {
    for key in keys {
        writeln!(file, "{}", key.to_hex().expose())?;
    }
    file.sync_all()
}

/// After a power failure the name leads to what it leads to now. A file system that cannot
/// promise it is no reason to fail.
fn sync_folder(path: &Path) {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
}

fn unwritable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::KeyFile {
        path: path.to_path_buf(),
        reason: format!(
            "it cannot be written: {error}; make its folder writable for the user this program \
             runs as, or give the key as SECRET_KEY"
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::{create, path_for, read, replace};
    use crate::vault::secret_key::SecretKey;

    #[test]
    fn of_many_makers_one_wins_and_all_read_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_for(&folder.path().join("proxy.db"));
        let made = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let made = create(&path, &SecretKey::generate().unwrap()).unwrap();
                        (made, read(&path).unwrap().unwrap())
                    })
                })
                .collect();
            let made = makers.into_iter().map(|maker| maker.join().unwrap());
            made.collect::<Vec<_>>()
        });
        assert_eq!(made.iter().filter(|(made, _)| *made).count(), 1);
        assert!(made.iter().all(|(_, keys)| *keys == made[0].1));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn keys_come_back_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.db.key");
        assert!(read(&path).unwrap().is_none());
        let keys = [
            SecretKey::generate().unwrap(),
            SecretKey::generate().unwrap(),
        ];
        replace(&path, &keys).unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), keys);
    }

    #[test]
    fn a_file_that_others_may_use_or_that_holds_no_keys_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proxy.db.key");
        create(&path, &SecretKey::generate().unwrap()).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o620, 0o601] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let said = read(&path).unwrap_err().to_string();
            assert!(said.contains("chmod 600"), "{mode:o}: {said}");
            assert!(said.contains("proxy.db.key"), "{mode:o}: {said}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        read(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let key = fs::read_to_string(&path).unwrap();
        for damaged in ["", "\n", "secret\n", &key[..60], &format!("{key}x\n")] {
            fs::write(&path, damaged).unwrap();
            let said = read(&path).unwrap_err().to_string();
            assert!(said.contains("damaged"), "{said}");
            assert!(!said.contains(&key[..60]), "{said}");
        }
    }
}
