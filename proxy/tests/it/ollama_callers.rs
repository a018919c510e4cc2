//! What Ollama's clients are told besides answers: vectors, models, versions, errors, and
//! what comes of a request for nothing.

use reqwest::Method;
use serde_json::{Value, json};
use sim::Flavor;

use crate::dialects::ollama::lines;
use crate::keys::{answers, facing, key};
use crate::process::Process;
use crate::scene::{Answer, Ground, MODEL, Scene, answer, client, provider, with};

fn asked(script: &str) -> Value {
    let said = format!("hi [[sim: {script}]]");
    json!({"model": MODEL, "stream": false, "messages": [{"role": "user", "content": said}]})
}

async fn get(scene: &Scene, path: &str) -> Answer {
    answer(scene.request(Method::GET, path)).await
}

#[tokio::test]
async fn a_model_answers_with_and_without_its_tag() {
    let ground = Ground::new();
    let sim = provider(Flavor::OpenAi).await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    ground.model("plain", endpoint, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    let url = format!("{}/api/chat", gateway.base);
    let client = client();
    for name in [MODEL, "virtual/one", "plain", "plain:latest", "Plain"] {
        let mut body = asked("say=yes");
        body["model"] = json!(name);
        let got = answer(client.post(&url).json(&body)).await;
        assert_eq!(got.json()["message"]["content"], "yes", "{name}: {got:?}");
    }
    let mut body = asked("say=yes");
    body["model"] = json!("plain:8b");
    let got = answer(client.post(&url).json(&body)).await;
    assert_eq!(got.status, 404, "{got:?}");
    assert!(got.json()["error"].as_str().unwrap().contains("plain:8b"));
}

#[tokio::test]
async fn vectors_come_in_the_form_that_was_asked_for() {
    for flavor in [Flavor::OpenAi, Flavor::Ollama] {
        let scene = Scene::of(flavor).await;
        let body = json!({"model": MODEL, "input": ["one", "two"], "truncate": true});
        let got = scene.post("/api/embed", &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        let all = got.json();
        assert_eq!(all["model"], MODEL, "{got:?}");
        let vectors = all["embeddings"].as_array().unwrap();
        assert_eq!(vectors.len(), 2, "{got:?}");
        assert!(
            vectors.iter().all(|vector| vector[0].is_number()),
            "{got:?}"
        );
        assert!(all["prompt_eval_count"].as_u64().unwrap() > 0, "{got:?}");
        assert_eq!(got.header("x-gateway-changed"), "truncate");

        let body = json!({"model": MODEL, "prompt": "one"});
        let got = scene.post("/api/embeddings", &body).await;
        assert_eq!(got.json()["embedding"], vectors[0], "{got:?}");
    }
}

#[tokio::test]
async fn a_request_for_nothing_reaches_no_backend() {
    let scene = Scene::start().await;
    for (path, body, expected) in [
        ("/api/chat", json!({"messages": []}), "load"),
        (
            "/api/chat",
            json!({"messages": [], "keep_alive": 0}),
            "unload",
        ),
        ("/api/generate", json!({}), "load"),
        (
            "/api/generate",
            json!({"prompt": "", "keep_alive": "0s"}),
            "unload",
        ),
        ("/api/embed", json!({}), ""),
    ] {
        let mut body = body;
        body["model"] = json!(MODEL);
        let got = scene.post(path, &body).await;
        assert_eq!(got.status, 200, "{path} {got:?}");
        let told = got.json();
        assert_eq!(told["model"], MODEL, "{got:?}");
        assert_eq!(told["done_reason"].as_str().unwrap_or_default(), expected);
        assert_eq!(
            told["embeddings"].is_array(),
            expected.is_empty(),
            "{got:?}"
        );
    }
    assert_eq!(scene.sim.requests().len(), 0);
    for row in scene.ground.rows(5).await {
        assert!(row.attempts.is_empty(), "{row:?}");
    }
}

#[tokio::test]
async fn failures_have_their_status_and_words() {
    let scene = Scene::start().await;
    for (script, status) in [
        ("status=400", 400),
        ("status=404", 404),
        ("status=429 retry_after=7", 429),
        ("status=500", 502),
        ("status=503", 503),
    ] {
        let got = scene.post("/api/chat", &asked(script)).await;
        assert_eq!(got.status, status, "{script}: {got:?}");
        assert!(got.json()["error"].is_string(), "{script}: {got:?}");
    }
    for (path, body) in [
        ("/api/chat", json!({"messages": []})),
        ("/api/generate", json!({"prompt": "a"})),
        ("/api/show", json!({})),
    ] {
        let got = scene.post(path, &body).await;
        assert_eq!(got.status, 400, "{path}: {got:?}");
        assert!(got.json()["error"].as_str().unwrap().contains("model"));
    }
    for (method, path) in [
        (Method::GET, "/api/chat"),
        (Method::POST, "/api/tags"),
        (Method::GET, "/api/show"),
        (Method::GET, "/api/pull"),
        (Method::POST, "/api/delete"),
        (Method::PUT, "/api/blobs/sha256:0"),
    ] {
        let got = answer(scene.request(method, path)).await;
        assert_eq!(got.status, 405, "{path}: {got:?}");
        assert!(got.json()["error"].is_string(), "{path}: {got:?}");
        assert!(!got.header("allow").is_empty(), "{path}: {got:?}");
    }
}

/// Results of tools may say nothing of which call they belong to.
#[tokio::test]
async fn results_without_ids_belong_to_the_calls_in_their_order() {
    let scene = Scene::start().await;
    let call =
        |city: &str| json!({"function": {"name": "get_weather", "arguments": {"city": city}}});
    let mut body = asked("say=yes");
    body["messages"] = json!([
        {"role": "user", "content": "Where is it warmer? [[sim: say=yes]]", "images": []},
        {"role": "assistant", "content": "", "tool_calls": [call("Paris"), call("Rome")]},
        {"role": "tool", "content": "21"},
        {"role": "tool", "content": "25"},
    ]);
    let got = scene.post("/api/chat", &body).await;
    assert_eq!(got.status, 200, "{got:?}");
    let sent = scene.sim.last_request().unwrap();
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    let messages = sent["messages"].as_array().unwrap();
    let calls = messages[1]["tool_calls"].as_array().unwrap();
    for (call, result) in calls.iter().zip(&messages[2..]) {
        assert_eq!(result["tool_call_id"], call["id"], "{sent}");
    }
    assert_ne!(calls[0]["id"], calls[1]["id"], "{sent}");
    assert_eq!(messages[3]["content"], "25", "{sent}");
}

/// A text as it stands, or with a gap in it, is gone on with, whatever the backend.
#[tokio::test]
async fn a_text_that_is_raw_or_has_a_gap_is_completed() {
    for (flavor, path, has_gaps) in [
        (Flavor::Ollama, "/api/generate", true),
        (Flavor::OpenAi, "/v1/completions", true),
        (Flavor::Anthropic, "/v1/messages", false),
    ] {
        let scene = Scene::of(flavor).await;
        for stream in [false, true] {
            for more in [json!({"raw": true}), json!({"suffix": "the end"})] {
                let base = json!({
                    "model": MODEL, "prompt": "once [[sim: say=a+blue+dot]]", "stream": stream,
                    "options": {"num_predict": 20},
                });
                let at = format!("{flavor:?} {more}, stream: {stream}");
                let got = scene.post("/api/generate", &with(base, &more)).await;
                if !has_gaps && more.get("suffix").is_some() {
                    assert_eq!(got.status, 400, "{at}: {got:?}");
                    assert!(got.json()["error"].as_str().unwrap().contains("suffix"));
                    continue;
                }
                assert_eq!(got.status, 200, "{at}: {got:?}");
                let lines = if stream {
                    lines(&got)
                } else {
                    vec![got.json()]
                };
                assert_eq!(lines.len() > 1, stream, "{at}: {got:?}");
                let texts = lines.iter().filter_map(|line| line["response"].as_str());
                assert_eq!(texts.collect::<String>(), "a blue dot", "{at}: {got:?}");
                let last = lines.last().unwrap();
                assert_eq!(last["done"], true, "{at}: {got:?}");
                assert_eq!(last["model"], MODEL, "{at}: {got:?}");
                assert!(last["eval_count"].as_u64() > Some(0), "{at}: {got:?}");
                let sent = scene.sim.last_request().unwrap();
                assert_eq!(sent.path, path, "{at}");
                let sent: Value = serde_json::from_slice(&sent.body).unwrap();
                if has_gaps {
                    assert_eq!(sent["suffix"], more["suffix"], "{at}: {sent}");
                }
                if flavor == Flavor::Ollama {
                    assert_eq!(sent["raw"], more["raw"], "{at}: {sent}");
                }
            }
        }
        for row in scene.ground.rows(4).await {
            assert!(row.outcome.is_some(), "{row:?}");
        }
    }
}

/// Ahead of the first line there may be space, which is none of its own.
#[tokio::test]
async fn a_caller_that_waits_gets_nothing_but_lines() {
    let scene = Scene::env(&[("HOLD_SECONDS", "0.1"), ("KEEP_ALIVE_SECONDS", "0.1")]).await;
    for (script, last) in [
        ("first_ms=500 say=yes", "done"),
        ("delay_ms=500 status=500", "error"),
    ] {
        let mut body = asked(script);
        body["stream"] = json!(true);
        let got = scene.post("/api/chat", &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert!(got.body.starts_with(' '), "{got:?}");
        let lines = lines(&got);
        assert!(lines.last().unwrap().get(last).is_some(), "{got:?}");
    }
}

#[tokio::test]
async fn the_gateway_tells_of_itself_as_a_server_of_ollamas() {
    let scene = Scene::env(&[("OLLAMA_VERSION", "1.2.3")]).await;
    let got = get(&scene, "/").await;
    assert_eq!(got.body, "Ollama is running");
    assert_eq!(
        get(&scene, "/api/version").await.json(),
        json!({"version": "1.2.3"})
    );
    assert_eq!(get(&scene, "/api/ps").await.json(), json!({"models": []}));
    let tags = get(&scene, "/api/tags").await.json();
    let entry = &tags["models"][0];
    assert_eq!(entry["name"], MODEL, "{tags}");
    assert_eq!(entry["model"], MODEL, "{tags}");
    assert_eq!(entry["digest"].as_str().unwrap().len(), 64, "{tags}");
    for path in ["/api/tags", "/api/version", "/"] {
        let got = answer(scene.request(Method::HEAD, path)).await;
        assert_eq!(got.status, 200, "{path}: {got:?}");
        assert_eq!(got.body, "", "{path}");
    }
    for body in [json!({"model": MODEL}), json!({"name": "virtual/one"})] {
        let shown = scene.post("/api/show", &body).await.json();
        assert_eq!(
            shown["capabilities"],
            json!(["completion", "tools"]),
            "{shown}"
        );
        assert!(shown["details"].is_object(), "{shown}");
        assert!(
            shown["model_info"]["general.architecture"].is_string(),
            "{shown}"
        );
    }
    let got = scene.post("/api/show", &json!({"model": "none"})).await;
    assert_eq!(got.status, 404, "{got:?}");
}

/// The context is the operator's, or what the server tells of its model.
#[tokio::test]
async fn a_context_that_is_known_is_shown() {
    let scene = Scene::model(json!({"num_ctx": 5000})).await;
    let shown = scene
        .post("/api/show", &json!({"model": MODEL}))
        .await
        .json();
    assert_eq!(
        shown["model_info"]["gateway.context_length"], 5000,
        "{shown}"
    );
}

/// What an Ollama server has told of its model with the first call is shown.
#[tokio::test]
async fn what_the_server_tells_of_its_model_is_shown() {
    let scene = Scene::of(Flavor::Ollama).await;
    let got = scene.post("/api/chat", &asked("say=yes")).await;
    assert_eq!(got.status, 200, "{got:?}");
    let shown = scene
        .post("/api/show", &json!({"model": MODEL}))
        .await
        .json();
    let able = json!(["completion", "tools", "thinking", "vision"]);
    assert_eq!(shown["capabilities"], able, "{shown}");
}

#[tokio::test]
async fn a_stranger_learns_no_models() {
    let scene = facing().await;
    let good = key(&scene, &json!({"label": "good"}));
    answers(&scene, good.api_key.expose(), 200).await;
    for path in ["/api/tags", "/api/ps"] {
        let got = get(&scene, path).await;
        assert_eq!(got.status, 401, "{path}: {got:?}");
        assert!(got.json()["error"].is_string(), "{got:?}");
        let known = scene
            .request(Method::GET, path)
            .bearer_auth(good.api_key.expose());
        assert_eq!(answer(known).await.status, 200, "{path}");
    }
    let got = scene.post("/api/show", &json!({"model": MODEL})).await;
    assert_eq!(got.status, 401, "{got:?}");
    assert_eq!(get(&scene, "/api/version").await.status, 200);
}
