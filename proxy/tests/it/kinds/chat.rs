//! Chats: whole, streamed, and what of them came from the cache.

use serde_json::{Value, json};
use store::CallRow;

use super::backend::{Backend, Speech};
use super::heard::{Heard, tokens};
use super::sent::times;
use super::table::Expected;
use super::turned_down;
use crate::scene::{MODEL, Scene, chat};

const CHAT: &str = "/v1/chat/completions";

async fn scene(backend: Backend) -> Scene {
    let model = match backend.speech() {
        Speech::Ollama => json!({"keep_alive": "7m"}),
        Speech::OpenAi | Speech::Anthropic | Speech::Routed | Speech::Native | Speech::Text => {
            json!({})
        }
    };
    backend.scene_with(model).await
}

fn asked(script: &str, stream: bool) -> Value {
    let mut body = chat(
        script,
        &json!({"temperature": 0.5, "max_tokens": 50, "stop": ["END"]}),
    );
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

/// The one row. An answer may be whole before its job has ended, and told its times.
async fn row(backend: Backend, scene: &Scene) -> CallRow {
    if backend.is_job() {
        scene.ground.row_of_job().await
    } else {
        scene.ground.row().await
    }
}

/// What every row of a good chat says.
fn accounted(backend: Backend, row: &CallRow, heard: &Heard, stream: bool) {
    assert_eq!(row.outcome.as_deref(), Some("success"), "{backend:?}");
    assert_eq!(row.status, Some(200), "{backend:?}");
    assert_eq!(row.virtual_model, MODEL, "{backend:?}");
    assert_eq!(row.attempt_count, 1, "{backend:?}");
    assert_eq!(row.stream, i64::from(stream), "{backend:?}");
    assert_eq!((row.queue_ms, row.execution_ms), times(backend));
    if backend.counts() {
        assert_eq!(heard.tokens(), tokens(row), "{backend:?}: {heard:?}");
        assert_eq!(row.estimated, 0, "{backend:?}");
        assert!(row.prompt_tokens > 0, "{backend:?}");
        let sum = row.prompt_tokens + row.completion_tokens;
        assert_eq!(row.total_tokens, sum, "{backend:?}");
    } else {
        assert_eq!(row.estimated, 1, "{backend:?}");
        assert!(row.total_tokens > 0, "{backend:?}");
    }
}

pub(crate) async fn whole(backend: Backend, expected: Expected) {
    let scene = scene(backend).await;
    let body = asked("say=one+two+three", false);
    if turned_down(&scene, backend, expected, CHAT, &body).await {
        return;
    }
    let heard = Heard::whole(&scene.post(CHAT, &body).await);
    assert_eq!(heard.text, "one two three", "{backend:?}");
    assert_eq!(heard.finish.as_deref(), Some("stop"), "{backend:?}");
    assert_eq!(heard.calls, [], "{backend:?}");
    let row = row(backend, &scene).await;
    accounted(backend, &row, &heard, false);
    if backend.counts() {
        assert_eq!(row.completion_tokens, 3, "{backend:?}");
    }
    let Expected::Served(path) = expected else {
        panic!("{backend:?} chats");
    };
    backend.sent(&scene, path).says_sampling(backend, false);
}

pub(crate) async fn streamed(backend: Backend, expected: Expected) {
    let scene = scene(backend).await;
    let body = asked("say=one+two+three", true);
    if turned_down(&scene, backend, expected, CHAT, &body).await {
        return;
    }
    let got = scene.post(CHAT, &body).await;
    assert!(got.header("content-type").starts_with("text/event-stream"));
    let heard = Heard::streamed(&got);
    assert_eq!(heard.text, "one two three", "{backend:?}");
    assert_eq!(heard.finish.as_deref(), Some("stop"), "{backend:?}");
    let row = row(backend, &scene).await;
    accounted(backend, &row, &heard, true);
    assert!(row.ttft_ms.is_some(), "{backend:?}");
    let Expected::Served(path) = expected else {
        panic!("{backend:?} chats");
    };
    backend.sent(&scene, path).says_sampling(backend, true);
    // Characters of several bytes, whatever the provider's framing does to them.
    let unicode = asked("unicode chunks=6", true);
    let heard = Heard::streamed(&scene.post(CHAT, &unicode).await);
    let word = "h\u{e9}llo \u{6f22}\u{5b57} \u{1f642} ";
    assert_eq!(heard.text, word.repeat(2), "{backend:?}");
}

pub(crate) async fn cached(backend: Backend, expected: Expected) {
    for stream in [false, true] {
        let scene = scene(backend).await;
        let body = asked("say=one+two usage=cached", stream);
        if turned_down(&scene, backend, expected, CHAT, &body).await {
            return;
        }
        let got = scene.post(CHAT, &body).await;
        let heard = if stream {
            Heard::streamed(&got)
        } else {
            Heard::whole(&got)
        };
        let row = row(backend, &scene).await;
        accounted(backend, &row, &heard, stream);
        let half = match backend.speech() {
            Speech::OpenAi | Speech::Anthropic => row.prompt_tokens / 2,
            Speech::Routed if !is_ollama(backend) => row.prompt_tokens / 2,
            // They do not tell.
            Speech::Routed | Speech::Ollama | Speech::Native | Speech::Text => 0,
        };
        assert_eq!(row.cached_input_tokens, half, "{backend:?} {stream}");
        assert_eq!(heard.cached(), half, "{backend:?} {stream}: {heard:?}");
        let quarter = match backend.speech() {
            Speech::Anthropic => row.cached_input_tokens / 2,
            // None of them bills what it keeps.
            Speech::OpenAi | Speech::Routed | Speech::Ollama | Speech::Native | Speech::Text => 0,
        };
        assert_eq!(row.cache_creation_tokens, quarter, "{backend:?} {stream}");
        assert_eq!(heard.written(), quarter, "{backend:?} {stream}: {heard:?}");
        let has_some = backend.speech() != Speech::Anthropic || quarter > 0;
        assert!(has_some, "a longer prompt is needed: {row:?}");
    }
}

fn is_ollama(backend: Backend) -> bool {
    backend.worker == Some(super::backend::Form::Ollama)
}
