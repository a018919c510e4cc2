//! The schema, as forward-only numbered steps; the file's `user_version` counts them.
//!
//! Step 1 stands for the schema of the original program: it makes the tables in an empty
//! file, and completes them in a file the original wrote, whatever its version. Tables and
//! columns nobody here knows stay as they are. All pending steps are one transaction.

mod access;
mod activity;
mod cache;
mod keys;
mod leaner_indexes;
mod limits;
mod operation;
mod original;
mod seeds;
mod takeovers;
mod tool_calls;
mod usage;

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};
use rusqlite_migration::{HookError, M, Migrations};

use crate::error::StoreError;
use crate::store::sums;

/// Columns of ours in the original's tables.
const OUR_COLUMNS: &str = "
    ALTER TABLE endpoints ADD COLUMN ca_file TEXT;
    ALTER TABLE endpoints ADD COLUMN tls_insecure INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE request_usage ADD COLUMN request_id TEXT;
    ALTER TABLE request_usage ADD COLUMN status INTEGER;
    ALTER TABLE request_usage ADD COLUMN outcome TEXT;
    ALTER TABLE request_usage ADD COLUMN stream INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE request_usage ADD COLUMN ttft_ms INTEGER;
    ALTER TABLE request_usage ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE request_usage ADD COLUMN error_code TEXT;
    ALTER TABLE embedding_usage ADD COLUMN request_id TEXT;
    ALTER TABLE embedding_usage ADD COLUMN status INTEGER;
    ALTER TABLE embedding_usage ADD COLUMN outcome TEXT;
    ALTER TABLE embedding_usage ADD COLUMN stream INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE embedding_usage ADD COLUMN ttft_ms INTEGER;
    ALTER TABLE embedding_usage ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE embedding_usage ADD COLUMN error_code TEXT;
";

/// The counter the gateway watches.
const REVISION: &str = "
    CREATE TABLE configuration_revision (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        value INTEGER NOT NULL
    );
    INSERT INTO configuration_revision (id, value) VALUES (1, 1);
";

/// What no version of the original has.
const ROUTING: &str = "
    ALTER TABLE endpoints ADD COLUMN worker_form TEXT;
    ALTER TABLE virtual_models ADD COLUMN queue_priority TEXT;
    ALTER TABLE virtual_models ADD COLUMN auto_cache INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE virtual_models ADD COLUMN inline_system INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE virtual_models ADD COLUMN keep_alive TEXT;
    ALTER TABLE virtual_models ADD COLUMN num_ctx INTEGER;
    ALTER TABLE request_usage ADD COLUMN attempts TEXT;
    ALTER TABLE request_usage ADD COLUMN attempt_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE request_usage ADD COLUMN queue_ms INTEGER;
    ALTER TABLE request_usage ADD COLUMN execution_ms INTEGER;
    ALTER TABLE embedding_usage ADD COLUMN attempts TEXT;
    ALTER TABLE embedding_usage ADD COLUMN attempt_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE embedding_usage ADD COLUMN queue_ms INTEGER;
    ALTER TABLE embedding_usage ADD COLUMN execution_ms INTEGER;
    CREATE TABLE circuits (
        endpoint_id INTEGER NOT NULL,
        model TEXT NOT NULL,
        opened_at INTEGER NOT NULL,
        open_until INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        last_error TEXT,
        updated_at INTEGER NOT NULL DEFAULT (unixepoch()),
        PRIMARY KEY (endpoint_id, model)
    );
";

/// Tables whose every change moves the revision; routing's since step 4, aliases since
/// step 5; of callers' keys not their last use (`keys`).
const CONFIGURATION: [&str; 4] = ["endpoints", "virtual_models", "settings", "tool_patterns"];

/// Makes every change of `table` move the revision.
fn watch(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    for event in ["INSERT", "UPDATE", "DELETE"] {
        connection.execute_batch(&format!(
            "CREATE TRIGGER revision_{table}_{event} AFTER {event} ON {table} BEGIN \
             UPDATE configuration_revision SET value = value + 1; END;"
        ))?;
    }
    Ok(())
}

