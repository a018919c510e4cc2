//! Calls that are passed on by their model: pictures, sound, moderations and rankings.

mod answers;
mod forms;
mod uploads;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use sim::{Flavor, Options};
use store::CallRow;

use crate::scene::{Answer, KEY, MODEL, Props, Scene, answer};

const BOUNDARY: &str = "----form-4711";
const FORM: &str = "multipart/form-data; boundary=----form-4711";

const GENERATIONS: &str = "/v1/images/generations";
const EDITS: &str = "/v1/images/edits";
const SPEECH: &str = "/v1/audio/speech";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const MODERATIONS: &str = "/v1/moderations";

/// A part of a form.
fn part(name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), value.as_ref(), b"\r\n"].concat()
}

/// A part that is a file.
fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a \u{e4}.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

/// A form of these parts.
fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

/// Bytes like those of sound: every value, and line breaks among them.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 % 256) as u8).collect()
}

/// The body with the upstream's name of the model.
fn renamed(body: &[u8]) -> Vec<u8> {
    let at = body
        .windows(MODEL.len())
        .position(|part| part == MODEL.as_bytes())
        .unwrap();
    [&body[..at], b"sim-model", &body[at + MODEL.len()..]].concat()
}

async fn scene(flavor: Flavor) -> Scene {
    Scene::of(flavor).await
}

impl Scene {
    async fn send_form(&self, path: &str, body: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, FORM);
        answer(request.body(body)).await
    }
}

/// The one row, of that kind.
async fn row(scene: &Scene, kind: &str) -> CallRow {
    let row = scene.ground.row().await;
    assert_eq!(row.request_type, kind, "{row:?}");
    assert_eq!(row.virtual_model, MODEL);
    assert_eq!(row.estimated, 0);
    row
}

#[tokio::test]
async fn json_goes_as_it_is_but_for_the_model() {
    let picture = json!({"prompt": "a tree", "n": 2, "size": "1024x1024"});
    let moderation = json!({"input": ["one", "two"]});
    let ranking = json!({"query": "q", "documents": ["a", "b"], "top_n": 1});
    for (flavor, path, upstream, body, kind, tokens) in [
        (
            Flavor::OpenAi,
            GENERATIONS,
            GENERATIONS,
            &picture,
            "image",
            [50, 1056],
        ),
        (
            Flavor::Together,
            "/images/generations",
            GENERATIONS,
            &picture,
            "image",
            [50, 1056],
        ),
        (
            Flavor::DeepInfra,
            "/api/v1/images/generations",
            "/v1/openai/images/generations",
            &picture,
            "image",
            [50, 1056],
        ),
        (
            Flavor::OpenAi,
            MODERATIONS,
            MODERATIONS,
            &moderation,
            "moderation",
            [0, 0],
        ),
        (
            Flavor::Vllm,
            "/v1/rerank",
            "/v1/rerank",
            &ranking,
            "rerank",
            [56, 0],
        ),
        (
            Flavor::Vllm,
            "/rerank",
            "/v1/rerank",
            &ranking,
            "rerank",
            [56, 0],
        ),
        (
            Flavor::Together,
            "/v1/rerank",
            "/v1/rerank",
            &ranking,
            "rerank",
            [56, 0],
        ),
    ] {
        let scene = scene(flavor).await;
        let fields = body.to_string();
        let body = format!("{{ \"model\" :\t\"{MODEL}\", {}", &fields[1..]);
        let request = scene.request(Method::POST, path);
        let request = request.header(CONTENT_TYPE, "application/json");
        let got = answer(request.body(body.clone())).await;
        assert_eq!(got.status, 200, "{path}: {got:?}");
        assert_eq!(got.header("content-type"), "application/json");
        assert_eq!(got.header("x-gateway-attempts"), "1");
        assert!(got.json()["results"].is_array() || got.json()["data"].is_array());
        let sent = scene.sim.last_request().unwrap();
        assert_eq!(sent.path, upstream);
        assert_eq!(sent.body, renamed(body.as_bytes()), "{path}");
        assert_eq!(sent.headers["authorization"], format!("Bearer {KEY}"));
        let row = row(&scene, kind).await;
        assert_eq!(
            [row.prompt_tokens, row.completion_tokens],
            tokens,
            "{row:?}"
        );
        assert_eq!(row.outcome.as_deref(), Some("success"));
        assert!(row.ttft_ms.is_some() && row.endpoint_id == Some(scene.endpoint));
    }
}

#[tokio::test]
async fn a_picture_counts_its_parts() {
    let scene = scene(Flavor::OpenAi).await;
    let body = json!({"model": MODEL, "prompt": "a tree"});
    assert_eq!(scene.post(GENERATIONS, &body).await.status, 200);
    let usage = row(&scene, "image").await.usage.unwrap();
    assert_eq!((usage.image_prompt_tokens, usage.total_tokens), (40, 1106));
}

