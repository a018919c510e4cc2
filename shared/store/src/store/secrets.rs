//! Which columns hold secrets, and how all of them come under the key in use: at every
//! start, and when the key is changed.
//!
//! Old and new values are readable until the last is done: a former key is forgotten only
//! after everything it closed is on the disk under the new one.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Failure, Store, file, peppers};
use crate::custom_headers;
use crate::endpoint::StoredEndpoint;
use crate::error::StoreError;
use crate::secret::Secret;
use crate::vault::{self, Keys, Place, Vault, is_sealed};

/// What a change of the key has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Values that are now encrypted with the key in use and were not before.
    pub changed: usize,
    /// What no key opens; it stays as it is.
    pub locked: Vec<String>,
    /// The file with the new key; `None` when the environment gives the key.
    pub key_file: Option<PathBuf>,
}

impl Store {
    /// Makes a new key where the key file has it, and encrypts every secret with the key in
    /// use. Another program on the same store goes on, with the new key. Interrupted at any
    /// moment, everything stays readable, and it can be run again.
    ///
    /// # Errors
    /// When the key file or the database cannot be written.
    pub fn rotate_secret_key(&self) -> Result<Rotation, StoreError> {
        let path = self.path();
        let _turn = file::wait_for_turn(path);
        self.in_place()?;
        self.vault().begin_rotation()?;
        let mut connection = self.connection()?;
        let sealed = seal(path, &mut connection, self.vault());
        // What the journal has of before; it stays for now while another program reads it.
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        // The pool gives it to others afterwards.
        file::configure(&connection).map_err(|error| StoreError::from_sqlite(path, error))?;
        let found = sealed?;
        self.vault().forget_former()?;
        Ok(Rotation {
            changed: found.updates.len(),
            locked: found.locked,
            key_file: self.vault().key_file().map(Path::to_path_buf),
        })
    }
}

/// Encrypts what is not encrypted with the key in use. After plain values the file is
/// rewritten, so that no free page keeps them.
pub(super) fn seal_all(
    path: &Path,
    connection: &mut Connection,
    vault: &Vault,
) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    let keys = vault.to_seal()?;
    let found = Found::look(connection, &keys, path)?;
    let found = if found.updates.is_empty() {
        found
    } else {
        let found = seal(path, connection, vault)?;
        file::configure(connection).map_err(sqlite)?;
        tracing::info!(
            values = found.updates.len(),
            "encrypted secrets of the store with the key in use"
        );
        found
    };
    if !found.locked.is_empty() {
        tracing::error!(
            secrets = found.locked.join(", "),
            "these cannot be decrypted: put the former key back (SECRET_KEY, or the key file), or enter them anew"
        );
    }
    if found.was_plain {
        rewrite(path, connection);
    }
    peppers::ensure(path, connection, vault)
}

/// Encrypts in one transaction, which is on the disk when this returns.
fn seal(path: &Path, connection: &mut Connection, vault: &Vault) -> Result<Found, StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    connection
        .execute_batch("PRAGMA synchronous = FULL")
        .map_err(sqlite)?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite)?;
    let found = Found::look(&transaction, &*vault.to_seal()?, path)?;
    for update in &found.updates {
        let Update {
            table,
            column,
            id,
            text,
        } = update;
        transaction
            .execute(
                &format!("UPDATE {table} SET {column} = ? WHERE id = ?"),
                params![text, id],
            )
            .map_err(sqlite)?;
    }
    transaction.commit().map_err(sqlite)?;
    Ok(found)
}

/// Frees the file and its journal of what was deleted or replaced in it. That it may fail,
/// with another program at the file or a full disk, is told and changes nothing else.
fn rewrite(path: &Path, connection: &Connection) {
    let done = connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
    if let Err(error) = done {
        tracing::warn!(
            database = %path.display(),
            error = %error,
            "free pages of the database may still hold secrets of before: with both programs stopped run sqlite3 on it with VACUUM"
        );
    }
}

/// The column for `headers`, what is secret in them encrypted. `kept` is what it holds now.
pub(super) fn seal_headers(
    vault: &Vault,
    table: &'static str,
    id: i64,
    headers: &[(String, String)],
    kept: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let Some(text) = custom_headers::to_json(headers) else {
        return Ok(None);
    };
    let holds_secrets = headers
        .iter()
        .any(|(name, _)| custom_headers::is_secret_name(name));
    if !holds_secrets {
        return Ok(Some(text));
    }
    vault
        .to_seal()?
        .seal_headers(table, id, &text, kept)
        .map(Some)
}