fn steps() -> Migrations<'static> {
    Migrations::new(vec![
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            let fresh = !knows_a_table(transaction)?;
            original::complete(transaction)?;
            if fresh {
                seeds::plant(transaction)?;
            }
            Ok(())
        })
        .comment("the original's tables"),
        M::up(OUR_COLUMNS).comment("TLS of endpoints, outcome of calls"),
        M::up_with_hook(REVISION, |transaction: &rusqlite::Transaction<'_>| {
            for table in CONFIGURATION {
                watch(transaction, table)?;
            }
            Ok::<_, HookError>(())
        })
        .comment("configuration revision"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            original::complete_routing(transaction)?;
            transaction.execute_batch(ROUTING)?;
            watch(transaction, "virtual_model_failover")?;
            Ok::<_, HookError>(())
        })
        .comment("routing, circuits, options of providers, attempts of calls"),
        M::up_with_hook(
            tool_calls::TABLES,
            |transaction: &rusqlite::Transaction<'_>| {
                tool_calls::seed(transaction)?;
                watch(transaction, "tool_aliases")?;
                Ok::<_, HookError>(())
            },
        )
        .comment("built-in tool patterns, aliases, counts, repair of virtual models"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            usage::run(transaction)?;
            Ok::<_, HookError>(())
        })
        .comment("exact costs, dated prices, roll-ups, spool"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(keys::add(transaction)?)
        })
        .comment("keys of callers"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(cache::add(transaction)?)
        })
        .comment("answers from memory"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(limits::add(transaction)?)
        })
        .comment("limits"),
        M::up(takeovers::TABLE).comment("what virtual models cost that took over"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(access::add(transaction)?)
        })
        .comment("people of the admin app, audit, versions of rows"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(activity::add(transaction)?)
        })
        .comment("where calls come from, sums for pages, clients, gateways"),
        M::up("ALTER TABLE endpoints ADD COLUMN responses TEXT;")
            .comment("endpoints' own Responses"),
        M::up("ALTER TABLE endpoints ADD COLUMN denied_betas TEXT;")
            .comment("betas of Anthropic's that an endpoint is not told"),
        M::up(operation::TABLES).comment("endpoints' own times, health checks, parts of changes"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(leaner_indexes::make(transaction)?)
        })
        .comment("indexes of single calls hold what is looked for by them"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(sums::spread_endpoints(transaction)?)
        })
        .comment("how the times of endpoints are spread"),
        M::up_with_hook("", |transaction: &rusqlite::Transaction<'_>| {
            Ok::<_, HookError>(sums::complete(transaction)?)
        })
        .comment("sums with the spread of times, days of endpoints and keys divided"),
    ])
}

/// The schema version of this program.
pub(crate) const NEWEST: i64 = 18;

/// The file's schema version.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether the file has any table.
pub(crate) fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table')",
        [],
        |row| row.get(0),
    )
}

/// Refuses a newer file, and one that another program filled with other tables.
pub(crate) fn refuse_foreign(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite(path, error);
    let found = version(connection).map_err(sqlite)?;
    if found > NEWEST {
        return Err(StoreError::TooNew {
            path: path.to_path_buf(),
            found,
            known: NEWEST,
        });
    }
    let foreign =
        has_tables(connection).map_err(sqlite)? && !knows_a_table(connection).map_err(sqlite)?;
    if foreign {
        return Err(StoreError::Open {
            path: path.to_path_buf(),
            reason: "it is another program's database: it has tables, but none of ours; \
                     choose another file"
                .to_owned(),
        });
    }
    Ok(())
}

/// Whether steps are missing.
pub(crate) fn are_pending(path: &Path, connection: &Connection) -> Result<bool, StoreError> {
    let found = version(connection).map_err(|error| StoreError::from_sqlite(path, error))?;
    Ok(found < NEWEST)
}

/// Runs the missing steps.
pub(crate) fn run(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    steps().to_latest(connection).map_err(|error| {
        if let rusqlite_migration::Error::RusqliteError { err, .. } = error {
            return StoreError::from_sqlite(path, err);
        }
        StoreError::Open {
            path: path.to_path_buf(),
            reason: format!("its schema cannot be brought up to date: {error}"),
        }
    })
}

fn knows_a_table(connection: &Connection) -> rusqlite::Result<bool> {
    for table in original::tables() {
        if table_exists(connection, table)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn table_exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let found = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?",
            [table],
            |_| Ok(()),
        )
        .optional()?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::path::Path;

    use rusqlite::Connection;

    use super::{NEWEST, run, steps, version};

    #[test]
    fn the_steps_end_at_the_newest_version() {
        steps().validate().unwrap();
        let mut connection = Connection::open_in_memory().unwrap();
        run(Path::new(":memory:"), &mut connection).unwrap();
        assert_eq!(version(&connection).unwrap(), NEWEST);
    }

    #[test]
    fn a_file_of_each_earlier_version_is_brought_up_to_date() {
        let columns = |connection: &Connection| {
            let mut found = connection
                .prepare(
                    "SELECT t.name || '.' || c.name FROM sqlite_schema t, \
                     pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1",
                )
                .unwrap();
            let found = found.query_map([], |row| row.get::<_, String>(0)).unwrap();
            found.map(Result::unwrap).collect::<Vec<_>>()
        };
        let patterns = |connection: &Connection| {
            let query = "SELECT pattern_name || ' ' || pattern_type FROM tool_patterns ORDER BY id";
            let mut found = connection.prepare(query).unwrap();
            let found = found.query_map([], |row| row.get::<_, String>(0)).unwrap();
            found.map(Result::unwrap).collect::<Vec<_>>()
        };
        let mut newest = Connection::open_in_memory().unwrap();
        run(Path::new(":memory:"), &mut newest).unwrap();
        for earlier in 1..NEWEST {
            let mut connection = Connection::open_in_memory().unwrap();
            let earlier = usize::try_from(earlier).unwrap();
            steps().to_version(&mut connection, earlier).unwrap();
            run(Path::new(":memory:"), &mut connection).unwrap();
            assert_eq!(columns(&connection), columns(&newest), "from {earlier}");
            assert_eq!(patterns(&connection), patterns(&newest), "from {earlier}");
        }
    }
}
