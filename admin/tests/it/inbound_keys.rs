//! Keys of callers over the API, on its own paths and on the original's.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, answer};

const LIST: &str = "/api/admin/inbound-keys";
const ORIGINAL: &str = "/api/admin/inbound-api-keys";

#[tokio::test]
async fn a_key_is_made_listed_changed_and_deleted_and_seen_once() {
    let app = App::start();
    let endpoint = app.endpoint("home", "http://127.0.0.1:9").await;
    app.model("chat", endpoint).await;
    let body = json!({
        "label": "laptop", "notes": "of the office", "expires_at": 4_000_000_000_i64,
        "allowed_models": ["chat"], "limit_requests_per_minute": 60, "limit_tokens_per_minute": 90_000, "limit_parallel": 4,
        "limit_cost_per_day": 2.5, "limit_cost_per_month": 50.0,
    });
    let (status, made) = app.post(LIST, &body).await;
    assert_eq!(status, 200, "{made}");
    let key = made["api_key"].as_str().unwrap();
    assert!(key.starts_with("spk_") && key.len() == 47, "{made}");
    assert_eq!(made["key_prefix"], key[..12]);
    let id = made["id"].as_i64().unwrap();
    let mut row = app.row(LIST, id).await;
    assert_eq!(row["created_at"].take(), row["updated_at"].take());
    let expected = json!({
        "id": id, "label": "laptop", "key_prefix": key[..12], "enabled": 1,
        "notes": "of the office", "expires_at": 4_000_000_000_i64, "allowed_models": ["chat"],
        "created_at": null, "updated_at": null, "version": 1, "last_used_at": null, "last_used_ip": null,
        "last_used_user_agent": null, "revoked_at": null, "unusable": null,
        "limit_requests_per_minute": 60, "limit_tokens_per_minute": 90_000, "limit_parallel": 4,
        "limit_cost_per_day": 2.5, "limit_cost_per_month": 50.0,
    });
    assert_eq!(row, expected);

    let one = format!("{LIST}/{id}");
    let ok = json!({ "status": "ok" });
    let (status, body) = app.put(&one, &json!({ "enabled": false })).await;
    assert_eq!((status.as_u16(), body), (200, ok.clone()));
    let patch = app.request(Method::PATCH, &one);
    let (status, body) = answer(patch.json(&json!({ "allowed_models": null }))).await;
    assert_eq!((status.as_u16(), body), (200, ok.clone()));
    let row = app.row(LIST, id).await;
    assert_eq!(
        (&row["enabled"], &row["allowed_models"], &row["label"]),
        (&json!(0), &Value::Null, &json!("laptop"))
    );
    assert_eq!(app.put(&one, &row).await.0, 200, "as it came out");
    let (status, body) = app.delete(&one).await;
    assert_eq!((status.as_u16(), body), (200, ok));
    assert_eq!(app.get(LIST).await.1, json!([]));
}

#[tokio::test]
async fn the_paths_of_the_original_go_on() {
    let app = App::start();
    for label in ["first", "second"] {
        let (status, made) = app.post(ORIGINAL, &json!({ "label": label })).await;
        assert_eq!(status, 200, "{made}");
        for field in ["id", "label", "key_prefix", "api_key"] {
            assert!(!made[field].is_null(), "{field}: {made}");
        }
    }
    let (_, listed) = app.get(ORIGINAL).await;
    let labels: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["label"])
        .collect();
    assert_eq!(labels, ["second", "first"], "newest first");
    let one = format!("{ORIGINAL}/1");
    let (status, body) = app
        .put(&one, &json!({ "enabled": false, "notes": "n" }))
        .await;
    assert_eq!((status.as_u16(), body), (200, json!({ "status": "ok" })));
    assert_eq!(app.put(&one, &json!({})).await.0, 400, "no updates");
    assert_eq!(app.delete(&one).await.0, 200);
    assert_eq!(app.get(LIST).await.1.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_fields_duplicates_and_missing_ids_are_told_apart() {
    let app = App::start();
    let bad = json!({
        "notes": 1, "enabled": 7, "expires_at": "soon", "allowed_models": "all", "key": "spk_x",
    });
    let (status, body) = app.post(LIST, &bad).await;
    assert_eq!(status, 400, "{body}");
    let named: Vec<&String> = body["fields"].as_object().unwrap().keys().collect();
    assert_eq!(
        named,
        [
            "allowed_models",
            "enabled",
            "expires_at",
            "key",
            "label",
            "notes"
        ],
        "{body}"
    );
    let unknown = json!({ "label": "a", "allowed_models": ["nobody"] });
    let (status, body) = app.post(LIST, &unknown).await;
    assert_eq!(status, 400, "{body}");
    assert!(
        body["fields"]["allowed_models"]
            .as_str()
            .unwrap()
            .contains("nobody")
    );
    assert_eq!(app.post(LIST, &json!({ "label": "a" })).await.0, 200);
    assert_eq!(app.post(LIST, &json!({ "label": "a" })).await.0, 409);
    let missing = format!("{LIST}/77");
    assert_eq!(app.put(&missing, &json!({ "enabled": true })).await.0, 404);
    assert_eq!(app.delete(&missing).await.0, 404);
    assert_eq!(app.get(&missing).await.0, 405);
}
