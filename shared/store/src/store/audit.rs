//! Changes with their entry in the audit, both in one transaction.
//!
//! [`Store::change`] looks at the rows before and after a piece of work and notes each
//! difference, whatever the work was: rows that go with another one, and what an import
//! does, are entries of their own. A store without an actor ([`Store::by`]) notes nothing:
//! what the programs do by themselves is no change by a person.

mod list;
mod parts;
mod retention;
mod state;
mod undo;

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value, json};

use self::state::{State, states};
use super::{Failure, Store, rollups};
use crate::admin_session::Origin;
use crate::audit::AuditKind;
use crate::error::StoreError;

/// The id under which settings, which are no rows of their own, are noted.
pub(super) const SETTINGS_ID: i64 = 0;

/// What a piece of work is about to change.
#[derive(Clone, Copy)]
pub(super) struct About {
    kind: AuditKind,
    id: Option<i64>,
    /// Kinds whose rows may change with it.
    also: &'static [AuditKind],
}

impl About {
    pub(super) const fn new(kind: AuditKind, also: &'static [AuditKind]) -> Self {
        Self {
            kind,
            id: None,
            also,
        }
    }

    pub(super) fn row(kind: AuditKind, id: i64, also: &'static [AuditKind]) -> Self {
        Self {
            kind,
            id: Some(id),
            also,
        }
    }
}

pub(super) type Picture = BTreeMap<AuditKind, BTreeMap<i64, State>>;

impl Store {
    /// Runs `work` in one write transaction, only on the version that is expected, and
    /// notes what it changed.
    pub(super) fn change<T>(
        &self,
        about: About,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.write(|connection| {
            if let (Some(expected), Some(id)) = (self.expected, about.id) {
                require_version(connection, about.kind, id, expected)?;
            }
            // Within a larger piece of work that notes everything at its end.
            if self.actor.is_none() || self.held.is_some() {
                return work(connection);
            }
            let before = self.picture(connection, about)?;
            let value = work(connection)?;
            let after = self.picture(connection, about)?;
            self.note_differences(connection, about, &before, &after)?;
            Ok(value)
        })
    }

    /// The rows that a piece of work may change.
    pub(super) fn picture(
        &self,
        connection: &Connection,
        about: About,
    ) -> Result<Picture, Failure> {
        let mut picture = Picture::new();
        for kind in std::iter::once(&about.kind).chain(about.also) {
            picture.insert(*kind, states(connection, self.vault(), *kind)?);
        }
        Ok(picture)
    }

    /// Notes each difference; those that came with that of the row itself are parts of its
    /// entry. Gives the id of that one, or of the last.
    pub(super) fn note_differences(
        &self,
        connection: &Connection,
        about: About,
        before: &Picture,
        after: &Picture,
    ) -> Result<Option<i64>, Failure> {
        if self.actor.is_none() {
            return Ok(None);
        }
        let mut noted = Vec::new();
        let mut main = None;
        let none = BTreeMap::new();
        for (kind, old) in before {
            let new = after.get(kind).unwrap_or(&none);
            for id in old
                .keys()
                .chain(new.keys().filter(|id| !old.contains_key(id)))
            {
                if let Some(entry) = Entry::between(old.get(id), new.get(id)) {
                    self.note(connection, *kind, Some(*id), &entry)?;
                    let entry = connection.last_insert_rowid();
                    noted.push(entry);
                    if *kind == about.kind && Some(*id) == about.id {
                        main = Some(entry);
                    }
                }
            }
        }
        for part in noted
            .iter()
            .filter(|part| main.is_some_and(|main| main != **part))
        {
            connection.execute(
                "UPDATE audit SET part_of = ? WHERE id = ?",
                params![main, part],
            )?;
        }
        Ok(main.or(noted.last().copied()))
    }

    fn note(
        &self,
        connection: &Connection,
        kind: AuditKind,
        id: Option<i64>,
        entry: &Entry,
    ) -> Result<(), Failure> {
        let Some(actor) = &self.actor else {
            return Ok(());
        };
        let text = |map: &Map<String, Value>| (!map.is_empty()).then(|| json!(map).to_string());
        connection.execute(
            "INSERT INTO audit (user, address, action, kind, row_id, name, before, after, undo, \
             version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                actor.user,
                actor.address,
                entry.action,
                kind.id(),
                id,
                entry.name,
                text(&entry.before),
                text(&entry.after),
                entry.undo.as_ref().map(|undo| json!(undo).to_string()),
                entry.version
            ],
        )?;
        Ok(())
    }

    /// Notes what was done to somebody of the admin app.
    pub(super) fn note_user(
        &self,
        connection: &Connection,
        action: &'static str,
        id: i64,
        name: &str,
    ) -> Result<(), Failure> {
        let entry = Entry::told(action, name, Map::new());
        self.note(connection, AuditKind::User, Some(id), &entry)
    }

    /// Notes something that cannot be undone.
    pub(super) fn note_done(
        &self,
        connection: &Connection,
        kind: AuditKind,
        action: &'static str,
        name: &str,
        what: Value,
    ) -> Result<(), Failure> {
        let what = match what {
            Value::Object(what) => what,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        self.note(connection, kind, None, &Entry::told(action, name, what))
    }
}

