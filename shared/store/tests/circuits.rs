//! Circuits and health checks of endpoints.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use rusqlite::Connection;
use serde_json::json;
use store::{CircuitRow, EndpointDraft, Store};
use tempfile::TempDir;
use wire::dialect::runpod::Worker;
use wire::provider::Responses;

fn with_endpoints() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    for name in ["one", "two"] {
        let value = json!({"name": name, "url": "http://h/v1"});
        let draft = EndpointDraft::for_create(&value).unwrap();
        store.create_endpoint(&draft).unwrap();
    }
    (folder, store)
}

fn circuit(endpoint_id: i64, model: &str) -> CircuitRow {
    CircuitRow {
        endpoint_id,
        model: model.to_owned(),
        opened_at: 100,
        open_until: 400,
        failures: 3,
        last_error: Some("upstream_unreachable".to_owned()),
    }
}

#[test]
fn circuits_survive_and_go_when_they_close() {
    let (_folder, store) = with_endpoints();
    let path = store.path().to_path_buf();
    let before = store.revision().unwrap();
    let rows = [circuit(1, "a"), circuit(1, "b"), circuit(2, "a")];
    store.save_circuits(&rows).unwrap();
    assert_eq!(store.revision().unwrap(), before, "no configuration");
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.circuits().unwrap(), rows);
    let again = CircuitRow {
        open_until: 900,
        failures: 4,
        last_error: None,
        ..circuit(1, "a")
    };
    let closed = CircuitRow {
        opened_at: 0,
        ..circuit(1, "b")
    };
    store.save_circuits(&[again.clone(), closed]).unwrap();
    assert_eq!(store.circuits().unwrap(), [again, circuit(2, "a")]);
    store.save_circuits(&[]).unwrap();
}

#[test]
fn circuits_are_forgotten_one_by_one_or_together() {
    let (_folder, store) = with_endpoints();
    let rows = [
        circuit(1, "a"),
        circuit(1, "b"),
        circuit(2, "a"),
        circuit(2, "b"),
    ];
    store.save_circuits(&rows).unwrap();
    let before = store.revision().unwrap();
    assert!(store.forget_circuit(1, "a").unwrap());
    assert_eq!(store.revision().unwrap(), before + 1, "the gateway looks");
    assert!(!store.forget_circuit(1, "a").unwrap());
    assert_eq!(store.revision().unwrap(), before + 1, "nothing to see");
    assert_eq!(store.circuits().unwrap(), rows[1..]);
    assert_eq!(store.forget_circuits(Some(2)).unwrap(), 2);
    assert_eq!(store.revision().unwrap(), before + 2);
    assert_eq!(store.circuits().unwrap(), rows[1..2]);
    assert_eq!(store.forget_circuits(None).unwrap(), 1);
    assert_eq!(store.circuits().unwrap(), []);
}

#[test]
fn a_circuit_goes_with_its_endpoint_and_none_comes_after_it() {
    let (_folder, store) = with_endpoints();
    let rows = [circuit(1, "a"), circuit(2, "a")];
    store.save_circuits(&rows).unwrap();
    store.delete_endpoint(1, false).unwrap();
    store.save_circuits(&rows).unwrap();
    assert_eq!(store.circuits().unwrap(), rows[1..]);
    let kept: i64 = Connection::open(store.path())
        .unwrap()
        .query_row("SELECT COUNT(*) FROM circuits", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn a_health_check_is_an_address_or_a_path() {
    for (base, typed, address) in [
        ("http://h:8000/v1", "/health", "http://h:8000/health"),
        ("http://h:8000/v1/", "./models", "http://h:8000/v1/models"),
        ("https://h", "./", "https://h/"),
        ("http://h/v1", "https://other:81/up", "https://other:81/up"),
        ("http://h/v1", "http://other", "http://other/"),
        ("http://h/v1", "http://other/up/", "http://other/up/"),
    ] {
        let (_folder, store) = with_endpoints();
        let value = json!({ "url": base, "health_check_url": typed });
        let draft = EndpointDraft::for_update(&value).unwrap();
        store.update_endpoint(1, &draft).unwrap();
        let endpoint = store.endpoint(1).unwrap();
        assert_eq!(endpoint.health_check_url.as_deref(), Some(typed));
        assert_eq!(
            endpoint.health_check().unwrap().to_string(),
            address,
            "{typed}"
        );
        let draft = EndpointDraft::for_update(&json!({ "health_check_url": "" })).unwrap();
        store.update_endpoint(1, &draft).unwrap();
        assert_eq!(store.endpoint(1).unwrap().health_check(), None);
    }
}

#[test]
fn a_bad_health_check_or_worker_form_is_refused_when_written_and_harmless_when_found() {
    let (_folder, store) = with_endpoints();
    for (field, value) in [
        ("health_check_url", "health"),
        ("health_check_url", "ftp://h/"),
        ("health_check_url", "http://me:pw@h/up"),
        ("health_check_url", "/up?key=1"),
        ("worker_form", "sglang"),
        ("responses", "maybe"),
        ("denied_betas", "one two"),
    ] {
        let errors = EndpointDraft::for_update(&json!({ field: value })).unwrap_err();
        assert!(errors.get(field).is_some(), "{value}: {errors}");
    }
    Connection::open(store.path())
        .unwrap()
        .execute_batch(
            "UPDATE endpoints SET health_check_url = 'up?', worker_form = 'x', \
             responses = 'x', denied_betas = 'a b' WHERE id = 1",
        )
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    let endpoint = &snapshot.endpoints[0];
    assert_eq!(endpoint.health_check_url, None);
    assert_eq!(endpoint.worker_form, Worker::Auto);
    assert_eq!(endpoint.responses, Responses::Auto);
    let problems: Vec<_> = snapshot.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(endpoint.denied_betas.is_empty());
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("health_check_url is not a URL"))
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("worker_form \"x\" is unknown"))
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("responses \"x\" is unknown"))
    );
}

#[test]
fn a_worker_form_reads_back() {
    let (_folder, store) = with_endpoints();
    for form in Worker::ALL {
        let draft = EndpointDraft::for_update(&json!({ "worker_form": form.id() })).unwrap();
        store.update_endpoint(1, &draft).unwrap();
        assert_eq!(store.endpoint(1).unwrap().worker_form, form);
    }
    let draft = EndpointDraft::for_update(&json!({ "worker_form": null })).unwrap();
    store.update_endpoint(1, &draft).unwrap();
    assert_eq!(store.endpoint(1).unwrap().worker_form, Worker::Auto);
}

#[test]
fn the_word_about_responses_reads_back() {
    let (_folder, store) = with_endpoints();
    for word in Responses::ALL {
        let draft = EndpointDraft::for_update(&json!({ "responses": word.id() })).unwrap();
        store.update_endpoint(1, &draft).unwrap();
        assert_eq!(store.endpoint(1).unwrap().responses, word);
    }
    let draft = EndpointDraft::for_update(&json!({ "responses": null })).unwrap();
    store.update_endpoint(1, &draft).unwrap();
    assert_eq!(store.endpoint(1).unwrap().responses, Responses::Auto);
}

#[test]
fn a_changed_endpoint_begins_without() {
    let (_folder, store) = with_endpoints();
    let rows = [circuit(1, "a"), circuit(2, "a")];
    store.save_circuits(&rows).unwrap();
    let draft = EndpointDraft::for_update(&json!({"url": "http://other/v1"})).unwrap();
    store.update_endpoint(1, &draft).unwrap();
    assert_eq!(store.circuits().unwrap(), rows[1..]);
}
