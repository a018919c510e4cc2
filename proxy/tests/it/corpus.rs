//! The corpus of tool calls through the gateway: what the engine makes of each case, its
//! callers get, streamed and not, edited and translated.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use sim::Flavor;

use crate::crowd::CHAT;
use crate::scene::{Answer, MODEL, Props, Scene, answer};

#[derive(Deserialize)]
struct Case {
    id: String,
    tools: Vec<Value>,
    text: String,
    expect: Expected,
    reasoning: Option<String>,
    #[serde(default)]
    content_trim: bool,
    content_ws: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    upstream: Option<Value>,
}

#[derive(Deserialize)]
struct Expected {
    content: Option<String>,
    tool_calls: Vec<Value>,
}

/// What a caller has got.
#[derive(Debug, Default)]
struct Got {
    content: String,
    reasoning: String,
    calls: Vec<(String, String)>,
    finish: String,
}

fn cases() -> Vec<Case> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire/cases/tool-calls");
    let other = std::env::var_os("TOOL_CALL_CORPUS").map(PathBuf::from);
    let mut cases = Vec::new();
    for folder in std::iter::once(own).chain(other) {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "jsonl")
            {
                let table = std::fs::read_to_string(path).unwrap();
                cases.extend(
                    table
                        .lines()
                        .map(|line| serde_json::from_str::<Case>(line).unwrap()),
                );
            }
        }
    }
    assert!(cases.len() >= 415, "{} cases", cases.len());
    cases
}

impl Case {
    /// What the model says: its reasoning in a field of its own, if any, and its text.
    fn said(&self) -> String {
        let Some(upstream) = &self.upstream else {
            return self.text.clone();
        };
        let details = upstream["reasoning_details"].as_array();
        let details = details.map(|parts| {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<String>()
        });
        let field = |key: &str| upstream[key].as_str().map(str::to_owned);
        let reasoning = field("reasoning_content").or_else(|| field("reasoning"));
        let reasoning = reasoning.or(details).unwrap_or_default();
        format!("{reasoning}\u{1e}{}", self.text)
    }

    fn trimmed(&self, text: &str) -> String {
        let text = if self.content_trim { text.trim() } else { text };
        if self.content_ws.as_deref() == Some("collapse") {
            return words(text);
        }
        text.to_owned()
    }

    /// What is wrong with what a caller got.
    fn fault(&self, got: &Got) -> Option<String> {
        let want = self.trimmed(self.expect.content.as_deref().unwrap_or_default());
        let wanted: Vec<(String, Value)> = self
            .expect
            .tool_calls
            .iter()
            .map(|call| {
                (
                    call["name"].as_str().unwrap().to_owned(),
                    call["arguments"].clone(),
                )
            })
            .collect();
        let calls: Vec<(String, Value)> = got
            .calls
            .iter()
            .map(|(name, text)| (name.clone(), serde_json::from_str(text).unwrap()))
            .collect();
        let finish = if calls.is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        let reasoning = self.reasoning.as_deref().map(words);
        let right = self.trimmed(&got.content) == want
            && wanted.len() == calls.len()
            && wanted
                .iter()
                .zip(&calls)
                .all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
            && got.finish == finish
            && reasoning.is_none_or(|want| want == words(&got.reasoning));
        (!right).then(|| format!("{}: {got:?}, not {want:?} and {wanted:?}", self.id))
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Equality of JSON: 2 is 2.0, true is not 1.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let in_b = |(key, value): (&String, &Value)| b.get(key).is_some_and(|v| same(value, v));
            a.len() == b.len() && a.iter().all(in_b)
        }
        _ => a == b,
    }
}

fn got(answer: &Answer, stream: bool) -> Got {
    let mut got = Got::default();
    let mut ids = Vec::new();
    if !stream {
        let body = answer.json();
        let choice = &body["choices"][0];
        let message = &choice["message"];
        message["content"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut got.content);
        let reasoning = message["reasoning_content"].as_str();
        reasoning.unwrap_or_default().clone_into(&mut got.reasoning);
        choice["finish_reason"]
            .as_str()
            .unwrap()
            .clone_into(&mut got.finish);
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            ids.push(call["id"].as_str().unwrap().to_owned());
            let text = |key: &str| call["function"][key].as_str().unwrap().to_owned();
            got.calls.push((text("name"), text("arguments")));
        }
    } else {
        for chunk in answer.chunks() {
            let choice = &chunk["choices"][0];
            let delta = &choice["delta"];
            got.content += delta["content"].as_str().unwrap_or_default();
            got.reasoning += delta["reasoning_content"].as_str().unwrap_or_default();
            if let Some(reason) = choice["finish_reason"].as_str() {
                assert_eq!(got.finish, "", "one reason: {answer:?}");
                reason.clone_into(&mut got.finish);
            }
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
                if let Some(name) = call["function"]["name"].as_str() {
                    assert_eq!(index, got.calls.len(), "calls come in order");
                    ids.push(call["id"].as_str().unwrap().to_owned());
                    got.calls.push((name.to_owned(), String::new()));
                }
                got.calls[index].1 += call["function"]["arguments"].as_str().unwrap_or_default();
            }
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), got.calls.len(), "each call has an id of its own");
    got
}

/// Every case from a provider of `flavor`. What begins with thoughts that no tag opens can
/// be told in a stream only where the virtual model says so.
async fn all(flavor: Flavor, stream: bool) {
    let opens = |case: &Case| case.tags.iter().any(|tag| tag == "dangling_think_close");
    let (dangling, others): (Vec<_>, Vec<_>) = cases().into_iter().partition(opens);
    some(flavor, stream, &others, json!({})).await;
    some(flavor, stream, &dangling, json!({"thinking": "held"})).await;
}

async fn some(flavor: Flavor, stream: bool, cases: &[Case], model: Value) {
    let scene = Scene::with(Props {
        options: sim::Options {
            flavor,
            ..sim::Options::default()
        },
        model,
        ..Props::default()
    })
    .await;
    let mut faults = Vec::new();
    for case in cases {
        let pieces = if stream { 1 + case.text.len() / 40 } else { 0 };
        let content = format!("{}[[sim: tools=0 repeat={pieces}]]", case.said());
        let mut body = json!({
            "model": MODEL,
            "messages": [{"role": "user", "content": content}],
            "stream": stream,
        });
        if !case.tools.is_empty() {
            body["tools"] = Value::Array(case.tools.clone());
        }
        let answer = answer(scene.request(reqwest::Method::POST, CHAT).json(&body)).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", case.id);
        let got = got(&answer, stream);
        faults.extend(case.fault(&got));
        let repaired = answer.headers.get("x-tool-calls-repaired");
        if !stream {
            let told = repaired.map(|value| value.to_str().unwrap().parse::<usize>().unwrap());
            assert_eq!(told.unwrap_or_default(), got.calls.len(), "{}", case.id);
        }
    }
    assert!(
        faults.is_empty(),
        "{}:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[tokio::test]
async fn whole_answers() {
    all(Flavor::OpenAi, false).await;
}

#[tokio::test]
async fn streams() {
    all(Flavor::OpenAi, true).await;
}

#[tokio::test]
async fn translated_whole_answers() {
    all(Flavor::Ollama, false).await;
}

#[tokio::test]
async fn translated_streams() {
    all(Flavor::Ollama, true).await;
}
