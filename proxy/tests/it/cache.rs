//! Answers from memory: who gets them, who does not, and what is told and recorded.

use reqwest::Method;
use serde_json::{Value, json};
use sim::Flavor;
use store::{CallRow, EndpointDraft, VirtualModelDraft};

use crate::crowd::until;
use crate::keys;
use crate::scene::{Answer, MODEL, Props, Scene, answer, chat, with};

const CHAT: &str = "/v1/chat/completions";

fn on() -> Value {
    json!({"cache_enabled": true})
}

async fn cached() -> Scene {
    Scene::model(on()).await
}

/// How many calls have reached the provider.
fn calls(scene: &Scene) -> u64 {
    scene.sim.served().received
}

async fn post_with(scene: &Scene, header: (&str, &str), body: &Value) -> Answer {
    let request = scene.request(Method::POST, CHAT).json(body);
    answer(request.header(header.0, header.1)).await
}

fn change_model(scene: &Scene, fields: &Value) {
    let draft = VirtualModelDraft::for_update(fields).unwrap();
    let store = &scene.ground.store;
    store.update_virtual_model(scene.model, &draft).unwrap();
}

/// Asks until the answer comes from the provider.
async fn until_missed(scene: &Scene, body: &Value) -> Answer {
    until("an answer made anew", async || {
        let got = scene.post(CHAT, body).await;
        (got.header("x-cache") == "MISS").then_some(got)
    })
    .await
}

fn cache_of(row: &CallRow) -> (i64, i64) {
    (row.cache_attempted, row.cache_hit)
}

#[tokio::test]
async fn the_second_of_two_equal_calls_is_answered_from_memory_byte_for_byte() {
    let scene = Scene::model(json!({
        "cache_enabled": true,
        "cost_per_1m_tokens_in": 1_000_000,
        "cost_per_1m_tokens_out": 500_000,
    }))
    .await;
    let first = scene.chat("say=hello", json!({"n": 1})).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.header("x-cache"), "MISS");
    assert_eq!(first.header("age"), "");

    let spelled = format!(
        r#"{{ "n" : 1, "messages":[{{"content":"hi [[sim: say=\u0068ello]]","role":"user"}}],
            "stream": false, "model":"{MODEL}" }}"#
    );
    let second = scene.post_bytes(CHAT, spelled).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert_eq!(second.header("x-cache"), "HIT");
    assert!(second.header("age").parse::<u64>().is_ok(), "{second:?}");
    assert_eq!(second.header("x-gateway-attempts"), "0");
    assert_eq!(second.header("content-type"), "application/json");
    assert_eq!(second.body, first.body);
    assert_ne!(second.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(calls(&scene), 1);

    let rows = scene.ground.rows(2).await;
    assert_eq!(cache_of(&rows[0]), (1, 0));
    assert_eq!(rows[0].saved_nanos, None);
    assert_eq!(cache_of(&rows[1]), (1, 1));
    assert_eq!(rows[1].outcome.as_deref(), Some("success"));
    assert_eq!((rows[1].total_tokens, rows[1].cost_nanos), (0, Some(0)));
    assert_eq!((rows[1].attempt_count, rows[1].upstream_ms), (0, None));
    assert!(rows[0].cost_nanos.is_some_and(|cost| cost > 0), "{rows:?}");
    assert_eq!(rows[1].saved_nanos, rows[0].cost_nanos);
    let log = scene.gateway.log();
    assert!(
        log.contains(" cache=miss") && log.contains(" cache=hit"),
        "{log}"
    );
}

#[tokio::test]
async fn it_is_off_unless_the_virtual_model_says_otherwise() {
    let scene = Scene::start().await;
    for _ in 0..2 {
        let got = scene.chat("say=hello", json!({})).await;
        assert_eq!(got.header("x-cache"), "", "{got:?}");
    }
    assert_eq!(calls(&scene), 2);
    for row in scene.ground.rows(2).await {
        assert_eq!(cache_of(&row), (0, 0));
    }
}

