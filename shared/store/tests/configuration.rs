//! Endpoints, virtual models, tool patterns: what a change changes, and what it must not.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::{Value, json};
use store::{EndpointDraft, Secret, Store, StoreError, ToolPatternDraft, VirtualModelDraft};
use tempfile::TempDir;
use wire::normaliser::BUILTINS;

const KEY: &str = "sk-test-000000001234";

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    (folder, store)
}

fn add_endpoint(store: &Store, name: &str) -> i64 {
    let value = json!({
        "name": name, "url": "https://api.example.com/v1", "api_key": KEY,
        "endpoint_type": "vllm", "priority": 7, "custom_headers": {"x-team": "a"},
        "ca_file": "/etc/ca.pem", "tls_insecure": true,
    });
    store
        .create_endpoint(&EndpointDraft::for_create(&value).unwrap())
        .unwrap()
}

fn add_model(store: &Store, name: &str, endpoint: i64) -> i64 {
    let value = json!({"name": name, "endpoint_id": endpoint, "actual_model": "m"});
    store
        .create_virtual_model(&VirtualModelDraft::for_create(&value).unwrap())
        .unwrap()
}

fn change_endpoint(store: &Store, id: i64, value: &Value) -> Result<(), StoreError> {
    store.update_endpoint(id, &EndpointDraft::for_update(value).unwrap())
}

fn change_model(store: &Store, id: i64, value: &Value) -> Result<(), StoreError> {
    store.update_virtual_model(id, &VirtualModelDraft::for_update(value).unwrap())
}

fn change_pattern(store: &Store, id: i64, value: &Value) -> Result<(), StoreError> {
    store.update_tool_pattern(id, &ToolPatternDraft::for_update(value).unwrap())
}

#[test]
fn a_new_endpoint_reads_back_with_its_key_masked() {
    let (_folder, store) = fresh();
    let id = add_endpoint(&store, " local ");
    let row = serde_json::to_value(store.endpoint_row(id).unwrap()).unwrap();
    assert!(row["created_at"].as_i64().unwrap() > 1_700_000_000);
    let expected = json!({
        "id": id, "name": "local", "url": "https://api.example.com/v1", "api_key": "***1234",
        "endpoint_type": "vllm", "custom_headers": "{\"x-team\":\"a\"}", "priority": 7,
        "enabled": 1, "ca_file": "/etc/ca.pem", "tls_insecure": 1,
        "health_check_url": null, "worker_form": "auto", "responses": "auto",
        "denied_betas": null, "locked": null,
        "timeout_seconds": null, "connect_timeout_seconds": null,
        "first_byte_timeout_seconds": null,
        "limit_requests_per_minute": null, "limit_tokens_per_minute": null,
        "limit_parallel": null, "limit_cost_per_day": null, "limit_cost_per_month": null,
        "created_at": row["created_at"], "updated_at": row["updated_at"], "version": 1,
    });
    assert_eq!(row, expected);
    let endpoint = store.endpoint(id).unwrap();
    assert_eq!(endpoint.api_key, Some(Secret::new(KEY)));
    let printed = format!("{endpoint:?} {:?}", store.snapshot().unwrap());
    assert!(printed.contains("local") && !printed.contains(KEY) && !printed.contains("x-team"));
}

#[test]
fn a_change_touches_only_the_fields_it_carries() {
    let (_folder, store) = fresh();
    let id = add_endpoint(&store, "local");
    let before = store.endpoint(id).unwrap();
    change_endpoint(&store, id, &json!({"priority": 9})).unwrap();
    let after = store.endpoint(id).unwrap();
    assert_eq!(after.priority, 9);
    let unchanged = store::Endpoint {
        priority: 7,
        updated_at: before.updated_at,
        ..after
    };
    assert_eq!(unchanged, before);
}

#[test]
fn a_row_as_it_came_out_can_be_sent_back() {
    let (_folder, store) = fresh();
    let id = add_endpoint(&store, "local");
    let model = add_model(&store, "m", id);
    let endpoint = store.endpoint(id).unwrap();
    let row = serde_json::to_value(store.endpoint_row(id).unwrap()).unwrap();
    change_endpoint(&store, id, &row).unwrap();
    let after = store.endpoint(id).unwrap();
    assert_eq!(after.api_key, endpoint.api_key);
    assert_eq!(after.custom_headers, endpoint.custom_headers);
    let row = serde_json::to_value(store.virtual_model(model).unwrap()).unwrap();
    change_model(&store, model, &row).unwrap();
    let pattern = store.tool_patterns().unwrap().remove(0);
    let row = serde_json::to_value(&pattern).unwrap();
    change_pattern(&store, pattern.id, &row).unwrap();
    let after = store.tool_pattern(pattern.id).unwrap();
    assert_eq!(after.regex_pattern, pattern.regex_pattern);
}

