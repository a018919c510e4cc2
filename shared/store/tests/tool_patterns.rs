//! Tool patterns and aliases: what a new store begins with, and what changes do.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};
use store::{PatternTrial, Store, StoreError, ToolAliasDraft, ToolPatternDraft};
use tempfile::TempDir;
use wire::normaliser::{Alias, BUILTINS};

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    (folder, store)
}

fn add(store: &Store, value: &Value) -> i64 {
    let draft = ToolPatternDraft::for_create(value).unwrap();
    store.create_tool_pattern(&draft).unwrap()
}

fn change(store: &Store, id: i64, value: &Value) -> Result<(), StoreError> {
    store.update_tool_pattern(id, &ToolPatternDraft::for_update(value).unwrap())
}

fn add_alias(store: &Store, value: &Value) -> Result<i64, StoreError> {
    store.create_tool_alias(&ToolAliasDraft::for_create(value).unwrap())
}

fn change_alias(store: &Store, id: i64, value: &Value) -> Result<(), StoreError> {
    store.update_tool_alias(id, &ToolAliasDraft::for_update(value).unwrap())
}

#[test]
fn a_new_store_has_every_built_in_pattern_usable_and_action_off() {
    let (_folder, store) = fresh();
    let rows = store.tool_patterns().unwrap();
    assert_eq!(rows.len(), BUILTINS.len());
    for row in &rows {
        let off = row.pattern_name == "action";
        assert_eq!(row.enabled == 0, off, "{}", row.pattern_name);
        assert_eq!(row.builtin.as_ref(), Some(&row.pattern_name));
    }
    assert!(rows.is_sorted_by(|one, next| one.priority >= next.priority));
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.problems, []);
    assert_eq!(snapshot.tool_patterns.len(), BUILTINS.len());

    store.delete_tool_pattern(rows[0].id).unwrap();
    let path = store.path().to_path_buf();
    drop(store);
    let rows = Store::open(&path).unwrap().tool_patterns().unwrap();
    assert_eq!(rows.len(), BUILTINS.len() - 1);
}

#[test]
fn the_snapshot_gives_the_normaliser_what_it_would_seed() {
    let (_folder, store) = fresh();
    let snapshot = store.snapshot().unwrap();
    for builtin in BUILTINS {
        let mut rows = snapshot.tool_patterns.iter();
        let row = rows.find(|row| row.pattern_name == builtin.name).unwrap();
        assert_eq!(row.pattern(), builtin.pattern(row.id));
    }
    let aliases: Vec<_> = snapshot
        .tool_aliases
        .iter()
        .map(|row| row.alias())
        .collect();
    let keys = ["filePath", "file_path", "value", "query", "path", "cmd"];
    let expected = [
        Alias {
            tool: "bash".to_owned(),
            parameter: "command".to_owned(),
            keys: keys.map(str::to_owned).to_vec(),
            fill: None,
        },
        Alias {
            tool: "bash".to_owned(),
            parameter: "description".to_owned(),
            keys: Vec::new(),
            fill: Some("Run bash command".to_owned()),
        },
    ];
    assert_eq!(aliases, expected);
}

#[test]
fn a_pattern_reads_back_whole_and_keeps_what_a_change_leaves_out() {
    let (_folder, store) = fresh();
    let value = json!({
        "pattern_name": "mine", "pattern_type": "arguments", "strength": "weak",
        "regex_pattern": "<mine (\\w+)>", "tool_name_group": 1, "tool_name_json_path": "a.b",
        "tool_name_mapping": {"sh": "bash"}, "parameter_mapping": {"f": "filePath"},
        "builtin": "glm", "priority": 7,
    });
    let id = add(&store, &value);
    let row = store.tool_pattern(id).unwrap();
    assert_eq!(row.builtin, None, "a new row is the operator's");
    assert_eq!((row.strength.as_str(), row.priority), ("weak", 7));
    change(&store, id, &json!({"enabled": false})).unwrap();
    let after = store.tool_pattern(id).unwrap();
    let unchanged = store::ToolPatternRow {
        enabled: 1,
        updated_at: row.updated_at,
        version: row.version,
        ..after
    };
    assert_eq!(unchanged, row);
}

#[test]
fn a_change_must_suit_what_the_row_holds() {
    let (_folder, store) = fresh();
    let value = json!({
        "pattern_name": "p", "pattern_type": "xml", "regex_pattern": "(a)(b)",
        "tool_name_group": 2, "parameter_mapping": {"1": "x"},
    });
    let id = add(&store, &value);
    for (bad, field) in [
        (json!({"tool_name_group": 3}), "tool_name_group"),
        (json!({"regex_pattern": "(a)"}), "tool_name_group"),
        (
            json!({"regex_pattern": "a", "tool_name_group": null}),
            "parameter_mapping",
        ),
        (
            json!({"pattern_type": "pairs", "tool_name_group": null}),
            "tool_name_group",
        ),
    ] {
        let error = change(&store, id, &bad).unwrap_err();
        let StoreError::Invalid { fields } = error else {
            unreachable!("{bad}: {error}");
        };
        assert!(fields.get(field).is_some(), "{bad}: {fields}");
    }
    let free = json!({"regex_pattern": "a", "tool_name_group": null, "parameter_mapping": {}});
    change(&store, id, &free).unwrap();
}