#[tokio::test]
async fn who_names_no_model_gets_the_default_one() {
    let scene = scene(Flavor::OpenAi).await;
    let body = json!({"input": "one"});
    let got = scene.post(MODERATIONS, &body).await;
    assert_eq!(
        (got.status.as_u16(), &got.error()["code"]),
        (404, &json!("model_not_found"))
    );
    scene.ground.settings(&json!({"default_model": MODEL}));
    crate::crowd::until("the default model", async || {
        let got = scene.post(MODERATIONS, &body).await;
        (got.status == 200).then_some(())
    })
    .await;
    let sent: Value = serde_json::from_slice(&scene.sim.last_request().unwrap().body).unwrap();
    assert_eq!(sent, json!({"model": "sim-model", "input": "one"}));
}

#[tokio::test]
async fn a_type_without_the_path_refuses_before_any_call() {
    for (flavor, path, noun) in [
        (Flavor::OpenWebui, SPEECH, "speech"),
        (Flavor::Queue, "/v1/rerank", "reranking"),
        (Flavor::Ollama, MODERATIONS, "moderations"),
        (Flavor::Anthropic, GENERATIONS, "the generation of images"),
        (Flavor::Runpod, SPEECH, "speech"),
        (Flavor::Vllm, MODERATIONS, "moderations"),
        (Flavor::Together, EDITS, "the editing of images"),
    ] {
        let scene = scene(flavor).await;
        let got = scene.post(path, &json!({"model": MODEL})).await;
        assert_eq!(got.status, 400, "{flavor:?} {got:?}");
        let error = got.error();
        assert_eq!(error["code"], "unsupported_operation");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(flavor.id()) && message.contains(noun),
            "{message}"
        );
        let body = form(&[file("file", b"abc"), part("model", MODEL)]);
        let got = scene.send_form(TRANSCRIPTIONS, body).await;
        let passes = matches!(flavor, Flavor::Vllm | Flavor::Together);
        assert_eq!(
            got.status,
            if passes { 200 } else { 400 },
            "{flavor:?} {got:?}"
        );
        assert_eq!(scene.sim.served().requests, u64::from(passes));
        let rows = scene.ground.rows(2).await;
        assert_eq!(rows[0].outcome.as_deref(), Some("refused"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_in_openais_form() {
    let scene = scene(Flavor::OpenAi).await;
    for (path, kind, body, status, code) in [
        (GENERATIONS, "application/json", "[]", 400, "invalid_json"),
        (
            SPEECH,
            "application/json",
            r#"{"model":7}"#,
            400,
            "invalid_value",
        ),
        (
            SPEECH,
            "application/json",
            r#"{"model":"no-such"}"#,
            404,
            "model_not_found",
        ),
        (TRANSCRIPTIONS, FORM, "x", 400, "invalid_form"),
        (
            TRANSCRIPTIONS,
            FORM,
            "------form-4711\r\n",
            400,
            "invalid_form",
        ),
        (
            TRANSCRIPTIONS,
            "multipart/form-data",
            "x",
            400,
            "invalid_form",
        ),
    ] {
        let request = scene.request(Method::POST, path).header(CONTENT_TYPE, kind);
        let got = answer(request.body(body)).await;
        assert_eq!(got.status, status, "{body}: {got:?}");
        assert_eq!(got.error()["code"], code, "{body}");
    }
    let got = answer(scene.request(Method::GET, SPEECH)).await;
    assert_eq!((got.status.as_u16(), got.header("allow")), (405, "POST"));
    assert_eq!(scene.sim.served().requests, 0);
    // What the upstream refuses is told in its words.
    let got = scene
        .post(SPEECH, &json!({"model": MODEL, "input": "hi"}))
        .await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["param"], "voice");
    scene.ground.rows(7).await;
}

#[tokio::test]
async fn seconds_are_noted_where_tokens_are_not_counted() {
    let options = Options {
        models: vec!["whisper-sim".to_owned()],
        ..Options::default()
    };
    let scene = Scene::with(Props {
        options,
        model: json!({"actual_model": "whisper-sim"}),
        ..Props::default()
    })
    .await;
    let body = form(&[part("model", MODEL), file("file", b"abc")]);
    let got = scene.send_form(TRANSCRIPTIONS, body).await;
    assert_eq!(got.status, 200, "{got:?}");
    let row = row(&scene, "transcription").await;
    assert_eq!(row.usage.unwrap().seconds, 9);
    assert_eq!(row.total_tokens, 0);
}
