//! What step 5 adds for the tool-call normaliser, and the built-in patterns as rows.
//!
//! Each built-in pattern becomes a row once, in this step; later nothing is overwritten or
//! brought back. A change of [`BUILTINS`] reaches stores that have them only by a step of
//! its own. In a store that has held patterns before:
//!
//! - a row that is as the original, or step 1, seeded it becomes the built-in of that name.
//!   It keeps its id; one that was switched off, or on against the seed, stays so;
//! - a row that somebody changed, or made under a built-in's name, stays as it is, and the
//!   built-in comes beside it as `<name>_builtin`, switched off where a changed seed is;
//! - one of the original's ten that is missing was deleted and does not come back;
//! - the rows `qwen_xml_*` of later originals go where nobody changed them: what they find
//!   `tool_call_nested_xml` and its neighbours find too.

use rusqlite::{Connection, OptionalExtension as _, named_params};
use wire::normaliser::{BUILTINS, Builtin};

use super::seeds::{LATER, SEEDS, Seed};
use super::table_exists;
use crate::tool_pattern::{StoredToolPattern, ToolPatternRow, mapping_text};

/// Tables and columns; the aliases are the original's rule for `bash`.
pub(super) const TABLES: &str = r#"
    ALTER TABLE tool_patterns ADD COLUMN strength TEXT NOT NULL DEFAULT 'strong';
    ALTER TABLE tool_patterns ADD COLUMN builtin TEXT;
    ALTER TABLE virtual_models ADD COLUMN repair_tool_calls INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE virtual_models ADD COLUMN repair_arguments INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE virtual_models ADD COLUMN repair_history INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE virtual_models ADD COLUMN reasoning_form TEXT NOT NULL DEFAULT 'field';
    ALTER TABLE virtual_models ADD COLUMN thinking TEXT NOT NULL DEFAULT 'tagged';
    ALTER TABLE virtual_models ADD COLUMN repaired_comment INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE virtual_models ADD COLUMN keep_tool_text_bytes INTEGER;
    CREATE TABLE tool_aliases (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        tool_name TEXT NOT NULL,
        parameter TEXT NOT NULL,
        aliases TEXT NOT NULL DEFAULT '[]',
        fill TEXT,
        enabled INTEGER NOT NULL DEFAULT 1,
        created_at INTEGER NOT NULL DEFAULT (unixepoch()),
        updated_at INTEGER NOT NULL DEFAULT (unixepoch()),
        UNIQUE (tool_name, parameter)
    );
    INSERT INTO tool_aliases (tool_name, parameter, aliases, fill) VALUES
        ('bash', 'command', '["filePath","file_path","value","query","path","cmd"]', NULL),
        ('bash', 'description', '[]', 'Run bash command');
    CREATE TABLE tool_pattern_counts (
        pattern_id INTEGER NOT NULL,
        pattern_name TEXT NOT NULL,
        day TEXT NOT NULL,
        hits INTEGER NOT NULL DEFAULT 0,
        repairs INTEGER NOT NULL DEFAULT 0,
        refusals INTEGER NOT NULL DEFAULT 0,
        reasons TEXT NOT NULL DEFAULT '{}',
        PRIMARY KEY (pattern_id, day)
    );
"#;

/// Makes a row of every built-in pattern, as the head of this module says.
pub(super) fn seed(connection: &Connection) -> rusqlite::Result<()> {
    let had_patterns = has_held_patterns(connection)?;
    let ours = was_made_by_step_1(connection)?;
    let rows = connection
        .prepare("SELECT * FROM tool_patterns")?
        .query_map([], |row| Ok(StoredToolPattern::read(row)?.row))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let named = |name: &str| rows.iter().find(|row| row.pattern_name == name);
    for later in &LATER {
        if let Some(row) = named(later.name).filter(|row| later.is(row)) {
            connection.execute("DELETE FROM tool_patterns WHERE id = ?", [row.id])?;
        }
    }
    for builtin in BUILTINS {
        let seed = SEEDS.iter().find(|seed| seed.name == builtin.name);
        match (named(builtin.name), seed) {
            (Some(row), Some(seed)) if seed.is(row) => {
                replace(connection, row, builtin, enabled(row, seed, ours, builtin))?;
            }
            (Some(row), seed) => {
                let off = seed.is_some() && row.enabled == 0;
                let name = free_name(connection, builtin.name)?;
                insert(connection, &name, builtin, builtin.enabled && !off)?;
            }
            (None, Some(_)) if had_patterns => {}
            (None, _) => insert(connection, builtin.name, builtin, builtin.enabled)?,
        }
    }
    Ok(())
}

