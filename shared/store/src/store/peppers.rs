//! What keys of callers are hashed with: random, in the store, encrypted with its key.
//!
//! There is more than one only after that key was lost: keys hashed with one that does not
//! open are of no use until it does, and new ones are hashed with the next.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Failure, Store, inbound_keys};
use crate::error::StoreError;
use crate::form_key::FormKey;
use crate::inbound_key::{Pepper, StoredHash};
use crate::secret::Secret;
use crate::vault::{Keys, Locked, Place, Vault, hex, random};

pub(super) const TABLE: &str = "inbound_key_peppers";
pub(super) const COLUMN: &str = "sealed";

impl Store {
    /// What the forms of the admin app are signed with.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn form_key(&self) -> Result<FormKey, StoreError> {
        self.write(|connection| Ok(FormKey::new(in_use(connection, self.vault())?)))
    }
}

/// What the pepper `id` is.
pub(super) fn place(id: i64) -> Place<'static> {
    Place {
        table: TABLE,
        id,
        column: COLUMN,
        part: "",
    }
}

/// Every pepper, oldest first; of those that do not open, why.
pub(super) fn read_all(
    connection: &Connection,
    vault: &Vault,
) -> rusqlite::Result<Vec<Result<Pepper, (i64, Locked)>>> {
    let rows = connection
        .prepare("SELECT id, sealed FROM inbound_key_peppers ORDER BY id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
    let keys = vault.to_open();
    let open = |(id, text): &(i64, String)| {
        let opened = keys.open(place(*id), text);
        opened
            .and_then(|text| Pepper::read(*id, &text))
            .map_err(|why| (*id, why))
    };
    Ok(rows.iter().map(open).collect())
}

/// The pepper for new keys, made when none opens. The caller holds a write transaction.
pub(super) fn in_use(connection: &Connection, vault: &Vault) -> Result<Pepper, Failure> {
    let newest_first = read_all(connection, vault)?.into_iter().rev();
    if let Some(pepper) = newest_first.filter_map(Result::ok).next() {
        return Ok(pepper);
    }
    make(connection, &*vault.to_seal()?)
}

fn make(connection: &Connection, keys: &Keys) -> Result<Pepper, Failure> {
    let bytes: [u8; 32] = random().ok_or(StoreError::NoRandomness)?;
    let text = Secret::new(hex(&bytes));
    let id = super::assignments::next_id(connection, TABLE)?;
    connection.execute(
        "INSERT INTO inbound_key_peppers (id, sealed) VALUES (?, ?)",
        params![id, keys.seal(place(id), &text)?],
    )?;
    Pepper::read(id, &text).map_err(|_| StoreError::NoRandomness.into())
}

/// Makes sure that new keys can be hashed, and brings hashes that the original wrote into
/// form.
pub(super) fn ensure(
    path: &Path,
    connection: &mut Connection,
    vault: &Vault,
) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    if is_in_form(connection, vault).map_err(sqlite)? {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite)?;
    bring_into_form(&transaction, vault).map_err(|failure| match failure {
        Failure::Sqlite(error) => sqlite(error),
        Failure::Store(error) => error,
    })?;
    transaction.commit().map_err(sqlite)
}

fn is_in_form(connection: &Connection, vault: &Vault) -> rusqlite::Result<bool> {
    let is_old = |hash: &StoredHash| matches!(hash, StoredHash::Digest(_));
    let rows = inbound_keys::read_rows(connection)?;
    let peppers = read_all(connection, vault)?;
    let has_old = rows.iter().any(|row| row.hash.as_ref().is_some_and(is_old));
    Ok(!has_old && peppers.iter().any(Result::is_ok))
}

fn bring_into_form(connection: &Connection, vault: &Vault) -> Result<(), Failure> {
    let pepper = in_use(connection, vault)?;
    for stored in inbound_keys::read_rows(connection)? {
        if let Some(StoredHash::Digest(digest)) = stored.hash {
            connection.execute(
                "UPDATE inbound_api_keys SET key_hash = ? WHERE id = ?",
                params![pepper.hash(&digest), stored.row.id],
            )?;
        }
    }
    Ok(())
}
