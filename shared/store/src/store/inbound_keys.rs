//! Keys of callers: list, create, change, delete, and when each was used last.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::assignments::Assignments;
use super::audit::About;
use super::{Failure, Store, peppers, virtual_models};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::inbound_key::{
    self, InboundKeyDraft, InboundKeyRow, KeyUse, NewInboundKey, StoredInboundKey,
    StoredInboundKeys,
};
use crate::vault::Vault;

const WHAT: &str = "inbound key";
const TABLE: &str = "inbound_api_keys";

impl Store {
    /// Every key, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn inbound_keys(&self) -> Result<Vec<InboundKeyRow>, StoreError> {
        let stored = self.read(|connection| Ok(read_all(connection, self.vault())?))?;
        Ok(stored.into_rows())
    }

    /// Makes a key. It cannot be read again.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], [`StoreError::Invalid`] when a virtual model does not
    /// exist, or when the file or the key file cannot be written.
    pub fn create_inbound_key(&self, draft: &InboundKeyDraft) -> Result<NewInboundKey, StoreError> {
        let api_key = inbound_key::make().ok_or(StoreError::NoRandomness)?;
        let key_prefix = inbound_key::shown(&api_key);
        let label = draft.label.clone().unwrap_or_default();
        let id = self.change(About::new(AuditKind::InboundKey, &[]), |connection| {
            refuse_duplicate(connection, &label, None)?;
            require_models(connection, draft)?;
            let pepper = peppers::in_use(connection, self.vault())?;
            let mut row = assignments(draft);
            row.set("key_prefix", key_prefix.clone());
            row.set(
                "key_hash",
                pepper.hash(&inbound_key::digest(api_key.expose())),
            );
            Ok(row.insert(connection, TABLE)?)
        })?;
        Ok(NewInboundKey {
            id,
            label,
            key_prefix,
            api_key,
        })
    }

    /// Takes over a key that callers have already, known by its SHA-256, and gives the row's
    /// id.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`] when the label or the key is there already,
    /// [`StoreError::Invalid`] when a virtual model does not exist, or when the file or the
    /// key file cannot be written.
    pub(crate) fn adopt_inbound_key(
        &self,
        draft: &InboundKeyDraft,
        prefix: String,
        digest: &[u8],
    ) -> Result<i64, StoreError> {
        let label = draft.label.clone().unwrap_or_default();
        self.change(About::new(AuditKind::InboundKey, &[]), |connection| {
            refuse_duplicate(connection, &label, None)?;
            require_models(connection, draft)?;
            let pepper = peppers::in_use(connection, self.vault())?;
            let hash = pepper.hash(digest);
            refuse_same_key(connection, &hash)?;
            let mut row = assignments(draft);
            row.set("key_prefix", prefix);
            row.set("key_hash", hash);
            Ok(row.insert(connection, TABLE)?)
        })
    }

    /// Changes the fields the draft carries.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Duplicate`], [`StoreError::Invalid`] when a
    /// virtual model does not exist, or when the file cannot be written.
    pub fn update_inbound_key(&self, id: i64, draft: &InboundKeyDraft) -> Result<(), StoreError> {
        self.change(About::row(AuditKind::InboundKey, id, &[]), |connection| {
            require(connection, id)?;
            if let Some(label) = &draft.label {
                refuse_duplicate(connection, label, Some(id))?;
            }
            require_models(connection, draft)?;
            let mut row = assignments(draft);
            if draft.enabled == Some(true) {
                row.set("revoked_at", None::<i64>);
            }
            Ok(row.update(connection, TABLE, id)?)
        })
    }

    /// Deletes a key. Calls that it has begun go on.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be written.
    pub fn delete_inbound_key(&self, id: i64) -> Result<(), StoreError> {
        self.change(About::row(AuditKind::InboundKey, id, &[]), |connection| {
            require(connection, id)?;
            connection.execute("DELETE FROM inbound_api_keys WHERE id = ?", [id])?;
            Ok(())
        })
    }

    /// Notes when keys were used last. It does not move the revision; a use that is older
    /// than the noted one, and a key that has gone, are passed over.
    ///
    /// # Errors
    /// When the file cannot be written; then none is noted.
    pub fn record_key_uses(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        self.write(|connection| {
            let mut update = connection.prepare_cached(
                "UPDATE inbound_api_keys SET last_used_at = ?, last_used_ip = ?, \
                 last_used_user_agent = ? WHERE id = ? AND COALESCE(last_used_at, 0) <= ?",
            )?;
            for KeyUse {
                id,
                at,
                address,
                user_agent,
            } in uses
            {
                update.execute(params![at, address, user_agent, id, at])?;
            }
            Ok(())
        })
    }
}