#[test]
fn the_key_is_kept_cleared_or_replaced() {
    let (_folder, store) = fresh();
    let id = add_endpoint(&store, "local");
    let key = |store: &Store| store.endpoint(id).unwrap().api_key;
    for keep in [json!({}), json!({"api_key": "***1234"})] {
        change_endpoint(&store, id, &keep).unwrap();
        assert_eq!(key(&store), Some(Secret::new(KEY)), "{keep}");
    }
    let error = change_endpoint(&store, id, &json!({"api_key": "***9999"})).unwrap_err();
    assert!(error.to_string().contains("api_key"), "{error}");
    assert!(!error.to_string().contains("1234"), "{error}");
    change_endpoint(&store, id, &json!({"api_key": "sk-test-other-key"})).unwrap();
    assert_eq!(key(&store), Some(Secret::new("sk-test-other-key")));
    for clear in [json!({"api_key": null}), json!({"api_key": ""})] {
        change_endpoint(&store, id, &json!({"api_key": KEY})).unwrap();
        change_endpoint(&store, id, &clear).unwrap();
        assert_eq!(key(&store), None, "{clear}");
        assert_eq!(store.endpoint_row(id).unwrap().api_key, None);
    }
}

#[test]
fn zero_is_a_value_and_null_clears_it() {
    let (_folder, store) = fresh();
    let endpoint = add_endpoint(&store, "local");
    let id = add_model(&store, "m", endpoint);
    let zeros = json!({"temperature": 0, "top_p": 0.0, "cost_per_1m_tokens_in": 0});
    change_model(&store, id, &zeros).unwrap();
    let row = store.virtual_model(id).unwrap();
    assert_eq!(
        (row.temperature, row.top_p, row.cost_per_1m_tokens_in),
        (Some(0.0), Some(0.0), Some(0.0))
    );
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.models["m"].temperature, Some(0.0));
    change_model(&store, id, &json!({"temperature": null, "top_p": ""})).unwrap();
    let row = store.virtual_model(id).unwrap();
    assert_eq!(
        (row.temperature, row.top_p, row.cost_per_1m_tokens_in),
        (None, None, Some(0.0))
    );
}

#[test]
fn virtual_models_go_out_with_their_endpoint() {
    let (_folder, store) = fresh();
    let endpoint = add_endpoint(&store, "local");
    add_model(&store, "b", endpoint);
    add_model(&store, "a", endpoint);
    let rows = store.virtual_models().unwrap();
    assert_eq!(rows[0].name, "a");
    assert_eq!(rows[0].endpoint_name.as_deref(), Some("local"));
    assert_eq!(
        rows[0].endpoint_url.as_deref(),
        Some("https://api.example.com/v1")
    );
}

#[test]
fn names_are_unique_and_ids_must_exist() {
    let (_folder, store) = fresh();
    let first = add_endpoint(&store, "local");
    let second = add_endpoint(&store, "other");
    let taken = json!({"name": "local", "url": "http://h"});
    let create = store.create_endpoint(&EndpointDraft::for_create(&taken).unwrap());
    let rename = change_endpoint(&store, second, &json!({"name": "local"}));
    for error in [create.unwrap_err(), rename.unwrap_err()] {
        assert!(matches!(error, StoreError::Duplicate { .. }), "{error:?}");
        assert!(error.to_string().contains("\"local\""), "{error}");
    }
    change_endpoint(&store, first, &json!({"name": "local"})).unwrap();

    let model = add_model(&store, "m", first);
    add_model(&store, "n", first);
    let rename = change_model(&store, model, &json!({"name": "n"}));
    assert!(matches!(rename, Err(StoreError::Duplicate { .. })));
    let moved = change_model(&store, model, &json!({"endpoint_id": 77})).unwrap_err();
    let StoreError::Invalid { fields } = moved else {
        unreachable!("not {moved:?}");
    };
    assert_eq!(
        fields.get("endpoint_id"),
        Some("there is no endpoint with id 77")
    );

    for missing in [
        change_endpoint(&store, 77, &json!({})).unwrap_err(),
        store.endpoint(77).unwrap_err(),
        store.endpoint_row(77).unwrap_err(),
        store.delete_endpoint(77, true).unwrap_err(),
        change_model(&store, 77, &json!({})).unwrap_err(),
        store.virtual_model(77).unwrap_err(),
        store.delete_virtual_model(77).unwrap_err(),
        change_pattern(&store, 77, &json!({})).unwrap_err(),
        store.tool_pattern(77).unwrap_err(),
        store.delete_tool_pattern(77).unwrap_err(),
    ] {
        assert!(
            matches!(missing, StoreError::Missing { id: 77, .. }),
            "{missing:?}"
        );
    }
}

