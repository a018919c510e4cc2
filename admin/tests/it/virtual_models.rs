//! Virtual models over the API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, answer};

const LIST: &str = "/api/admin/virtual-models";

async fn with_endpoint() -> (App, i64) {
    let app = App::start();
    let endpoint = app.endpoint("home", "http://127.0.0.1:9/v1").await;
    (app, endpoint)
}

#[tokio::test]
async fn a_created_model_is_listed_with_every_column() {
    let (app, endpoint) = with_endpoint().await;
    let spare = app.model("spare", endpoint).await;
    let body = json!({
        "name": "chat",
        "endpoint_id": endpoint,
        "actual_model": "llama-3.3-70b",
        "description": "for talking",
        "cost_per_1m_tokens_in": 0.5,
        "cost_per_1m_tokens_out": 1.5,
        "cost_per_1m_tokens_in_cached": 0.05,
        "cost_per_1m_tokens_out_cached": 0,
        "cost_per_1m_tokens_cache_write": 0.6,
        "cost_per_1m_tokens_cache_write_1h": null,
        "disable_streaming": true,
        "force_non_streaming": 1,
        "custom_headers": "{\"x-b\":\"2\",\"x-a\":\"1\"}",
        "enabled": 0,
        "max_tokens": 4096,
        "temperature": 0,
        "top_p": 0.9,
        "system_prompt": "Be brief.",
        "show_reasoning": false,
        "queue_priority": "low",
        "auto_cache": true,
        "inline_system": true,
        "keep_alive": "10m",
        "num_ctx": 32768,
        "repair_tool_calls": false,
        "repair_arguments": 0,
        "repair_history": true,
        "reasoning_form": "inline",
        "thinking": "held",
        "repaired_comment": true,
        "keep_tool_text_bytes": 65536,
        "cache_enabled": true,
        "cache_ttl_seconds": 120,
        "join_calls": 1,
        "limit_requests_per_minute": 60,
        "limit_tokens_per_minute": 90_000,
        "limit_parallel": 4,
        "limit_cost_per_day": 2.5,
        "limit_cost_per_month": 50.0,
        "routing": {
            "strategy": "fastest",
            "targets": [{ "virtual_model_id": spare, "weight": 2 }],
            "weight": 3,
            "max_attempts": 4,
            "failure_threshold": 5,
            "cooldown": 60,
            "affinity": true,
        },
    });
    let (status, answer) = app.post("/virtual-models", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["status"], "ok");
    let id = answer["id"].as_i64().unwrap();
    for path in [LIST, "/api/virtual-models"] {
        let mut row = app.row(path, id).await;
        assert_eq!(row["created_at"].take(), row["updated_at"].take());
        // Apart: one object of so many fields is too much for the macro.
        for (field, expected) in [
            ("cache_enabled", json!(1)),
            ("cache_ttl_seconds", json!(120)),
            ("join_calls", json!(1)),
        ] {
            let value = row.as_object_mut().unwrap().remove(field);
            assert_eq!(value, Some(expected), "{field}");
        }
        assert_eq!(
            row,
            json!({
                "id": id,
                "name": "chat",
                "endpoint_id": endpoint,
                "actual_model": "llama-3.3-70b",
                "description": "for talking",
                "cost_per_1m_tokens_in": 0.5,
                "cost_per_1m_tokens_out": 1.5,
                "cost_per_1m_tokens_in_cached": 0.05,
                "cost_per_1m_tokens_out_cached": 0.0,
                "cost_per_1m_tokens_cache_write": 0.6,
                "cost_per_1m_tokens_cache_write_1h": null,
                "disable_streaming": 1,
                "force_non_streaming": 1,
                "custom_headers": "{\"x-b\":\"2\",\"x-a\":\"1\"}",
                "enabled": 0,
                "max_tokens": 4096,
                "temperature": 0.0,
                "top_p": 0.9,
                "system_prompt": "Be brief.",
                "show_reasoning": 0,
                "queue_priority": "LOW",
                "auto_cache": 1,
                "inline_system": 1,
                "keep_alive": "10m",
                "limit_requests_per_minute": 60,
                "limit_tokens_per_minute": 90_000,
                "limit_parallel": 4,
                "limit_cost_per_day": 2.5,
                "limit_cost_per_month": 50.0,
                "locked": null,
                "num_ctx": 32768,
                "repair_tool_calls": 0,
                "repair_arguments": 0,
                "repair_history": 1,
                "reasoning_form": "inline",
                "thinking": "held",
                "repaired_comment": 1,
                "keep_tool_text_bytes": 65536,
                "routing": {
                    "strategy": "fastest",
                    "targets": [{ "virtual_model_id": spare, "weight": 2 }],
                    "weight": 3,
                    "max_attempts": 4,
                    "failure_threshold": 5,
                    "cooldown": 60,
                    "affinity": 1,
                },
                "created_at": null,
                "updated_at": null, "version": 1, "capture_bodies": 0,
                "endpoint_name": "home",
                "endpoint_url": "http://127.0.0.1:9/v1",
            })
        );
    }
}