/// A column's new text.
struct Update {
    table: &'static str,
    column: &'static str,
    id: i64,
    text: String,
}

/// What a look at every secret has found.
#[derive(Default)]
struct Found {
    updates: Vec<Update>,
    /// Whether some of them were not encrypted.
    was_plain: bool,
    locked: Vec<String>,
}

impl Found {
    fn look(connection: &Connection, keys: &Keys, path: &Path) -> Result<Self, StoreError> {
        let mut found = Self::default();
        found
            .look_at_all(connection, keys)
            .map_err(|failure| match failure {
                Failure::Sqlite(error) => StoreError::from_sqlite(path, error),
                Failure::Store(error) => error,
            })?;
        Ok(found)
    }

    fn look_at_all(&mut self, connection: &Connection, keys: &Keys) -> Result<(), Failure> {
        for (id, name, text) in texts(connection, "endpoints", "name", "api_key")? {
            let place = StoredEndpoint::api_key_place(id);
            let subject = format!("the api_key of endpoint {id} {name:?}");
            self.look_at(keys, place, &text, &subject, ("endpoints", "api_key"))?;
        }
        for (table, what) in [
            ("endpoints", "endpoint"),
            ("virtual_models", "virtual model"),
        ] {
            for (id, name, text) in texts(connection, table, "name", "custom_headers")? {
                let opened = keys.open_headers(table, id, &text);
                if !opened.locked.is_empty() {
                    let subject = format!("custom_headers of {what} {id} {name:?}");
                    self.locked.push(subject);
                }
                let sealed = keys.seal_headers(table, id, &text, None)?;
                if sealed != text {
                    self.was_plain |= vault::holds_plain(&text);
                    self.update(table, "custom_headers", id, sealed);
                }
            }
        }
        for (id, _, text) in texts(connection, peppers::TABLE, "id", peppers::COLUMN)? {
            let subject = format!("pepper {id} of callers' keys");
            let target = (peppers::TABLE, peppers::COLUMN);
            self.look_at(keys, peppers::place(id), &text, &subject, target)?;
        }
        Ok(())
    }

    fn look_at(
        &mut self,
        keys: &Keys,
        place: Place<'_>,
        text: &str,
        subject: &str,
        (table, column): (&'static str, &'static str),
    ) -> Result<(), Failure> {
        match keys.open(place, text) {
            Err(_) => self.locked.push(subject.to_owned()),
            Ok(_) if keys.is_current(text) => {}
            Ok(plain) => {
                self.was_plain |= !is_sealed(text);
                let plain = Secret::new(plain.expose().trim());
                self.update(table, column, place.id, keys.seal(place, &plain)?);
            }
        }
        Ok(())
    }

    fn update(&mut self, table: &'static str, column: &'static str, id: i64, text: String) {
        self.updates.push(Update {
            table,
            column,
            id,
            text,
        });
    }
}

/// Id, name and text of every row whose column holds one; columns of any type are read as
/// their text.
fn texts(
    connection: &Connection,
    table: &str,
    name: &str,
    column: &str,
) -> rusqlite::Result<Vec<(i64, String, String)>> {
    connection
        .prepare(&format!(
            "SELECT id, COALESCE(CAST({name} AS TEXT), ''), CAST({column} AS TEXT) FROM {table} \
             WHERE {column} IS NOT NULL AND typeof({column}) <> 'blob' \
             AND trim(CAST({column} AS TEXT)) <> '' ORDER BY id"
        ))?
        .query_map([], |row| {
            let text = |at| -> rusqlite::Result<Option<String>> {
                let bytes = row.get_ref(at)?.as_bytes().unwrap_or_default();
                Ok(str::from_utf8(bytes).ok().map(str::to_owned))
            };
            let name = text(1)?.unwrap_or_default();
            // What is no text is refused where the row is read.
            Ok(text(2)?.map(|text| (row.get(0), name, text)))
        })?
        .filter_map(Result::transpose)
        .map(|row| row.and_then(|(id, name, text)| Ok((id?, name, text))))
        .collect()
}
