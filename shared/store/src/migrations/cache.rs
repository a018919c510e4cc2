//! What step 8 adds: which virtual models answer from memory, and for how long.
//!
//! The original's last version has `cache_enabled` with 1 as its default, written into
//! every row without anybody choosing it. Answers from memory begin off: the column is
//! taken over with 0 in every row, whatever it held, and whoever wants the cache switches
//! it on. Its settings of the same names go on; what neither program could use as a time
//! is dropped, so that it does not keep the gateway from starting.

use rusqlite::Connection;

use super::original::columns_of;

const OURS: &str = "
    ALTER TABLE virtual_models ADD COLUMN cache_ttl_seconds INTEGER;
    ALTER TABLE virtual_models ADD COLUMN join_calls INTEGER NOT NULL DEFAULT 0;
    DELETE FROM settings WHERE key IN ('cache_ttl_chat', 'cache_ttl_embeddings')
        AND CAST(value AS REAL) NOT BETWEEN 0.1 AND 86400;
";

/// Adds the columns, or takes over the original's.
pub(super) fn add(connection: &Connection) -> rusqlite::Result<()> {
    let present = columns_of(connection, "virtual_models")?;
    let has_switch = present
        .iter()
        .any(|column| column.eq_ignore_ascii_case("cache_enabled"));
    connection.execute_batch(if has_switch {
        "UPDATE virtual_models SET cache_enabled = 0"
    } else {
        "ALTER TABLE virtual_models ADD COLUMN cache_enabled INTEGER NOT NULL DEFAULT 0"
    })?;
    connection.execute_batch(OURS)
}