/// Every row, newest first, with what they are hashed with.
pub(super) fn read_all(
    connection: &Connection,
    vault: &Vault,
) -> rusqlite::Result<StoredInboundKeys> {
    Ok(StoredInboundKeys {
        rows: read_rows(connection)?,
        peppers: peppers::read_all(connection, vault)?,
    })
}

pub(super) fn read_rows(connection: &Connection) -> rusqlite::Result<Vec<StoredInboundKey>> {
    connection
        .prepare("SELECT * FROM inbound_api_keys ORDER BY id DESC")?
        .query_map([], StoredInboundKey::read)?
        .collect()
}

/// Puts `new` in the place of the virtual model `old` wherever a key names it; without, the
/// name is taken out, and a key that named nothing else may call nothing.
pub(super) fn rename_model(
    connection: &Connection,
    old: &str,
    new: Option<&str>,
) -> rusqlite::Result<()> {
    for stored in read_rows(connection)? {
        let Some(names) = stored.row.allowed_models else {
            continue;
        };
        if !names.iter().any(|name| name == old) {
            continue;
        }
        let kept = names.iter().map(String::as_str).filter(|name| *name != old);
        let names: BTreeSet<&str> = kept.chain(new).collect();
        connection.execute(
            "UPDATE inbound_api_keys SET allowed_models = ? WHERE id = ?",
            params![serde_json::json!(names).to_string(), stored.row.id],
        )?;
    }
    Ok(())
}

fn require(connection: &Connection, id: i64) -> Result<(), Failure> {
    connection
        .query_row("SELECT 1 FROM inbound_api_keys WHERE id = ?", [id], |_| {
            Ok(())
        })
        .optional()?
        .ok_or_else(|| StoreError::Missing { what: WHAT, id }.into())
}

/// Refuses a key that another label has.
fn refuse_same_key(connection: &Connection, hash: &str) -> Result<(), Failure> {
    let label: Option<String> = connection
        .query_row(
            "SELECT label FROM inbound_api_keys WHERE key_hash = ?",
            [hash],
            |row| row.get(0),
        )
        .optional()?;
    match label {
        None => Ok(()),
        Some(label) => Err(StoreError::Duplicate {
            what: "the same key",
            name: label,
        }
        .into()),
    }
}

fn refuse_duplicate(connection: &Connection, label: &str, own: Option<i64>) -> Result<(), Failure> {
    let taken: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM inbound_api_keys WHERE label = ? AND id IS NOT ?)",
        (label, own),
        |row| row.get(0),
    )?;
    if taken {
        return Err(StoreError::Duplicate {
            what: "an inbound key",
            name: label.to_owned(),
        }
        .into());
    }
    Ok(())
}

fn require_models(connection: &Connection, draft: &InboundKeyDraft) -> Result<(), Failure> {
    for name in draft.allowed_models.iter().flatten().flatten() {
        if !virtual_models::exists(connection, name)? {
            let why = format!("there is no virtual model named {name:?}");
            return Err(StoreError::from(FieldErrors::one("allowed_models", why)).into());
        }
    }
    Ok(())
}

fn assignments(draft: &InboundKeyDraft) -> Assignments {
    let InboundKeyDraft {
        label,
        notes,
        enabled,
        expires_at,
        allowed_models,
        limits,
    } = draft;
    let mut row = Assignments::default();
    row.set_given("label", label.clone());
    row.set_given("notes", notes.clone());
    row.set_given("enabled", *enabled);
    row.set_given("expires_at", *expires_at);
    row.set_given(
        "allowed_models",
        allowed_models.as_ref().map(|names| {
            names
                .as_ref()
                .map(|names| serde_json::json!(names).to_string())
        }),
    );
    row.set_all(limits.columns());
    row
}