#[tokio::test]
async fn what_is_not_set_is_null_and_can_be_unset_again() {
    let (app, endpoint) = with_endpoint().await;
    let id = app.model("chat", endpoint).await;
    let row = app.row(LIST, id).await;
    for field in [
        "max_tokens",
        "temperature",
        "top_p",
        "system_prompt",
        "description",
    ] {
        assert_eq!(row[field], Value::Null, "{field}: {row}");
    }
    assert_eq!(row["enabled"], 1);
    assert_eq!(row["show_reasoning"], 1);
    let path = format!("/virtual-models/{id}");
    assert_eq!(
        app.put(&path, &json!({ "temperature": 0, "max_tokens": 5 }))
            .await
            .0,
        200
    );
    assert_eq!(app.row(LIST, id).await["temperature"], 0.0);
    assert_eq!(app.put(&path, &json!({ "temperature": null })).await.0, 200);
    let row = app.row(LIST, id).await;
    assert_eq!(row["temperature"], Value::Null);
    assert_eq!(row["max_tokens"], 5);
}

#[tokio::test]
async fn a_change_touches_only_what_it_carries() {
    let (app, endpoint) = with_endpoint().await;
    let other = app.endpoint("away", "http://127.0.0.1:10").await;
    let id = app.model("chat", endpoint).await;
    for path in [format!("/virtual-models/{id}"), format!("{LIST}/{id}")] {
        let before = app.row(LIST, id).await;
        let (status, body) = app.put(&path, &json!({ "description": path })).await;
        assert_eq!(status, 200, "{body}");
        let mut after = app.row(LIST, id).await;
        assert_eq!(after["description"], path);
        after["description"] = before["description"].clone();
        after["updated_at"] = before["updated_at"].clone();
        after["version"] = before["version"].clone();
        assert_eq!(after, before);
    }
    let (status, _) = app
        .put(&format!("{LIST}/{id}"), &json!({ "endpoint_id": other }))
        .await;
    assert_eq!(status, 200);
    assert_eq!(app.row(LIST, id).await["endpoint_name"], "away");
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let (app, endpoint) = with_endpoint().await;
    let id = app.model("chat", endpoint).await;
    let bad = json!({
        "name": "",
        "endpoint_id": "one",
        "actual_model": "",
        "description": 1,
        "cost_per_1m_tokens_in": -1,
        "cost_per_1m_tokens_out": "cheap",
        "disable_streaming": "yes",
        "custom_headers": "not json",
        "max_tokens": -5,
        "temperature": 9,
        "top_p": 2,
        "system_prompt": [],
        "color": "red",
        "keep_alive": "a while",
        "queue_priority": "soon",
        "thinking": "deeply",
        "routing": { "strategy": "best", "targets": [7] },
    });
    for (status, body) in [
        app.post("/virtual-models", &bad).await,
        app.post(LIST, &bad).await,
        app.put(&format!("/virtual-models/{id}"), &bad).await,
    ] {
        assert_eq!(status, 400, "{body}");
        let named: Vec<&String> = body["fields"].as_object().unwrap().keys().collect();
        assert_eq!(
            named,
            [
                "actual_model",
                "color",
                "cost_per_1m_tokens_in",
                "cost_per_1m_tokens_out",
                "custom_headers",
                "description",
                "disable_streaming",
                "endpoint_id",
                "keep_alive",
                "max_tokens",
                "name",
                "queue_priority",
                "routing.strategy",
                "routing.targets",
                "system_prompt",
                "temperature",
                "thinking",
                "top_p"
            ],
            "{body}"
        );
    }
}

