//! A tool is called, its result is given back, and the answer uses it.

use serde_json::{Value, json};

use super::backend::{Backend, Speech};
use super::heard::{Heard, HeardCall};
use super::sent::Sent;
use super::table::Expected;
use super::turned_down;
use crate::scene::{MODEL, Scene, with};

const CHAT: &str = "/v1/chat/completions";

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

fn tools() -> Value {
    let function =
        json!({"name": "get_weather", "description": "The weather", "parameters": schema()});
    json!([{"type": "function", "function": function}])
}

fn question(text: &str) -> Value {
    let user = json!({"role": "user", "content": text});
    json!({"model": MODEL, "messages": [user], "tools": tools()})
}

async fn hear(scene: &Scene, body: &Value, stream: bool) -> Heard {
    if stream {
        let body = with(body.clone(), &json!({"stream": true}));
        Heard::streamed(&scene.post(CHAT, &body).await)
    } else {
        Heard::whole(&scene.post(CHAT, body).await)
    }
}

pub(crate) async fn round_trip(backend: Backend, expected: Expected) {
    let scene = backend.scene().await;
    let mut body = question("What is the weather in Paris?");
    if turned_down(&scene, backend, expected, CHAT, &body).await {
        return;
    }
    let Expected::Served(path) = expected else {
        panic!("{backend:?} has tools");
    };
    let whole = hear(&scene, &body, false).await;
    let sent = backend.sent(&scene, path);
    assert_eq!(sent.tools(backend), [("get_weather".to_owned(), schema())]);
    let streamed = hear(&scene, &body, true).await;
    for heard in [&whole, &streamed] {
        assert_eq!(heard.finish.as_deref(), Some("tool_calls"), "{backend:?}");
        assert_eq!(heard.text, "", "{backend:?}");
        let [call] = &heard.calls[..] else {
            panic!("{backend:?}: one call: {heard:?}");
        };
        assert_eq!(call.name, "get_weather", "{backend:?}");
        assert_eq!(arguments(call), json!({"city": "Paris"}), "{backend:?}");
        assert!(!call.id.is_empty(), "{backend:?}");
    }
    answer(&scene, backend, path, &mut body, &whole.calls[0]).await;
    several(&scene, backend).await;
}

/// Gives the call's result back, whole and streamed.
async fn answer(scene: &Scene, backend: Backend, path: &str, body: &mut Value, call: &HeardCall) {
    let function = json!({"name": call.name, "arguments": call.arguments});
    let calls = json!([{"id": call.id, "type": "function", "function": function}]);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": calls}));
    messages.push(json!({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}));
    for stream in [false, true] {
        let heard = hear(scene, body, stream).await;
        assert_eq!(heard.finish.as_deref(), Some("stop"), "{backend:?}");
        assert!(
            heard.text.contains("tool's answer"),
            "{backend:?}: {heard:?}"
        );
        assert_eq!(heard.calls, [], "{backend:?}");
        says_result(&backend.sent(scene, path), backend, call);
    }
}

/// The call and its result, in the provider's words.
fn says_result(sent: &Sent, backend: Backend, call: &HeardCall) {
    let messages = &sent.body["messages"];
    let arguments = json!({"city": "Paris"});
    match backend.speech() {
        Speech::OpenAi | Speech::Routed => {
            assert_eq!(messages[1]["tool_calls"][0]["id"], call.id);
            assert_eq!(messages[2]["role"], "tool");
            assert_eq!(messages[2]["tool_call_id"], call.id);
            assert_eq!(messages[2]["content"], "21 degrees");
        }
        Speech::Anthropic => {
            let used = &messages[1]["content"][0];
            assert_eq!(used["type"], "tool_use", "{messages}");
            assert_eq!(used["id"], call.id);
            assert_eq!(used["name"], "get_weather");
            assert_eq!(used["input"], arguments);
            assert_eq!(messages[2]["role"], "user");
            let result = &messages[2]["content"][0];
            assert_eq!(result["type"], "tool_result", "{messages}");
            assert_eq!(result["tool_use_id"], call.id);
            assert!(result.to_string().contains("21 degrees"), "{messages}");
        }
        Speech::Ollama => {
            let used = &messages[1]["tool_calls"][0]["function"];
            assert_eq!(used["name"], "get_weather", "{messages}");
            assert_eq!(used["arguments"], arguments, "an object");
            assert_eq!(messages[2]["role"], "tool");
            assert_eq!(messages[2]["tool_name"], "get_weather", "{messages}");
            assert_eq!(messages[2]["content"], "21 degrees");
        }
        Speech::Native | Speech::Text => panic!("{backend:?} knows no tools"),
    }
}

/// Two calls at once, in fragments where the provider streams them so.
async fn several(scene: &Scene, backend: Backend) {
    let body = question("[[sim: tools=2 tool_fragments=5]] Paris");
    for stream in [false, true] {
        let heard = hear(scene, &body, stream).await;
        assert_eq!(heard.calls.len(), 2, "{backend:?} {stream}: {heard:?}");
        assert_ne!(heard.calls[0].id, heard.calls[1].id, "{backend:?}");
        for call in &heard.calls {
            assert_eq!(call.name, "get_weather", "{backend:?}");
            assert_eq!(arguments(call), json!({"city": "Paris"}), "{backend:?}");
        }
        assert_eq!(heard.finish.as_deref(), Some("tool_calls"), "{backend:?}");
    }
}

fn arguments(call: &HeardCall) -> Value {
    serde_json::from_str(&call.arguments).unwrap()
}
