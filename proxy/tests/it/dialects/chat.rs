//! OpenAI's chat completions.

use serde_json::{Value, json};

use super::heard::{Broken, Call, Heard, Stop};
use super::{PIXEL, Question};
use crate::scene::{Answer, MODEL, streamed_text};

pub(super) fn body(question: &Question) -> Value {
    let text = format!("What is it like? [[sim: {}]]", question.script);
    let mut content = vec![json!({"type": "text", "text": text})];
    if question.has_image {
        let url = format!("data:image/png;base64,{PIXEL}");
        content.push(json!({"type": "image_url", "image_url": {"url": url}}));
    }
    let mut body = json!({
        "model": MODEL, "stream": question.stream, "max_tokens": 4000,
        "messages": [{"role": "user", "content": content}],
    });
    if question.has_tool {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let function = json!({"name": "get_weather", "parameters": schema});
        body["tools"] = json!([{"type": "function", "function": function}]);
    }
    if question.thinks {
        body["reasoning_effort"] = json!("low");
    }
    body
}

pub(super) fn hear(got: &Answer, stream: bool) -> Heard {
    use crate::kinds::heard::Heard as Kind;
    let heard = if stream {
        Kind::streamed(got)
    } else {
        Kind::whole(got)
    };
    let count = |name: &str| heard.usage[name].as_u64();
    Heard {
        text: heard.text.clone(),
        reasoning: heard.reasoning.clone(),
        calls: heard
            .calls
            .iter()
            .map(|call| Call {
                id: call.id.clone(),
                name: call.name.clone(),
                arguments: serde_json::from_str(&call.arguments).unwrap(),
            })
            .collect(),
        stop: match heard.finish.as_deref() {
            Some("stop") => Stop::End,
            Some("tool_calls") => Stop::Calls,
            other => Stop::Other(other.unwrap_or_default().to_owned()),
        },
        prompt: count("prompt_tokens"),
        answer: count("completion_tokens"),
    }
}

pub(super) fn hear_broken(got: &Answer) -> Broken {
    assert_eq!(got.status, 200, "{got:?}");
    let events = got.events();
    let parse = |event: &&str| serde_json::from_str::<Value>(event).unwrap();
    let events: Vec<Value> = events.iter().map(parse).collect();
    let (last, before) = events.split_last().unwrap();
    Broken {
        text: streamed_text(before),
        message: last["error"]["message"].as_str().unwrap().to_owned(),
    }
}