#[tokio::test]
async fn completions_and_embeddings_too_each_its_own() {
    let scene = cached().await;
    for (path, field) in [("/v1/completions", "prompt"), ("/v1/embeddings", "input")] {
        let completion = json!({"model": MODEL, (field): "hi"});
        let first = scene.post(path, &completion).await;
        assert_eq!(first.status, 200, "{path}: {first:?}");
        assert_eq!(first.header("x-cache"), "MISS", "{path}");
        let second = scene.post(path, &completion).await;
        assert_eq!(second.header("x-cache"), "HIT", "{path}");
        assert_eq!(second.body, first.body, "{path}");
    }
    assert_eq!(calls(&scene), 2);
    let kinds: Vec<_> = scene.ground.rows(4).await;
    let hits = kinds.iter().filter(|row| row.cache_hit == 1);
    let mut hits: Vec<_> = hits.map(|row| row.request_type.as_str()).collect();
    hits.sort_unstable();
    assert_eq!(hits, ["completion", "embedding"]);
}

#[tokio::test]
async fn translated_answers_are_kept_as_their_caller_got_them() {
    let scene = Scene::with(Props {
        options: sim::Options {
            flavor: Flavor::Anthropic,
            ..sim::Options::default()
        },
        model: on(),
        ..Props::default()
    })
    .await;
    let first = scene.chat("say=hello", json!({})).await;
    assert_eq!(first.header("x-cache"), "MISS", "{first:?}");
    let second = scene.chat("say=hello", json!({})).await;
    assert_eq!(second.header("x-cache"), "HIT", "{second:?}");
    assert_eq!(second.body, first.body);
}

#[tokio::test]
async fn a_stream_is_told_from_the_whole_answer_and_is_not_kept_itself() {
    let scene = cached().await;
    let streamed = scene.stream("say=hello").await;
    assert_eq!(streamed.header("x-cache"), "MISS", "{streamed:?}");
    let whole = scene.chat("say=hello", json!({})).await;
    assert_eq!(whole.header("x-cache"), "MISS", "{whole:?}");
    let again = json!({"stream": true, "stream_options": {"include_usage": true}});
    let again = scene.chat("say=hello", again).await;
    assert_eq!(again.header("x-cache"), "HIT", "{again:?}");
    assert_eq!(again.streamed_text(), "hello");
    let chunks = again.chunks();
    let last = chunks.last().unwrap();
    assert_eq!(last["usage"], whole.json()["usage"]);
    assert_eq!(last["id"], whole.json()["id"]);
    assert_eq!(calls(&scene), 2);
    let row = scene.ground.rows(3).await.pop().unwrap();
    assert_eq!((row.stream, row.cache_hit), (1, 1));
    assert!(row.ttft_ms.is_some());
}

/// A script in a system message, which stays as it is while the rest changes.
fn told(more: &Value) -> Value {
    let base = json!({
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "[[sim: say=ok]]"},
            {"role": "user", "content": [
                {"type": "text", "text": "what is it"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ]},
        ],
        "temperature": 0,
    });
    with(base, more)
}

#[tokio::test]
async fn whatever_differs_has_an_answer_of_its_own() {
    let scene = cached().await;
    let picture = |data: &str| {
        let mut messages = told(&json!({}))["messages"].clone();
        messages[1]["content"][1]["image_url"]["url"] =
            json!(format!("data:image/png;base64,{data}"));
        json!({"messages": messages})
    };
    let schema = |name: &str| {
        json!({"response_format": {"type": "json_schema", "json_schema": {
            "name": "s", "schema": {"type": "object", "properties": {(name): {"type": "string"}}},
        }}})
    };
    let bodies = [
        told(&json!({})),
        told(&picture("iVBORw0KGgoA")),
        told(&schema("a")),
        told(&schema("b")),
        told(&json!({"response_format": {"type": "json_object"}})),
        told(&json!({"user": "one"})),
        told(&json!({"user": "two"})),
        told(&json!({"temperature": 1})),
        told(&json!({"temperature": 1.5})),
        told(&json!({"seed": 1})),
        told(&json!({"max_tokens": 9})),
    ];
    for body in &bodies {
        let got = scene.post(CHAT, body).await;
        assert_eq!(got.status, 200, "{body}: {got:?}");
        assert_eq!(got.header("x-cache"), "MISS", "{body}");
    }
    for body in &bodies {
        let got = scene.post(CHAT, body).await;
        assert_eq!(got.header("x-cache"), "HIT", "{body}");
    }
    for (user, expected) in [("a", "MISS"), ("b", "MISS"), ("a", "HIT"), ("b", "HIT")] {
        let got = post_with(&scene, ("x-user-id", user), &bodies[0]).await;
        assert_eq!(got.header("x-cache"), expected, "{user}");
    }
    let got = post_with(&scene, ("x-priority", "HIGH"), &bodies[0]).await;
    assert_eq!(got.header("x-cache"), "HIT", "the answer is the same");
}

