//! What step 7 adds: keys of callers, and what they are hashed with.
//!
//! Keys that the original made keep their rows; their hashes are brought into form at the
//! next start ([`crate::Store::open`]), which has the store's secret key.

use rusqlite::Connection;

use super::original;

/// Of an update only these columns belong to the configuration: a key's last use does not
/// move the revision.
const TABLES: &str = "
    CREATE TABLE inbound_key_peppers (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sealed TEXT NOT NULL,
        created_at INTEGER NOT NULL DEFAULT (unixepoch())
    );
    CREATE TRIGGER revision_inbound_api_keys_INSERT AFTER INSERT ON inbound_api_keys BEGIN
        UPDATE configuration_revision SET value = value + 1; END;
    CREATE TRIGGER revision_inbound_api_keys_DELETE AFTER DELETE ON inbound_api_keys BEGIN
        UPDATE configuration_revision SET value = value + 1; END;
    CREATE TRIGGER revision_inbound_api_keys_UPDATE
        AFTER UPDATE OF label, key_hash, enabled, revoked_at, expires_at, allowed_models
        ON inbound_api_keys BEGIN
        UPDATE configuration_revision SET value = value + 1; END;
";

/// Makes the tables, or completes the original's.
pub(super) fn add(connection: &Connection) -> rusqlite::Result<()> {
    original::complete_keys(connection)?;
    connection.execute_batch(TABLES)
}
