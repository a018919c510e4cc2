//! Endpoints over the API.

use reqwest::Method;
use serde_json::{Value, json};
use store::{Secret, Store};

use crate::harness::{App, answer};

const LIST: &str = "/api/admin/endpoints";

#[tokio::test]
async fn a_created_endpoint_is_listed_with_every_column_and_a_masked_key() {
    let app = App::start();
    let id = app
        .endpoint_with(json!({
            "name": "local",
            "url": "http://127.0.0.1:8000/v1/",
            "api_key": "sk-abcdefgh1234",
            "endpoint_type": "vllm",
            "priority": 3,
            "enabled": false,
            "custom_headers": { "x-team": "blue", "x-api-token": "hush-hush-7777" },
            "ca_file": "/etc/ssl/own.pem",
            "tls_insecure": true,
            "health_check_url": "./models",
            "worker_form": "vllm",
            "timeout_seconds": 1800,
            "connect_timeout_seconds": 2.5,
            "limit_requests_per_minute": 60,
            "limit_tokens_per_minute": 90_000,
            "limit_parallel": 4,
            "limit_cost_per_day": 2.5,
            "limit_cost_per_month": 50.0,
        }))
        .await;
    for path in [LIST, "/api/endpoints"] {
        let mut row = app.row(path, id).await;
        let created = row["created_at"].take();
        let updated = row["updated_at"].take();
        assert!(created.as_i64().unwrap() > 1_700_000_000, "{created}");
        assert_eq!(created, updated);
        assert_eq!(
            row,
            json!({
                "id": id,
                "name": "local",
                "url": "http://127.0.0.1:8000/v1/",
                "api_key": "***1234",
                "endpoint_type": "vllm",
                "custom_headers": "{\"x-api-token\":\"***7777\",\"x-team\":\"blue\"}",
                "priority": 3,
                "enabled": 0,
                "ca_file": "/etc/ssl/own.pem",
                "tls_insecure": 1,
                "health_check_url": "./models",
                "worker_form": "vllm",
                "timeout_seconds": 1800.0,
                "connect_timeout_seconds": 2.5,
                "first_byte_timeout_seconds": null,
                "limit_requests_per_minute": 60,
                "limit_tokens_per_minute": 90_000,
                "limit_parallel": 4,
                "limit_cost_per_day": 2.5,
                "limit_cost_per_month": 50.0,
                "locked": null,
                "created_at": null,
                "updated_at": null, "version": 1, "responses": "auto", "denied_betas": null,
            })
        );
    }
}

#[tokio::test]
async fn only_name_and_url_are_needed() {
    let app = App::start();
    let body = json!({ "name": "bare", "url": "https://api.example.com" });
    let (status, body) = app.post("/endpoints", &body).await;
    assert_eq!(status, 200);
    assert_eq!(body["status"], "ok");
    let row = app.row(LIST, body["id"].as_i64().unwrap()).await;
    assert_eq!(row["endpoint_type"], "openai");
    assert_eq!(row["enabled"], 1);
    assert_eq!(row["priority"], 0);
    assert_eq!(row["api_key"], Value::Null);
    assert_eq!(row["custom_headers"], Value::Null);
    assert_eq!(row["ca_file"], Value::Null);
}

