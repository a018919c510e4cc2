//! The routing of virtual models: written with them, and freed of those that are deleted.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::Failure;
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::virtual_model::{RouteTarget, RoutingDraft, parse_targets};

/// Writes the fields the draft carries; the others keep what is stored, or begin as unset.
pub(super) fn write(connection: &Connection, id: i64, draft: &RoutingDraft) -> Result<(), Failure> {
    let RoutingDraft {
        strategy,
        targets,
        weight,
        max_attempts,
        failure_threshold,
        cooldown,
        affinity,
    } = draft;
    if let Some(targets) = targets {
        require_targets(connection, id, targets)?;
    }
    connection.execute(
        "INSERT OR IGNORE INTO virtual_model_failover (virtual_model_id, strategy, targets) \
         VALUES (?, 'none', '[]')",
        [id],
    )?;
    let set = |column: &str, value: Option<Value>| match value {
        None => Ok(0),
        // The column is ours, never input.
        Some(value) => connection.execute(
            &format!(
                "UPDATE virtual_model_failover SET {column} = :value WHERE virtual_model_id = :id"
            ),
            named_params! { ":value": value, ":id": id },
        ),
    };
    set(
        "strategy",
        strategy.map(|strategy| strategy.id().to_owned().into()),
    )?;
    set(
        "targets",
        targets.as_deref().map(|targets| to_json(targets).into()),
    )?;
    set("weight", weight.map(Value::from))?;
    set("max_attempts", max_attempts.map(Value::from))?;
    set("failure_threshold", failure_threshold.map(Value::from))?;
    set("cooldown_seconds", cooldown.map(Value::from))?;
    set("affinity", affinity.map(Value::from))?;
    Ok(())
}

fn require_targets(
    connection: &Connection,
    own: i64,
    targets: &[RouteTarget],
) -> Result<(), Failure> {
    for target in targets {
        let id = target.virtual_model_id;
        let found: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM virtual_models WHERE id = ?)",
            [id],
            |row| row.get(0),
        )?;
        let why = if id == own {
            "a virtual model cannot be its own target".to_owned()
        } else if found {
            continue;
        } else {
            format!("there is no virtual model with id {id}")
        };
        return Err(StoreError::from(FieldErrors::one("routing.targets", why)).into());
    }
    Ok(())
}

pub(super) fn to_json(targets: &[RouteTarget]) -> String {
    serde_json::to_string(targets).unwrap_or_else(|_| "[]".to_owned())
}

/// Takes those out of the targets of a virtual model that are gone.
pub(super) fn forget_missing(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    let stored: Option<String> = connection
        .query_row(
            "SELECT CAST(targets AS TEXT) FROM virtual_model_failover WHERE virtual_model_id = ?",
            [id],
            |row| row.get(0),
        )
        .optional()?;
    let Some(stored) = stored else { return Ok(()) };
    let (targets, _) = parse_targets(&stored);
    let mut kept = Vec::new();
    for target in &targets {
        let is_there: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM virtual_models WHERE id = ?)",
            [target.virtual_model_id],
            |row| row.get(0),
        )?;
        if is_there {
            kept.push(*target);
        }
    }
    if kept.len() < targets.len() {
        connection.execute(
            "UPDATE virtual_model_failover SET targets = ? WHERE virtual_model_id = ?",
            params![to_json(&kept), id],
        )?;
    }
    Ok(())
}

/// Deletes the routing of a virtual model that is going, takes it out of the targets of the
/// others, and gives their names.
pub(super) fn forget_model(connection: &Connection, id: i64) -> rusqlite::Result<Vec<String>> {
    connection.execute(
        "DELETE FROM virtual_model_failover WHERE virtual_model_id = ?",
        [id],
    )?;
    let others = connection
        .prepare(
            "SELECT r.virtual_model_id, CAST(r.targets AS TEXT), m.name \
             FROM virtual_model_failover r JOIN virtual_models m ON m.id = r.virtual_model_id \
             ORDER BY m.name",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String, String)>>>()?;
    let mut changed = Vec::new();
    for (other, text, name) in others {
        let (mut targets, _) = parse_targets(&text);
        let before = targets.len();
        targets.retain(|target| target.virtual_model_id != id);
        if targets.len() < before {
            connection.execute(
                "UPDATE virtual_model_failover SET targets = ? WHERE virtual_model_id = ?",
                params![to_json(&targets), other],
            )?;
            changed.push(name);
        }
    }
    Ok(changed)
}
