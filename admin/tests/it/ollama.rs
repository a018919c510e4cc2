//! What an Ollama server is asked for: models in memory, and pulls.

use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};

use crate::harness::App;
use crate::upstream::{Upstream, http};

const KEY: &str = "sk-never-to-be-shown-9876";

async fn server(app: &App, url: &str) -> i64 {
    app.endpoint_with(json!({
        "name": "box", "url": url, "endpoint_type": "ollama", "api_key": KEY,
    }))
    .await
}

async fn pull(app: &App, id: i64, model: &str) -> Value {
    let path = format!("/api/admin/endpoints/{id}/pull");
    let (status, body) = app.post(&path, &json!({ "model": model })).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["status"], "ok");
    body["pull"].clone()
}

async fn pulls(app: &App, id: i64) -> Vec<Value> {
    let (status, body) = app.get(&format!("/api/admin/endpoints/{id}/pulls")).await;
    assert_eq!(status, 200, "{body}");
    assert!(!body.to_string().contains("never-to-be-shown"), "{body}");
    body["pulls"].as_array().unwrap().clone()
}

/// Asks until the newest pull has ended.
async fn ended(app: &App, id: i64) -> Value {
    loop {
        let newest = pulls(app, id).await.remove(0);
        if newest["state"] != "running" {
            return newest;
        }
    }
}

async fn ollama() -> Sim {
    Sim::start(Options {
        flavor: Flavor::Ollama,
        ..Options::default()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_pull_ends_with_the_model_there() {
    let app = App::start();
    let sim = ollama().await;
    let id = server(&app, &sim.base_url()).await;
    let begun = pull(&app, id, "tiny:1b").await;
    assert_eq!(
        (&begun["model"], &begun["error"]),
        (&json!("tiny:1b"), &Value::Null)
    );
    let done = ended(&app, id).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(
        done["lines"],
        json!([
            "pulling manifest",
            "pulling sim",
            "verifying sha256 digest",
            "success"
        ])
    );
    assert!(done["ended_at"].as_i64() >= done["started_at"].as_i64());
    let path = format!("/api/admin/endpoints/{id}/models?refresh=true");
    let (status, body) = app.get(&path).await;
    assert_eq!(status, 200, "{body}");
    let models = body["models"].as_array().unwrap();
    assert!(models.contains(&json!("tiny:1b")), "{body}");
}

#[tokio::test]
async fn a_pull_that_fails_says_why() {
    let app = App::start();
    let sim = ollama().await;
    let id = server(&app, &sim.base_url()).await;
    pull(&app, id, "missing").await;
    let failed = ended(&app, id).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    let why = failed["error"].as_str().unwrap();
    assert!(why.contains("file does not exist"), "{why}");
    for (status, body, says) in [
        (200, "{\"status\":\"pulling manifest\"}\n", "broke off"),
        (401, "{\"error\":\"no\"}", "does not accept the API key"),
        (500, "", "the backend itself failed"),
        (
            200,
            "{\"error\":\"denied for sk-never-to-be-shown-9876\"}",
            "denied for",
        ),
    ] {
        let upstream = Upstream::raw(http(status, "", body)).await;
        let id = app
            .endpoint_with(json!({
                "name": says, "url": upstream.url(), "endpoint_type": "ollama", "api_key": KEY,
            }))
            .await;
        pull(&app, id, "m").await;
        let failed = ended(&app, id).await;
        assert_eq!(failed["state"], "failed", "{failed}");
        assert!(failed["error"].as_str().unwrap().contains(says), "{failed}");
        let head = upstream.heads().remove(0);
        assert!(head.starts_with("post /api/pull "), "{head}");
        assert!(head.contains(KEY), "{head}");
    }
}

#[tokio::test]
async fn a_model_is_not_pulled_twice_at_once() {
    let app = App::start();
    let silent = Upstream::raw(Vec::new()).await;
    let id = server(&app, &silent.url()).await;
    for _ in 0..2 {
        assert_eq!(pull(&app, id, "m").await["state"], "running");
    }
    assert_eq!(pulls(&app, id).await.len(), 1);
    for other in 1..8 {
        pull(&app, id, &format!("m{other}")).await;
    }
    let path = format!("/api/admin/endpoints/{id}/pull");
    let (status, body) = app.post(&path, &json!({ "model": "one more" })).await;
    assert_eq!(status, 409, "{body}");
    assert_eq!(pulls(&app, id).await[0]["model"], "m7", "newest first");
}

#[tokio::test]
async fn other_types_cannot_pull() {
    let app = App::start();
    let id = app.endpoint("plain", "http://127.0.0.1:9").await;
    for (status, body) in [
        app.post(
            &format!("/api/admin/endpoints/{id}/pull"),
            &json!({ "model": "m" }),
        )
        .await,
        app.get(&format!("/api/admin/endpoints/{id}/pulls")).await,
    ] {
        assert_eq!(status, 400, "{body}");
        assert_eq!(body["code"], "unsupported_operation", "{body}");
        assert!(
            body["error"].as_str().unwrap().contains("type openai"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_to_pull_must_be_named() {
    let app = App::start();
    let id = server(&app, "http://127.0.0.1:9").await;
    for body in [json!({}), json!({ "model": " " }), json!({ "model": 1 })] {
        let (status, answer) = app
            .post(&format!("/api/admin/endpoints/{id}/pull"), &body)
            .await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["fields"]["model"].is_string(), "{answer}");
    }
    let (status, _) = app.get("/api/admin/endpoints/77/pulls").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn models_in_memory_are_told_of_ollama_only() {
    let app = App::start();
    let body = r#"{"models":[{"name":"a:1b","context_length":8192},{"name":"b:1b"}]}"#;
    let upstream = Upstream::json(200, body).await;
    let id = server(&app, &upstream.url()).await;
    let (status, answer) = app.get(&format!("/api/admin/endpoints/{id}/models")).await;
    assert_eq!(status, 200, "{answer}");
    let expected = json!({
        "models": ["a:1b", "b:1b"],
        "loaded": [
            { "model": "a:1b", "context_length": 8192 },
            { "model": "b:1b", "context_length": null },
        ],
    });
    assert_eq!(answer, expected);
    let paths: Vec<_> = upstream
        .heads()
        .iter()
        .map(|head| head.lines().next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(paths, ["get /api/tags http/1.1", "get /api/ps http/1.1"]);
    let other = app.endpoint("plain", &upstream.url()).await;
    let (_, answer) = app.get(&format!("/endpoints/{other}/models")).await;
    assert_eq!(answer.get("loaded"), None, "{answer}");
}
