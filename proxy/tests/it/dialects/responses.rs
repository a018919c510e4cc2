//! OpenAI's Responses.

use serde_json::{Value, json};

use super::heard::{Broken, Call, Heard, Stop};
use super::{PIXEL, Question};
use crate::scene::{Answer, MODEL};

pub(super) fn body(question: &Question) -> Value {
    let text = format!("What is it like? [[sim: {}]]", question.script);
    let mut content = vec![json!({"type": "input_text", "text": text})];
    if question.has_image {
        let url = format!("data:image/png;base64,{PIXEL}");
        content.push(json!({"type": "input_image", "image_url": url, "detail": "auto"}));
    }
    let mut body = json!({
        "model": MODEL, "stream": question.stream, "store": false,
        "input": [{"role": "user", "content": content}],
    });
    if question.has_tool {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        body["tools"] = json!([{"type": "function", "name": "get_weather", "parameters": schema}]);
    }
    if question.thinks {
        body["reasoning"] = json!({"effort": "low", "summary": "auto"});
    }
    body
}

pub(crate) fn hear(got: &Answer, stream: bool) -> Heard {
    assert_eq!(got.status, 200, "{got:?}");
    let response = if stream {
        let events = events(got);
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.completed", "{got:?}");
        last["response"].clone()
    } else {
        got.json()
    };
    assert_eq!(response["object"], "response", "{got:?}");
    assert_eq!(response["status"], "completed", "{got:?}");
    assert_eq!(response["model"], MODEL, "{got:?}");
    // An endpoint of the dialect says what it does itself.
    assert!(response["store"].is_boolean(), "{got:?}");
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    let items = response["output"].as_array().unwrap();
    let all = |kind: &str, list: &str| -> String {
        let some = items.iter().filter(|item| item["type"] == kind);
        let parts = some.flat_map(|item| item[list].as_array().unwrap());
        parts.map(|part| part["text"].as_str().unwrap()).collect()
    };
    let calls = items.iter().filter(|item| item["type"] == "function_call");
    let calls: Vec<Call> = calls
        .map(|item| Call {
            id: item["call_id"].as_str().unwrap().to_owned(),
            name: item["name"].as_str().unwrap().to_owned(),
            arguments: serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap(),
        })
        .collect();
    Heard {
        text: all("message", "content"),
        reasoning: all("reasoning", "summary"),
        stop: if calls.is_empty() {
            Stop::End
        } else {
            Stop::Calls
        },
        calls,
        prompt: response["usage"]["input_tokens"].as_u64(),
        answer: response["usage"]["output_tokens"].as_u64(),
    }
}

pub(crate) fn hear_broken(got: &Answer) -> Broken {
    assert_eq!(got.status, 200, "{got:?}");
    let events = events(got);
    let texts = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let failed = &events.last().unwrap();
    assert_eq!(failed["type"], "response.failed", "{got:?}");
    assert_eq!(failed["response"]["status"], "failed", "{got:?}");
    Broken {
        text: texts
            .map(|event| event["delta"].as_str().unwrap())
            .collect(),
        message: failed["response"]["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned(),
    }
}

/// The events of a stream, numbered without a gap, with one at the end that ends it.
pub(crate) fn events(got: &Answer) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    for frame in got.body.split_terminator("\n\n") {
        if frame.starts_with(':') {
            continue;
        }
        let (name, data) = frame.split_once('\n').unwrap();
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(
            name,
            format!("event: {}", event["type"].as_str().unwrap()),
            "{got:?}"
        );
        assert_eq!(event["sequence_number"], events.len(), "{got:?}");
        events.push(event);
    }
    let is_last = |event: &&Value| {
        let kind = event["type"].as_str().unwrap();
        [
            "response.completed",
            "response.incomplete",
            "response.failed",
        ]
        .contains(&kind)
    };
    assert_eq!(events.iter().filter(is_last).count(), 1, "{got:?}");
    assert!(events.last().iter().any(is_last), "{got:?}");
    events
}