#[tokio::test]
async fn keys_share_nothing_and_what_a_key_may_not_call_it_gets_from_nowhere() {
    let scene = cached().await;
    let [one, two] = ["one", "two"].map(|label| keys::key(&scene, &json!({"label": label})));
    let none = json!({"label": "none", "allowed_models": ["other"]});
    scene.ground.model("other", scene.endpoint, &json!({}));
    let none = keys::key(&scene, &none);
    keys::answers(&scene, none.api_key.expose(), 403).await;
    let body = chat("say=mine", &json!({}));
    let call = async |key: &str| {
        let request = scene.request(Method::POST, CHAT).json(&body);
        answer(request.bearer_auth(key)).await
    };
    let [one, two] = [&one, &two].map(|key| key.api_key.expose());
    for (key, expected) in [
        (one, "MISS"),
        (two, "MISS"),
        ("no key", "MISS"),
        (one, "HIT"),
        (two, "HIT"),
        ("other no key", "HIT"),
    ] {
        assert_eq!(call(key).await.header("x-cache"), expected, "{key}");
    }
    let refused = call(none.api_key.expose()).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(refused.header("x-cache"), "");
}

#[tokio::test]
async fn a_caller_can_keep_out_of_it_or_ask_for_a_new_answer() {
    let scene = cached().await;
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]});
    let control = async |value: &str| post_with(&scene, ("cache-control", value), &body).await;
    let says = |word: &str| scene.sim.set_script(format!("say={word}").parse().unwrap());
    says("unseen");
    let unseen = control("no-store").await;
    assert_eq!(unseen.header("x-cache"), "", "{unseen:?}");
    says("first");
    let first = scene.post(CHAT, &body).await;
    assert_eq!(first.header("x-cache"), "MISS", "nothing was kept of it");
    let unseen = control("no-store").await;
    assert_eq!(unseen.header("x-cache"), "", "nor looked for: {unseen:?}");
    says("second");
    let anew = control("No-Cache").await;
    assert_eq!(anew.header("x-cache"), "MISS");
    assert_ne!(anew.body, first.body);
    let last = scene.post(CHAT, &body).await;
    assert_eq!(last.header("x-cache"), "HIT");
    assert_eq!(last.body, anew.body, "the newer one is kept");
    assert_eq!(calls(&scene), 4);
    let rows = scene.ground.rows(5).await;
    let asked: Vec<_> = rows.iter().map(cache_of).collect();
    assert_eq!(asked, [(0, 0), (1, 0), (0, 0), (0, 0), (1, 1)]);
}

