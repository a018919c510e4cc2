//! What a backend refuses, or passes over, of what its callers ask, and the gateway makes
//! good.

use serde_json::{Value, json};
use sim::{Flavor, Options};

use crate::scene::{Answer, MODEL, Props, Scene, chat, with};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// Tokens of the simulated vLLM's context.
const CONTEXT: u64 = 32_768;

fn bodies(scene: &Scene) -> Vec<Value> {
    let requests = scene.sim.requests().into_iter();
    requests
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect()
}

fn in_messages(more: &Value) -> Value {
    let base = json!({
        "model": MODEL, "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi [[sim: say=yes]]"}],
    });
    with(base, more)
}

fn changed(got: &Answer) -> Vec<&str> {
    got.header("x-gateway-changed").split(", ").collect()
}

/// Assistants ask for more than many a model's whole context.
#[tokio::test]
async fn an_answer_is_asked_for_no_longer_than_there_is_room() {
    for stream in [false, true] {
        let scene = Scene::of(Flavor::Vllm).await;
        let long = json!({"max_tokens": 64_000, "stream": stream});
        let got = scene.post(CHAT, &chat("say=yes", &long)).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(changed(&got), ["max_tokens"], "{got:?}");
        let limits = |scene: &Scene| -> Vec<u64> {
            let all = bodies(scene).into_iter();
            all.map(|body| body["max_tokens"].as_u64().unwrap())
                .collect()
        };
        let [first, second] = limits(&scene)[..] else {
            panic!("refused once, then asked again: {got:?}");
        };
        assert_eq!(first, 64_000);
        assert!((CONTEXT - 200..CONTEXT).contains(&second), "{second}");
        // From now on it is known.
        let got = scene.post(MESSAGES, &in_messages(&long)).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert!(changed(&got).contains(&"max_tokens"), "{got:?}");
        assert_eq!(limits(&scene).len(), 3);
        assert!((CONTEXT - 400..CONTEXT).contains(&limits(&scene)[2]));
        let short = json!({"max_tokens": 5});
        let got = scene.post(CHAT, &chat("say=yes", &short)).await;
        assert_eq!(got.header("x-gateway-changed"), "", "{got:?}");
        assert_eq!(limits(&scene)[3], 5);
        for row in scene.ground.rows(3).await {
            assert_eq!(row.attempt_count, 1, "{row:?}");
        }
    }
}

/// A conversation that is too long itself is refused as such, and asked once.
#[tokio::test]
async fn a_prompt_without_room_is_the_callers_to_shorten() {
    let scene = Scene::of(Flavor::Vllm).await;
    let body = in_messages(&json!({
        "messages": [{"role": "user", "content": "word ".repeat(40_000)}],
    }));
    let got = scene.post(MESSAGES, &body).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert!(got.body.contains("prompt is too long"), "{got:?}");
    assert_eq!(bodies(&scene).len(), 1);
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}})
}

