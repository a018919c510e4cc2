//! A caller's key of the gateway: `spk_` and 256 random bits. It is shown once; what is kept
//! is a keyed hash.

mod draft;
mod hash;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::Row;
use serde::Serialize;
use subtle::ConstantTimeEq as _;

pub use draft::InboundKeyDraft;
pub(crate) use hash::{Pepper, StoredHash, Tag, digest};

use crate::columns::Columns;
use crate::limits::{Limits, LimitsRow};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::vault::{Locked, random};

/// How every key begins.
const PREFIX: &str = "spk_";
/// How much of a key is kept to tell it by, in characters.
const SHOWN: usize = 12;
/// Longest text that is looked up, in bytes; no key is as long.
const LONGEST: usize = 200;

/// A key that can be used: its hash can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundKey {
    /// The row's id.
    pub id: i64,
    /// Its name, unique.
    pub label: String,
    /// Whether it opens anything.
    pub enabled: bool,
    /// From when on it opens nothing, in unix seconds.
    pub expires_at: Option<i64>,
    /// The virtual models it may call; `None` for all.
    pub allowed_models: Option<BTreeSet<String>>,
    /// What all its calls together may use.
    pub limits: Limits,
    tag: Tag,
}

impl InboundKey {
    /// Whether it has expired at `now`, in unix seconds.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether it may call the virtual model `name`.
    pub fn allows(&self, name: &str) -> bool {
        let allowed = self.allowed_models.as_ref();
        allowed.is_none_or(|names| names.contains(name))
    }
}

/// Every usable key, for lookups that tell nothing by their time.
#[derive(Debug, Clone, Default)]
pub struct InboundKeys {
    peppers: Vec<Pepper>,
    keys: HashMap<Tag, Arc<InboundKey>>,
}

impl InboundKeys {
    /// The key that `presented` is, enabled and unexpired or not. The time depends on
    /// neither the keys there are nor how much of one was guessed: the place to look is a
    /// keyed hash of all of `presented`.
    pub fn find(&self, presented: &str) -> Option<&Arc<InboundKey>> {
        if presented.len() > LONGEST || self.keys.is_empty() {
            return None;
        }
        let digest = digest(presented);
        let mut found = None;
        for pepper in &self.peppers {
            let tag = pepper.tag(&digest);
            let key = self.keys.get(&tag);
            let stored = key.map_or(&hash::NOBODY, |key| &key.tag);
            if bool::from(stored.as_slice().ct_eq(tag.as_slice())) {
                found = key;
            }
        }
        found
    }

    /// Every key, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<InboundKey>> {
        self.keys.values()
    }
}

/// A key as the admin API shows it, whatever its row holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InboundKeyRow {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub label: String,
    /// The first characters of the key, to tell it by.
    pub key_prefix: String,
    /// 1 when it opens anything.
    pub enabled: i64,
    /// For people.
    pub notes: String,
    /// From when on it opens nothing, in unix seconds.
    pub expires_at: Option<i64>,
    /// The virtual models it may call; `None` for all.
    pub allowed_models: Option<Vec<String>>,
    /// What all its calls together may use.
    #[serde(flatten)]
    pub limits: LimitsRow,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Moves with every change; sent back, it keeps one change from undoing another.
    pub version: i64,
    /// When it was used last, in unix seconds.
    pub last_used_at: Option<i64>,
    /// From where.
    pub last_used_ip: Option<String>,
    /// By which program, as it calls itself.
    pub last_used_user_agent: Option<String>,
    /// When it was taken back, in unix seconds; only other programs set it.
    pub revoked_at: Option<i64>,
    /// Why it cannot be used; `None` when it can.
    pub unusable: Option<String>,
}

/// A key that has just been made: the one time it is seen.
#[derive(Debug)]
pub struct NewInboundKey {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub label: String,
    /// Its first characters.
    pub key_prefix: String,
    /// All of it.
    pub api_key: Secret,
}

/// The last use of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key's id.
    pub id: i64,
    /// When, in unix seconds.
    pub at: i64,
    /// From where; `None` when that is not known.
    pub address: Option<String>,
    /// By which program, as it calls itself.
    pub user_agent: Option<String>,
}

/// A new key; `None` when the system has no random numbers.
pub(crate) fn make() -> Option<Secret> {
    let bytes: [u8; 32] = random()?;
    Some(Secret::new(format!(
        "{PREFIX}{}",
        URL_SAFE_NO_PAD.encode(bytes)
    )))
}

/// What of `key` is kept to tell it by.
pub(crate) fn shown(key: &Secret) -> String {
    key.expose().chars().take(SHOWN).collect()
}

/// What of a key that was not made here is kept to tell it by: never more than a third of it.
pub(crate) fn hint(key: &Secret) -> String {
    let third = key.expose().chars().count() / 3;
    key.expose().chars().take(SHOWN.min(third)).collect()
}

/// All rows as read, and what they are hashed with.
#[derive(Default)]
pub(crate) struct StoredInboundKeys {
    pub(crate) rows: Vec<StoredInboundKey>,
    pub(crate) peppers: Vec<Result<Pepper, (i64, Locked)>>,
}

