//! What went with a deleted row comes back with it: virtual models with their endpoint, a
//! virtual model's place among the targets of others, its name in keys.
//!
//! Only that is put back. What else was changed in those rows since stays.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value};

use super::Store;
use super::state::{ROUTING, table};
use crate::audit::AuditKind;
use crate::error::StoreError;
use crate::store::{Failure, routing};
use crate::virtual_model::parse_targets;

/// An entry of the same change.
struct Part {
    entry: i64,
    kind: AuditKind,
    row: i64,
    action: String,
    is_undone: bool,
    /// What the row held before: tables to rows.
    before: Map<String, Value>,
}

impl Store {
    /// Puts back what went with the row of `entry`, which was deleted and is there again.
    /// Gives the entries that are undone with it.
    pub(super) fn restore_parts(
        &self,
        connection: &Connection,
        entry: i64,
        kind: AuditKind,
        id: i64,
    ) -> Result<Vec<i64>, Failure> {
        let parts = parts_of(connection, entry)?;
        let mut undone = Vec::new();
        let mut models = Vec::new();
        match kind {
            AuditKind::VirtualModel => models.push(id),
            AuditKind::Endpoint => {
                for part in parts.iter().filter(|part| part.went_with(kind)) {
                    match self.restore(connection, part.kind, part.row, &part.before, None) {
                        Ok(()) => {}
                        // Another one has its name by now; it can be undone by itself later.
                        Err(Failure::Store(StoreError::Duplicate { .. })) => continue,
                        Err(other) => return Err(other),
                    }
                    models.push(part.row);
                    undone.push(part.entry);
                }
            }
            AuditKind::ToolPattern
            | AuditKind::ToolAlias
            | AuditKind::InboundKey
            | AuditKind::Settings
            | AuditKind::User
            | AuditKind::Price
            | AuditKind::Circuit
            | AuditKind::Usage => {}
        }
        for model in models {
            routing::forget_missing(connection, model)?;
            for part in &parts {
                if part.rejoin(connection, model)? && kind == AuditKind::VirtualModel {
                    undone.push(part.entry);
                }
            }
        }
        Ok(undone)
    }
}

impl Part {
    /// Whether it is a virtual model that was deleted with its endpoint.
    fn went_with(&self, kind: AuditKind) -> bool {
        kind == AuditKind::Endpoint
            && self.kind == AuditKind::VirtualModel
            && self.action == "deleted"
            && !self.is_undone
    }

    /// Puts the virtual model back where the row named it, unless it is there. Says whether
    /// that changed anything.
    fn rejoin(&self, connection: &Connection, model: i64) -> rusqlite::Result<bool> {
        if self.is_undone || self.row == model {
            return Ok(false);
        }
        match self.kind {
            AuditKind::VirtualModel => self.rejoin_targets(connection, model),
            AuditKind::InboundKey => self.rejoin_key(connection, model),
            AuditKind::Endpoint
            | AuditKind::ToolPattern
            | AuditKind::ToolAlias
            | AuditKind::Settings
            | AuditKind::User
            | AuditKind::Price
            | AuditKind::Circuit
            | AuditKind::Usage => Ok(false),
        }
    }

    fn column(&self, table: &str, column: &str) -> Option<&str> {
        self.before.get(table)?.get(column)?.as_str()
    }

    /// At its former place, or at the end of what is left.
    fn rejoin_targets(&self, connection: &Connection, model: i64) -> rusqlite::Result<bool> {
        let Some(text) = self.column(ROUTING, "targets") else {
            return Ok(false);
        };
        let (before, _) = parse_targets(text);
        let is_it = |target: &crate::RouteTarget| target.virtual_model_id == model;
        let Some((place, target)) = before.iter().enumerate().find(|(_, one)| is_it(one)) else {
            return Ok(false);
        };
        let now: Option<String> = connection
            .query_row(
                "SELECT CAST(targets AS TEXT) FROM virtual_model_failover \
                 WHERE virtual_model_id = ?",
                [self.row],
                |row| row.get(0),
            )
            .optional()?;
        let Some(now) = now else { return Ok(false) };
        let (mut now, _) = parse_targets(&now);
        if now.iter().any(is_it) {
            return Ok(false);
        }
        now.insert(place.min(now.len()), *target);
        connection.execute(
            "UPDATE virtual_model_failover SET targets = ? WHERE virtual_model_id = ?",
            params![routing::to_json(&now), self.row],
        )?;
        Ok(true)
    }

    /// A key that may call everything by now is left alone.
    fn rejoin_key(&self, connection: &Connection, model: i64) -> rusqlite::Result<bool> {
        const KEYS: &str = "inbound_api_keys";
        let names = |text: &str| serde_json::from_str::<BTreeSet<String>>(text).ok();
        let name: String = connection.query_row(
            "SELECT name FROM virtual_models WHERE id = ?",
            [model],
            |row| row.get(0),
        )?;
        let before = self.column(KEYS, "allowed_models").and_then(names);
        if !before.is_some_and(|before| before.contains(&name)) {
            return Ok(false);
        }
        let now: Option<Option<String>> = connection
            .query_row(
                "SELECT allowed_models FROM inbound_api_keys WHERE id = ?",
                [self.row],
                |row| row.get(0),
            )
            .optional()?;
        let Some(mut now) = now.flatten().as_deref().and_then(names) else {
            return Ok(false);
        };
        if !now.insert(name) {
            return Ok(false);
        }
        connection.execute(
            "UPDATE inbound_api_keys SET allowed_models = ? WHERE id = ?",
            params![serde_json::json!(now).to_string(), self.row],
        )?;
        Ok(true)
    }
}

/// The other entries of the change that `entry` is of.
fn parts_of(connection: &Connection, entry: i64) -> rusqlite::Result<Vec<Part>> {
    let mut statement = connection.prepare(
        "SELECT id, kind, row_id, action, undone_by IS NOT NULL, undo FROM audit \
         WHERE id IS NOT ?1 AND undo IS NOT NULL AND \
         (part_of = (SELECT COALESCE(part_of, id) FROM audit WHERE id = ?1) \
          OR id = (SELECT part_of FROM audit WHERE id = ?1)) ORDER BY id",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let kind: String = row.get(1)?;
        let undo: String = row.get(5)?;
        Ok(Part {
            entry: row.get(0)?,
            kind: AuditKind::from_id(&kind).unwrap_or(AuditKind::Usage),
            row: row.get::<_, Option<i64>>(2)?.unwrap_or_default(),
            action: row.get(3)?,
            is_undone: row.get(4)?,
            before: serde_json::from_str(&undo).unwrap_or_default(),
        })
    };
    let parts = statement.query_map([entry], read)?;
    let parts = parts.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(parts
        .into_iter()
        .filter(|part| table(part.kind).is_some())
        .collect())
}
