//! Secrets at rest: the keys that the store's secrets are encrypted with, and how.
//!
//! The key is what `SECRET_KEY` says, otherwise what the key file beside the database
//! holds. New values are always encrypted with it; former keys only open what they closed.
//! The file is read anew for every use, so that a running program follows a change of key.
//! Which columns hold secrets is not known here.

mod headers;
mod key_file;
mod sealed;
mod secret_key;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use headers::holds_plain;
pub(crate) use sealed::{Locked, Place, is_sealed};
pub use secret_key::SecretKey;
pub(crate) use secret_key::{ACCEPTED, from_hex, hex, random};

use crate::error::StoreError;
use crate::secret::Secret;

/// Former keys a process remembers.
const MEMORY: usize = 8;

/// The keys that the environment gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySource {
    /// `SECRET_KEY`: what new values are encrypted with, in place of the key file's.
    pub current: Option<SecretKey>,
    /// `SECRET_KEY_PREVIOUS`: what opens values of before.
    pub previous: Option<SecretKey>,
}

impl KeySource {
    /// The keys as they may have been written down, for who sees to it that they are not
    /// shown.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let keys = self.current.iter().chain(&self.previous);
        keys.flat_map(SecretKey::spellings)
    }
}

/// The keys at one moment, the one in use first.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    keys: Vec<SecretKey>,
}

impl Keys {
    /// Encrypts with the key in use.
    ///
    /// # Errors
    /// When there is no key, or the system has no random numbers.
    pub(crate) fn seal(&self, place: Place<'_>, plain: &Secret) -> Result<String, StoreError> {
        let key = self.keys.first().ok_or(StoreError::NoRandomness)?;
        sealed::seal(key, place, plain).ok_or(StoreError::NoRandomness)
    }

    /// What a stored text says, decrypted if it is encrypted.
    pub(crate) fn open(&self, place: Place<'_>, text: &str) -> Result<Secret, Locked> {
        if is_sealed(text) {
            sealed::open(self.keys.iter(), place, text)
        } else {
            Ok(Secret::new(text))
        }
    }

    /// Whether `text` is encrypted with the key in use.
    pub(crate) fn is_current(&self, text: &str) -> bool {
        let key = self.keys.first();
        key.is_some_and(|key| sealed::is_sealed_with(text, key))
    }
}

/// Where the keys of one database come from.
#[derive(Debug)]
pub(crate) struct Vault {
    file: PathBuf,
    source: KeySource,
    /// What was read last, and before; not on the way of any request.
    known: Mutex<Arc<Keys>>,
}

impl Vault {
    /// The keys of the database `path`, without making any.
    ///
    /// # Errors
    /// When the key file is there and cannot be used.
    pub(crate) fn look(path: &Path, source: &KeySource) -> Result<Self, StoreError> {
        let vault = Self {
            file: key_file::path_for(path),
            source: source.clone(),
            known: Mutex::new(Arc::new(Keys { keys: Vec::new() })),
        };
        let keys = vault.read()?;
        vault.remember(keys);
        Ok(vault)
    }

    /// The same; without any key in use one is made and put into the key file.
    ///
    /// # Errors
    /// When the key file cannot be used or made.
    pub(crate) fn prepare(path: &Path, source: &KeySource) -> Result<Self, StoreError> {
        let vault = Self::look(path, source)?;
        if source.current.is_none() && !vault.file.exists() {
            let key = SecretKey::generate().ok_or(StoreError::NoRandomness)?;
            if key_file::create(&vault.file, &key)? {
                tracing::info!(
                    file = %vault.file.display(),
                    "made the key that secrets are encrypted with: keep a copy of it, apart from the database's"
                );
            }
            let keys = vault.read()?;
            vault.remember(keys);
        }
        Ok(vault)
    }

    /// The keys to open values with that have just been read. A key file that has become
    /// unusable leaves those known before.
    pub(crate) fn to_open(&self) -> Arc<Keys> {
        match self.read() {
            Ok(keys) => self.remember(keys),
            Err(error) => {
                tracing::warn!(error = %error, "the keys known before stay in use");
                self.known()
            }
        }
    }

    /// The keys to encrypt with, inside the transaction that writes what they close.
    ///
    /// # Errors
    /// When the key file is gone or cannot be used.
    pub(crate) fn to_seal(&self) -> Result<Arc<Keys>, StoreError> {
        let keys = self.read()?;
        if self.source.current.is_none() && !self.file.exists() {
            return Err(StoreError::KeyFile {
                path: self.file.clone(),
                reason: "it is gone: put it back, or restart both programs to begin with a new \
                         key and enter the secrets anew"
                    .to_owned(),
            });
        }
        Ok(self.remember(keys))
    }

    /// The key file, when the key in use comes from it.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        self.source.current.is_none().then_some(&self.file)
    }

    /// Begins with a new key in the key file; former ones stay there until
    /// [`Self::forget_former`]. Does nothing when the environment gives the key.
    pub(crate) fn begin_rotation(&self) -> Result<(), StoreError> {
        let Some(file) = self.key_file() else {
            return Ok(());
        };
        let mut keys = vec![SecretKey::generate().ok_or(StoreError::NoRandomness)?];
        keys.extend(key_file::read(file)?.unwrap_or_default());
        key_file::replace(file, &keys)
    }

    /// Keeps only the key in use in the key file, once nothing needs the others.
    pub(crate) fn forget_former(&self) -> Result<(), StoreError> {
        let Some(file) = self.key_file() else {
            return Ok(());
        };
        let keys = key_file::read(file)?.unwrap_or_default();
        match keys.first() {
            Some(key) if keys.len() > 1 => key_file::replace(file, std::slice::from_ref(key)),
            Some(_) | None => Ok(()),
        }
    }

    fn read(&self) -> Result<Keys, StoreError> {
        let KeySource { current, previous } = &self.source;
        let stored = key_file::read(&self.file)?.unwrap_or_default();
        let keys = current.iter().chain(&stored).chain(previous).cloned();
        Ok(Keys {
            keys: keys.collect(),
        })
    }

    /// Adds to `keys` the ones known before: a reader may hold rows of before a rotation
    /// that has ended since.
    fn remember(&self, mut keys: Keys) -> Arc<Keys> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let former: Vec<_> = known
            .keys
            .iter()
            .filter(|key| !keys.keys.contains(key))
            .take(MEMORY)
            .cloned()
            .collect();
        keys.keys.extend(former);
        *known = Arc::new(keys);
        Arc::clone(&known)
    }

    fn known(&self) -> Arc<Keys> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
