//! Text completions: by the provider's own call where it has one, as chats elsewhere.

use serde_json::{Value, json};

use super::backend::{Backend, Form, Speech};
use super::table::Expected;
use super::{refused, turned_down};
use crate::scene::{Answer, MODEL, Scene, with};

const COMPLETIONS: &str = "/v1/completions";
const PROMPT: &str = "Once [[sim: say=upon+a+time]]";

/// Whether the provider gets the caller's own body.
fn is_edited(backend: Backend, path: &str) -> bool {
    match backend.speech() {
        Speech::OpenAi => path.ends_with("/completions") && !path.ends_with("chat/completions"),
        Speech::Routed => true,
        Speech::Anthropic | Speech::Ollama | Speech::Native | Speech::Text => false,
    }
}

/// Whether several answers to one prompt can be had.
fn takes_n(backend: Backend) -> bool {
    match backend.speech() {
        Speech::OpenAi | Speech::Anthropic | Speech::Ollama => true,
        Speech::Routed => backend.worker != Some(Form::Ollama),
        Speech::Native | Speech::Text => false,
    }
}

/// Whether an answer is a request of its own.
fn answers_once(backend: Backend) -> bool {
    matches!(backend.speech(), Speech::Anthropic | Speech::Ollama)
}

/// Whether several prompts can be sent at once.
fn takes_lists(backend: Backend) -> bool {
    match backend.speech() {
        Speech::OpenAi | Speech::Anthropic | Speech::Ollama => true,
        Speech::Routed => backend.worker != Some(Form::Ollama),
        Speech::Native | Speech::Text => false,
    }
}

fn ask(prompt: &Value, more: &Value) -> Value {
    let base = json!({"model": MODEL, "prompt": prompt, "max_tokens": 50, "temperature": 0.5, "stop": ["END"]});
    with(base, more)
}

/// The choices of a whole answer, checked to be numbered.
fn choices(got: &Answer, backend: Backend) -> Vec<String> {
    assert_eq!(got.status, 200, "{backend:?}: {got:?}");
    let json = got.json();
    assert_eq!(json["object"], "text_completion", "{backend:?}");
    assert_eq!(json["model"], MODEL, "{backend:?}");
    let choices = json["choices"].as_array().unwrap().iter().enumerate();
    let text = |(index, choice): (usize, &Value)| {
        assert_eq!(choice["index"], index, "{backend:?}: {got:?}");
        assert_eq!(choice["finish_reason"], "stop", "{backend:?}: {got:?}");
        choice["text"].as_str().unwrap().to_owned()
    };
    choices.map(text).collect()
}

