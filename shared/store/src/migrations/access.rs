//! What step 11 adds: people of the admin app and their sessions, the audit, and a version
//! in each row that people edit.

use rusqlite::Connection;

const TABLES: &str = "
    CREATE TABLE admin_users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        password_hash TEXT NOT NULL,
        role TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 1,
        last_login_at INTEGER,
        last_login_ip TEXT,
        created_at INTEGER NOT NULL DEFAULT (unixepoch()),
        updated_at INTEGER NOT NULL DEFAULT (unixepoch())
    );
    CREATE TABLE admin_sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id INTEGER NOT NULL REFERENCES admin_users (id) ON DELETE CASCADE,
        token_hash TEXT NOT NULL UNIQUE,
        former_hash TEXT UNIQUE,
        rotated_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        ip TEXT,
        user_agent TEXT,
        created_at INTEGER NOT NULL
    );
    CREATE INDEX admin_sessions_user ON admin_sessions (user_id);
    CREATE TABLE admin_set_up (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        token_hash TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    );
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL DEFAULT (unixepoch()),
        user TEXT NOT NULL,
        address TEXT,
        action TEXT NOT NULL,
        kind TEXT NOT NULL,
        row_id INTEGER,
        name TEXT NOT NULL,
        before TEXT,
        after TEXT,
        undo TEXT,
        version INTEGER,
        undone_by INTEGER
    );
    CREATE INDEX audit_row ON audit (kind, row_id, id);
    CREATE INDEX audit_user ON audit (user, id);
    CREATE TABLE settings_version (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL
    );
    INSERT INTO settings_version (id, version) VALUES (1, 1);
";

/// Tables with a version in each row.
const VERSIONED: [&str; 4] = [
    "endpoints",
    "virtual_models",
    "tool_patterns",
    "tool_aliases",
];

/// Makes the tables, columns and triggers.
pub(super) fn add(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    for table in VERSIONED {
        version(connection, table, "")?;
    }
    // A key's last use moves no version.
    let columns = columns_edited(connection, "inbound_api_keys")?;
    version(connection, "inbound_api_keys", &format!("OF {columns} "))?;
    for event in ["INSERT", "UPDATE", "DELETE"] {
        connection.execute_batch(&format!(
            "CREATE TRIGGER version_settings_{event} AFTER {event} ON settings BEGIN \
             UPDATE settings_version SET version = version + 1; END;"
        ))?;
    }
    Ok(())
}

/// Adds the column, moved by every update of a row that does not set it.
fn version(connection: &Connection, table: &str, of: &str) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "ALTER TABLE {table} ADD COLUMN version INTEGER NOT NULL DEFAULT 1; \
         CREATE TRIGGER version_{table} AFTER UPDATE {of}ON {table} \
         WHEN NEW.version = OLD.version BEGIN \
         UPDATE {table} SET version = OLD.version + 1 WHERE id = NEW.id; END;"
    ))
}

/// The columns of a table but its id and those of a last use.
fn columns_edited(connection: &Connection, table: &str) -> rusqlite::Result<String> {
    let names = connection
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let is_edited = |name: &String| {
        !name.starts_with("last_used")
            && !["id", "created_at", "updated_at"].contains(&name.as_str())
    };
    let edited: Vec<_> = names.into_iter().filter(is_edited).collect();
    Ok(edited.join(", "))
}