#[test]
fn an_endpoint_with_models_goes_only_with_them() {
    let (_folder, store) = fresh();
    let endpoint = add_endpoint(&store, "local");
    let other = add_endpoint(&store, "other");
    add_model(&store, "b", endpoint);
    add_model(&store, "a", endpoint);
    add_model(&store, "c", other);
    let error = store.delete_endpoint(endpoint, false).unwrap_err();
    assert!(
        matches!(&error, StoreError::HasModels { models, .. } if models == &["a", "b"]),
        "{error:?}"
    );
    assert_eq!(store.endpoints().unwrap().len(), 2);
    assert_eq!(store.delete_endpoint(endpoint, true).unwrap(), ["a", "b"]);
    assert_eq!(store.virtual_models().unwrap().len(), 1);
    store
        .delete_virtual_model(store.virtual_models().unwrap()[0].id)
        .unwrap();
    assert_eq!(
        store.delete_endpoint(other, false).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn the_revision_moves_with_every_change_and_only_then() {
    let (_folder, store) = fresh();
    let mut last = store.revision().unwrap();
    let mut moved = |what: &str| {
        let now = store.revision().unwrap();
        assert!(now > last, "{what} did not move the revision");
        last = now;
    };
    let endpoint = add_endpoint(&store, "local");
    moved("a new endpoint");
    change_endpoint(&store, endpoint, &json!({"priority": 1})).unwrap();
    moved("a changed endpoint");
    let model = add_model(&store, "m", endpoint);
    moved("a new model");
    change_model(&store, model, &json!({"enabled": false})).unwrap();
    moved("a changed model");
    let pattern = store.tool_patterns().unwrap()[0].id;
    change_pattern(&store, pattern, &json!({"enabled": 0})).unwrap();
    moved("a changed pattern");
    store.delete_tool_pattern(pattern).unwrap();
    moved("a deleted pattern");
    let draft = store::SettingsDraft::validate(&json!({"default_model": "m"})).unwrap();
    store.save_settings(&draft).unwrap();
    moved("a setting");
    store.delete_virtual_model(model).unwrap();
    moved("a deleted model");
    store.delete_endpoint(endpoint, false).unwrap();
    moved("a deleted endpoint");

    let _ = store.snapshot().unwrap();
    let _ = change_endpoint(&store, endpoint, &json!({"priority": 2}));
    assert_eq!(store.revision().unwrap(), last);
    assert_eq!(store.snapshot().unwrap().revision, last);
}

#[test]
fn the_revision_also_moves_for_another_program() {
    let (_folder, store) = fresh();
    let before = store.revision().unwrap();
    let other = Store::open(store.path()).unwrap();
    add_endpoint(&other, "local");
    assert_eq!(store.revision().unwrap(), before + 1);
    assert_eq!(store.snapshot().unwrap().endpoints.len(), 1);
}

#[test]
fn bad_rows_are_left_out_and_the_rest_keeps_working() {
    let (_folder, store) = fresh();
    let good = add_endpoint(&store, "good");
    add_model(&store, "works", good);
    let bad = add_endpoint(&store, "bad");
    add_model(&store, "lost", bad);
    add_model(&store, "doubtful", good);
    let other = rusqlite::Connection::open(store.path()).unwrap();
    other
        .execute_batch(
            "UPDATE endpoints SET url = 'ftp://x' WHERE name = 'bad';
             UPDATE virtual_models SET custom_headers = 'no json', temperature = 9,
                 max_tokens = 'many' WHERE name = 'doubtful';
             UPDATE tool_patterns SET regex_pattern = '(' WHERE pattern_name = 'tool_use';
             UPDATE tool_patterns SET parameter_mapping = '[1]' WHERE pattern_name = 'tool_call';
             INSERT INTO settings (key, value) VALUES ('default_model', 'lost');",
        )
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.models.keys().collect::<Vec<_>>(), ["works"]);
    assert_eq!(snapshot.tool_patterns.len(), BUILTINS.len() - 2);
    assert_eq!(snapshot.default_model, None);
    let text = snapshot
        .problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    for expected in [
        "endpoint 2 \"bad\": left out: url has the scheme ftp",
        "\"lost\": left out: its endpoint 2 cannot be used",
        "\"doubtful\": left out: max_tokens is not a number",
        "\"tool_use\": left out: regex_pattern: the regular expression is not one: unclosed group",
        "\"tool_call\": left out: parameter_mapping: must be a JSON object of strings",
        "setting default_model: there is no usable virtual model \"lost\"",
    ] {
        assert!(text.contains(expected), "{expected}\nis not in\n{text}");
    }
    other
        .execute_batch("UPDATE virtual_models SET max_tokens = NULL WHERE name = 'doubtful'")
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    let doubtful = &snapshot.models["doubtful"];
    assert_eq!(
        (doubtful.temperature, doubtful.custom_headers.len()),
        (None, 0)
    );
}
