//! Tool patterns and aliases out of one store and into another.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};
use store::{
    ImportCounts, ImportReport, PatternImport, Store, StoreError, ToolAliasDraft, ToolPatternDraft,
};
use tempfile::TempDir;
use wire::normaliser::BUILTINS;

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    (folder, store)
}

/// One in which every kind of row was changed, made and deleted.
fn edited() -> (TempDir, Store) {
    let (folder, store) = fresh();
    let rows = store.tool_patterns().unwrap();
    let change = |id: i64, value: Value| {
        let draft = ToolPatternDraft::for_update(&value).unwrap();
        store.update_tool_pattern(id, &draft).unwrap();
    };
    change(rows[0].id, json!({"enabled": 0}));
    change(
        rows[1].id,
        json!({"priority": 3, "parameter_mapping": {"a": "b"}}),
    );
    store.delete_tool_pattern(rows[2].id).unwrap();
    let value = json!({
        "pattern_name": "mine", "pattern_type": "bracket", "priority": 1000,
        "regex_pattern": "\\[EXECUTE:(\\w+):([^\\]]+)\\]", "tool_name_group": 1,
        "parameter_mapping": {"2": "command"}, "strength": "weak",
    });
    let draft = ToolPatternDraft::for_create(&value).unwrap();
    store.create_tool_pattern(&draft).unwrap();
    let value = json!({"tool_name": "read", "parameter": "filePath", "aliases": ["path"]});
    let draft = ToolAliasDraft::for_create(&value).unwrap();
    store.create_tool_alias(&draft).unwrap();
    store.delete_tool_alias(2).unwrap();
    (folder, store)
}

fn export(store: &Store) -> Value {
    serde_json::to_value(store.export_tool_patterns().unwrap()).unwrap()
}

fn import(store: &Store, document: &Value) -> Result<ImportReport, StoreError> {
    store.import_tool_patterns(&PatternImport::read(document)?)
}

fn with_mode(mut document: Value, mode: &str) -> Value {
    document["mode"] = mode.into();
    document
}

fn counts(created: usize, updated: usize, unchanged: usize, removed: usize) -> ImportCounts {
    ImportCounts {
        created,
        updated,
        unchanged,
        removed,
    }
}

#[test]
fn what_went_out_changes_nothing_when_it_comes_in() {
    let (_folder, store) = edited();
    let document = export(&store);
    let (rows, revision) = (store.tool_patterns().unwrap(), store.revision().unwrap());
    for mode in ["merge", "replace"] {
        let report = import(&store, &with_mode(document.clone(), mode)).unwrap();
        assert_eq!(report.patterns, counts(0, 0, BUILTINS.len(), 0), "{mode}");
        assert_eq!(report.aliases, counts(0, 0, 2, 0), "{mode}");
    }
    assert_eq!(store.tool_patterns().unwrap(), rows);
    assert_eq!(store.revision().unwrap(), revision);
}

#[test]
fn another_store_becomes_the_same_by_replacing() {
    let (_folder, store) = edited();
    let document = export(&store);
    assert_eq!(document["version"], 1);
    assert_eq!(document["patterns"][0]["pattern_name"], "mine");
    assert_eq!(
        document["patterns"][0]["parameter_mapping"],
        json!({"2": "command"})
    );
    let (_other_folder, other) = fresh();
    let report = import(&other, &with_mode(document.clone(), "replace")).unwrap();
    assert_eq!(report.patterns, counts(1, 2, BUILTINS.len() - 3, 1));
    assert_eq!(report.aliases, counts(1, 0, 1, 1));
    assert_eq!(export(&other), document);
    assert_eq!(other.snapshot().unwrap().problems, []);
}

#[test]
fn merging_keeps_what_the_document_does_not_have() {
    let (_folder, store) = edited();
    let (_other_folder, other) = fresh();
    let report = import(&other, &export(&store)).unwrap();
    assert_eq!(report.patterns, counts(1, 2, BUILTINS.len() - 3, 0));
    assert_eq!(report.aliases, counts(1, 0, 1, 0));
    assert_eq!(other.tool_patterns().unwrap().len(), BUILTINS.len() + 1);
    assert_eq!(other.tool_aliases().unwrap().len(), 3);
}

#[test]
fn a_list_that_is_not_there_is_left_alone() {
    let (_folder, store) = fresh();
    let nothing = json!({"mode": "replace", "aliases": []});
    let report = import(&store, &nothing).unwrap();
    assert_eq!(report.patterns, ImportCounts::default());
    assert_eq!(report.aliases, counts(0, 0, 0, 2));
    assert_eq!(store.tool_patterns().unwrap().len(), BUILTINS.len());
}

