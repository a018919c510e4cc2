//! What Anthropic's clients are told besides answers: errors that they know by type and
//! status, tokens before a call, models, and that the gateway is there.

use reqwest::Method;
use serde_json::{Value, json};
use sim::Flavor;

use super::messages;
use crate::keys::{FACING, key};
use crate::scene::{Answer, MODEL, Props, Scene, answer};

const MESSAGES: &str = "/v1/messages";

fn asked(script: &str) -> Value {
    let said = format!("hi [[sim: {script}]]");
    json!({"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": said}]})
}

async fn told(scene: &Scene, script: &str) -> Answer {
    scene.post(MESSAGES, &asked(script)).await
}

/// Each by what its client does about it: it waits, it gives up, it shortens the
/// conversation.
#[tokio::test]
async fn every_failure_has_the_type_that_clients_know() {
    for flavor in [Flavor::OpenAi, Flavor::Anthropic] {
        let scene = Scene::of(flavor).await;
        for (script, status, kind) in [
            ("status=400", 400, "invalid_request_error"),
            ("status=404", 404, "not_found_error"),
            ("status=429 retry_after=7", 429, "rate_limit_error"),
            ("status=500", 502, "api_error"),
            ("status=503", 529, "overloaded_error"),
            // The key is the operator's.
            ("status=401", 502, "api_error"),
        ] {
            let got = told(&scene, script).await;
            assert_eq!(got.status, status, "{flavor:?} {script}: {got:?}");
            assert_eq!(messages::error(&got), kind, "{flavor:?} {script}");
            let waits = script.contains("retry_after");
            assert_eq!(got.header("retry-after") == "7", waits, "{got:?}");
        }
    }
}

/// Claude Code looks for these words; without them it repeats the request.
#[tokio::test]
async fn a_conversation_that_is_too_long_is_told_in_the_vendors_words() {
    let scene = Scene::start().await;
    let words = "This+model's+maximum+context+length+is+8+tokens";
    let script = format!("status=400 code=context_length_exceeded message={words}");
    let got = told(&scene, &script).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(messages::error(&got), "invalid_request_error");
    let message = got.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("prompt is too long: "), "{message}");
    assert!(message.contains("maximum context length"), "{message}");
}

#[tokio::test]
async fn refusals_of_the_gateway_are_in_the_callers_dialect() {
    let scene = Scene::start().await;
    let unknown =
        json!({"model": "nobody", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]});
    let got = scene.post(MESSAGES, &unknown).await;
    assert_eq!(got.status, 404, "{got:?}");
    assert_eq!(messages::error(&got), "not_found_error");
    let bad =
        json!({"model": MODEL, "max_tokens": 1, "messages": [{"role": "nobody", "content": "x"}]});
    let got = scene.post(MESSAGES, &bad).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(messages::error(&got), "invalid_request_error");
    assert!(got.body.contains("messages[0].role"), "{got:?}");
    let got = scene.post_bytes(MESSAGES, "{").await;
    assert_eq!(messages::error(&got), "invalid_request_error");
    let get = scene
        .request(Method::GET, MESSAGES)
        .header("anthropic-version", "2023-06-01");
    let got = answer(get).await;
    assert_eq!(got.status, 405, "{got:?}");
    assert_eq!(messages::error(&got), "invalid_request_error");
}

#[tokio::test]
async fn a_stranger_is_refused_as_the_vendor_would() {
    let scene = Scene::env(FACING).await;
    let got = told(&scene, "say=ok").await;
    assert_eq!(got.status, 401, "{got:?}");
    assert_eq!(messages::error(&got), "authentication_error");
    scene.ground.model("other", scene.endpoint, &json!({}));
    let good = key(
        &scene,
        &json!({"label": "good", "allowed_models": ["other"]}),
    );
    for header in ["x-api-key", "authorization"] {
        let value = match header {
            "authorization" => format!("Bearer {}", good.api_key.expose()),
            _ => good.api_key.expose().to_owned(),
        };
        let since = std::time::Instant::now();
        let got = loop {
            let request = scene.request(Method::POST, MESSAGES).header(header, &value);
            let got = answer(request.json(&asked("say=ok"))).await;
            if got.status != 401 {
                break got;
            }
            assert!(since.elapsed() < crate::process::PATIENCE, "{got:?}");
            tokio::time::sleep(crate::process::LOOK).await;
        };
        assert_eq!(got.status, 403, "{got:?}");
        assert_eq!(messages::error(&got), "permission_error");
    }
}

