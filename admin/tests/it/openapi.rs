//! docs/openapi/admin.json against what the admin app really answers, and the page made of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, answer};

fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/openapi/admin.json")).unwrap()
}

fn holds(document: &Value, method: &str, path: &str, status: u16, got: &Value) {
    let answers = &document["paths"][path][method]["responses"];
    let described = answers
        .get(status.to_string())
        .unwrap_or(&answers["default"]);
    let schema = &described["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path} {status} has no schema");
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<_> = validator
        .iter_errors(got)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{method} {path} {status}: {wrong:#?}\n{got:#}"
    );
}

#[tokio::test]
async fn real_answers_are_as_described() {
    let document = document();
    let app = App::start();
    let call = async |method: &str, path: &str, at: &str, body: Value, expected: u16| {
        let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let request = app.request(verb, at);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let (status, got) = answer(request).await;
        assert_eq!(status.as_u16(), expected, "{method} {at}: {got}");
        holds(&document, method, path, status.as_u16(), &got);
        got
    };
    let nothing = Value::Null;
    let endpoint = json!({"name": "e", "url": "http://127.0.0.1:1", "api_key": "k"});
    let model = json!({"name": "m", "endpoint_id": 1, "actual_model": "a"});
    let pattern = json!({"pattern_name": "p", "regex_pattern": "<x>(.*?)</x>", "pattern_type": "xml", "tool_name": "t"});
    let alias = json!({"tool_name": "t", "parameter": "q", "aliases": ["query"]});
    let key = json!({"label": "k"});
    for (list, row) in [
        ("/api/admin/endpoints", &endpoint),
        ("/api/admin/virtual-models", &model),
        ("/api/admin/tool-patterns", &pattern),
        ("/api/admin/tool-aliases", &alias),
        ("/api/admin/inbound-keys", &key),
    ] {
        let made = call("post", list, list, row.clone(), 200).await;
        call("post", list, list, json!({"nonsense": 1}), 400).await;
        call("get", list, list, nothing.clone(), 200).await;
        let one = format!("{list}/{{id}}");
        let at = format!("{list}/{}", made["id"]);
        call("put", &one, &at, row.clone(), 200).await;
        call("put", &one, &format!("{list}/9999"), row.clone(), 404).await;
    }
    for path in [
        "/health",
        "/session/validate",
        "/api/admin/settings",
        "/api/admin/configuration",
        "/api/admin/circuits",
        "/api/admin/inbound-api-keys",
        "/api/admin/tool-patterns/export",
        "/api/admin/usage",
        "/api/admin/usage/by_model",
        "/api/admin/usage/by_endpoint",
        "/api/admin/usage/by_key",
        "/api/admin/usage/by_hour",
        "/api/admin/usage/embeddings",
        "/api/admin/usage/calls",
        "/api/openapi/gateway.json",
        "/api/openapi/admin.json",
    ] {
        call("get", path, path, nothing.clone(), 200).await;
    }
    let prices = "/api/admin/virtual-models/{id}/prices";
    call(
        "get",
        prices,
        "/api/admin/virtual-models/1/prices",
        nothing.clone(),
        200,
    )
    .await;
    let grouped = "/api/admin/usage/grouped";
    call(
        "get",
        grouped,
        &format!("{grouped}?by=day,key"),
        nothing.clone(),
        200,
    )
    .await;
    let test = "/endpoints/{id}/test";
    call("post", test, "/endpoints/1/test", json!({}), 200).await;
    let settings = "/api/admin/settings";
    call(
        "post",
        settings,
        settings,
        json!({"display_timezone": "UTC"}),
        200,
    )
    .await;
    call("post", settings, settings, json!({"nonsense": "1"}), 400).await;
    let trial = "/api/admin/tool-patterns/test";
    call("post", trial, trial, json!({"text": "x", "tools": []}), 200).await;
    let explain = "/api/admin/explain";
    let body = json!({"body": {"model": "m", "messages": [{"role": "user", "content": "hi"}]}});
    call("post", explain, explain, body, 200).await;
    let reset = "/api/admin/circuits/reset";
    call("post", reset, reset, json!({}), 200).await;
    let whole = "/api/admin/configuration";
    let out = call("get", whole, whole, nothing.clone(), 200).await;
    call("post", whole, whole, out, 200).await;
    for (list, id) in [("virtual-models", 1), ("endpoints", 1), ("inbound-keys", 1)] {
        let one = format!("/api/admin/{list}/{{id}}");
        call(
            "delete",
            &one,
            &format!("/api/admin/{list}/{id}"),
            nothing.clone(),
            200,
        )
        .await;
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_of_both_documents() {
    let app = App::start();
    for (which, at) in [
        ("gateway", "/proxy-dashboard/reference"),
        ("admin", "/proxy-dashboard/reference?of=admin"),
    ] {
        let page = app.page(at).await;
        let (status, document) = app.get(&format!("/api/openapi/{which}.json")).await;
        assert_eq!(status, 200);
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in ["get", "head", "post", "put", "patch", "delete"] {
                if item.get(method).is_some() {
                    let heading = format!("{} {path}<", method.to_uppercase());
                    assert!(page.contains(&heading), "{which}: {heading}");
                }
            }
        }
        for name in document["components"]["schemas"]
            .as_object()
            .unwrap()
            .keys()
        {
            assert!(
                page.contains(&format!("id=\"shape-{name}\"")),
                "{which}: {name}"
            );
        }
    }
    assert_eq!(app.get("/api/openapi/admin.json").await.1, document());
}