#[tokio::test]
async fn a_tool_that_is_named_is_offered_alone() {
    let scene = Scene::of(Flavor::Vllm).await;
    let named = json!({"type": "function", "function": {"name": "second"}});
    let body = chat(
        "",
        &json!({"tools": [tool("first"), tool("second")], "tool_choice": named}),
    );
    let got = scene.post(CHAT, &body).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(changed(&got), ["tools"]);
    let call = &got.json()["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "second", "{got:?}");
    let sent = bodies(&scene).remove(0);
    assert_eq!(sent["tools"], json!([tool("second")]));
    assert_eq!(sent["tool_choice"], named);
}

/// Chat templates of open models take one message of the system's, at the beginning.
#[tokio::test]
async fn what_the_system_says_later_stands_at_the_beginning() {
    let messages = json!([
        {"role": "user", "content": "one"},
        {"role": "system", "content": "Later."},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three [[sim: say=yes]]"},
    ]);
    for inline in [false, true] {
        let scene = Scene::with(Props {
            options: Options {
                flavor: Flavor::Vllm,
                models: vec!["strict-model".to_owned()],
                ..Options::default()
            },
            model: json!({"actual_model": "strict-model", "inline_system": inline}),
            ..Props::default()
        })
        .await;
        let body = in_messages(&json!({"system": "First.", "messages": messages}));
        let got = scene.post(MESSAGES, &body).await;
        let sent = bodies(&scene).remove(0);
        let system = sent["messages"][0]["content"].to_string();
        assert_eq!(system.contains("Later."), !inline, "{sent}");
        assert_eq!(
            got.status == 200,
            !inline,
            "the template is strict: {got:?}"
        );
        if !inline {
            assert_eq!(changed(&got), ["messages[1]"], "{got:?}");
            assert_eq!(sent["messages"].as_array().unwrap().len(), 4, "{sent}");
        }
    }
}

/// Reasoning models refuse texts that end an answer: the gateway ends it.
#[tokio::test]
async fn an_answer_ends_before_the_text_that_is_to_end_it() {
    let scene = Scene::with(Props {
        options: Options {
            models: vec!["o3-mini".to_owned()],
            ..Options::default()
        },
        model: json!({"actual_model": "o3-mini"}),
        ..Props::default()
    })
    .await;
    let script = "say=one+two+END+three chunk_bytes=2";
    for stream in [false, true] {
        let more = json!({"stop": ["never", "END"], "stream": stream});
        let got = scene.post(CHAT, &chat(script, &more)).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(changed(&got), ["stop"], "{got:?}");
        let (text, reason) = if stream {
            let chunks = got.chunks();
            let reason = chunks.iter().find_map(|chunk| {
                let reason = chunk["choices"][0]["finish_reason"].as_str();
                reason.map(str::to_owned)
            });
            (got.streamed_text(), reason.unwrap())
        } else {
            let choice = &got.json()["choices"][0];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (
                text(&choice["message"]["content"]),
                text(&choice["finish_reason"]),
            )
        };
        assert_eq!((&*text, &*reason), ("one two ", "stop"), "{got:?}");
    }
    for body in bodies(&scene) {
        assert!(body.get("stop").is_none(), "{body}");
    }
    for row in scene.ground.rows(2).await {
        assert!(row.completion_tokens > 0, "{row:?}");
    }
}

#[tokio::test]
async fn several_answers_are_several_requests() {
    for flavor in [Flavor::Anthropic, Flavor::Ollama] {
        let scene = Scene::of(flavor).await;
        for stream in [false, true] {
            scene.sim.forget_requests();
            let more = json!({"n": 2, "stream": stream});
            let got = scene.post(CHAT, &chat("say=a+blue+dot", &more)).await;
            assert_eq!(got.status, 200, "{flavor:?}: {got:?}");
            for number in 0..2 {
                let text = if stream {
                    let chunks = got.chunks();
                    let all = chunks
                        .iter()
                        .flat_map(|chunk| chunk["choices"].as_array().unwrap());
                    let own = all.filter(|choice| choice["index"] == number);
                    own.filter_map(|choice| choice["delta"]["content"].as_str())
                        .collect()
                } else {
                    let choice = &got.json()["choices"][number];
                    choice["message"]["content"].as_str().unwrap().to_owned()
                };
                assert_eq!(text, "a blue dot", "{flavor:?} {number}: {got:?}");
            }
            let paths = scene.sim.requests().into_iter().map(|request| request.path);
            let asked = paths.filter(|path| path.ends_with("/chat") || path.ends_with("/messages"));
            assert_eq!(asked.count(), 2, "{flavor:?}");
        }
        let got = scene.post(CHAT, &chat("say=no", &json!({"n": 9}))).await;
        assert_eq!(got.status, 400, "{got:?}");
        assert_eq!(got.error()["param"], "n");
        let rows = scene.ground.rows(3).await;
        assert_eq!(rows[0].completion_tokens, rows[1].completion_tokens);
    }
}
