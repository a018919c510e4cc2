//! OpenAI's text completions.

use serde_json::{Value, json};

use super::Question;
use super::heard::{Broken, Heard, Stop};
use crate::scene::{Answer, MODEL};

pub(super) fn body(question: &Question) -> Value {
    let mut body = json!({
        "model": MODEL, "stream": question.stream, "max_tokens": 4000,
        "prompt": format!("What is it like? [[sim: {}]]", question.script),
    });
    if question.stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

pub(super) fn hear(got: &Answer, stream: bool) -> Heard {
    assert_eq!(got.status, 200, "{got:?}");
    let all = if stream {
        got.chunks()
    } else {
        vec![got.json()]
    };
    assert!(
        all.iter().all(|one| one["object"] == "text_completion"),
        "{got:?}"
    );
    let choices: Vec<&Value> = all.iter().map(|one| &one["choices"][0]).collect();
    let reasons = choices
        .iter()
        .filter_map(|choice| choice["finish_reason"].as_str());
    let reasons: Vec<&str> = reasons.collect();
    let [reason] = reasons[..] else {
        panic!("one reason: {got:?}");
    };
    let usage = |name: &str| all.iter().find_map(|one| one["usage"][name].as_u64());
    Heard {
        text: choices
            .iter()
            .filter_map(|choice| choice["text"].as_str())
            .collect(),
        reasoning: String::new(),
        calls: Vec::new(),
        stop: match reason {
            "stop" => Stop::End,
            other => Stop::Other(other.to_owned()),
        },
        prompt: usage("prompt_tokens"),
        answer: usage("completion_tokens"),
    }
}

pub(super) fn hear_broken(got: &Answer) -> Broken {
    assert_eq!(got.status, 200, "{got:?}");
    let events = got.events();
    let parse = |event: &&str| serde_json::from_str::<Value>(event).unwrap();
    let events: Vec<Value> = events.iter().map(parse).collect();
    let (last, before) = events.split_last().unwrap();
    let texts = before
        .iter()
        .filter_map(|event| event["choices"][0]["text"].as_str());
    Broken {
        text: texts.collect(),
        message: last["error"]["message"].as_str().unwrap().to_owned(),
    }
}