#[tokio::test]
async fn missing_fields_and_a_missing_endpoint_are_named() {
    let (app, endpoint) = with_endpoint().await;
    let (status, body) = app.post("/virtual-models", &json!({})).await;
    assert_eq!(status, 400);
    for field in ["name", "endpoint_id", "actual_model"] {
        assert!(body["fields"][field].is_string(), "{field}: {body}");
    }
    let body = json!({ "name": "x", "endpoint_id": 77, "actual_model": "y" });
    let (status, body) = app.post("/virtual-models", &body).await;
    assert_eq!(status, 400, "{body}");
    assert!(
        body["fields"]["endpoint_id"]
            .as_str()
            .unwrap()
            .contains("77"),
        "{body}"
    );
    let id = app.model("chat", endpoint).await;
    let (status, body) = app
        .put(
            &format!("/virtual-models/{id}"),
            &json!({ "endpoint_id": 77 }),
        )
        .await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn a_name_can_be_given_only_once() {
    let (app, endpoint) = with_endpoint().await;
    app.model("chat", endpoint).await;
    let id = app.model("other", endpoint).await;
    let body = json!({ "name": "chat", "endpoint_id": endpoint, "actual_model": "y" });
    let (status, body) = app.post("/virtual-models", &body).await;
    assert_eq!(status, 409, "{body}");
    let (status, _) = app
        .put(&format!("/virtual-models/{id}"), &json!({ "name": "chat" }))
        .await;
    assert_eq!(status, 409);
}

#[tokio::test]
async fn an_id_that_is_not_there_is_404() {
    let app = App::start();
    for request in [
        app.request(Method::PUT, "/virtual-models/77")
            .json(&json!({ "name": "x" })),
        app.request(Method::DELETE, "/virtual-models/77/delete"),
        app.request(Method::DELETE, "/api/admin/virtual-models/77"),
        app.request(Method::POST, "/virtual-models/77/delete")
            .header("x-requested-with", "x"),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!(status, 404, "{body}");
    }
}

#[tokio::test]
async fn deleting_works_in_every_documented_way_and_no_other() {
    let (app, endpoint) = with_endpoint().await;
    for (method, path) in [
        (Method::DELETE, "/virtual-models/{id}/delete"),
        (Method::DELETE, "/api/admin/virtual-models/{id}"),
        (Method::POST, "/virtual-models/{id}/delete"),
    ] {
        let id = app.model("short lived", endpoint).await;
        let path = path.replace("{id}", &id.to_string());
        let bare = app.request(Method::POST, &format!("/virtual-models/{id}/delete"));
        assert_eq!(answer(bare).await.0, 403, "no anti-forgery header");
        assert_eq!(
            app.get(&format!("/virtual-models/{id}/delete")).await.0,
            405
        );
        let request = app
            .request(method, &path)
            .header("x-requested-with", "test");
        let (status, body) = answer(request).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(app.get(LIST).await.1, json!([]));
    }
}

#[tokio::test]
async fn a_change_of_routing_keeps_what_it_leaves_out() {
    let (app, endpoint) = with_endpoint().await;
    let spare = app.model("spare", endpoint).await;
    let id = app.model("chat", endpoint).await;
    let path = format!("{LIST}/{id}");
    let routing = json!({ "strategy": "backup", "targets": [{ "virtual_model_id": spare }] });
    let (status, body) = app.put(&path, &json!({ "routing": routing })).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = app
        .put(&path, &json!({ "routing": { "cooldown": 9 } }))
        .await;
    assert_eq!(status, 200, "{body}");
    let row = app.row(LIST, id).await;
    let expected = json!({
        "strategy": "backup",
        "targets": [{ "virtual_model_id": spare, "weight": 1 }],
        "weight": 1,
        "max_attempts": null,
        "failure_threshold": null,
        "cooldown": 9,
        "affinity": 0,
    });
    assert_eq!(row["routing"], expected);
    assert_eq!(app.put(&path, &row).await.0, 200, "as it came out");
    assert_eq!(app.row(LIST, id).await["routing"], expected);
    let (status, body) = app
        .put(
            &path,
            &json!({ "routing": { "targets": [{ "virtual_model_id": id }] } }),
        )
        .await;
    assert_eq!(status, 400, "{body}");
    let why = body["fields"]["routing.targets"].as_str().unwrap();
    assert!(why.contains("its own"), "{why}");
}

#[tokio::test]
async fn deleting_a_target_says_whose_it_was() {
    let (app, endpoint) = with_endpoint().await;
    let spare = app.model("spare", endpoint).await;
    let id = app.model("chat", endpoint).await;
    let routing = json!({ "strategy": "backup", "targets": [{ "virtual_model_id": spare }] });
    let path = format!("{LIST}/{id}");
    assert_eq!(app.put(&path, &json!({ "routing": routing })).await.0, 200);
    let (status, body) = app.delete(&format!("{LIST}/{spare}")).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        body,
        json!({ "status": "ok", "no_longer_target_of": ["chat"] })
    );
    let row = app.row(LIST, id).await;
    assert_eq!(row["routing"]["targets"], json!([]));
    assert_eq!(row["routing"]["strategy"], "backup");
}