/// Rows as the original's table has them, in a plain list; what they leave out has the
/// default of a new row.
#[test]
fn rows_of_the_original_come_in() {
    let (_folder, store) = fresh();
    let rows = json!([
        {
            "id": 14, "pattern_name": "execute", "pattern_type": "bracket",
            "regex_pattern": "\\[EXECUTE:(\\w+):([^\\]]+)\\]", "tool_name": null,
            "tool_name_group": 1, "tool_name_json_path": null, "tool_name_mapping": "{}",
            "parameter_mapping": "{\"2\": \"command\"}", "enabled": 1, "priority": 75,
            "created_at": 1_760_000_000, "updated_at": 1_760_000_000,
        },
        {
            "pattern_name": "inline_json", "pattern_type": "inline",
            "regex_pattern": "\\{x\\}", "tool_name_mapping": null,
        },
    ]);
    let before = store.tool_patterns().unwrap();
    let report = import(&store, &rows).unwrap();
    assert_eq!(report.patterns, counts(1, 1, 0, 0));
    let rows = store.tool_patterns().unwrap();
    let named = |rows: &[store::ToolPatternRow], name: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row.pattern_name == name).unwrap().clone()
    };
    let execute = named(&rows, "execute");
    assert_eq!(
        (execute.strength.as_str(), execute.priority),
        ("strong", 75)
    );
    assert_ne!(execute.id, 14, "ids are the store's own");
    let inline = named(&rows, "inline_json");
    assert_eq!(inline.id, named(&before, "inline_json").id);
    assert_eq!(
        (inline.pattern_type.as_str(), inline.builtin),
        ("inline", None)
    );
    assert_eq!((inline.strength.as_str(), inline.priority), ("strong", 50));
}

#[test]
fn everything_bad_is_named_and_nothing_is_written() {
    let (_folder, store) = fresh();
    let before = export(&store);
    let document = json!({
        "version": 2,
        "mode": "append",
        "colour": 1,
        "patterns": [
            {"pattern_name": "good", "regex_pattern": "x"},
            {"pattern_name": "bad", "regex_pattern": "(", "priority": "high"},
            7,
            {"pattern_name": "p", "pattern_type": "arguments", "regex_pattern": "x"},
            {"pattern_name": "q", "regex_pattern": "x", "builtin": "nobody"},
        ],
        "aliases": [{"tool_name": "t", "aliases": [1]}],
    });
    let errors = PatternImport::read(&document).unwrap_err();
    let named: Vec<_> = errors.iter().map(|(field, _)| field).collect();
    assert_eq!(
        named,
        [
            "aliases[0].aliases",
            "aliases[0].parameter",
            "colour",
            "mode",
            "patterns[1].priority",
            "patterns[1].regex_pattern",
            "patterns[2]",
            "patterns[3].tool_name_group",
            "patterns[4].builtin",
            "version",
        ],
        "{errors}"
    );
    assert_eq!(export(&store), before);
}

#[test]
fn documents_that_make_no_sense_are_refused() {
    let twice = json!([
        {"pattern_name": "a", "regex_pattern": "x"},
        {"pattern_name": "a", "regex_pattern": "y"},
    ]);
    let alias = json!({"tool_name": "t", "parameter": "p", "fill": "x"});
    let many = vec![json!({}); 1001];
    for (document, field, why) in [
        (json!("x"), "body", "must be a JSON object"),
        (json!({}), "patterns", "is required, or aliases"),
        (json!({"patterns": {}}), "patterns", "must be a list"),
        (json!(many), "patterns", "at most 1000"),
        (twice, "patterns[1].pattern_name", "same as in patterns[0]"),
        (
            json!({"aliases": [alias, alias]}),
            "aliases[1].parameter",
            "same as in aliases[0]",
        ),
    ] {
        let errors = PatternImport::read(&document).unwrap_err();
        let found = errors.get(field).unwrap_or("(field not named)");
        assert!(found.contains(why), "{field}: {found}");
    }
}

/// What cannot be used goes out as it is, and is named where it comes in.
#[test]
fn a_bad_row_is_exported_and_refused() {
    let (_folder, store) = fresh();
    let other = rusqlite::Connection::open(store.path()).unwrap();
    other
        .execute_batch(
            "UPDATE tool_patterns SET parameter_mapping = '[1]', priority = 2000 \
             WHERE pattern_name = 'tool_call'",
        )
        .unwrap();
    let document = export(&store);
    assert_eq!(document["patterns"][0]["parameter_mapping"], "[1]");
    let errors = PatternImport::read(&document).unwrap_err();
    assert!(errors.get("patterns[0].parameter_mapping").is_some());
}