#[test]
fn a_row_that_cannot_be_used_can_be_switched_off_and_mended() {
    let (_folder, store) = fresh();
    let id = store.tool_patterns().unwrap()[0].id;
    let other = rusqlite::Connection::open(store.path()).unwrap();
    let spoil = |columns: &str| {
        let sql = format!("UPDATE tool_patterns SET {columns} WHERE id = {id}");
        other.execute_batch(&sql).unwrap();
    };
    for (columns, says) in [
        (
            "pattern_type = 'magic'",
            "pattern_type: \"magic\" is unknown",
        ),
        ("pattern_type = 'glm'", "pattern_type"),
        (
            "pattern_type = 'pairs'",
            "tool_name_group: the type 'pairs'",
        ),
        ("strength = 'sure'", "strength: \"sure\" is unknown"),
        (
            "regex_pattern = ''",
            "regex_pattern: the regular expression",
        ),
        ("tool_name_group = -1", "tool_name_group"),
        (
            "tool_name_mapping = '[]'",
            "tool_name_mapping: must be a JSON",
        ),
        ("priority = 'high'", "priority is not a number"),
    ] {
        spoil(columns);
        let snapshot = store.snapshot().unwrap();
        assert_eq!(
            snapshot.tool_patterns.len(),
            BUILTINS.len() - 1,
            "{columns}"
        );
        let problem = snapshot.problems[0].to_string();
        assert!(problem.contains(says), "{columns}: {problem}");
        assert_eq!(snapshot.left_out, Vec::<String>::new(), "no model is lost");
        spoil(
            "pattern_type = 'calls', strength = 'weak', regex_pattern = 'x', \
             tool_name_group = NULL, tool_name_mapping = NULL, priority = 1",
        );
    }
    spoil("regex_pattern = '('");
    change(&store, id, &json!({"enabled": 0})).unwrap();
    change(&store, id, &json!({"regex_pattern": "x"})).unwrap();
    assert_eq!(store.snapshot().unwrap().problems, []);
}

#[test]
fn a_draft_can_be_tried_out_before_it_is_saved() {
    let value = json!({
        "pattern_name": "p", "pattern_type": "arguments", "regex_pattern": "<(a)>",
        "tool_name_group": 1,
    });
    let pattern = ToolPatternDraft::for_create(&value).unwrap().pattern(-3);
    let pattern = pattern.unwrap();
    assert_eq!((pattern.id, pattern.tool.group), (-3, Some(1)));
    assert_eq!(pattern.priority, 50);
}

#[test]
fn an_alias_is_created_changed_and_deleted_and_moves_the_revision() {
    let (_folder, store) = fresh();
    let mut last = store.revision().unwrap();
    let mut moved = || {
        let now = store.revision().unwrap();
        assert!(now > last);
        last = now;
    };
    let value = json!({"tool_name": "read", "parameter": "filePath", "aliases": ["path", "file"]});
    let id = add_alias(&store, &value).unwrap();
    moved();
    let row = store.tool_alias(id).unwrap();
    assert_eq!(row.aliases, ["path", "file"]);
    assert_eq!((row.enabled, row.fill.as_ref()), (1, None));
    change_alias(&store, id, &json!({"fill": "x", "enabled": 0})).unwrap();
    moved();
    let row = store.tool_alias(id).unwrap();
    assert_eq!((row.enabled, row.fill.as_deref()), (0, Some("x")));
    assert_eq!(row.aliases, ["path", "file"]);
    let out = serde_json::to_value(&row).unwrap();
    change_alias(&store, id, &out).unwrap();
    change_alias(&store, id, &json!({"aliases": []})).unwrap();
    let error = change_alias(&store, id, &json!({"fill": null})).unwrap_err();
    assert!(error.to_string().contains("would do nothing"), "{error}");

    let error = add_alias(&store, &value).unwrap_err();
    assert!(error.to_string().contains("read.filePath"), "{error}");
    let error = change_alias(
        &store,
        id,
        &json!({"tool_name": "bash", "parameter": "command"}),
    );
    assert!(matches!(error, Err(StoreError::Duplicate { .. })));
    moved();
    store.delete_tool_alias(id).unwrap();
    moved();
    for missing in [
        store.tool_alias(id).unwrap_err(),
        store.delete_tool_alias(id).unwrap_err(),
        change_alias(&store, id, &json!({})).unwrap_err(),
    ] {
        assert!(matches!(missing, StoreError::Missing { .. }), "{missing:?}");
    }
}

#[test]
fn an_alias_that_cannot_be_read_is_left_out_alone() {
    let (_folder, store) = fresh();
    let other = rusqlite::Connection::open(store.path()).unwrap();
    other
        .execute_batch("UPDATE tool_aliases SET aliases = '{' WHERE parameter = 'command'")
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.tool_aliases.len(), 1);
    let problem = snapshot.problems[0].to_string();
    let expected = "tool alias 1 \"bash.command\": left out: aliases must be a JSON list";
    assert!(problem.starts_with(expected), "{problem}");
}

#[test]
fn a_trial_names_stored_tool_patterns_that_cannot_be_used_unless_one_takes_their_place() {
    let (_folder, store) = fresh();
    let row = store.tool_patterns().unwrap().remove(0);
    let other = rusqlite::Connection::open(store.path()).unwrap();
    let spoil = format!(
        "UPDATE tool_patterns SET regex_pattern = 'a(' WHERE id = {}",
        row.id
    );
    other.execute_batch(&spoil).unwrap();
    let refused = |patterns: Value, only: bool| {
        let question = json!({ "text": "", "tools": [], "patterns": patterns, "only": only });
        let body = question.to_string();
        let trial = PatternTrial::read(&question, body.as_bytes()).unwrap();
        store.trial_rules(trial).unwrap().refused
    };
    let named = refused(json!([]), false);
    assert_eq!(named.len(), 1);
    assert_eq!((&named[0].name, named[0].id), (&row.pattern_name, row.id));
    assert!(named[0].why.contains("column 2"), "{}", named[0].why);
    let mended = json!([{ "pattern_name": row.pattern_name, "regex_pattern": "a" }]);
    assert_eq!(refused(mended, false), []);
    assert_eq!(refused(json!([]), true), []);
}