/// Whether the built-in in the place of `row` is switched on: as the operator left the row,
/// if he switched it.
fn enabled(row: &ToolPatternRow, seed: &Seed, ours: bool, builtin: &Builtin) -> bool {
    let seeded = if ours { seed.enabled } else { true };
    let is = row.enabled != 0;
    if is == seeded { builtin.enabled } else { is }
}

/// Whether the table holds patterns, or has held some that were all deleted.
fn has_held_patterns(connection: &Connection) -> rusqlite::Result<bool> {
    let holds: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM tool_patterns)", [], |row| {
            row.get(0)
        })?;
    if holds || !table_exists(connection, "sqlite_sequence")? {
        return Ok(holds);
    }
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'tool_patterns' AND seq > 0)",
        [],
        |row| row.get(0),
    )
}

/// Whether the table is step 1's, and not the original's.
fn was_made_by_step_1(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT sql LIKE '%created_at INTEGER DEFAULT (unixepoch())%' FROM sqlite_schema \
         WHERE type = 'table' AND name = 'tool_patterns'",
        [],
        |row| row.get(0),
    )
}

fn free_name(connection: &Connection, name: &str) -> rusqlite::Result<String> {
    let mut free = format!("{name}_builtin");
    let mut count = 2;
    while is_taken(connection, &free)? {
        free = format!("{name}_builtin_{count}");
        count += 1;
    }
    Ok(free)
}

fn is_taken(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let found = connection
        .query_row(
            "SELECT 1 FROM tool_patterns WHERE pattern_name = ?",
            [name],
            |_| Ok(()),
        )
        .optional()?;
    Ok(found.is_some())
}

fn insert(
    connection: &Connection,
    name: &str,
    builtin: &Builtin,
    enabled: bool,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO tool_patterns (pattern_name, pattern_type, regex_pattern) \
         VALUES (?, '', '')",
        [name],
    )?;
    write(connection, connection.last_insert_rowid(), builtin, enabled)
}

fn replace(
    connection: &Connection,
    row: &ToolPatternRow,
    builtin: &Builtin,
    enabled: bool,
) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE tool_patterns SET updated_at = unixepoch() WHERE id = ?",
        [row.id],
    )?;
    write(connection, row.id, builtin, enabled)
}

