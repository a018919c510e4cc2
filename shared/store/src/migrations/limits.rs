//! What step 9 adds: limits of keys, virtual models and endpoints.

use rusqlite::Connection;

use super::original::columns_of;

/// The columns; money in dollars, `NULL` without limit.
const COLUMNS: [(&str, &str); 5] = [
    ("limit_requests_per_minute", "INTEGER"),
    ("limit_tokens_per_minute", "INTEGER"),
    ("limit_parallel", "INTEGER"),
    ("limit_cost_per_day", "REAL"),
    ("limit_cost_per_month", "REAL"),
];

/// A key's limits belong to the configuration, its last use does not.
const TRIGGER: &str = "
    DROP TRIGGER revision_inbound_api_keys_UPDATE;
    CREATE TRIGGER revision_inbound_api_keys_UPDATE
        AFTER UPDATE OF label, key_hash, enabled, revoked_at, expires_at, allowed_models,
            limit_requests_per_minute, limit_tokens_per_minute, limit_parallel,
            limit_cost_per_day, limit_cost_per_month
        ON inbound_api_keys BEGIN
        UPDATE configuration_revision SET value = value + 1; END;
";

/// Adds the columns that are not there.
pub(super) fn add(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["inbound_api_keys", "virtual_models", "endpoints"] {
        let present = columns_of(connection, table)?;
        for (name, kind) in COLUMNS {
            if !present.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                connection
                    .execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name} {kind}"))?;
            }
        }
    }
    connection.execute_batch(TRIGGER)
}