#[tokio::test]
async fn tokens_are_the_upstreams_count_or_an_estimate_that_says_so() {
    const COUNT: &str = "/v1/messages/count_tokens?beta=true";
    let body = json!({"model": MODEL, "system": "Be brief.", "messages": [{"role": "user", "content": "What is it like?"}]});
    let vendor = Scene::of(Flavor::Anthropic).await;
    let got = vendor.post(COUNT, &body).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(got.header("x-estimated"), "", "{got:?}");
    let sent = vendor.sim.last_request().unwrap();
    assert_eq!(sent.path, "/v1/messages/count_tokens");
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    let mut expected = body.clone();
    expected["model"] = json!("sim-model");
    assert_eq!(sent, expected, "nothing of an answer is in it");
    let other = Scene::start().await;
    let got = other.post(COUNT, &body).await;
    assert_eq!(got.header("x-estimated"), "true", "{got:?}");
    let tokens = got.json()["input_tokens"].as_u64().unwrap();
    assert!((8..30).contains(&tokens), "{tokens}");
    assert_eq!(other.sim.served().requests, 0, "nobody is asked");
    let got = other
        .post(
            COUNT,
            &json!({"model": "nobody", "messages": [{"role": "user", "content": "x"}]}),
        )
        .await;
    assert_eq!(messages::error(&got), "not_found_error");
}

#[tokio::test]
async fn models_are_listed_in_the_shape_that_the_version_asks_for() {
    let scene = Scene::start().await;
    let get = |path: &str| {
        let request = scene.request(Method::GET, path);
        answer(request.header("anthropic-version", "2023-06-01"))
    };
    let list = get("/v1/models?limit=20").await.json();
    assert_eq!(list["has_more"], false);
    assert_eq!(list["first_id"], MODEL);
    assert_eq!(list["data"][0]["type"], "model");
    assert_eq!(list["data"][0]["id"], MODEL);
    let made = list["data"][0]["created_at"].as_str().unwrap();
    assert!(made.ends_with('Z') && made.contains('T'), "{made}");
    let one = get("/v1/models/virtual%2Fone:latest").await.json();
    assert_eq!(one, list["data"][0]);
    let none = get("/v1/models/nobody").await;
    assert_eq!(messages::error(&none), "not_found_error");
    let usual = answer(scene.request(Method::GET, "/v1/models"))
        .await
        .json();
    assert_eq!(usual["object"], "list");
}

#[tokio::test]
async fn a_client_finds_that_the_gateway_is_there() {
    let scene = Scene::start().await;
    for path in ["/", "/v1", "/api/hello"] {
        let got = answer(scene.request(Method::HEAD, path)).await;
        assert_eq!(got.status, 200, "{path}: {got:?}");
    }
}

/// The version and what is beyond it go to the vendor as the caller says them, and to
/// nobody else.
#[tokio::test]
async fn versions_and_betas_go_to_the_vendor() {
    for flavor in [Flavor::Anthropic, Flavor::OpenAi] {
        let own = json!({"custom_headers": {"anthropic-beta": "operators-2026-01-01"}});
        let scene = Scene::with(Props {
            options: sim::Options {
                flavor,
                ..sim::Options::default()
            },
            endpoint: if flavor == Flavor::Anthropic {
                own
            } else {
                json!({})
            },
            ..Props::default()
        })
        .await;
        let request = scene
            .request(Method::POST, MESSAGES)
            .header("anthropic-version", "2026-10-21")
            .header("anthropic-beta", "one-2026-01-01,two-2026-01-01")
            .header("anthropic-beta", "three-2026-01-01");
        let got = answer(request.json(&asked("say=yes"))).await;
        assert_eq!(messages::hear(&got, false).text, "yes");
        let sent = scene.sim.last_request().unwrap();
        let header = |name: &str| {
            let value = sent.headers.get(name);
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        if flavor == Flavor::Anthropic {
            assert_eq!(header("anthropic-version"), "2026-10-21");
            let all = "operators-2026-01-01,one-2026-01-01,two-2026-01-01,three-2026-01-01";
            assert_eq!(header("anthropic-beta"), all);
        } else {
            assert_eq!(header("anthropic-beta"), "");
            assert_eq!(header("anthropic-version"), "");
        }
    }
}

/// What another backend cannot be told is named, and nothing is refused for it.
#[tokio::test]
async fn what_is_left_out_is_named() {
    let scene = Scene::start().await;
    let mut body = asked("say=yes");
    body["tools"] = json!([{"type": "web_search_20260209", "name": "web_search"}]);
    body["context_management"] = json!({"edits": []});
    for stream in [false, true] {
        body["stream"] = json!(stream);
        let got = scene.post(MESSAGES, &body).await;
        assert_eq!(messages::hear(&got, stream).text, "yes");
        let changed = got.header("x-gateway-changed");
        for field in ["tools[0].web_search_20260209", "context_management"] {
            assert!(changed.split(", ").any(|one| one == field), "{changed}");
        }
    }
}

/// A tool that must be called is the only one that a server is offered.
#[tokio::test]
async fn a_named_tool_is_offered_alone() {
    let scene = Scene::start().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tool = |name: &str| json!({"name": name, "input_schema": schema});
    let mut body = asked("tools=1");
    body["tools"] = json!([tool("get_time"), tool("get_weather")]);
    body["tool_choice"] = json!({"type": "tool", "name": "get_weather"});
    let got = scene.post(MESSAGES, &body).await;
    assert_eq!(messages::hear(&got, false).calls[0].name, "get_weather");
    let sent = scene.sim.last_request().unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(sent["tools"].as_array().unwrap().len(), 1, "{sent}");
}