/// Makes the row `id` say what the built-in says.
fn write(
    connection: &Connection,
    id: i64,
    builtin: &Builtin,
    enabled: bool,
) -> rusqlite::Result<()> {
    let pattern = builtin.pattern(id);
    connection
        .prepare_cached(
            "UPDATE tool_patterns SET pattern_type = :form, regex_pattern = :regex, \
             strength = :strength, tool_name = :tool, tool_name_group = :group, \
             tool_name_json_path = :path, tool_name_mapping = :tool_names, \
             parameter_mapping = :parameters, enabled = :enabled, priority = :priority, \
             builtin = :builtin WHERE id = :id",
        )?
        .execute(named_params! {
            ":form": pattern.form.id(),
            ":regex": pattern.regex,
            ":strength": pattern.strength.id(),
            ":tool": pattern.tool.tool,
            ":group": pattern.tool.group,
            ":path": pattern.tool.json_path,
            ":tool_names": mapping_text(&pattern.tool_names),
            ":parameters": mapping_text(&pattern.parameters),
            ":enabled": enabled,
            ":priority": pattern.priority,
            ":builtin": builtin.name,
            ":id": id,
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::path::Path;

    use rusqlite::Connection;
    use wire::normaliser::{BUILTINS, check};

    use super::super::seeds::{LATER, SEEDS};
    use super::super::{run, steps};

    /// A store as schema 4 left it, changed by `sql`, and brought up to date.
    fn upgraded(sql: &str) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        steps().to_version(&mut connection, 4).unwrap();
        connection.execute_batch(sql).unwrap();
        run(Path::new(":memory:"), &mut connection).unwrap();
        connection
    }

    /// Name, type, enabled and built-in of the row `name`.
    fn row(connection: &Connection, name: &str) -> Option<(i64, String, bool, Option<String>)> {
        let query = "SELECT id, pattern_type, enabled, builtin FROM tool_patterns \
                     WHERE pattern_name = ?";
        let mut found = connection.prepare(query).unwrap();
        let mut found = found
            .query_map([name], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap();
        found.next().map(Result::unwrap)
    }

    fn count(connection: &Connection) -> usize {
        let query = "SELECT count(*) FROM tool_patterns";
        let count: i64 = connection.query_row(query, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }

    #[test]
    fn every_built_in_pattern_can_be_used_and_has_a_name_of_its_own() {
        for (index, builtin) in BUILTINS.iter().enumerate() {
            check(&builtin.pattern(0)).unwrap();
            let twin = BUILTINS[..index]
                .iter()
                .any(|other| other.name == builtin.name);
            assert!(!twin, "{}", builtin.name);
            assert!(!builtin.name.ends_with("_builtin"), "{}", builtin.name);
        }
        let is_builtin = |name| BUILTINS.iter().any(|builtin| builtin.name == name);
        for seed in &SEEDS {
            assert!(is_builtin(seed.name), "{}", seed.name);
        }
        for later in &LATER {
            assert!(!is_builtin(later.name), "{}", later.name);
        }
    }

    #[test]
    fn an_untouched_store_gets_the_built_ins_in_the_place_of_the_ten() {
        let connection = upgraded("");
        assert_eq!(count(&connection), BUILTINS.len());
        for builtin in BUILTINS {
            let (_, form, enabled, from) = row(&connection, builtin.name).unwrap();
            assert_eq!(
                (form.as_str(), enabled, from.as_deref()),
                (builtin.form.id(), builtin.enabled, Some(builtin.name)),
                "{}",
                builtin.name
            );
        }
        let first: i64 = row(&connection, "fence_json").unwrap().0;
        assert_eq!(first, 1, "it keeps its id");
    }

    #[test]
    fn what_the_operator_switched_stays_switched() {
        let connection = upgraded(
            "UPDATE tool_patterns SET enabled = 0 WHERE pattern_name = 'tool_call';
             UPDATE tool_patterns SET enabled = 1 WHERE pattern_name = 'action';",
        );
        let (_, form, enabled, from) = row(&connection, "tool_call").unwrap();
        assert_eq!((form.as_str(), enabled), ("calls", false));
        assert_eq!(from.as_deref(), Some("tool_call"));
        assert!(row(&connection, "action").unwrap().2);
        assert_eq!(count(&connection), BUILTINS.len());
    }

    #[test]
    fn a_changed_row_stays_beside_the_built_in() {
        let connection = upgraded(
            "UPDATE tool_patterns SET priority = 99 WHERE pattern_name = 'fence_json';
             UPDATE tool_patterns SET regex_pattern = 'a(b)', enabled = 0
                 WHERE pattern_name = 'tool_use';
             INSERT INTO tool_patterns (pattern_name, pattern_type, regex_pattern)
                 VALUES ('glm', 'xml', '<glm>(.*)</glm>'), ('glm_builtin', 'xml', 'x');",
        );
        assert_eq!(count(&connection), BUILTINS.len() + 4);
        for (name, form, enabled, from) in [
            ("fence_json", "fence", true, None),
            ("fence_json_builtin", "code_block", true, Some("fence_json")),
            ("tool_use", "xml", false, None),
            ("tool_use_builtin", "arguments", false, Some("tool_use")),
            ("glm", "xml", true, None),
            ("glm_builtin", "xml", true, None),
            ("glm_builtin_2", "pairs", true, Some("glm")),
        ] {
            let (_, found, on, builtin) = row(&connection, name).unwrap();
            assert_eq!(
                (found.as_str(), on, builtin.as_deref()),
                (form, enabled, from),
                "{name}"
            );
        }
    }

    #[test]
    fn a_mapping_that_is_written_otherwise_is_no_change() {
        let connection = upgraded(
            "UPDATE tool_patterns SET tool_name_mapping = NULL, parameter_mapping =
                 '{ \"command\": \"command\", \"file_path\": \"filePath\" }'
                 WHERE pattern_name = 'tool_call_bare_param';",
        );
        let (_, form, ..) = row(&connection, "tool_call_bare_param").unwrap();
        assert_eq!(form, "parameters");
    }

    #[test]
    fn deleted_rows_do_not_come_back_and_new_ones_come() {
        let deleted = "DELETE FROM tool_patterns WHERE pattern_name IN ('action', 'tool_code')";
        let connection = upgraded(deleted);
        assert_eq!(count(&connection), BUILTINS.len() - 2);
        assert_eq!(row(&connection, "action"), None);
        let connection = upgraded("DELETE FROM tool_patterns");
        assert_eq!(count(&connection), BUILTINS.len() - SEEDS.len());
        assert_eq!(row(&connection, "fence_json"), None);
        assert_eq!(row(&connection, "glm").unwrap().1, "pairs");
    }
}
