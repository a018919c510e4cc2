//! What a provider refuses, where it fails, and how that ends a stream.

use serde_json::json;

use super::backend::{Backend, Form, Speech};
use super::refused;
use super::table::Expected;
use crate::scene::{Scene, streamed_text};

/// What the simulated upstream says of itself.
const WORDS: &str = "the model is like this";

/// The refusal of a call, told in the provider's way.
fn refusal(backend: Backend, status: u16) -> String {
    let how = if backend.is_job() { "job=failed " } else { "" };
    format!("{how}status={status} message=the+model+is+like+this")
}

/// Whether a worker says what its server's status was.
fn tells_status(backend: Backend) -> bool {
    match backend.speech() {
        Speech::OpenAi | Speech::Anthropic | Speech::Ollama => true,
        Speech::Routed => backend.worker != Some(Form::Ollama),
        Speech::Native | Speech::Text => false,
    }
}

pub(crate) async fn told(backend: Backend, expected: Expected) {
    assert!(matches!(expected, Expected::Served(_)), "{backend:?} chats");
    refusals(backend).await;
    failures(backend).await;
    inside_a_stream(backend).await;
}

async fn refusals(backend: Backend) {
    let scene = backend.scene().await;
    let refusals = [
        (400, "invalid_request_error", None),
        (404, "invalid_request_error", Some("model_not_found")),
        (429, "rate_limit_error", Some("rate_limit_exceeded")),
    ];
    let statuses = refusals.map(|(status, ..)| status);
    for (status, kind, code) in refusals {
        let got = scene.chat(&refusal(backend, status), json!({})).await;
        let error = got.error();
        let kept = if tells_status(backend) { status } else { 502 };
        assert_eq!(got.status, kept, "{backend:?} {status}: {got:?}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(WORDS), "{backend:?} {status}: {error}");
        if tells_status(backend) {
            assert_eq!(error["type"], kind, "{backend:?} {status}: {error}");
            let code = code.unwrap_or("upstream_refused");
            assert_eq!(error["code"], code, "{backend:?} {status}: {error}");
        } else {
            assert_eq!(error["type"], "server_error", "{backend:?}");
            assert_eq!(error["code"], "upstream_job_failed", "{backend:?}");
        }
    }
    for (row, status) in scene.ground.rows(statuses.len()).await.iter().zip(statuses) {
        let callers = tells_status(backend) && status == 400;
        let outcome = if callers {
            "client_error"
        } else {
            "upstream_error"
        };
        assert_eq!(row.outcome.as_deref(), Some(outcome), "{backend:?} {row:?}");
        assert_eq!(row.total_tokens, 0, "{backend:?}");
    }
}

async fn failures(backend: Backend) {
    let scene = backend.scene().await;
    let mut calls = 0;
    for (script, status, code) in [
        ("status=500", 502, "upstream_failed"),
        ("status=529", 503, "server_is_overloaded"),
    ] {
        for stream in [false, true] {
            let got = scene.chat(script, json!({"stream": stream})).await;
            refused(&got, backend, status, code);
            calls += 1;
        }
    }
    for row in scene.ground.rows(calls).await {
        assert_eq!(row.outcome.as_deref(), Some("upstream_error"), "{row:?}");
    }
}

async fn inside_a_stream(backend: Backend) {
    let scene = backend.scene().await;
    let how = if backend.is_job() {
        "job=failed"
    } else {
        "error_after=2"
    };
    let script = format!("chunks=40 {how} message=the+model+is+like+this");
    let got = scene.stream(&script).await;
    if backend.flavor() == sim::Flavor::Queue || backend.worker == Some(Form::Guessed) {
        // The one has no streams, and to the other the first try is what fails: the
        // error stands in the place of the answer.
        assert_eq!(got.status, 502, "{got:?}");
        assert!(got.body.contains(WORDS), "{got:?}");
    } else {
        in_band(&scene, backend, &got);
    }
    let row = scene.ground.row().await;
    assert_eq!(
        row.outcome.as_deref(),
        Some("upstream_error"),
        "{backend:?}"
    );
    assert!(row.error_code.is_some(), "{backend:?}");
}

/// Some words, one error event, and nothing after it.
fn in_band(scene: &Scene, backend: Backend, got: &crate::scene::Answer) {
    assert_eq!(got.status, 200, "{backend:?}: {got:?}");
    let events = got.events();
    let parse = |event: &&str| serde_json::from_str(event).unwrap();
    let events: Vec<serde_json::Value> = events.iter().map(parse).collect();
    let (last, before) = events.split_last().unwrap();
    assert!(
        streamed_text(before).starts_with("word "),
        "{backend:?}: {got:?}"
    );
    assert!(before.iter().all(|event| event.get("error").is_none()));
    let message = last["error"]["message"].as_str().unwrap();
    assert!(message.contains(WORDS), "{backend:?}: {last}");
    assert!(!scene.gateway.log().contains("panicked"));
}
