//! What is repaired for a virtual model: defaults, changes, and values that make no sense.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};
use store::{EndpointDraft, ReasoningForm, Repair, Store, Thinking, VirtualModelDraft};
use tempfile::TempDir;

fn with_model() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let value = json!({"name": "e", "url": "http://h"});
    let endpoint = EndpointDraft::for_create(&value).unwrap();
    let id = store.create_endpoint(&endpoint).unwrap();
    let value = json!({"name": "m", "endpoint_id": id, "actual_model": "a"});
    let model = VirtualModelDraft::for_create(&value).unwrap();
    store.create_virtual_model(&model).unwrap();
    (folder, store)
}

fn change(store: &Store, value: &Value) {
    let draft = VirtualModelDraft::for_update(value).unwrap();
    store.update_virtual_model(1, &draft).unwrap();
}

fn repair(store: &Store) -> Repair {
    store.snapshot().unwrap().models["m"].repair.clone()
}

#[test]
fn everything_is_repaired_unless_it_is_switched_off() {
    let (_folder, store) = with_model();
    assert_eq!(repair(&store), Repair::default());
    let row = serde_json::to_value(store.virtual_model(1).unwrap()).unwrap();
    for (field, value) in [
        ("repair_tool_calls", json!(1)),
        ("repair_arguments", json!(1)),
        ("repair_history", json!(1)),
        ("reasoning_form", json!("field")),
        ("thinking", json!("tagged")),
        ("repaired_comment", json!(0)),
        ("keep_tool_text_bytes", Value::Null),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
}

#[test]
fn each_switch_is_kept_and_can_go_back() {
    let (_folder, store) = with_model();
    let before = store.virtual_model(1).unwrap();
    change(&store, &json!({"repair_tool_calls": false}));
    change(&store, &json!({"repair_arguments": 0, "repair_history": 0}));
    let rest = json!({
        "reasoning_form": "inline", "thinking": "open", "repaired_comment": true,
        "keep_tool_text_bytes": "2048",
    });
    change(&store, &rest);
    let expected = Repair {
        tool_calls: false,
        arguments: false,
        history: false,
        reasoning_form: ReasoningForm::Inline,
        thinking: Thinking::Open,
        comment: true,
        keep_text_bytes: Some(2048),
    };
    assert_eq!(repair(&store), expected);
    change(&store, &serde_json::to_value(before).unwrap());
    assert_eq!(repair(&store), Repair::default());
}

#[test]
fn a_value_that_makes_no_sense_is_not_used() {
    let (_folder, store) = with_model();
    let other = rusqlite::Connection::open(store.path()).unwrap();
    other
        .execute_batch(
            "UPDATE virtual_models SET reasoning_form = 'loud', thinking = 'maybe', \
             keep_tool_text_bytes = 5, repair_history = 'x'",
        )
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.models["m"].repair, Repair::default());
    let problems: Vec<_> = snapshot.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
}