/// Notes what somebody did who is not logged in yet.
pub(super) fn told(
    connection: &Connection,
    user: &str,
    origin: &Origin,
    action: &'static str,
    id: i64,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO audit (user, address, action, kind, row_id, name) VALUES (?1, ?2, ?3, ?4, ?5, ?1)",
        params![user, origin.address, action, AuditKind::User.id(), id],
    )?;
    Ok(())
}

struct Entry {
    action: &'static str,
    name: String,
    before: Map<String, Value>,
    after: Map<String, Value>,
    undo: Option<Map<String, Value>>,
    version: Option<i64>,
}

impl Entry {
    fn told(action: &'static str, name: &str, after: Map<String, Value>) -> Self {
        Self {
            action,
            name: name.to_owned(),
            before: Map::new(),
            after,
            undo: None,
            version: None,
        }
    }

    /// What there is to note of a row; `None` when nothing has changed.
    fn between(old: Option<&State>, new: Option<&State>) -> Option<Self> {
        match (old, new) {
            (None, None) => None,
            (None, Some(new)) => Some(Self {
                version: new.version,
                ..Self::told("created", &new.name, new.shown.clone())
            }),
            (Some(old), None) => Some(Self {
                before: old.shown.clone(),
                undo: Some(old.raw.clone()),
                ..Self::told("deleted", &old.name, Map::new())
            }),
            (Some(old), Some(new)) => {
                if !old.differs(new) {
                    return None;
                }
                let differing = |of: &State, other: &State| {
                    let is_other = |(field, value): &(&String, &Value)| {
                        other.shown.get(*field) != Some(*value)
                    };
                    let kept = of.shown.iter().filter(is_other);
                    kept.map(|(field, value)| (field.clone(), value.clone()))
                        .collect()
                };
                Some(Self {
                    before: differing(old, new),
                    undo: Some(old.raw.clone()),
                    version: new.version,
                    ..Self::told("changed", &new.name, differing(new, old))
                })
            }
        }
    }
}

/// The version that a row has now; `None` without the row.
fn version(connection: &Connection, kind: AuditKind, id: i64) -> rusqlite::Result<Option<i64>> {
    if kind == AuditKind::Settings {
        return connection
            .query_row("SELECT version FROM settings_version", [], |row| row.get(0))
            .optional();
    }
    let Some(table) = state::table(kind) else {
        return Ok(None);
    };
    connection
        .query_row(
            &format!("SELECT version FROM {table} WHERE id = ?"),
            [id],
            |row| row.get(0),
        )
        .optional()
}

/// Refuses a change of a row that is not what it was when the change was thought of. A row
/// that is missing is for the change itself to refuse.
fn require_version(
    connection: &Connection,
    kind: AuditKind,
    id: i64,
    expected: i64,
) -> Result<(), Failure> {
    match version(connection, kind, id)? {
        Some(found) if found != expected => {
            Err(changed(connection, kind, id, Some(expected), Some(found))?.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// The refusal, with who changed which fields since.
fn changed(
    connection: &Connection,
    kind: AuditKind,
    id: i64,
    expected: Option<i64>,
    found: Option<i64>,
) -> rusqlite::Result<StoreError> {
    let zone = rollups::zone(connection)?;
    let mut statement = connection.prepare(
        "SELECT at, user, action, before, after FROM audit \
         WHERE kind = ? AND row_id = ? AND (version > ? OR version IS NULL) ORDER BY id DESC LIMIT 5",
    )?;
    let since = statement.query_map(params![kind.id(), id, expected], |row| {
        let fields = |text: Option<String>| -> Vec<String> {
            let parsed =
                text.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
            parsed
                .into_iter()
                .flat_map(|map| map.into_iter().map(|(field, _)| field))
                .collect()
        };
        let mut names = fields(row.get(3)?);
        names.extend(fields(row.get(4)?));
        names.sort();
        names.dedup();
        let (at, user, action): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!(
            "{user} {action} {} at {}",
            names.join(", "),
            zone.stamp(at)
        ))
    })?;
    Ok(StoreError::Changed {
        what: kind.name(),
        id,
        version: found,
        since: since.collect::<rusqlite::Result<_>>()?,
    })
}
