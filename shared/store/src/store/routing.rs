//! The routing of virtual models: written with them, and freed of those that are deleted.

use rusqlite::{Connection, params};

use crate::virtual_model::parse_targets;

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
            let text = serde_json::to_string(&targets).unwrap_or_else(|_| "[]".to_owned());
            connection.execute(
                "UPDATE virtual_model_failover SET targets = ? WHERE virtual_model_id = ?",
                params![text, other],
            )?;
            changed.push(name);
        }
    }
    Ok(changed)
}
