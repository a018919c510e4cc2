//! What holds for every stream of a response, and all upstreams' answers through it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::dialect::openai::EventReader;
use crate::dialect::{anthropic, ollama};
use crate::translation::StreamFrom;

/// A stream that keeps the laws.
pub(super) struct Stream {
    pub(super) events: Vec<Value>,
}

impl Stream {
    /// Reads a stream, which must keep the laws.
    pub(super) fn check(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        let blocks = text.split_terminator("\n\n");
        let events = blocks.filter(|block| !block.starts_with(':')).map(|block| {
            let (event, data) = block.split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(
                Some(data["type"].as_str().unwrap()),
                event.strip_prefix("event: ")
            );
            data
        });
        let stream = Self {
            events: events.collect(),
        };
        stream.is_numbered();
        stream.ends_once();
        stream.adds_up();
        stream
    }

    pub(super) fn kinds(&self) -> Vec<&str> {
        self.events
            .iter()
            .map(|event| event["type"].as_str().unwrap())
            .collect()
    }

    /// The response in the last event.
    pub(super) fn response(&self) -> &Value {
        &self.events.last().unwrap()["response"]
    }

    fn is_numbered(&self) {
        for (number, event) in self.events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number, "{event}");
        }
    }

    fn ends_once(&self) {
        let kinds = self.kinds();
        assert_eq!(kinds[..2], ["response.created", "response.in_progress"]);
        let is_last = |kind: &&&str| {
            matches!(
                **kind,
                "response.completed" | "response.incomplete" | "response.failed"
            )
        };
        assert_eq!(kinds.iter().filter(is_last).count(), 1);
        assert!(kinds.last().iter().any(is_last));
    }

    /// Pieces of an item add up to what ends it, and that is the item in the response.
    fn adds_up(&self) {
        let mut pieces: BTreeMap<(u64, u64), String> = BTreeMap::new();
        let output = &self.response()["output"];
        let mut begun = 0;
        for event in &self.events {
            let kind = event["type"].as_str().unwrap();
            let item = event["output_index"].as_u64().unwrap_or_default();
            let part = event["content_index"].as_u64().unwrap_or_default();
            if kind == "response.output_item.added" {
                assert_eq!(item, begun, "items begin in their order");
                begun += 1;
            }
            if let Some(id) = event.get("item_id") {
                assert_eq!(*id, output[item as usize]["id"]);
            }
            if kind.ends_with(".delta") {
                let delta = event["delta"].as_str().unwrap();
                pieces.entry((item, part)).or_default().push_str(delta);
            }
            for member in ["text", "refusal", "arguments", "input"] {
                if let Some(all) = event.get(member) {
                    let added = pieces.get(&(item, part)).map_or("", String::as_str);
                    assert_eq!(all, added, "{event}");
                }
            }
            if kind == "response.output_item.done" {
                assert_eq!(event["item"], output[item as usize]);
            }
        }
        assert_eq!(begun as usize, output.as_array().unwrap().len());
    }
}

macro_rules! upstreams {
    ($($name:literal)*) => {
        [$(include_str!(concat!(
            "../../../../../cases/ollama-caller/answers/", $name, ".txt"
        ))),*]
    };
}

/// Answers of all upstreams; what another caller gets of them stands in the same files.
const UPSTREAMS: &[&str] = &upstreams![
    "a-call-alone-that-is-text" "a-time-that-is-none" "another-ollama"
    "anthropic-thinking-text-tool" "arguments-that-are-no-object" "b26-openai-text"
    "cut-off" "error-inside" "filtered" "length" "openai-one-tool" "parallel-calls"
    "reasoning" "refusal" "sign-of-life" "two-choices"
];

fn upstream(case: &str) -> (StreamFrom, &str) {
    let (_, rest) = case.split_once("\n=== ").unwrap();
    let (title, stream) = rest.split_once('\n').unwrap();
    let stream = stream.split("=== ").next().unwrap();
    let from = match title {
        "openai" => StreamFrom::OpenAi(EventReader::default()),
        "anthropic" => StreamFrom::Anthropic(anthropic::StreamReader::default()),
        _ => StreamFrom::Ollama(ollama::StreamReader::default()),
    };
    (from, stream)
}

/// The stream, and the whole reply where there is one.
fn answered(case: &str, cut: usize) -> (Vec<u8>, Option<Value>) {
    let (mut from, stream) = upstream(case);
    let mut writer = StreamWriter::new(options());
    let mut answer = Answer::default();
    let mut out = BytesMut::new();
    let names = custom_names();
    let each = &mut |event: Event<'_>| {
        answer.add(&event);
        writer.write(&event, &names, &mut out);
    };
    let (one, other) = stream.as_bytes().split_at(cut.min(stream.len()));
    from.push(one, each);
    from.push(other, each);
    from.finish(true, each);
    let whole = match &answer.end {
        Some(Ok(())) => {
            let whole = write_reply(&answer, &names, options());
            Some(serde_json::from_slice(&whole).unwrap())
        }
        Some(Err(fault)) => {
            writer.fail(&fault.public(&|text: &str| text.to_owned()), &mut out);
            None
        }
        None => unreachable!("every reader ends"),
    };
    (out.to_vec(), whole)
}

/// What a client gets of a response, whatever the order of its items.
fn gist(response: &Value) -> Value {
    let mut texts = BTreeMap::<String, String>::new();
    let mut calls = Vec::new();
    for item in response["output"].as_array().unwrap() {
        let mut add = |kind: &str, text: &Value| {
            let all = texts.entry(kind.to_owned()).or_default();
            all.push_str(text.as_str().unwrap());
        };
        match item["type"].as_str().unwrap() {
            "reasoning" => {
                for part in item["summary"].as_array().unwrap() {
                    add("thought", &part["text"]);
                }
            }
            "message" => {
                for part in item["content"].as_array().unwrap() {
                    let text = part.get("text").or(part.get("refusal")).unwrap();
                    add(part["type"].as_str().unwrap(), text);
                }
            }
            _ => calls.push(json!([
                item["name"],
                item["call_id"],
                item["arguments"],
                item["input"]
            ])),
        }
    }
    json!([texts, calls, response["status"], response["usage"]])
}

/// The response of the last event, as it is written.
fn last(stream: &[u8]) -> &str {
    let text = std::str::from_utf8(stream).unwrap();
    let at = text.rfind(",\"response\":").unwrap();
    &text[at..]
}

#[test]
fn every_upstreams_answer_at_every_split() {
    for case in UPSTREAMS {
        let (_, stream) = upstream(case);
        let (expected, whole) = answered(case, stream.len());
        let checked = Stream::check(&expected);
        if let Some(whole) = whole {
            assert_eq!(gist(checked.response()), gist(&whole), "{case}");
        }
        for cut in 0..stream.len() {
            // Pieces may be cut otherwise; what they add up to may not.
            assert_eq!(
                last(&answered(case, cut).0),
                last(&expected),
                "{cut} {case}"
            );
        }
    }
}