pub(crate) async fn made(backend: Backend, expected: Expected) {
    let scene = backend.scene().await;
    let body = ask(&json!(PROMPT), &json!({}));
    if turned_down(&scene, backend, expected, COMPLETIONS, &body).await {
        return;
    }
    let Expected::Served(path) = expected else {
        panic!("{backend:?} completes");
    };
    let got = scene.post(COMPLETIONS, &body).await;
    assert_eq!(choices(&got, backend), ["upon a time"], "{backend:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.request_type, "completion");
    assert_eq!(row.outcome.as_deref(), Some("success"));
    if backend.counts() {
        assert_eq!(
            (row.completion_tokens, row.estimated),
            (3, 0),
            "{backend:?}"
        );
        assert_eq!(got.json()["usage"]["completion_tokens"], 3, "{backend:?}");
    }
    let sent = backend.sent(&scene, path);
    if is_edited(backend, path) || backend.speech() == Speech::Ollama {
        assert_eq!(sent.body["prompt"], PROMPT, "{backend:?}");
    }
    sent.says_limits(backend);
    streamed(&scene, backend, &body).await;
    echoed(&scene, backend, path).await;
    of_several_prompts(&scene, backend, path).await;
    several_of_one(&scene, backend, path).await;
}

async fn streamed(scene: &Scene, backend: Backend, body: &Value) {
    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let got = scene.post(COMPLETIONS, &with(body.clone(), &asked)).await;
    assert_eq!(got.status, 200, "{backend:?}: {got:?}");
    let mut text = String::new();
    let mut finish = Vec::new();
    let mut usage = Value::Null;
    for chunk in got.chunks() {
        assert_eq!(chunk["model"], MODEL, "{backend:?}");
        if chunk["usage"].is_object() {
            usage = chunk["usage"].clone();
        }
        for choice in chunk["choices"].as_array().unwrap() {
            text += choice["text"].as_str().unwrap();
            finish.extend(choice["finish_reason"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(text, "upon a time", "{backend:?}: {got:?}");
    assert_eq!(finish, ["stop"], "{backend:?}: {got:?}");
    if backend.counts() {
        assert_eq!(usage["completion_tokens"], 3, "{backend:?}: {got:?}");
    }
}

async fn echoed(scene: &Scene, backend: Backend, path: &str) {
    let body = ask(&json!(PROMPT), &json!({"echo": true}));
    let got = scene.post(COMPLETIONS, &body).await;
    let [text] = &choices(&got, backend)[..] else {
        panic!("{backend:?}: {got:?}");
    };
    if is_edited(backend, path) {
        assert_eq!(backend.sent(scene, path).body["echo"], true, "{backend:?}");
    } else {
        assert_eq!(*text, format!("{PROMPT}upon a time"), "{backend:?}");
        let body = with(body, &json!({"stream": true}));
        let got = scene.post(COMPLETIONS, &body).await;
        let pieces = got.chunks();
        let pieces = pieces
            .iter()
            .filter_map(|c| c["choices"][0]["text"].as_str());
        let text: String = pieces.collect();
        assert_eq!(text, format!("{PROMPT}upon a time"), "{backend:?}");
    }
}

async fn of_several_prompts(scene: &Scene, backend: Backend, path: &str) {
    let prompts = json!(["A [[sim: say=x]]", "B [[sim: say=y+z]]"]);
    let got = scene.post(COMPLETIONS, &ask(&prompts, &json!({}))).await;
    if !takes_lists(backend) {
        if backend.worker == Some(Form::Guessed) {
            return refused(&got, backend, 502, "upstream_job_failed");
        }
        return refused(&got, backend, 400, "unsupported_value");
    }
    if is_edited(backend, path) {
        // The simulator says one thing to all prompts of a body.
        assert_eq!(choices(&got, backend), ["y z"; 2], "{backend:?}");
        assert_eq!(backend.sent(scene, path).body["prompt"], prompts);
        return;
    }
    assert_eq!(choices(&got, backend), ["x", "y z"], "{backend:?}");
    let usage = &got.json()["usage"];
    assert_eq!(usage["completion_tokens"], 3, "{backend:?}: the sum");
    let streamed = ask(&prompts, &json!({"stream": true}));
    let got = scene.post(COMPLETIONS, &streamed).await;
    let mut texts = [String::new(), String::new()];
    for chunk in got.chunks() {
        for choice in chunk["choices"].as_array().unwrap() {
            let at = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            texts[at] += choice["text"].as_str().unwrap();
        }
    }
    assert_eq!(texts, ["x", "y z"], "{backend:?}: {got:?}");
}

async fn several_of_one(scene: &Scene, backend: Backend, path: &str) {
    let body = ask(&json!(PROMPT), &json!({"n": 2}));
    let before = backend.all_sent(scene, path).len();
    let got = scene.post(COMPLETIONS, &body).await;
    if !takes_n(backend) {
        if backend.speech() != Speech::Native && backend.worker != Some(Form::Ollama) {
            refused(&got, backend, 400, "unsupported_value");
            assert_eq!(got.error()["param"], "n", "{backend:?}");
        }
        return;
    }
    assert_eq!(choices(&got, backend), ["upon a time"; 2], "{backend:?}");
    if is_edited(backend, path) {
        return;
    }
    let sent = backend.all_sent(scene, path).split_off(before);
    if answers_once(backend) {
        assert_eq!(sent.len(), 2, "{backend:?}");
        assert_eq!(sent[0].body, sent[1].body, "{backend:?}");
        let usage = &got.json()["usage"];
        assert_eq!(usage["completion_tokens"], 6, "{backend:?}: the sum");
    } else {
        assert_eq!(sent.len(), 1, "{backend:?}");
        assert_eq!(sent[0].body["n"], 2, "{backend:?}");
    }
    let prompts = json!(["A [[sim: say=x]]", "B [[sim: say=y+z]]"]);
    let body = ask(&prompts, &json!({"n": 2, "echo": true}));
    let got = scene.post(COMPLETIONS, &body).await;
    let texts = ["A [[sim: say=x]]x", "B [[sim: say=y+z]]y z"];
    let all = [texts[0], texts[0], texts[1], texts[1]];
    assert_eq!(choices(&got, backend), all, "{backend:?}");
    let got = scene
        .post(COMPLETIONS, &with(body, &json!({"stream": true})))
        .await;
    let mut streamed = [(); 4].map(|()| String::new());
    for chunk in got.chunks() {
        for choice in chunk["choices"].as_array().unwrap() {
            let at = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
            streamed[at] += choice["text"].as_str().unwrap();
        }
    }
    assert_eq!(streamed, all, "{backend:?}: {got:?}");
}