#[tokio::test]
async fn tool_calls_errors_and_empty_answers_are_made_anew_each_time() {
    let scene = cached().await;
    let tool = json!({"tools": [{"type": "function", "function": {
        "name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    }}]});
    for (script, more, status) in [
        ("tools=1", &tool, 200),
        ("status=400", &json!({}), 400),
        ("status=500", &json!({}), 502),
        ("say=no error_after=0", &json!({}), 0),
        ("finish=content_filter say=no", &json!({}), 200),
        ("status=429", &json!({}), 429),
        ("empty=content", &json!({}), 0),
    ] {
        let before = calls(&scene);
        for _ in 0..2 {
            let got = scene.chat(script, more.clone()).await;
            assert!(status == 0 || got.status == status, "{script}: {got:?}");
            assert_ne!(got.header("x-cache"), "HIT", "{script}: {got:?}");
        }
        assert_eq!(calls(&scene) - before, 2, "{script}");
    }
}

#[tokio::test]
async fn a_change_of_the_virtual_model_or_its_endpoint_leaves_nothing_to_find() {
    let scene = cached().await;
    let body = chat("say=hello", &json!({}));
    scene.post(CHAT, &body).await;
    assert_eq!(scene.post(CHAT, &body).await.header("x-cache"), "HIT");
    change_model(&scene, &json!({"system_prompt": "Be brief."}));
    until_missed(&scene, &body).await;
    assert_eq!(scene.post(CHAT, &body).await.header("x-cache"), "HIT");
    let draft = EndpointDraft::for_update(&json!({"priority": 7})).unwrap();
    let store = &scene.ground.store;
    store.update_endpoint(scene.endpoint, &draft).unwrap();
    until_missed(&scene, &body).await;
    assert_eq!(scene.post(CHAT, &body).await.header("x-cache"), "HIT");
    change_model(&scene, &json!({"cache_enabled": false}));
    until("the cache off", async || {
        let got = scene.post(CHAT, &body).await;
        got.header("x-cache").is_empty().then_some(())
    })
    .await;
    change_model(&scene, &json!({"enabled": false}));
    until("the model off", async || {
        (scene.post(CHAT, &body).await.status != 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time() {
    let scene = Scene::with(Props {
        model: on(),
        env: &[("CACHE_TTL_CHAT", "0.1")],
        ..Props::default()
    })
    .await;
    let body = chat("say=hello", &json!({}));
    let first = scene.post(CHAT, &body).await;
    assert_eq!(first.header("x-cache"), "MISS");
    until_missed(&scene, &body).await;
    assert_eq!(calls(&scene), 2);
}

#[tokio::test]
async fn the_size_is_bounded_and_told() {
    let scene = Scene::with(Props {
        model: on(),
        env: &[("CACHE_MAX_MB", "1")],
        ..Props::default()
    })
    .await;
    // More than a sixteenth.
    let large = chat("chunks=100 chunk_bytes=1000", &json!({}));
    for _ in 0..2 {
        let got = scene.post(CHAT, &large).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.header("x-cache"), "MISS");
    }
    for number in 0..60 {
        let body = chat("chunks=30 chunk_bytes=1000", &json!({"seed": number}));
        assert_eq!(scene.post(CHAT, &body).await.status, 200);
    }
    let health = answer(scene.request(Method::GET, "/health")).await.json();
    let cache = &health["cache"];
    assert_eq!(cache["limit_bytes"], 1024 * 1024);
    let bytes = cache["bytes"].as_u64().unwrap();
    assert!(bytes > 200_000 && bytes <= 1024 * 1024, "{cache}");
    assert!(cache["answers"].as_u64().unwrap() < 60, "{cache}");
}

#[tokio::test]
async fn the_official_python_client_gets_streams_and_answers_from_memory() {
    let scene = cached().await;
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/run");
    let output = tokio::process::Command::new(script)
        .args(["python", "cached.py"])
        .env("GATEWAY_URL", &scene.gateway.base)
        .env("CHAT_MODEL", MODEL)
        .env("COMPLETION_MODEL", MODEL)
        .env("EMBEDDING_MODEL", MODEL)
        .output()
        .await
        .unwrap();
    let said = crate::process::text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("4 passed"), "{said}");
}

/// Answers in the other dialects: the second is the first one, whole and as a stream.
#[tokio::test]
async fn callers_of_other_dialects_get_what_is_kept_in_theirs() {
    let scene = cached().await;
    let said = "hi [[sim: say=hello]]";
    let user = json!([{"role": "user", "content": said}]);
    for (path, body, place) in [
        (
            "/v1/messages",
            json!({"model": MODEL, "max_tokens": 9, "messages": user}),
            "/content/0/text",
        ),
        (
            "/v1/responses",
            json!({"model": MODEL, "input": said, "store": false}),
            "/output/0/content/0/text",
        ),
        (
            "/api/chat",
            json!({"model": MODEL, "stream": false, "messages": user}),
            "/message/content",
        ),
    ] {
        let before = calls(&scene);
        let first = scene.post(path, &body).await;
        assert_eq!(first.header("x-cache"), "MISS", "{path}: {first:?}");
        let text = |got: &Answer| got.json().pointer(place).unwrap().clone();
        assert_eq!(text(&first), "hello", "{path}: {first:?}");
        let second = scene.post(path, &body).await;
        assert_eq!(second.header("x-cache"), "HIT", "{path}: {second:?}");
        assert_eq!(text(&second), "hello", "{path}: {second:?}");
        let streamed = scene
            .post(path, &with(body, &json!({"stream": true})))
            .await;
        assert_eq!(streamed.header("x-cache"), "HIT", "{path}: {streamed:?}");
        let heard = match path {
            "/v1/messages" => {
                crate::dialects::messages::fold(&streamed).0["content"][0]["text"].clone()
            }
            "/v1/responses" => {
                let events = crate::dialects::responses::events(&streamed);
                events.last().unwrap()["response"]
                    .pointer("/output/0/content/0/text")
                    .unwrap()
                    .clone()
            }
            _ => {
                let lines = crate::dialects::ollama::lines(&streamed);
                let texts = lines
                    .iter()
                    .filter_map(|line| line["message"]["content"].as_str());
                json!(texts.collect::<String>())
            }
        };
        assert_eq!(heard, "hello", "{path}: {streamed:?}");
        assert_eq!(calls(&scene), before + 1, "{path}");
    }
}
