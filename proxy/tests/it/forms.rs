//! The form of an answer: a stream where a whole answer came, a whole answer where a
//! stream came, and every framing of events that upstreams use.

use serde_json::{Value, json};
use sim::Flavor;

use crate::scene::{Answer, MODEL, Scene, chat, streamed_text, with};

const CHAT: &str = "/v1/chat/completions";

fn sent(scene: &Scene) -> Value {
    serde_json::from_slice(&scene.sim.last_request().unwrap().body).unwrap()
}

/// A stream that a client takes for whole: role first, text, one finish reason, and
/// usage exactly when asked for.
fn well_formed(answer: &Answer, text: &str, usage: bool) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer
            .header("content-type")
            .starts_with("text/event-stream")
    );
    let chunks = answer.chunks();
    assert_eq!(streamed_text(&chunks), text, "{answer:?}");
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let finished = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["finish_reason"].is_string());
    assert_eq!(finished.count(), 1, "{answer:?}");
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        assert_eq!(chunk["model"], MODEL, "{chunk}");
    }
    let counted = chunks.iter().filter(|chunk| chunk["usage"].is_object());
    assert_eq!(counted.count(), usize::from(usage), "{answer:?}");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"] == json!([]), usage, "{last}");
}

#[tokio::test]
async fn without_streaming_upstream_the_caller_still_gets_a_stream() {
    let scene = Scene::model(json!({"disable_streaming": true})).await;
    for usage in [false, true] {
        let mut body = chat("say=one+two+three", &json!({"stream": true}));
        if usage {
            body = with(body, &json!({"stream_options": {"include_usage": true}}));
        }
        let got = scene.post(CHAT, &body).await;
        well_formed(&got, "one two three", usage);
        let sent = sent(&scene);
        assert_ne!(sent["stream"], true);
        assert!(sent.get("stream_options").is_none(), "{sent}");
    }
    for row in scene.ground.rows(2).await {
        assert_eq!((row.stream, row.completion_tokens), (1, 3), "{row:?}");
        assert_eq!(row.outcome.as_deref(), Some("success"));
    }
}

#[tokio::test]
async fn a_replayed_stream_has_the_tool_calls() {
    let scene = Scene::model(json!({"disable_streaming": true})).await;
    let tool =
        json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
    let body = chat("tools=2", &json!({"stream": true, "tools": [tool]}));
    let got = scene.post(CHAT, &body).await;
    let mut calls: Vec<(String, String)> = vec![Default::default(); 2];
    let mut finish = None;
    for chunk in got.chunks() {
        let choice = &chunk["choices"][0];
        for call in choice["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let at = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls[at]
                .0
                .push_str(call["id"].as_str().unwrap_or_default());
            let arguments = &call["function"]["arguments"];
            calls[at].1.push_str(arguments.as_str().unwrap_or_default());
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            finish = Some(reason.to_owned());
        }
    }
    assert_eq!(finish.as_deref(), Some("tool_calls"));
    for (at, (id, arguments)) in calls.iter().enumerate() {
        assert_eq!(*id, format!("call_sim{at:04}"));
        assert_eq!(arguments, "{}");
    }
}

#[tokio::test]
async fn a_model_that_never_streams_answers_whole() {
    let scene = Scene::model(json!({"force_non_streaming": true})).await;
    let got = scene.stream("say=one+two").await;
    assert_eq!(got.status, 200);
    assert!(got.header("content-type").starts_with("application/json"));
    assert_eq!(got.json()["choices"][0]["message"]["content"], "one two");
    assert_eq!(got.json()["object"], "chat.completion");
    assert_ne!(sent(&scene)["stream"], true);
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("success"));
    assert_eq!((row.stream, row.completion_tokens), (0, 2), "{row:?}");
}

