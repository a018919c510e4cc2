//! Rows as the audit sees them: as shown, secrets masked, and as they are in their tables,
//! secrets encrypted, to be put back.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::SETTINGS_ID;
use crate::audit::AuditKind;
use crate::custom_headers::{entries, is_secret_name};
use crate::secret::{MASK, Secret};
use crate::store::{
    endpoints, inbound_keys, settings, tool_aliases, tool_patterns, virtual_models,
};
use crate::vault::Vault;

/// The table with a virtual model's routing, at most one row each.
pub(super) const ROUTING: &str = "virtual_model_failover";

/// Columns that say nothing about what somebody changed.
const UNSAID: [&str; 7] = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "last_used_at",
    "last_used_ip",
    "last_used_user_agent",
];

/// A row.
#[derive(Debug)]
pub(in crate::store) struct State {
    pub(super) version: Option<i64>,
    pub(super) name: String,
    pub(super) shown: Map<String, Value>,
    /// Table to row, or to null where there is none.
    pub(super) raw: Map<String, Value>,
}

impl State {
    /// Whether anything that is said of them differs.
    pub(super) fn differs(&self, other: &Self) -> bool {
        said(&self.raw) != said(&other.raw)
    }
}

/// The table of a kind whose rows have versions.
pub(super) fn table(kind: AuditKind) -> Option<&'static str> {
    match kind {
        AuditKind::Endpoint => Some("endpoints"),
        AuditKind::VirtualModel => Some("virtual_models"),
        AuditKind::ToolPattern => Some("tool_patterns"),
        AuditKind::ToolAlias => Some("tool_aliases"),
        AuditKind::InboundKey => Some("inbound_api_keys"),
        AuditKind::Settings
        | AuditKind::User
        | AuditKind::Price
        | AuditKind::Circuit
        | AuditKind::Usage => None,
    }
}

/// Every row of a kind.
pub(super) fn states(
    connection: &Connection,
    vault: &Vault,
    kind: AuditKind,
) -> rusqlite::Result<BTreeMap<i64, State>> {
    if kind == AuditKind::Settings {
        let values: Map<String, Value> = settings::read_known(connection)?
            .into_iter()
            .map(|(key, value)| (key, Value::String(value)))
            .collect();
        let state = State {
            version: super::version(connection, kind, SETTINGS_ID)?,
            name: String::new(),
            raw: Map::from_iter([("settings".to_owned(), Value::Object(values.clone()))]),
            shown: values,
        };
        return Ok(BTreeMap::from([(SETTINGS_ID, state)]));
    }
    let Some(table) = table(kind) else {
        return Ok(BTreeMap::new());
    };
    let mut shown = shown(connection, vault, kind)?;
    let mut states = BTreeMap::new();
    for row in raw(connection, table)? {
        let Some(id) = row.get("id").and_then(Value::as_i64) else {
            continue;
        };
        let (name, shown) = shown.remove(&id).unwrap_or_default();
        states.insert(
            id,
            State {
                version: row.get("version").and_then(Value::as_i64),
                name,
                shown,
                raw: Map::from_iter([(table.to_owned(), Value::Object(row))]),
            },
        );
    }
    if kind == AuditKind::VirtualModel {
        for state in states.values_mut() {
            state.raw.insert(ROUTING.to_owned(), Value::Null);
        }
        for row in raw(connection, ROUTING)? {
            let model = row.get("virtual_model_id").and_then(Value::as_i64);
            if let Some(state) = model.and_then(|id| states.get_mut(&id)) {
                state.raw.insert(ROUTING.to_owned(), Value::Object(row));
            }
        }
    }
    Ok(states)
}

type Shown = BTreeMap<i64, (String, Map<String, Value>)>;

fn shown(connection: &Connection, vault: &Vault, kind: AuditKind) -> rusqlite::Result<Shown> {
    Ok(match kind {
        AuditKind::Endpoint => {
            let rows = endpoints::read_all(connection, "id", vault)?.into_iter();
            rows.map(|row| (row.row.id, (row.row.name.clone(), fields(&row.row))))
                .collect()
        }
        AuditKind::VirtualModel => {
            let rows = virtual_models::read_all(connection, vault)?.into_iter();
            rows.map(|row| (row.row.id, (row.row.name.clone(), fields(&row.row))))
                .collect()
        }
        AuditKind::ToolPattern => {
            let rows = tool_patterns::read_all(connection)?.into_iter();
            rows.map(|row| (row.row.id, (row.row.pattern_name.clone(), fields(&row.row))))
                .collect()
        }
        AuditKind::ToolAlias => {
            let rows = tool_aliases::read_all(connection)?.into_iter();
            rows.map(|row| {
                let name = format!("{} {}", row.row.tool_name, row.row.parameter);
                (row.row.id, (name, fields(&row.row)))
            })
            .collect()
        }
        AuditKind::InboundKey => {
            let rows = inbound_keys::read_rows(connection)?.into_iter();
            rows.map(|row| (row.row.id, (row.row.label.clone(), fields(&row.row))))
                .collect()
        }
        AuditKind::Settings
        | AuditKind::User
        | AuditKind::Price
        | AuditKind::Circuit
        | AuditKind::Usage => Shown::new(),
    })
}

/// The fields of a row that say something, secrets masked.
fn fields(row: &impl Serialize) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(row) else {
        return Map::new();
    };
    fields.retain(|field, _| !UNSAID.contains(&field.as_str()));
    if let Some(headers) = fields.get_mut("custom_headers")
        && let Some(text) = headers.as_str()
    {
        *headers = masked_headers(text);
    }
    fields
}

fn masked_headers(text: &str) -> Value {
    let Some(headers) = entries(text) else {
        return Value::String(MASK.to_owned());
    };
    let masked = headers.into_iter().map(|(name, value)| {
        let value = if is_secret_name(&name) {
            Secret::new(value).masked()
        } else {
            value
        };
        (name, Value::String(value))
    });
    Value::Object(masked.collect())
}

/// What is compared of a row in its tables.
fn said(raw: &Map<String, Value>) -> BTreeMap<(&str, &str), &Value> {
    let mut said = BTreeMap::new();
    for (table, row) in raw {
        for (column, value) in row.as_object().into_iter().flatten() {
            if !UNSAID.contains(&column.as_str()) {
                said.insert((table.as_str(), column.as_str()), value);
            }
        }
    }
    said
}

fn raw(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Map<String, Value>>> {
    connection
        .prepare(&format!("SELECT * FROM {table}"))?
        .query_map([], object)?
        .collect()
}

fn object(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let statement: &rusqlite::Statement<'_> = row.as_ref();
    let mut object = Map::new();
    for (position, name) in statement.column_names().into_iter().enumerate() {
        let value = match row.get_ref(position)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => json!(number),
            ValueRef::Real(number) => json!(number),
            ValueRef::Text(text) => Value::String(String::from_utf8_lossy(text).into_owned()),
            // No column of ours holds bytes.
            ValueRef::Blob(_) => continue,
        };
        object.insert(name.to_owned(), value);
    }
    Ok(object)
}
