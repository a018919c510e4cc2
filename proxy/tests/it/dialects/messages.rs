//! Anthropic's messages.

use serde_json::{Value, json};

use super::heard::{Broken, Call, Heard, Stop};
use super::{PIXEL, Question};
use crate::scene::{Answer, MODEL};

pub(super) fn body(question: &Question) -> Value {
    let text = format!("What is it like? [[sim: {}]]", question.script);
    let mut content = vec![json!({"type": "text", "text": text})];
    if question.has_image {
        let source = json!({"type": "base64", "media_type": "image/png", "data": PIXEL});
        content.push(json!({"type": "image", "source": source}));
    }
    let mut body = json!({
        "model": MODEL, "stream": question.stream, "max_tokens": 4000,
        "messages": [{"role": "user", "content": content}],
    });
    if question.has_tool {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        body["tools"] = json!([{"name": "get_weather", "input_schema": schema}]);
    }
    if question.thinks {
        body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    }
    body
}

/// An error that is the whole answer, in the dialect's shape.
pub(super) fn error(got: &Answer) -> String {
    let json = got.json();
    assert_eq!(json["type"], "error", "{got:?}");
    assert!(json["error"]["message"].is_string(), "{got:?}");
    assert_eq!(json["request_id"], got.header("request-id"), "{got:?}");
    json["error"]["type"].as_str().unwrap().to_owned()
}

pub(super) fn hear(got: &Answer, stream: bool) -> Heard {
    assert_eq!(got.status, 200, "{got:?}");
    assert!(!got.header("request-id").is_empty(), "{got:?}");
    let message = if stream {
        let (message, error) = fold(got);
        assert_eq!(error, None, "{got:?}");
        message
    } else {
        got.json()
    };
    assert_eq!(message["type"], "message", "{got:?}");
    assert_eq!(message["role"], "assistant", "{got:?}");
    assert_eq!(message["model"], MODEL, "{got:?}");
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    let blocks = message["content"].as_array().unwrap();
    let all = |kind: &str, member: &str| -> String {
        let some = blocks.iter().filter(|block| block["type"] == kind);
        some.map(|block| block[member].as_str().unwrap()).collect()
    };
    let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
    Heard {
        text: all("text", "text"),
        reasoning: all("thinking", "thinking"),
        calls: calls
            .map(|block| Call {
                id: block["id"].as_str().unwrap().to_owned(),
                name: block["name"].as_str().unwrap().to_owned(),
                arguments: block["input"].clone(),
            })
            .collect(),
        stop: match message["stop_reason"].as_str() {
            Some("end_turn") => Stop::End,
            Some("tool_use") => Stop::Calls,
            other => Stop::Other(other.unwrap_or_default().to_owned()),
        },
        prompt: message["usage"]["input_tokens"].as_u64(),
        answer: message["usage"]["output_tokens"].as_u64(),
    }
}

pub(super) fn hear_broken(got: &Answer) -> Broken {
    assert_eq!(got.status, 200, "{got:?}");
    let (message, error) = fold(got);
    assert!(message["stop_reason"].is_null(), "{got:?}");
    let blocks = message["content"].as_array().unwrap();
    Broken {
        text: blocks.iter().filter_map(|b| b["text"].as_str()).collect(),
        message: error.expect("an error event"),
    }
}

/// The message that a stream amounts to, and the error that ends it, checked to keep the
/// order of the format: one start, blocks one after the other numbered from 0, one delta of
/// the message with its usage whole, one stop.
pub(crate) fn fold(got: &Answer) -> (Value, Option<String>) {
    let mut message = Value::Null;
    let mut open: Option<usize> = None;
    let mut input = String::new();
    let (mut told, mut stopped, mut error) = (false, false, None);
    for frame in got.body.split_terminator("\n\n") {
        if frame.starts_with(':') {
            continue;
        }
        let (name, data) = frame.split_once('\n').unwrap();
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        let kind = event["type"].as_str().unwrap();
        assert_eq!(name, format!("event: {kind}"), "{got:?}");
        assert!(
            !stopped && error.is_none(),
            "nothing follows the end: {got:?}"
        );
        assert_eq!(
            message.is_null(),
            kind == "message_start" || (kind == "error" && message.is_null()),
            "{got:?}"
        );
        let index = event["index"]
            .as_u64()
            .map(|at| usize::try_from(at).unwrap());
        match kind {
            "message_start" => {
                message = event["message"].clone();
                assert!(
                    message["usage"]["input_tokens"].as_u64() > Some(0),
                    "{got:?}"
                );
            }
            "content_block_start" => {
                assert_eq!((open, told), (None, false), "{got:?}");
                let blocks = message["content"].as_array_mut().unwrap();
                assert_eq!(index, Some(blocks.len()), "{got:?}");
                blocks.push(event["content_block"].clone());
                open = index;
                input.clear();
            }
            "content_block_delta" => {
                assert_eq!(index, open, "{got:?}");
                let block = &mut message["content"][open.unwrap()];
                let delta = &event["delta"];
                for (kind, from, to) in [
                    ("text_delta", "text", "text"),
                    ("thinking_delta", "thinking", "thinking"),
                    ("signature_delta", "signature", "signature"),
                ] {
                    if delta["type"] == kind {
                        let more = delta[from].as_str().unwrap();
                        let so_far = block[to].as_str().unwrap_or_default();
                        block[to] = json!(format!("{so_far}{more}"));
                    }
                }
                if delta["type"] == "input_json_delta" {
                    input += delta["partial_json"].as_str().unwrap();
                }
            }
            "content_block_stop" => {
                assert_eq!(index, open, "{got:?}");
                if !input.is_empty() {
                    message["content"][open.unwrap()]["input"] =
                        serde_json::from_str(&input).unwrap();
                }
                open = None;
            }
            "message_delta" => {
                assert_eq!((open, told), (None, false), "{got:?}");
                told = true;
                message["stop_reason"] = event["delta"]["stop_reason"].clone();
                let usage = event["usage"].as_object().unwrap();
                assert!(usage["input_tokens"].is_u64(), "{got:?}");
                for (name, count) in usage {
                    message["usage"][name] = count.clone();
                }
            }
            "message_stop" => {
                assert!(told, "{got:?}");
                stopped = true;
            }
            "ping" => {}
            "error" => {
                error = Some(event["error"]["message"].as_str().unwrap().to_owned());
            }
            other => panic!("an unknown event {other}: {got:?}"),
        }
    }
    assert_eq!(stopped, error.is_none(), "one end: {got:?}");
    (message, error)
}