#[tokio::test]
async fn a_whole_answer_to_a_stream_request_is_streamed() {
    let flavors = [
        Flavor::OpenAi,
        Flavor::Vllm,
        Flavor::Together,
        Flavor::Ollama,
    ];
    for flavor in flavors {
        let scene = Scene::of(flavor).await;
        let got = scene.stream("wrong say=one+two").await;
        well_formed(&got, "one two", false);
        let row = scene.ground.row().await;
        assert_eq!(
            (row.stream, row.completion_tokens),
            (1, 2),
            "{flavor:?} {row:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_to_a_whole_request_is_put_together() {
    let flavors = [
        Flavor::OpenAi,
        Flavor::Vllm,
        Flavor::Together,
        Flavor::Ollama,
    ];
    for flavor in flavors {
        let scene = Scene::of(flavor).await;
        let got = scene.chat("wrong say=one+two+three", json!({})).await;
        assert_eq!(got.status, 200, "{flavor:?}: {got:?}");
        let json = got.json();
        assert_eq!(json["object"], "chat.completion", "{flavor:?}");
        assert_eq!(json["model"], MODEL);
        let choice = &json["choices"][0];
        assert_eq!(choice["message"]["content"], "one two three", "{flavor:?}");
        assert_eq!(choice["message"]["role"], "assistant");
        assert_eq!(choice["finish_reason"], "stop");
        let row = scene.ground.row().await;
        assert_eq!(row.outcome.as_deref(), Some("success"), "{flavor:?}");
        assert!(row.completion_tokens > 0, "{flavor:?} {row:?}");
    }
}

#[tokio::test]
async fn characters_survive_any_split_and_framing() {
    let whole = {
        let scene = Scene::start().await;
        let got = scene.chat("unicode chunks=9", json!({})).await;
        let content = got.json()["choices"][0]["message"]["content"].clone();
        content.as_str().unwrap().to_owned()
    };
    assert!(whole.contains('\u{1f642}') && whole.contains('\u{6f22}'));
    let scene = Scene::start().await;
    for script in [
        "sse=split",
        "sse=crlf",
        "sse=crlf,split",
        "sse=nospace",
        "sse=comments",
        "sse=comments,crlf,nospace,split",
        "sse=bom",
        "burst",
        "length",
        "burst length",
        "dribble=1",
        "dribble=2",
        "dribble=7",
        "dribble=1 sse=crlf,comments",
    ] {
        let got = scene.stream(&format!("unicode chunks=9 {script}")).await;
        well_formed(&got, &whole, false);
    }
    for script in ["chunked", "dribble=1", "chunked dribble=3"] {
        let got = scene
            .chat(&format!("unicode chunks=9 {script}"), json!({}))
            .await;
        assert_eq!(
            got.json()["choices"][0]["message"]["content"],
            whole,
            "{script}"
        );
    }
}

#[tokio::test]
async fn events_are_passed_on_as_they_come() {
    // The upstream waits in the middle until the first half has been seen: a gateway
    // that collects never gets the second.
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    let body = chat(
        "say=first+second+third gate=stream gate_after=1",
        &json!({"stream": true}),
    );
    caller.ask(CHAT, "", &body.to_string()).await;
    caller.sees("\"first \"").await;
    assert!(!caller.unread().contains("second"));
    scene.sim.open_gate();
    let got = caller.response().await;
    assert!(got.complete);
    assert_eq!(got.events().last().unwrap(), "[DONE]");
    assert!(got.text().contains("second") && got.text().contains("third"));
}

#[tokio::test]
async fn a_stream_goes_out_in_chunks_and_is_not_to_be_kept() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    let body = chat("", &json!({"stream": true})).to_string();
    let got = caller.post(CHAT, &body).await;
    assert_eq!(got.header("transfer-encoding"), Some("chunked"));
    assert_eq!(got.header("content-length"), None);
    assert!(got.header("cache-control").unwrap().contains("no-cache"));
}

#[tokio::test]
async fn b10_usage_is_counted_wherever_it_is_told() {
    let scene = Scene::start().await;
    for (script, completion) in [
        ("chunks=2 usage=finish", 2_i64),
        ("chunks=2 usage=every", 2),
        ("chunks=2 usage=huge", 1 << 41),
    ] {
        let streamed = scene.stream(script).await;
        assert_eq!(streamed.streamed_text(), "word word ", "{script}");
        scene.chat(script, json!({})).await;
        let made = usize::try_from(scene.sim.served().requests).unwrap();
        let rows = scene.ground.rows(made).await;
        for row in rows.iter().rev().take(2) {
            assert_eq!(row.completion_tokens, completion, "{script} {row:?}");
            assert_eq!(row.estimated, 0, "{script}");
        }
    }
    // No prompt is of no tokens: zeros are what a server writes that does not count.
    for script in ["chunks=4 usage=none", "chunks=4 usage=zero"] {
        let before = usize::try_from(scene.sim.served().requests).unwrap();
        let streamed = scene.stream(script).await;
        assert_eq!(streamed.streamed_text(), "word ".repeat(4), "{script}");
        scene.chat(script, json!({})).await;
        for row in scene.ground.rows(before + 2).await.iter().rev().take(2) {
            assert_eq!(row.estimated, 1, "{script} {row:?}");
            let tokens = (row.prompt_tokens, row.completion_tokens);
            assert!(tokens.0 > 0 && tokens.1 > 0, "{script} {row:?}");
        }
    }
}
