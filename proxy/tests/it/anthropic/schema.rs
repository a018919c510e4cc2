//! Answers in the form of a schema, from models that have no switch for it.

use serde_json::{Value, json};

use super::{CHAT, OLDER, scene, sent, tool, user};
use crate::scene::{Answer, MODEL, with};

/// A person, whose form the answer is to have.
fn person() -> Value {
    json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
           "required": ["name", "age"], "additionalProperties": false})
}

fn of_schema() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "person", "strict": true, "schema": person()}})
}

/// The text, the reasons to end and whether anything is said of a tool.
fn text_and_end(got: &Answer, stream: bool) -> (String, Vec<Value>, bool) {
    assert_eq!(got.status, 200, "{got:?}");
    let tool = got.body.contains("tool") || got.body.contains("answer_as_json");
    if !stream {
        let choice = &got.json()["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap().to_owned();
        return (text, vec![choice["finish_reason"].clone()], tool);
    }
    let chunks = got.chunks();
    let finish = |chunk: &Value| chunk["choices"][0]["finish_reason"].clone();
    let reasons = chunks.iter().map(finish).filter(Value::is_string).collect();
    (got.streamed_text(), reasons, tool)
}

#[tokio::test]
async fn an_older_model_keeps_a_schema_because_a_tool_demands_it() {
    let scene = scene(&json!({"actual_model": OLDER})).await;
    let bare = json!({"type": "json_object", "schema": person()});
    for format in [of_schema(), bare] {
        for stream in [false, true] {
            let asked = json!({"model": MODEL, "messages": [user("Who is Ann?")],
                               "response_format": format, "stream": stream});
            let got = scene.post(CHAT, &asked).await;
            let (text, reasons, tool) = text_and_end(&got, stream);
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer, json!({"name": "Ann", "age": 1}));
            assert_eq!(reasons, ["stop"], "{stream}");
            assert!(!tool, "{got:?}");
            let body = sent(&scene);
            let name = &body["tools"][0]["name"];
            let choice = json!({"type": "tool", "name": name, "disable_parallel_tool_use": true});
            assert_eq!(body["tool_choice"], choice, "{body}");
            assert_eq!(body["tools"][0]["input_schema"], person(), "{body}");
            assert!(body.get("system").is_none(), "{body}");
        }
    }
}

/// A tool of that name in the history is another tool.
#[tokio::test]
async fn the_demanded_tool_is_never_one_of_the_callers() {
    let scene = scene(&json!({"actual_model": OLDER})).await;
    let function = json!({"name": "answer_as_json", "arguments": "{}"});
    let call = json!({"id": "c1", "type": "function", "function": function});
    let messages = json!([
        user("hi"), {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "x"}, user("Who is Ann?"),
    ]);
    let asked = json!({"model": MODEL, "messages": messages, "response_format": of_schema()});
    let got = scene.post(CHAT, &asked).await;
    let (text, reasons, _) = text_and_end(&got, false);
    assert!(text.contains(r#""name":"Ann""#), "{text}");
    assert_eq!(reasons, ["stop"]);
    let body = sent(&scene);
    assert_eq!(body["tools"][0]["name"], "answer_as_json", "{body}");
    assert_ne!(body["tool_choice"]["name"], "answer_as_json", "{body}");
}

#[tokio::test]
async fn a_schema_is_asked_for_in_words_where_no_tool_can_be_demanded() {
    let thinker = "claude-3-7-sonnet-20250219";
    for (model, more) in [
        (thinker, json!({"reasoning_effort": "low"})),
        (OLDER, json!({"tools": [tool("get_weather")]})),
    ] {
        let scene = scene(&json!({"actual_model": model})).await;
        let asked =
            json!({"model": MODEL, "messages": [user("hi")], "response_format": of_schema()});
        let got = scene.post(CHAT, &with(asked, &more)).await;
        assert_eq!(got.status, 200, "{got:?}");
        let body = sent(&scene);
        assert!(body.get("tool_choice").is_none(), "{body}");
        assert!(
            !body["tools"].to_string().contains("answer_as_json"),
            "{body}"
        );
        let system = body["system"].as_str().unwrap();
        assert!(
            system.contains("JSON schema") && system.contains("age"),
            "{body}"
        );
    }
}
