//! docs/openapi/gateway.json against what the gateway really answers.

use reqwest::Method;
use serde_json::{Value, json};
use sim::Flavor;

use crate::scene::{Answer, MODEL, Scene};

/// What the document says that an operation answers with a status.
fn schema(document: &Value, method: &str, path: &str, status: &str) -> Value {
    let answers = &document["paths"][path][method]["responses"];
    let answer = answers.get(status).unwrap_or(&answers["default"]);
    let schema = &answer["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path} {status} has no schema");
    let mut schema = schema.clone();
    // Names in it are those of the whole document.
    schema["components"] = document["components"].clone();
    schema
}

fn holds(document: &Value, method: &str, path: &str, got: &Answer) {
    let status = got.status.as_u16().to_string();
    let schema = schema(document, method, path, &status);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let answer = got.json();
    let wrong: Vec<_> = validator
        .iter_errors(&answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{method} {path} {status}: {wrong:#?}\n{answer:#}"
    );
}

#[tokio::test]
async fn real_answers_are_as_described() {
    let document = include_str!("../../../docs/openapi/gateway.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let scene = Scene::of(Flavor::OpenAi).await;
    let messages = json!([{"role": "user", "content": "hi"}]);
    let embeds = json!({"model": MODEL, "input": "a text"});
    let posts = [
        (
            "/v1/chat/completions",
            json!({"model": MODEL, "messages": messages}),
        ),
        ("/v1/completions", json!({"model": MODEL, "prompt": "hi"})),
        ("/v1/embeddings", embeds.clone()),
        (
            "/v1/messages",
            json!({"model": MODEL, "max_tokens": 50, "messages": messages}),
        ),
        (
            "/v1/messages/count_tokens",
            json!({"model": MODEL, "messages": messages}),
        ),
        ("/v1/responses", json!({"model": MODEL, "input": "hi"})),
        (
            "/v1/responses/input_tokens",
            json!({"model": MODEL, "input": "hi"}),
        ),
        (
            "/api/chat",
            json!({"model": MODEL, "messages": messages, "stream": false}),
        ),
        (
            "/api/generate",
            json!({"model": MODEL, "prompt": "hi", "stream": false}),
        ),
        ("/api/embed", embeds),
        (
            "/api/embeddings",
            json!({"model": MODEL, "prompt": "a text"}),
        ),
        ("/api/show", json!({"model": MODEL})),
    ];
    for (path, body) in &posts {
        let got = scene.post(path, body).await;
        assert_eq!(got.status, 200, "{path}: {}", got.json());
        holds(&document, "post", path, &got);
        // And how it refuses.
        let mut other = body.clone();
        other["model"] = json!("no-such-model");
        let got = scene.post(path, &other).await;
        assert!(got.status.is_client_error(), "{path}: {}", got.json());
        holds(&document, "post", path, &got);
        let got = scene.post_bytes(path, "{").await;
        assert!(got.status.is_client_error(), "{path}: {}", got.json());
        holds(&document, "post", path, &got);
    }
    let kept = scene
        .post("/v1/responses", &json!({"model": MODEL, "input": "hi"}))
        .await;
    let kept = format!("/v1/responses/{}", kept.json()["id"].as_str().unwrap());
    for (method, path, at) in [
        ("get", "/health", "/health"),
        ("get", "/v1/models", "/v1/models"),
        ("get", "/v1/models/{model}", &format!("/v1/models/{MODEL}")),
        ("get", "/v1/models/{model}", "/v1/models/none"),
        ("get", "/api/version", "/api/version"),
        ("get", "/api/tags", "/api/tags"),
        ("get", "/api/ps", "/api/ps"),
        ("get", "/v1/responses/{id}", &kept),
        ("delete", "/v1/responses/{id}", &kept),
        ("get", "/v1/responses/{id}", &kept),
    ] {
        let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let got = crate::scene::answer(scene.request(verb, at)).await;
        holds(&document, method, path, &got);
    }
}
