//! What the server refuses, as the caller sees it.

use reqwest::StatusCode;
use serde_json::json;

use crate::scene::with;
use crate::stage::{CHAT, SENTENCE, Stage, TYPES, asking};

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn a_prompt_longer_than_the_context_is_the_callers_fault() {
    let stage = Stage::started("markov", &["--ctx-size", "512", "--predict", "100"]).await;
    let mut calls = 0;
    for kind in TYPES {
        for stream in [false, true] {
            let message = json!({"role": "user", "content": "x".repeat(5000)});
            let body = json!({"model": kind, "messages": [message], "stream": stream});
            let got = stage.post(CHAT, &body).await;
            assert_eq!(got.status, StatusCode::BAD_REQUEST, "{kind}: {got:?}");
            let error = got.error();
            let text = error["message"].as_str().unwrap();
            assert!(text.contains("context"), "{kind}: {error}");
            calls += 1;
            let row = stage.row(calls).await;
            assert_eq!(row.status, Some(400), "{kind}: {row:?}");
        }
        // The next call of the same model is served: nothing was held against the server.
        let good = stage.chat(&asking(kind, &json!({}))).await;
        assert_eq!(good["choices"][0]["message"]["content"], SENTENCE, "{kind}");
        calls += 1;
    }
}

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn what_the_server_does_not_understand_is_told_with_its_words() {
    let stage = Stage::of("markov").await;
    for kind in ["openai", "vllm"] {
        let body = asking(kind, &json!({"response_format": {"type": "no_such_type"}}));
        let direct = with(body.clone(), &json!({"model": "markov"}));
        let direct = stage.llama.post(CHAT, &direct).await;
        let got = stage.post(CHAT, &body).await;
        assert_eq!(got.status, direct.status, "{kind}: {got:?}");
        assert_eq!(
            got.error()["message"],
            direct.json()["error"]["message"],
            "{kind}"
        );
    }
}
