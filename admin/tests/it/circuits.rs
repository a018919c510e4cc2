//! Circuits over the API.

use serde_json::{Value, json};
use store::{CircuitRow, Store};

use crate::harness::App;

const LIST: &str = "/api/admin/circuits";
const RESET: &str = "/api/admin/circuits/reset";

/// Two endpoints; both models of the first are left alone, one of them for ever, and one of
/// the second.
async fn with_circuits() -> (App, Store, [i64; 2]) {
    let app = App::start();
    let one = app.endpoint("one", "http://127.0.0.1:9").await;
    let two = app.endpoint("two", "http://127.0.0.1:9").await;
    let store = Store::open(&app.database()).unwrap();
    let circuit = |endpoint_id, model: &str, open_until| CircuitRow {
        endpoint_id,
        model: model.to_owned(),
        opened_at: 100,
        open_until,
        failures: 3,
        last_error: Some("upstream_unreachable".to_owned()),
    };
    store
        .save_circuits(&[
            circuit(one, "a", i64::MAX / 2_048),
            circuit(one, "b", 400),
            circuit(two, "a", 400),
        ])
        .unwrap();
    (app, store, [one, two])
}

#[tokio::test]
async fn circuits_are_listed_with_their_state() {
    let (app, _store, [one, two]) = with_circuits().await;
    let (status, rows) = app.get(LIST).await;
    assert_eq!(status, 200, "{rows}");
    let row = |id, name, model, until, state| {
        json!({
            "endpoint_id": id, "endpoint_name": name, "model": model, "state": state,
            "opened_at": 100, "open_until": until, "failures": 3,
            "last_error": "upstream_unreachable",
        })
    };
    assert_eq!(
        rows,
        json!([
            row(one, "one", "a", i64::MAX / 2_048, "open"),
            row(one, "one", "b", 400, "half_open"),
            row(two, "two", "a", 400, "half_open"),
        ])
    );
}

#[tokio::test]
async fn circuits_are_reset_one_by_one_by_endpoint_and_together() {
    for (which, left) in [
        (0, vec!["one b", "two a"]),
        (1, vec!["two a"]),
        (2, vec![]),
        (3, vec!["one a", "one b", "two a"]),
    ] {
        let (app, _store, [one, _]) = with_circuits().await;
        let body = [
            json!({ "endpoint_id": one, "model": "a" }),
            json!({ "endpoint_id": one }),
            json!({}),
            json!({ "endpoint_id": one, "model": "nobody" }),
        ][which]
            .clone();
        let (status, answer) = app.post(RESET, &body).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer, json!({ "status": "ok", "reset": 3 - left.len() }));
        let (_, rows) = app.get(LIST).await;
        let text = |row: &Value| {
            let part = |field: &str| row[field].as_str().unwrap().to_owned();
            format!("{} {}", part("endpoint_name"), part("model"))
        };
        let found: Vec<_> = rows.as_array().unwrap().iter().map(text).collect();
        assert_eq!(found, left, "{body}");
    }
}

#[tokio::test]
async fn what_is_to_be_reset_must_be_clear() {
    let (app, store, _) = with_circuits().await;
    for body in [
        json!({ "model": "a" }),
        json!({ "endpoint": 1 }),
        json!({ "endpoint_id": "one" }),
    ] {
        let (status, answer) = app.post(RESET, &body).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    assert_eq!(app.get(RESET).await.0, 405);
    assert_eq!(app.post(LIST, &json!({})).await.0, 405);
    assert_eq!(store.circuits().unwrap().len(), 3);
}
