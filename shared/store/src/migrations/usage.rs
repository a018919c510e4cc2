//! What step 6 adds for usage and money: exact costs and all token kinds in the usage
//! tables, dated prices, roll-ups, and how far each spool file has been taken over.

use rusqlite::Connection;

use super::original::columns_of;
use crate::store::{prices, rollups};

/// Columns of both usage tables. Some the last versions of the original have already.
const COLUMNS: [(&str, &str); 19] = [
    ("inbound_api_key_id", "INTEGER"),
    ("inbound_api_key_label", "TEXT"),
    ("cache_attempted", "INTEGER DEFAULT 0"),
    ("cache_hit", "INTEGER DEFAULT 0"),
    ("cached_input_tokens", "INTEGER DEFAULT 0"),
    ("cache_creation_tokens", "INTEGER DEFAULT 0"),
    ("cached_cost_estimate", "REAL DEFAULT 0"),
    ("virtual_model_id", "INTEGER"),
    ("usage", "TEXT"),
    ("cost_nanos", "INTEGER"),
    ("cost_in_nanos", "INTEGER"),
    ("cost_out_nanos", "INTEGER"),
    ("cost_cached_nanos", "INTEGER"),
    ("cost_cache_write_nanos", "INTEGER"),
    ("provider_cost_nanos", "INTEGER"),
    ("saved_nanos", "INTEGER"),
    ("saved_usage", "TEXT"),
    ("upstream_ms", "INTEGER"),
    ("exact", "INTEGER NOT NULL DEFAULT 0"),
];

const TABLES: &str = "
    ALTER TABLE virtual_models ADD COLUMN cost_per_1m_tokens_cache_write REAL;
    ALTER TABLE virtual_models ADD COLUMN cost_per_1m_tokens_cache_write_1h REAL;
    CREATE TABLE model_prices (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        virtual_model_id INTEGER NOT NULL,
        virtual_model TEXT NOT NULL,
        valid_from INTEGER NOT NULL,
        input INTEGER,
        output INTEGER,
        cached_input INTEGER,
        cached_output INTEGER,
        cache_write INTEGER,
        cache_write_1h INTEGER,
        created_at INTEGER NOT NULL DEFAULT (unixepoch()),
        UNIQUE (virtual_model_id, valid_from)
    );
    CREATE INDEX idx_model_prices_name ON model_prices (virtual_model);
    CREATE TABLE ledger_spools (
        name TEXT PRIMARY KEY,
        taken_to INTEGER NOT NULL
    );
    CREATE INDEX idx_request_usage_model_time ON request_usage (virtual_model, created_at);
    CREATE INDEX idx_embedding_usage_model_time ON embedding_usage (virtual_model, created_at);
    CREATE INDEX idx_request_usage_outcome_time ON request_usage (outcome, created_at);
    CREATE INDEX idx_embedding_usage_outcome_time ON embedding_usage (outcome, created_at);
    CREATE INDEX idx_request_usage_key_time ON request_usage (inbound_api_key_id, created_at);
    CREATE INDEX idx_embedding_usage_key_time
        ON embedding_usage (inbound_api_key_id, created_at);
    DROP INDEX IF EXISTS idx_request_usage_virtual_model;
    DROP INDEX IF EXISTS idx_embedding_usage_virtual_model;
";

/// Makes all of it, takes the present prices as those that always held, and rolls up the
/// rows that are there.
pub(super) fn run(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["request_usage", "embedding_usage"] {
        let present = columns_of(connection, table)?;
        for (name, definition) in COLUMNS {
            if !present.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                connection.execute_batch(&format!(
                    "ALTER TABLE {table} ADD COLUMN {name} {definition}"
                ))?;
            }
        }
    }
    connection.execute_batch(TABLES)?;
    rollups::create(connection)?;
    prices::begin(connection)?;
    rollups::rebuild(connection)
}
