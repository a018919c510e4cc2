//! An upstream that hangs up, at every stage of its answer: the caller sees exactly one
//! end, and it is true.

use serde_json::{Value, json};
use sim::Flavor;

use crate::caller::Response;
use crate::scene::{Scene, chat};

const CHAT: &str = "/v1/chat/completions";

/// How a stream ended, as the caller sees it.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// `[DONE]`, with so many words before it.
    Done(usize),
    /// An error event, with so many words before it.
    Event(usize),
    /// A status of its own.
    Status(u16),
}

/// Reads the end and checks that it is the only one.
pub(crate) fn end(response: &Response, script: &str) -> End {
    // Never an end that has to be guessed from a broken connection.
    assert!(response.complete, "{script}: {response:?}");
    if response.status != 200 {
        assert!(response.json()["error"]["message"].is_string(), "{script}");
        return End::Status(response.status);
    }
    let events = response.events();
    let words = events.iter().filter(|data| data.contains("word ")).count();
    let done = events.iter().filter(|data| *data == "[DONE]").count();
    let errors: Vec<Value> = events
        .iter()
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter(|event| event.get("error").is_some())
        .collect();
    assert_eq!(done + errors.len(), 1, "{script}: one end only: {events:?}");
    let last = events.last().unwrap();
    if done == 1 {
        assert_eq!(last, "[DONE]", "{script}: something behind the end");
        return End::Done(words);
    }
    assert!(last.contains("\"error\""), "{script}: {events:?}");
    assert!(errors[0]["error"]["message"].is_string(), "{script}");
    // Half an event of the upstream must not leave: each one is JSON.
    for data in &events {
        let parsed = serde_json::from_str::<Value>(data);
        assert!(parsed.is_ok(), "{script}: {data}");
    }
    End::Event(words)
}

/// Scripts, the end each must have, and what the row says.
fn stages() -> Vec<(&'static str, End, &'static str)> {
    vec![
        ("cut=status", End::Status(502), "upstream_error"),
        ("cut=header", End::Status(502), "upstream_error"),
        // Nothing has been said yet: the status can still tell the truth.
        ("cut=between cut_after=0", End::Status(502), "truncated"),
        ("cut=between cut_after=2", End::Event(2), "truncated"),
        ("cut=chunk cut_after=1", End::Event(1), "truncated"),
        ("cut=chunk cut_after=3", End::Event(3), "truncated"),
        ("cut=end", End::Done(4), "success"),
        // The connection ends in order, the answer does not.
        ("no_finish no_done", End::Event(4), "truncated"),
        ("no_done", End::Done(4), "success"),
        ("length cut=between cut_after=2", End::Event(2), "truncated"),
    ]
}

