//! What is answered from memory for a virtual model: defaults, changes, and values that make
//! no sense.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use serde_json::{Value, json};
use store::{Caching, EndpointDraft, Store, VirtualModelDraft};
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

fn caching(store: &Store) -> Caching {
    store.snapshot().unwrap().models["m"].caching.clone()
}

#[test]
fn nothing_is_answered_from_memory_unless_it_is_switched_on() {
    let (_folder, store) = with_model();
    assert_eq!(caching(&store), Caching::default());
    let row = serde_json::to_value(store.virtual_model(1).unwrap()).unwrap();
    for (field, value) in [
        ("cache_enabled", json!(0)),
        ("cache_ttl_seconds", Value::Null),
        ("join_calls", json!(0)),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
}

#[test]
fn each_switch_is_kept_and_can_go_back() {
    let (_folder, store) = with_model();
    let before = store.virtual_model(1).unwrap();
    change(&store, &json!({"cache_enabled": true}));
    change(&store, &json!({"cache_ttl_seconds": "90", "join_calls": 1}));
    let expected = Caching {
        enabled: true,
        ttl: Some(Duration::from_secs(90)),
        join: true,
    };
    assert_eq!(caching(&store), expected);
    change(&store, &serde_json::to_value(before).unwrap());
    assert_eq!(caching(&store), Caching::default());
}

#[test]
fn a_value_that_makes_no_sense_is_not_used() {
    let (_folder, store) = with_model();
    let other = rusqlite::Connection::open(store.path()).unwrap();
    other
        .execute_batch(
            "UPDATE virtual_models SET cache_enabled = 'x', cache_ttl_seconds = 2592001, \
             join_calls = 'y'",
        )
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.models["m"].caching, Caching::default());
    let problems: Vec<_> = snapshot.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
}
