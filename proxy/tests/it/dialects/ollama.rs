//! Ollama's own API: chat and generate.

use serde_json::{Value, json};

use super::heard::{Broken, Call, Heard, Stop};
use super::{PIXEL, Question};
use crate::scene::{Answer, MODEL};

/// Which call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Chat,
    Generate,
}

pub(super) fn body(question: &Question, form: Form) -> Value {
    let text = format!("What is it like? [[sim: {}]]", question.script);
    let images = if question.has_image {
        json!([PIXEL])
    } else {
        json!([])
    };
    let mut body = json!({"model": MODEL, "options": {"num_predict": 4000}});
    match form {
        Form::Chat => {
            let message = json!({"role": "user", "content": text, "images": images});
            body["messages"] = json!([message]);
            body["tools"] = json!([]);
        }
        Form::Generate => {
            body["prompt"] = json!(text);
            body["images"] = images;
        }
    }
    // It streams unless it is told not to.
    if !question.stream {
        body["stream"] = json!(false);
    }
    if question.has_tool {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let function = json!({"name": "get_weather", "parameters": schema});
        body["tools"] = json!([{"type": "function", "function": function}]);
    }
    if question.thinks {
        body["think"] = json!(true);
    }
    body
}

/// The lines of an answer.
pub(crate) fn lines(got: &Answer) -> Vec<Value> {
    assert_eq!(
        got.header("content-type"),
        "application/x-ndjson",
        "{got:?}"
    );
    let lines = got.body.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line:?}")))
        .collect()
}

pub(super) fn hear(got: &Answer, stream: bool, form: Form) -> Heard {
    assert_eq!(got.status, 200, "{got:?}");
    let lines = if stream {
        lines(got)
    } else {
        assert_eq!(got.header("content-type"), "application/json", "{got:?}");
        vec![got.json()]
    };
    let (last, before) = lines.split_last().unwrap();
    assert!(before.iter().all(|line| line["done"] == false), "{got:?}");
    assert_eq!(last["done"], true, "{got:?}");
    assert!(last["total_duration"].as_u64().unwrap() > 0, "{got:?}");
    assert!(last["eval_duration"].is_u64(), "{got:?}");
    let mut heard = Heard {
        text: String::new(),
        reasoning: String::new(),
        calls: Vec::new(),
        stop: Stop::End,
        prompt: last["prompt_eval_count"].as_u64(),
        answer: last["eval_count"].as_u64(),
    };
    for line in &lines {
        assert_eq!(line["model"], MODEL, "{got:?}");
        assert!(line["created_at"].is_string(), "{got:?}");
        let (said, text) = match form {
            Form::Chat => (&line["message"], "content"),
            Form::Generate => (line, "response"),
        };
        heard.text += said[text].as_str().unwrap();
        heard.reasoning += said["thinking"].as_str().unwrap_or_default();
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            heard.calls.push(Call {
                id: call["id"].as_str().unwrap_or_default().to_owned(),
                name: call["function"]["name"].as_str().unwrap().to_owned(),
                arguments: call["function"]["arguments"].clone(),
            });
        }
    }
    // Its own reason does not tell that there are calls.
    heard.stop = match last["done_reason"].as_str() {
        Some("stop") if heard.calls.is_empty() => Stop::End,
        Some("stop") => Stop::Calls,
        other => Stop::Other(other.unwrap_or_default().to_owned()),
    };
    heard
}

pub(super) fn hear_broken(got: &Answer, form: Form) -> Broken {
    assert_eq!(got.status, 200, "{got:?}");
    let lines = lines(got);
    let (last, before) = lines.split_last().unwrap();
    assert!(lines.iter().all(|line| line["done"] != true), "{got:?}");
    let text = before.iter().map(|line| match form {
        Form::Chat => line["message"]["content"].as_str().unwrap(),
        Form::Generate => line["response"].as_str().unwrap(),
    });
    Broken {
        text: text.collect(),
        message: last["error"].as_str().unwrap().to_owned(),
    }
}

/// An error that is the whole answer: there is nothing but its words.
pub(super) fn error(got: &Answer) -> String {
    let json = got.json();
    assert_eq!(json.as_object().unwrap().len(), 1, "{got:?}");
    assert!(json["error"].is_string(), "{got:?}");
    "error".to_owned()
}
