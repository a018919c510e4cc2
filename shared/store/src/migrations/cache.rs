//! What step 8 adds: which virtual models answer from memory, and for how long.
//!
//! The original's last version has `cache_enabled` with 1 as its default, written into
//! every row without anybody choosing it. Answers from memory begin off: the column is
//! taken over with 0 in every row, whatever it held, and whoever wants the cache switches
//! it on. Its settings of the same names go on; what neither program could use as a time
//! is dropped, so that it does not keep the gateway from starting.

use rusqlite::Connection;

use super::original::columns_of;

/// Columns, and what each is where it is missing.
const COLUMNS: [(&str, &str); 3] = [
    ("cache_enabled", "INTEGER NOT NULL DEFAULT 0"),
    ("cache_ttl_seconds", "INTEGER"),
    ("join_calls", "INTEGER NOT NULL DEFAULT 0"),
];

const VALUES: &str = "
    UPDATE virtual_models SET cache_enabled = 0;
    DELETE FROM settings WHERE key IN ('cache_ttl_chat', 'cache_ttl_embeddings')
        AND CAST(value AS REAL) NOT BETWEEN 0.1 AND 86400;
";

/// Adds the columns, or takes over the original's.
pub(super) fn add(connection: &Connection) -> rusqlite::Result<()> {
    let present = columns_of(connection, "virtual_models")?;
    for (name, definition) in COLUMNS {
        if !present.iter().any(|had| had.eq_ignore_ascii_case(name)) {
            connection.execute_batch(&format!(
                "ALTER TABLE virtual_models ADD COLUMN {name} {definition}"
            ))?;
        }
    }
    connection.execute_batch(VALUES)
}