#[tokio::test]
async fn the_list_is_in_the_order_of_the_names() {
    let app = App::start();
    for name in ["b", "c", "a"] {
        app.endpoint(name, "http://127.0.0.1:9").await;
    }
    let (_, rows) = app.get(LIST).await;
    let names: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_change_touches_only_what_it_carries() {
    let app = App::start();
    let id = app
        .endpoint_with(json!({
            "name": "a",
            "url": "http://127.0.0.1:9",
            "api_key": "sk-abcdefgh1234",
            "enabled": false,
            "priority": 7,
            "custom_headers": { "x-a": "1" },
        }))
        .await;
    for path in [format!("/endpoints/{id}"), format!("{LIST}/{id}")] {
        let before = app.row(LIST, id).await;
        let (status, body) = app
            .put(&path, &json!({ "name": format!("renamed {path}") }))
            .await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body, json!({ "status": "ok" }));
        let mut after = app.row(LIST, id).await;
        assert_eq!(after["name"], format!("renamed {path}"));
        after["name"] = before["name"].clone();
        after["updated_at"] = before["updated_at"].clone();
        after["version"] = before["version"].clone();
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn the_mask_sent_back_keeps_the_key_and_an_empty_key_removes_it() {
    let app = App::start();
    let id = app
        .endpoint_with(json!({
            "name": "a",
            "url": "http://127.0.0.1:9",
            "api_key": "sk-abcdefgh1234",
            "custom_headers": { "authorization": "Bearer hush-4321", "x-a": "1" },
        }))
        .await;
    let path = format!("/endpoints/{id}");
    let shown = app.row(LIST, id).await;
    let echo = json!({
        "api_key": shown["api_key"],
        "custom_headers": shown["custom_headers"],
        "priority": 1,
    });
    assert_eq!(app.put(&path, &echo).await.0, 200);
    let stored = Store::open(&app.database()).unwrap().endpoint(id).unwrap();
    let key = stored.api_key.as_ref().map(Secret::expose);
    assert_eq!(key, Some("sk-abcdefgh1234"), "the key is kept");
    let header = ("authorization".to_owned(), "Bearer hush-4321".to_owned());
    assert!(
        stored.custom_headers.contains(&header),
        "the header is kept"
    );
    let text = stored_text(&app);
    for secret in ["sk-abcdefgh1234", "hush-4321"] {
        assert!(!text.contains(secret), "{secret} is in no file as it is");
    }

    let (status, body) = app.put(&path, &json!({ "api_key": "***9999" })).await;
    assert_eq!(status, 400, "the mask of another key is no key");
    assert!(body["fields"]["api_key"].is_string(), "{body}");

    assert_eq!(app.put(&path, &json!({ "api_key": "" })).await.0, 200);
    assert_eq!(app.row(LIST, id).await["api_key"], Value::Null);
}

/// Everything in the store's files, as text.
fn stored_text(app: &App) -> String {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(app.database().parent().unwrap()).unwrap() {
        all.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn every_bad_field_is_named_and_nothing_is_stored() {
    let app = App::start();
    let id = app.endpoint("good", "http://127.0.0.1:9").await;
    let before = app.row(LIST, id).await;
    let bad = json!({
        "name": " ",
        "url": "ftp://example.com",
        "endpoint_type": "magic",
        "priority": "high",
        "enabled": "perhaps",
        "api_key": 5,
        "custom_headers": { "host": "x" },
        "ca_file": ["x"],
        "tls_insecure": 2,
        "colour": "blue",
    });
    for (status, body) in [
        app.post(LIST, &bad).await,
        app.post("/endpoints", &bad).await,
        app.put(&format!("/endpoints/{id}"), &bad).await,
        app.put(&format!("{LIST}/{id}"), &bad).await,
    ] {
        assert_eq!(status, 400, "{body}");
        assert!(body["error"].is_string());
        let named: Vec<&String> = body["fields"].as_object().unwrap().keys().collect();
        assert_eq!(
            named,
            [
                "api_key",
                "ca_file",
                "colour",
                "custom_headers",
                "enabled",
                "endpoint_type",
                "name",
                "priority",
                "tls_insecure",
                "url"
            ],
            "{body}"
        );
    }
    let (_, rows) = app.get(LIST).await;
    assert_eq!(rows, json!([before]));
}

#[tokio::test]
async fn missing_fields_are_named() {
    let app = App::start();
    let (status, body) = app.post(LIST, &json!({})).await;
    assert_eq!(status, 400);
    assert!(body["fields"]["name"].is_string(), "{body}");
    assert!(body["fields"]["url"].is_string(), "{body}");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let app = App::start();
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("null", 400),
        ("\"x\"", 400),
    ] {
        let request = app
            .request(Method::POST, LIST)
            .header("content-type", "application/json")
            .body(body);
        let (got, answer) = answer(request).await;
        assert_eq!(got, status, "{body}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    let huge = json!({ "name": "x".repeat(9 * 1024 * 1024) });
    let (status, body) = app.post(LIST, &huge).await;
    assert_eq!(status, 413, "{body}");
}

#[tokio::test]
async fn the_longest_system_prompt_fits_into_a_body() {
    let app = App::start();
    let endpoint = app.endpoint("a", "http://127.0.0.1:9").await;
    let body = json!({
        "name": "wordy",
        "endpoint_id": endpoint,
        "actual_model": "real",
        "system_prompt": "ß".repeat(1_000_000),
    });
    let (status, body) = app.post("/virtual-models", &body).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_name_can_be_given_only_once() {
    let app = App::start();
    let first = app.endpoint("same", "http://127.0.0.1:9").await;
    let second = app.endpoint("other", "http://127.0.0.1:9").await;
    let body = json!({ "name": "same", "url": "http://127.0.0.1:9" });
    let (status, body) = app.post(LIST, &body).await;
    assert_eq!(status, 409, "{body}");
    assert!(body["error"].as_str().unwrap().contains("same"), "{body}");
    let (status, _) = app
        .put(&format!("/endpoints/{second}"), &json!({ "name": "same" }))
        .await;
    assert_eq!(status, 409);
    let (status, _) = app
        .put(&format!("/endpoints/{first}"), &json!({ "name": "same" }))
        .await;
    assert_eq!(status, 200, "a row may keep its own name");
}

#[tokio::test]
async fn an_id_that_is_not_there_is_404() {
    let app = App::start();
    for request in [
        app.request(Method::PUT, "/endpoints/77")
            .json(&json!({ "name": "x" })),
        app.request(Method::PUT, "/api/admin/endpoints/77")
            .json(&json!({ "name": "x" })),
        app.request(Method::DELETE, "/api/admin/endpoints/77"),
        app.request(Method::DELETE, "/endpoints/77/delete"),
        app.request(Method::POST, "/endpoints/77/delete")
            .header("x-requested-with", "x"),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!(status, 404, "{body}");
        assert!(body["error"].as_str().unwrap().contains("77"), "{body}");
    }
}

#[tokio::test]
async fn deleting_works_in_every_documented_way() {
    let app = App::start();
    for (method, path) in [
        (Method::DELETE, "/api/admin/endpoints/{id}"),
        (Method::DELETE, "/endpoints/{id}/delete"),
        (Method::POST, "/endpoints/{id}/delete"),
    ] {
        let id = app.endpoint("short lived", "http://127.0.0.1:9").await;
        let request = app
            .request(method, &path.replace("{id}", &id.to_string()))
            .header("x-requested-with", "test");
        let (status, body) = answer(request).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(app.get(LIST).await.1, json!([]));
    }
}

#[tokio::test]
async fn an_endpoint_in_use_is_deleted_only_in_cascade() {
    let app = App::start();
    for path in ["/api/admin/endpoints/{id}", "/endpoints/{id}/delete"] {
        let id = app.endpoint("used", "http://127.0.0.1:9").await;
        app.model("second", id).await;
        app.model("first", id).await;
        let path = path.replace("{id}", &id.to_string());
        for path in [path.clone(), format!("{path}?cascade=false")] {
            let (status, body) = app.delete(&path).await;
            assert_eq!(status, 409, "{body}");
            assert_eq!(body["models"], json!(["first", "second"]));
        }
        assert_eq!(app.delete(&format!("{path}?cascade=yes")).await.0, 400);
        assert_eq!(app.delete(&format!("{path}?cascade=true")).await.0, 200);
        assert_eq!(app.get("/api/virtual-models").await.1, json!([]));
    }
}