impl StoredInboundKeys {
    /// Keeps what can be used and names the rest.
    pub(crate) fn judge(self) -> (InboundKeys, Vec<Problem>) {
        let mut keys = InboundKeys::default();
        let mut problems = Vec::new();
        for row in &self.rows {
            match row.judge(&self.peppers) {
                Ok(key) => drop(keys.keys.insert(key.tag, Arc::new(key))),
                Err(why) => problems.push(Problem::new(row.subject(), format!("left out: {why}"))),
            }
        }
        keys.peppers = self.peppers.into_iter().filter_map(Result::ok).collect();
        (keys, problems)
    }

    /// The rows as the admin API shows them.
    pub(crate) fn into_rows(self) -> Vec<InboundKeyRow> {
        let Self { rows, peppers } = self;
        let show = |stored: StoredInboundKey| InboundKeyRow {
            unusable: stored.judge(&peppers).err(),
            ..stored.row
        };
        rows.into_iter().map(show).collect()
    }
}

/// A row as read, before it is judged.
pub(crate) struct StoredInboundKey {
    pub(crate) row: InboundKeyRow,
    pub(crate) hash: Option<StoredHash>,
    faults: Vec<String>,
}

impl StoredInboundKey {
    /// Reads a row of `inbound_api_keys`.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut columns = Columns::new(row);
        let hash = columns.text("key_hash");
        let hash = hash.as_deref().and_then(StoredHash::parse);
        if hash.is_none() {
            let why = "key_hash is no hash of a key; delete this key and make a new one";
            columns.faults.push(why.to_owned());
        }
        let allowed_models = columns.text("allowed_models").map(|text| {
            serde_json::from_str::<Vec<String>>(&text).unwrap_or_else(|_| {
                let why = "allowed_models is no JSON list of strings; set it anew";
                columns.faults.push(why.to_owned());
                Vec::new()
            })
        });
        let row = InboundKeyRow {
            id: columns.id()?,
            label: columns.text("label").unwrap_or_default(),
            key_prefix: columns.text("key_prefix").unwrap_or_default(),
            enabled: i64::from(columns.flag("enabled", true)),
            notes: columns.text("notes").unwrap_or_default(),
            expires_at: columns.whole("expires_at"),
            allowed_models,
            limits: LimitsRow::read(&mut columns),
            created_at: columns.whole("created_at").unwrap_or(0),
            updated_at: columns.whole("updated_at").unwrap_or(0),
            version: columns.whole("version").unwrap_or(0),
            last_used_at: columns.whole("last_used_at"),
            last_used_ip: columns.text("last_used_ip"),
            last_used_user_agent: columns.text("last_used_user_agent"),
            revoked_at: columns.whole("revoked_at"),
            unusable: None,
        };
        Ok(Self {
            row,
            hash,
            faults: columns.faults,
        })
    }

    /// How an operator would name the row.
    fn subject(&self) -> String {
        format!("inbound key {} {:?}", self.row.id, self.row.label)
    }

    /// The key, or why it cannot be used.
    fn judge(&self, peppers: &[Result<Pepper, (i64, Locked)>]) -> Result<InboundKey, String> {
        let Some(hash) = self.hash.as_ref().filter(|_| self.faults.is_empty()) else {
            return Err(self.faults.join("; "));
        };
        let tag = hash.tag(peppers).map_err(|why| why.to_string())?;
        let row = &self.row;
        Ok(InboundKey {
            id: row.id,
            label: row.label.clone(),
            enabled: row.enabled != 0 && row.revoked_at.is_none(),
            expires_at: row.expires_at,
            allowed_models: row
                .allowed_models
                .as_ref()
                .map(|names| names.iter().cloned().collect()),
            limits: row.limits.judge(),
            tag,
        })
    }
}

/// Why a hash cannot be compared.
pub(crate) struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it cannot be checked: what it is hashed with was encrypted with a secret key that \
             is not here; put that key back (SECRET_KEY, or the key file beside the database), \
             or delete this key and make a new one",
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::collections::BTreeSet;

    use super::{InboundKey, Limits, make, shown};

    #[test]
    fn a_new_key_has_256_bits_and_its_own_look() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert_ne!(one, other);
        assert!(one.expose().starts_with("spk_"));
        assert_eq!(one.expose().len(), 4 + 43);
        assert_eq!(shown(&one), one.expose()[..12]);
        assert_eq!(format!("{one:?}"), "***");
    }

    #[test]
    fn a_key_ends_with_its_time_and_allows_what_it_names() {
        let mut key = InboundKey {
            id: 1,
            label: "a".to_owned(),
            enabled: true,
            expires_at: None,
            allowed_models: None,
            limits: Limits::default(),
            tag: [0; 32],
        };
        assert!(!key.is_expired(i64::MAX) && key.allows("anything"));
        key.expires_at = Some(100);
        assert!(!key.is_expired(99) && key.is_expired(100));
        key.allowed_models = Some(BTreeSet::from(["m".to_owned()]));
        assert!(key.allows("m") && !key.allows("n"));
        key.allowed_models = Some(BTreeSet::new());
        assert!(!key.allows("m"));
    }
}
