//! Requests that are refused: by the gateway, in the shape of the API, with the field
//! named, and without a call upstream.

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::Process;
use crate::scene::{Ground, MODEL, Scene, answer, chat, client, provider};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const EMBEDDINGS: &str = "/v1/embeddings";

fn user() -> Value {
    json!([{"role": "user", "content": "hi"}])
}

#[tokio::test]
async fn a_bad_field_is_named() {
    let scene = Scene::start().await;
    let lone_tool = |id: Value| {
        let call = json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        json!([
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "content": "42", "tool_call_id": id},
        ])
    };
    let cases = [
        (CHAT, json!({"model": 4, "messages": user()}), "model"),
        (CHAT, json!({"model": ["a"], "messages": user()}), "model"),
        (CHAT, json!({"model": MODEL}), "messages"),
        (CHAT, json!({"model": MODEL, "messages": null}), "messages"),
        (CHAT, json!({"model": MODEL, "messages": "hi"}), "messages"),
        (CHAT, json!({"model": MODEL, "messages": {}}), "messages"),
        (CHAT, json!({"model": MODEL, "messages": []}), "messages"),
        (
            CHAT,
            json!({"model": MODEL, "messages": ["hi"]}),
            "messages[0]",
        ),
        (
            CHAT,
            json!({"model": MODEL, "messages": [{"content": "hi"}]}),
            "messages[0].role",
        ),
        (
            CHAT,
            json!({"model": MODEL, "messages": [{"role": 1}]}),
            "messages[0].role",
        ),
        (
            CHAT,
            json!({"model": MODEL, "messages": lone_tool(json!(7))}),
            "messages[1].tool_call_id",
        ),
        (
            CHAT,
            json!({"model": MODEL, "messages": user(), "stream": "yes"}),
            "stream",
        ),
        (
            CHAT,
            json!({"model": MODEL, "messages": user(), "stream": true, "stream_options": 1}),
            "stream_options",
        ),
        (COMPLETIONS, json!({"model": false, "prompt": "x"}), "model"),
        (COMPLETIONS, json!({"model": MODEL, "prompt": 4}), "prompt"),
        (COMPLETIONS, json!({"model": MODEL, "prompt": []}), "prompt"),
        (EMBEDDINGS, json!({"model": {}, "input": "x"}), "model"),
        (EMBEDDINGS, json!({"model": MODEL}), "input"),
        (EMBEDDINGS, json!({"model": MODEL, "input": ""}), "input"),
        (EMBEDDINGS, json!({"model": MODEL, "input": []}), "input"),
        (EMBEDDINGS, json!({"model": MODEL, "input": 4}), "input"),
        (
            EMBEDDINGS,
            json!({"model": MODEL, "input": {"text": "x"}}),
            "input",
        ),
    ];
    for (path, body, param) in &cases {
        let refused = scene.post(path, body).await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
        let error = refused.error();
        assert_eq!(error["param"], *param, "{body}: {error}");
        assert_eq!(error["type"], "invalid_request_error", "{body}");
        assert!(error["code"].is_string(), "{body}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(param),
            "{error}"
        );
    }
    // The answer to a call that was made is no mistake, and one to none is mended.
    let ids = [json!("call_1"), json!("call_2"), json!(null)];
    for id in &ids {
        let good = json!({"model": MODEL, "messages": lone_tool(id.clone())});
        assert_eq!(scene.post(CHAT, &good).await.status, 200, "{id}");
    }
    assert_eq!(scene.sim.served().requests, 3);
    let rows = scene.ground.rows(cases.len() + ids.len()).await;
    for row in &rows[..cases.len()] {
        assert_eq!(row.status, Some(400), "{row:?}");
        assert_eq!(row.outcome.as_deref(), Some("client_error"), "{row:?}");
        assert_eq!(row.total_tokens, 0, "{row:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let scene = Scene::start().await;
    let twice = format!(r#"{{"model":"a","messages":[],"model":"{MODEL}"}}"#);
    let cut = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"us"#);
    let cases: [&[u8]; 10] = [
        b"",
        b" ",
        b"hello",
        b"[]",
        b"\"text\"",
        b"4",
        b"null",
        b"{\"model\":\"\xff\xfe\",\"messages\":[]}",
        twice.as_bytes(),
        cut.as_bytes(),
    ];
    for body in cases {
        for path in [CHAT, COMPLETIONS, EMBEDDINGS] {
            let refused = scene.post_bytes(path, body.to_vec()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
            assert_eq!(refused.status, 400, "{path} {shown}: {refused:?}");
            assert_eq!(refused.error()["type"], "invalid_request_error", "{shown}");
        }
    }
    assert_eq!(scene.sim.served().requests, 0);
    assert_eq!(scene.chat("", json!({})).await.status, 200);
    scene.ground.rows(3 * cases.len() + 1).await;
}

#[tokio::test]
async fn a_body_that_nests_deeply_ends_nothing() {
    let scene = Scene::start().await;
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let user = format!(r#"[{{"role":"user","content":{open}"hi"{close}}}]"#);
    for fields in [
        format!(r#""messages":{user}"#),
        format!(r#""messages":[{{"role":"user","content":"hi"}}],"x":{open}{close}"#),
        format!(r#""messages":{open}{close}"#),
        format!(r#""input":{open}1{close}"#),
        format!(r#""prompt":{open}1{close}"#),
        format!(r#""stream_options":{open}{close}"#),
    ] {
        for path in [CHAT, COMPLETIONS, EMBEDDINGS] {
            let body = format!(r#"{{"model":"{MODEL}",{fields}}}"#);
            let refused = scene.post_bytes(path, body).await;
            assert_eq!(refused.status, 400, "{path} {}", &fields[..30]);
            refused.error();
        }
    }
    assert_eq!(scene.chat("", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_compressed_body_is_refused_in_words() {
    let scene = Scene::start().await;
    let request = scene
        .request(Method::POST, CHAT)
        .header("content-encoding", "gzip")
        .body(vec![0x1f, 0x8b, 8, 0]);
    let refused = answer(request).await;
    assert_eq!(refused.status, 415);
    let message = refused.error()["message"].to_string();
    assert!(message.contains("content-encoding"), "{message}");
}

#[tokio::test]
async fn what_may_not_be_called_is_not_found() {
    let ground = Ground::new();
    let sim = provider(sim::Flavor::OpenAi).await;
    let on = ground.endpoint(&sim, &json!({"name": "on"}));
    let off = ground.endpoint(&sim, &json!({"name": "off", "enabled": false}));
    ground.model("Served", on, &json!({}));
    ground.model("sleeping", on, &json!({"enabled": false}));
    ground.model("behind", off, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    // The name of the provider's own model is no name here, and case matters.
    let names = [
        "sleeping",
        "behind",
        "nothing",
        "sim-model",
        "served",
        "Served ",
    ];
    for name in names {
        for (path, body) in [
            (CHAT, json!({"model": name, "messages": user()})),
            (
                CHAT,
                json!({"model": name, "messages": user(), "stream": true}),
            ),
            (COMPLETIONS, json!({"model": name, "prompt": "hi"})),
            (EMBEDDINGS, json!({"model": name, "input": "hi"})),
        ] {
            let url = format!("{}{path}", gateway.base);
            let refused = answer(client().post(url).json(&body)).await;
            assert_eq!(refused.status, 404, "{path} {name}: {refused:?}");
            let error = refused.error();
            assert_eq!(error["code"], "model_not_found", "{name}");
            assert_eq!(error["type"], "invalid_request_error", "{name}");
            assert!(error["message"].as_str().unwrap().contains(name), "{error}");
        }
    }
    assert_eq!(sim.served().requests, 0);
    for row in ground.rows(4 * names.len()).await {
        assert_eq!(row.status, Some(404));
        assert_eq!(row.outcome.as_deref(), Some("refused"), "{row:?}");
        assert!(names.contains(&row.virtual_model.as_str()), "{row:?}");
        assert_eq!(row.endpoint_id, None);
    }
}

#[tokio::test]
async fn a_call_that_the_provider_type_lacks_is_told_so() {
    let scene = Scene::of(sim::Flavor::Anthropic).await;
    let refused = scene
        .post(EMBEDDINGS, &json!({"model": MODEL, "input": "hi"}))
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let error = refused.error();
    assert_eq!(error["code"], "unsupported_operation");
    let message = error["message"].as_str().unwrap();
    for word in ["anthropic", "embeddings"] {
        assert!(message.contains(word), "{message}");
    }
    assert_eq!(scene.sim.served().requests, 0);
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("refused"), "{row:?}");
}

#[tokio::test]
async fn an_error_says_nothing_of_the_gateways_insides() {
    let scene = Scene::start().await;
    for body in [
        json!({}),
        json!({"model": "x"}),
        chat("status=500", &json!({})),
    ] {
        let refused = scene.post(CHAT, &body).await;
        for word in [
            "serde", "line 1", "pingora", "src/", "::", "sqlite", "panicked",
        ] {
            assert!(!refused.body.contains(word), "{word}: {}", refused.body);
        }
    }
}

/// OpenAI's own limit, in OpenAI's own words: no text is left away and nobody else asked.
#[tokio::test]
async fn b23_six_stop_texts_are_refused_by_openai() {
    let scene = Scene::start().await;
    let stop = json!({"stop": ["a", "b", "c", "d", "e", "f"]});
    let got = scene.post(CHAT, &chat("", &stop)).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["param"], "stop", "{got:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_error"), "{row:?}");
    let [sent] = &scene.sim.requests()[..] else {
        panic!("one request");
    };
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(sent["stop"], stop["stop"]);
}
