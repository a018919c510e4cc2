//! Reading the audit.

use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter, types};
use serde_json::{Map, Value};

use crate::audit::{AuditKind, AuditQuery, AuditRow};
use crate::error::StoreError;
use crate::store::{Failure, Store};

const COLUMNS: &str = "id, at, user, address, action, kind, row_id, name, before, after, \
    undo IS NOT NULL AS has_undo, version, undone_by";

impl Store {
    /// The entries that `query` asks for, and how many there are in all.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn audit(&self, query: &AuditQuery) -> Result<(Vec<AuditRow>, usize), StoreError> {
        self.read(|connection| list(connection, query))
    }

    /// One entry.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be read.
    pub fn audit_entry(&self, id: i64) -> Result<AuditRow, StoreError> {
        self.read(|connection| one(connection, id))
    }

    /// Everyone who is named in the audit.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn audit_users(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT DISTINCT user FROM audit ORDER BY user")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn list(connection: &Connection, query: &AuditQuery) -> Result<(Vec<AuditRow>, usize), Failure> {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<types::Value> = Vec::new();
    if let Some(user) = &query.user {
        conditions.push("user = ?".to_owned());
        values.push(user.clone().into());
    }
    if let Some(kind) = query.kind {
        conditions.push("kind = ?".to_owned());
        values.push(kind.id().to_owned().into());
    }
    if let Some(id) = query.row_id {
        conditions.push("row_id = ?".to_owned());
        values.push(id.into());
    }
    if let Some(text) = &query.text {
        conditions.push(
            "(instr(lower(name), lower(?)) > 0 OR instr(lower(action), lower(?)) > 0)".to_owned(),
        );
        values.push(text.clone().into());
        values.push(text.clone().into());
    }
    let conditions = conditions.join(" AND ");
    let total: i64 = connection.query_row(
        &format!("SELECT count(*) FROM audit WHERE {conditions}"),
        params_from_iter(values.iter()),
        |row| row.get(0),
    )?;
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX).into();
    values.push(number(query.limit));
    values.push(number(query.offset));
    let order = if query.oldest_first { "ASC" } else { "DESC" };
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM audit WHERE {conditions} ORDER BY id {order} LIMIT ? OFFSET ?"
    ))?;
    let rows = statement.query_map(params_from_iter(values), read)?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok((rows, usize::try_from(total).unwrap_or(0)))
}

/// One entry.
pub(super) fn one(connection: &Connection, id: i64) -> Result<AuditRow, Failure> {
    let query = format!("SELECT {COLUMNS} FROM audit WHERE id = ?");
    let found = connection.query_row(&query, [id], read).optional()?;
    found.ok_or_else(|| {
        StoreError::Missing {
            what: "entry of the audit",
            id,
        }
        .into()
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let map = |text: Option<String>| -> Map<String, Value> {
        let parsed = text.and_then(|text| serde_json::from_str(&text).ok());
        parsed.unwrap_or_default()
    };
    let kind: String = row.get("kind")?;
    let action: String = row.get("action")?;
    let undone_by: Option<i64> = row.get("undone_by")?;
    let has_undo: bool = row.get("has_undo")?;
    let version: Option<i64> = row.get("version")?;
    let was_created = action == "created" && version.is_some();
    Ok(AuditRow {
        id: row.get("id")?,
        at: row.get("at")?,
        user: row.get("user")?,
        address: row.get("address")?,
        action,
        kind: AuditKind::from_id(&kind).unwrap_or(AuditKind::Usage),
        row_id: row.get("row_id")?,
        name: row.get("name")?,
        before: map(row.get("before")?),
        after: map(row.get("after")?),
        can_undo: undone_by.is_none() && (has_undo || was_created),
        undone_by,
    })
}