#[tokio::test]
async fn a_cut_stream_has_one_true_end() {
    let scene = Scene::start().await;
    let mut calls = 0;
    for (script, expected, outcome) in stages() {
        for more in ["", " rst", " gap_ms=5"] {
            let script = format!("chunks=4 {script}{more}");
            let body = chat(&script, &json!({"stream": true})).to_string();
            let mut caller = scene.caller().await;
            let response = caller.post(CHAT, &body).await;
            let seen = end(&response, &script);
            if more == " rst" && expected != seen {
                // A reset may overtake bytes that were sent before it.
                let fewer = matches!((&expected, &seen), (End::Event(all), End::Event(some)) if some <= all);
                let none = seen == End::Status(502);
                assert!(fewer || none, "{script}: {seen:?}");
            } else {
                assert_eq!(seen, expected, "{script}: {response:?}");
            }
            calls += 1;
            let row = scene.ground.rows(calls).await.pop().unwrap();
            if more != " rst" {
                assert_eq!(row.outcome.as_deref(), Some(outcome), "{script}: {row:?}");
            }
            if outcome != "success" {
                assert_ne!(row.outcome.as_deref(), Some("success"), "{script}");
                assert!(row.error_code.is_some(), "{script}: {row:?}");
            }
            // What the caller has got was paid for.
            if matches!(seen, End::Event(1..) | End::Done(_)) {
                assert!(row.completion_tokens > 0, "{script}: {row:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_had_finished_is_not_called_cut() {
    // Every choice has its finish reason, only the closing mark is missing.
    for flavor in [
        Flavor::OpenAi,
        Flavor::Vllm,
        Flavor::Together,
        Flavor::DeepInfra,
    ] {
        let scene = Scene::of(flavor).await;
        let script = "chunks=4 cut=done";
        let body = chat(script, &json!({"stream": true})).to_string();
        let response = scene.caller().await.post(CHAT, &body).await;
        let seen = end(&response, script);
        assert_eq!(seen, End::Done(4), "{flavor:?}");
        let row = scene.ground.row().await;
        assert_eq!(row.outcome.as_deref(), Some("success"), "{flavor:?}");
    }
}

#[tokio::test]
async fn b05_an_upstream_that_never_ends_its_message_has_answered() {
    // One of the caller's dialect, and one that is translated.
    for flavor in [Flavor::OpenAi, Flavor::Anthropic] {
        let scene = Scene::of(flavor).await;
        let script = "chunks=4 hang=done";
        let more = json!({"stream": true, "stream_options": {"include_usage": true}});
        let mut caller = scene.caller().await;
        let response = caller.post(CHAT, &chat(script, &more).to_string()).await;
        assert_eq!(end(&response, script), End::Done(4), "{flavor:?}");
        // What came behind the finish has been read.
        let told = response.events();
        let told = told.iter().find_map(|data| {
            let event: Value = serde_json::from_str(data).ok()?;
            event["usage"]["completion_tokens"].as_i64()
        });
        let row = scene.ground.row().await;
        assert_eq!(
            row.outcome.as_deref(),
            Some("success"),
            "{flavor:?}: {row:?}"
        );
        assert_eq!(Some(row.completion_tokens), told, "{flavor:?}: {row:?}");
    }
}

#[tokio::test]
async fn b05_an_answer_without_words_that_said_why_is_one_although_the_message_never_ends() {
    let scene = Scene::start().await;
    let script = "empty=content finish=length hang=done";
    let body = chat(script, &json!({"stream": true})).to_string();
    let response = scene.caller().await.post(CHAT, &body).await;
    assert_eq!(end(&response, script), End::Done(0), "{response:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
}

#[tokio::test]
async fn every_provider_types_stream_is_watched() {
    for flavor in Flavor::OPENAI_FORMAT
        .into_iter()
        .filter(|&f| f != Flavor::Queue)
    {
        let scene = Scene::of(flavor).await;
        let scripts = [
            "chunks=4 cut=between cut_after=2",
            "chunks=4 cut=chunk cut_after=2",
            "chunks=4 no_finish no_done",
        ];
        for script in scripts {
            for path in [CHAT, "/v1/completions"] {
                let mut body = chat(script, &json!({"stream": true}));
                if path != CHAT {
                    body["prompt"] = body["messages"][0]["content"].take();
                    body.as_object_mut().unwrap().remove("messages");
                }
                let response = scene.caller().await.post(path, &body.to_string()).await;
                let seen = end(&response, script);
                assert!(
                    matches!(seen, End::Event(2..)),
                    "{flavor:?} {path} {script}: {seen:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_cut_whole_answer_is_a_bad_gateway() {
    let scene = Scene::start().await;
    let scripts = [
        "cut=status",
        "cut=header",
        "cut=chunk",
        "cut=between",
        "cut=between chunked",
        "cut=between rst",
        "cut=done chunked",
    ];
    for script in scripts {
        let body = chat(script, &json!({})).to_string();
        let response = scene.caller().await.post(CHAT, &body).await;
        assert_eq!(
            end(&response, script),
            End::Status(502),
            "{script}: {response:?}"
        );
    }
    for row in scene.ground.rows(scripts.len()).await {
        assert_ne!(row.outcome.as_deref(), Some("success"), "{row:?}");
        assert_eq!(row.status, Some(502), "{row:?}");
    }
}

#[tokio::test]
async fn a_cut_where_a_whole_answer_was_asked_upstream() {
    let scene = Scene::model(json!({"disable_streaming": true})).await;
    for script in ["cut=status", "cut=between", "cut=chunk rst"] {
        let body = chat(script, &json!({"stream": true})).to_string();
        let response = scene.caller().await.post(CHAT, &body).await;
        assert_eq!(
            end(&response, script),
            End::Status(502),
            "{script}: {response:?}"
        );
    }
}

#[tokio::test]
async fn a_cut_stream_where_a_whole_answer_was_wanted() {
    let scene = Scene::start().await;
    let scripts = [
        "chunks=4 wrong cut=between cut_after=2",
        "chunks=4 wrong cut=chunk",
        "chunks=4 wrong no_finish no_done",
        "chunks=4 wrong error_after=2",
    ];
    for script in scripts {
        let body = chat(script, &json!({})).to_string();
        let response = scene.caller().await.post(CHAT, &body).await;
        let seen = end(&response, script);
        assert!(matches!(seen, End::Status(400..)), "{script}: {seen:?}");
    }
}

#[tokio::test]
async fn a_bad_event_is_the_end_of_a_stream() {
    let scene = Scene::start().await;
    let script = "chunks=4 bad_json";
    let body = chat(script, &json!({"stream": true})).to_string();
    let response = scene.caller().await.post(CHAT, &body).await;
    assert_eq!(end(&response, script), End::Event(2));
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("upstream_error"));
}

/// The bytes end behind the finish and before the usage: all was said, and what it cost
/// is estimated and not free.
#[tokio::test]
async fn b05_a_cut_between_finish_and_usage_is_a_success_with_usage_estimated() {
    let scene = Scene::start().await;
    let script = "chunks=4 usage=none cut=done";
    let body = chat(script, &json!({"stream": true})).to_string();
    let response = scene.caller().await.post(CHAT, &body).await;
    assert_eq!(end(&response, script), End::Done(4));
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    assert_eq!(row.estimated, 1, "{row:?}");
    assert!(
        row.prompt_tokens > 0 && row.completion_tokens > 0,
        "{row:?}"
    );
}
