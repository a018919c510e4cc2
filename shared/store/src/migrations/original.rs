//! The tables of the original program, made or completed.
//!
//! In a file the original wrote, 0 in `max_tokens` and `temperature` and 1.0 in `top_p`
//! meant "not set"; here they are values and NULL is "not set", so they are converted once.

use rusqlite::Connection;

use super::table_exists;

/// A table: its columns in order, each with the definition used in a new table and the one
/// used to add it to an existing table, which may need a constant default.
struct Table {
    name: &'static str,
    /// Column and definition. A definition that cannot be added to a filled table (keys,
    /// NOT NULL without default) belongs to a column every version of the original had.
    columns: &'static [(&'static str, &'static str)],
    /// Whole-table rules of a new table.
    rules: &'static str,
}

const STAMP: &str = "INTEGER DEFAULT (unixepoch())";

const TABLES: [Table; 6] = [
    Table {
        name: "endpoints",
        columns: &[
            ("id", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("name", "TEXT NOT NULL"),
            ("url", "TEXT NOT NULL"),
            ("api_key", "TEXT"),
            ("endpoint_type", "TEXT DEFAULT 'openai'"),
            ("custom_headers", "TEXT"),
            ("priority", "INTEGER DEFAULT 0"),
            ("enabled", "INTEGER DEFAULT 1"),
            ("created_at", STAMP),
            ("updated_at", STAMP),
        ],
        rules: "",
    },
    Table {
        name: "virtual_models",
        columns: &[
            ("id", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("name", "TEXT NOT NULL UNIQUE"),
            ("endpoint_id", "INTEGER NOT NULL"),
            ("actual_model", "TEXT NOT NULL"),
            ("description", "TEXT"),
            ("cost_per_1m_tokens_in", "REAL"),
            ("cost_per_1m_tokens_out", "REAL"),
            ("cost_per_1m_tokens_in_cached", "REAL"),
            ("cost_per_1m_tokens_out_cached", "REAL"),
            ("disable_streaming", "INTEGER DEFAULT 0"),
            ("force_non_streaming", "INTEGER DEFAULT 0"),
            ("custom_headers", "TEXT"),
            ("enabled", "INTEGER DEFAULT 1"),
            ("max_tokens", "INTEGER"),
            ("temperature", "REAL"),
            ("top_p", "REAL"),
            ("system_prompt", "TEXT"),
            ("created_at", STAMP),
            ("updated_at", STAMP),
            ("show_reasoning", "INTEGER DEFAULT 1"),
        ],
        rules: ", FOREIGN KEY (endpoint_id) REFERENCES endpoints (id)",
    },
    Table {
        name: "request_usage",
        columns: &[
            ("id", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("virtual_model", "TEXT NOT NULL"),
            ("endpoint_name", "TEXT"),
            ("endpoint_id", "INTEGER"),
            ("request_type", "TEXT DEFAULT 'chat'"),
            ("prompt_tokens", "INTEGER DEFAULT 0"),
            ("completion_tokens", "INTEGER DEFAULT 0"),
            ("total_tokens", "INTEGER DEFAULT 0"),
            ("cached_input_tokens", "INTEGER DEFAULT 0"),
            ("cache_creation_tokens", "INTEGER DEFAULT 0"),
            ("cost_estimate", "REAL DEFAULT 0"),
            ("cost_in", "REAL DEFAULT 0"),
            ("cost_out", "REAL DEFAULT 0"),
            ("cached_cost_estimate", "REAL DEFAULT 0"),
            ("response_time_ms", "INTEGER DEFAULT 0"),
            ("created_at", STAMP),
        ],
        rules: "",
    },
    Table {
        name: "embedding_usage",
        columns: &[
            ("id", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("virtual_model", "TEXT NOT NULL"),
            ("endpoint_name", "TEXT"),
            ("endpoint_id", "INTEGER"),
            ("input_tokens", "INTEGER DEFAULT 0"),
            ("output_tokens", "INTEGER DEFAULT 0"),
            ("total_tokens", "INTEGER DEFAULT 0"),
            ("cost_estimate", "REAL DEFAULT 0"),
            ("response_time_ms", "INTEGER DEFAULT 0"),
            ("created_at", STAMP),
            ("cost_in", "REAL DEFAULT 0"),
            ("cost_out", "REAL DEFAULT 0"),
        ],
        rules: "",
    },
    Table {
        name: "settings",
        columns: &[
            ("key", "TEXT PRIMARY KEY"),
            ("value", "TEXT NOT NULL"),
            ("updated_at", STAMP),
        ],
        rules: "",
    },
    Table {
        name: "tool_patterns",
        columns: &[
            ("id", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("pattern_name", "TEXT NOT NULL UNIQUE"),
            ("pattern_type", "TEXT NOT NULL"),
            ("regex_pattern", "TEXT NOT NULL"),
            ("tool_name", "TEXT"),
            ("tool_name_group", "INTEGER"),
            ("tool_name_json_path", "TEXT"),
            ("tool_name_mapping", "TEXT"),
            ("parameter_mapping", "TEXT"),
            ("enabled", "INTEGER DEFAULT 1"),
            ("priority", "INTEGER DEFAULT 0"),
            ("created_at", STAMP),
            ("updated_at", STAMP),
        ],
        rules: "",
    },
];

/// What later versions of the original have and earlier ones lack: taken over where it is
/// there, made where it is not. `weight` and `affinity` are ours.
const ROUTING: [Table; 2] = [
    Table {
        name: "endpoints",
        columns: &[("health_check_url", "TEXT")],
        rules: "",
    },
    Table {
        name: "virtual_model_failover",
        columns: &[
            ("virtual_model_id", "INTEGER PRIMARY KEY"),
            ("strategy", "TEXT NOT NULL"),
            ("targets", "TEXT NOT NULL"),
            ("max_attempts", "INTEGER"),
            ("cooldown_seconds", "INTEGER"),
            ("failure_threshold", "INTEGER"),
            ("weight", "INTEGER NOT NULL DEFAULT 1"),
            ("affinity", "INTEGER NOT NULL DEFAULT 0"),
        ],
        rules: "",
    },
];

/// Keys of callers, as later versions of the original have them; the last two are ours.
const KEYS: [Table; 1] = [Table {
    name: "inbound_api_keys",
    columns: &[
        ("id", "INTEGER PRIMARY KEY AUTOINCREMENT"),
        ("label", "TEXT NOT NULL UNIQUE"),
        ("key_prefix", "TEXT NOT NULL"),
        ("key_hash", "TEXT NOT NULL"),
        ("enabled", "INTEGER DEFAULT 1"),
        ("notes", "TEXT"),
        ("created_at", STAMP),
        ("updated_at", STAMP),
        ("last_used_at", "INTEGER"),
        ("last_used_ip", "TEXT"),
        ("last_used_user_agent", "TEXT"),
        ("revoked_at", "INTEGER"),
        ("expires_at", "INTEGER"),
        ("allowed_models", "TEXT"),
    ],
    rules: "",
}];

const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS idx_request_usage_virtual_model ON request_usage (virtual_model);
    CREATE INDEX IF NOT EXISTS idx_request_usage_created_at ON request_usage (created_at);
    CREATE INDEX IF NOT EXISTS idx_embedding_usage_virtual_model
        ON embedding_usage (virtual_model);
    CREATE INDEX IF NOT EXISTS idx_embedding_usage_created_at ON embedding_usage (created_at);
";

const UNSET_TO_NULL: &str = "
    UPDATE virtual_models SET max_tokens = NULL WHERE max_tokens = 0;
    UPDATE virtual_models SET temperature = NULL WHERE temperature = 0;
    UPDATE virtual_models SET top_p = NULL WHERE top_p = 1;
";

/// The names of the original's tables that are also ours.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name)
}

/// Makes missing tables, adds missing columns, converts values of an existing file.
pub(super) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    let had_models = table_exists(connection, "virtual_models")?;
    make_or_add(connection, &TABLES)?;
    connection.execute_batch(INDEXES)?;
    if had_models {
        connection.execute_batch(UNSET_TO_NULL)?;
        for side in ["in", "out"] {
            adopt_price_per_1k(connection, side)?;
        }
    }
    Ok(())
}

/// Makes the routing table and the column of health checks, or completes them.
pub(super) fn complete_routing(connection: &Connection) -> rusqlite::Result<()> {
    make_or_add(connection, &ROUTING)
}

/// Makes the table of callers' keys, or completes it.
pub(super) fn complete_keys(connection: &Connection) -> rusqlite::Result<()> {
    make_or_add(connection, &KEYS)
}

fn make_or_add(connection: &Connection, tables: &[Table]) -> rusqlite::Result<()> {
    for table in tables {
        if table_exists(connection, table.name)? {
            add_missing_columns(connection, table)?;
        } else {
            create(connection, table)?;
        }
    }
    Ok(())
}

fn create(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|(name, definition)| format!("{name} {definition}"))
        .collect();
    connection.execute_batch(&format!(
        "CREATE TABLE {} ({}{})",
        table.name,
        columns.join(", "),
        table.rules
    ))
}

fn add_missing_columns(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let present = columns_of(connection, table.name)?;
    for (name, definition) in table.columns {
        if present
            .iter()
            .any(|column| column.eq_ignore_ascii_case(name))
        {
            continue;
        }
        // SQLite adds no column whose default is an expression; the rows get the time now.
        let is_stamp = *definition == STAMP;
        let definition = if is_stamp { "INTEGER" } else { definition };
        connection.execute_batch(&format!(
            "ALTER TABLE {} ADD COLUMN {name} {definition}",
            table.name
        ))?;
        if is_stamp {
            connection.execute_batch(&format!("UPDATE {} SET {name} = unixepoch()", table.name))?;
        }
    }
    Ok(())
}

/// Takes over a price per thousand tokens of an older original where no price per million
/// is set. The old column stays.
fn adopt_price_per_1k(connection: &Connection, side: &str) -> rusqlite::Result<()> {
    let old = format!("cost_per_1k_tokens_{side}");
    if !columns_of(connection, "virtual_models")?.contains(&old) {
        return Ok(());
    }
    connection.execute_batch(&format!(
        "UPDATE virtual_models SET cost_per_1m_tokens_{side} = {old} * 1000 \
         WHERE COALESCE(cost_per_1m_tokens_{side}, 0) = 0 AND {old} > 0"
    ))
}

pub(super) fn columns_of(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM pragma_table_info(?)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}
