#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::LazyLock;

use serde_json::json;

use super::super::{Watcher, read_response};
use super::*;
use crate::dialect::openai::End;
use crate::normaliser::cases::rows;
use crate::normaliser::{HOLD, Patterns, Rules, Shown, Thoughts, Tools};

#[derive(serde::Deserialize)]
struct Case {
    note: String,
    said: Vec<Vec<String>>,
    told: Vec<Vec<String>>,
    /// Every byte leaves as it came.
    #[serde(default)]
    same: bool,
    /// The answer's limit has ended it.
    #[serde(default)]
    cut: bool,
    /// How the response ends, where that is otherwise than it was.
    status: Option<String>,
}

fn cases() -> Vec<Case> {
    rows(include_str!("../../../../cases/responses/normalised.jsonl"))
}

const WEATHER: &str = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"array"}},"required":["city"]}"#;

/// Made once: the patterns are compiled.
fn manner() -> &'static Manner {
    static MANNER: LazyLock<Manner> = LazyLock::new(made_manner);
    &MANNER
}

fn made_manner() -> Manner {
    let tools = [
        ("get_weather", Some(WEATHER)),
        (
            "apply_patch",
            Some(r#"{"type":"object","properties":{"input":{"type":"string"}}}"#),
        ),
        (
            "clock__sleep",
            Some(r#"{"type":"object","properties":{"ms":{"type":"integer"}}}"#),
        ),
    ];
    let tools = Arc::new(Tools::new(tools.into_iter()));
    Manner {
        rules: Rules {
            patterns: Arc::new(Patterns::builtin()),
            tools: Arc::clone(&tools),
            aliases: Arc::new([]),
            thoughts: Thoughts::Tagged,
            hold: HOLD,
        },
        id: "made-1".to_owned(),
        native: Some(tools),
        shown: Shown::Apart,
        choices: 1,
        comment: false,
    }
}

/// How the caller knows its tools.
fn tools() -> (ToolNames, Arc<Namespaces>) {
    let body = json!({"model": "m", "input": "x", "tools": [
        {"type": "custom", "name": "apply_patch"},
        {"type": "namespace", "name": "clock", "tools": [{"type": "function", "name": "sleep"}]},
    ]});
    let request = read_response(body.to_string().as_bytes()).unwrap();
    let mut names = ToolNames::default();
    names.mark_custom(&request.chat.custom_tools);
    (names, Arc::new(request.namespaces))
}

/// The response that a case is about.
fn response(case: &Case) -> Value {
    let state = if case.cut { "incomplete" } else { "completed" };
    let mut items = Vec::new();
    for (number, said) in case.said.iter().enumerate() {
        let id = format!("item_{number}");
        let text = said[1].as_str();
        items.push(match said[0].as_str() {
            "message" => {
                let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
                json!({"id": id, "type": "message", "status": state, "role": "assistant", "content": [part]})
            }
            "refusal" => {
                let part = json!({"type": "refusal", "refusal": text});
                json!({"id": id, "type": "message", "status": state, "role": "assistant", "content": [part]})
            }
            "reasoning" => {
                json!({"id": id, "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]})
            }
            "function_call" => {
                json!({"id": id, "type": "function_call", "status": state, "call_id": format!("c{number}"), "name": text, "arguments": said[2]})
            }
            kind => json!({"id": id, "type": kind, "status": text}),
        });
    }
    let details = case.cut.then(|| json!({"reason": "max_output_tokens"}));
    json!({
        "id": "resp_1", "object": "response", "model": "m", "status": state,
        "incomplete_details": details, "output": items,
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    })
}

/// An item as the table writes it.
fn written(item: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let kind = text(&item["type"]);
    match kind.as_str() {
        "message" => {
            let part = &item["content"][0];
            match part["type"].as_str() {
                Some("refusal") => vec!["refusal".to_owned(), text(&part["refusal"])],
                _ => vec![kind, text(&part["text"])],
            }
        }
        "reasoning" => match item["content"][0].get("text") {
            Some(said) => vec![kind, text(said)],
            None => vec!["thought".to_owned(), text(&item["summary"][0]["text"])],
        },
        "function_call" | "custom_tool_call" => {
            let name = text(&item["name"]);
            let name = match item.get("namespace") {
                Some(namespace) => format!("{}/{name}", text(namespace)),
                None => name,
            };
            let said = item.get("arguments").unwrap_or(&item["input"]);
            vec![kind, name, text(said)]
        }
        _ => vec![kind, text(&item["status"])],
    }
}

/// The stream of a response with pieces of so many characters.
fn stream(response: &Value, size: usize) -> String {
    let told = replay(response.to_string().as_bytes()).unwrap();
    let mut number = 0_u64;
    let mut out = String::new();
    for event in events(&told) {
        let mut pieces = vec![event.clone()];
        if let Some(delta) = event["delta"].as_str() {
            let letters: Vec<char> = delta.chars().collect();
            let texts = letters
                .chunks(size)
                .map(|text| text.iter().collect::<String>());
            pieces = texts
                .map(|text| {
                    let mut piece = event.clone();
                    piece["delta"] = json!(text);
                    piece
                })
                .collect();
        }
        for mut piece in pieces {
            piece["sequence_number"] = json!(number);
            number += 1;
            let kind = piece["type"].as_str().unwrap();
            out.push_str(&format!("event: {kind}\ndata: {piece}\n\n"));
        }
    }
    out
}

fn events(stream: &[u8]) -> Vec<Value> {
    let mut events = Vec::new();
    sse::Reader::default().push(stream, |frame| {
        if let Frame::Event { data, .. } = frame {
            events.push(serde_json::from_slice(data).unwrap());
        }
    });
    events
}

fn watch(pieces: &[&[u8]]) -> (String, End, Watcher) {
    let (names, namespaces) = tools();
    let mut watcher = Watcher::default().normalising(manner(), &names, &namespaces);
    let mut out = BytesMut::new();
    for piece in pieces {
        watcher.push(piece, &mut out);
    }
    let end = watcher.finish(true, &mut out);
    (String::from_utf8(out.to_vec()).unwrap(), end, watcher)
}

/// The items of a stream, of which each event is looked at: numbers go on, pieces add up to
/// what ends them, and what ends items to the last event.
fn folded(note: &str, stream: &str) -> Vec<Value> {
    let mut items: Vec<Value> = Vec::new();
    let mut said: Vec<String> = Vec::new();
    let mut last = Value::Null;
    for (number, event) in events(stream.as_bytes()).iter().enumerate() {
        assert_eq!(
            event["sequence_number"], number,
            "{note}: {event}\n{stream}"
        );
        let index = event["output_index"].as_u64().map(|index| index as usize);
        let kind = event["type"].as_str().unwrap();
        let line = format!("event: {kind}\ndata: ");
        assert!(stream.contains(&line), "{note}: {kind}");
        match kind {
            "response.output_item.added" => {
                assert_eq!(index, Some(items.len()), "{note}\n{stream}");
                items.push(event["item"].clone());
                said.push(String::new());
            }
            "response.output_item.done" => {
                let item = &event["item"];
                let begun = &items[index.unwrap()];
                assert_eq!(item["id"], begun["id"], "{note}");
                assert_eq!(item["name"], begun["name"], "{note}");
                let all = written(item).pop().unwrap();
                if item["type"] != "web_search_call" {
                    assert_eq!(said[index.unwrap()], all, "{note}\n{stream}");
                }
                items[index.unwrap()] = item.clone();
            }
            "response.completed" | "response.incomplete" => {
                assert_eq!(
                    event["response"]["status"],
                    kind["response.".len()..],
                    "{note}"
                );
                last = event["response"]["output"].clone();
            }
            _ => {
                if let Some(at) = index {
                    assert_eq!(event["item_id"], items[at]["id"], "{note}\n{stream}");
                }
                if let Some(delta) = event["delta"].as_str() {
                    said[index.unwrap()].push_str(delta);
                }
                for all in ["text", "arguments", "input", "refusal"] {
                    if let Some(all) = event[all].as_str() {
                        assert_eq!(said[index.unwrap()], all, "{note}\n{stream}");
                    }
                }
                if kind == "response.content_part.done" && event["part"].get("text").is_some() {
                    assert_eq!(said[index.unwrap()], event["part"]["text"], "{note}");
                }
            }
        }
    }
    assert_eq!(Value::Array(items.clone()), last, "{note}\n{stream}");
    items
}

fn short(items: &[Value]) -> Vec<Vec<String>> {
    items.iter().map(written).collect()
}

#[test]
fn every_case_streams_as_it_says_in_pieces_of_any_size() {
    for case in cases() {
        let note = &case.note;
        let body = response(&case);
        for size in [1, 2, 3, 5, 8, 13, 1000] {
            let stream = stream(&body, size);
            let (out, end, mut watcher) = watch(&[stream.as_bytes()]);
            assert_eq!(end, End::Complete, "{note}");
            if case.same {
                assert_eq!(out, stream, "{note} by {size}");
            }
            let items = folded(note, &out);
            assert_eq!(short(&items), case.told, "{note} by {size}\n{out}");
            let told: Value = serde_json::from_slice(&watcher.take_response().unwrap()).unwrap();
            assert_eq!(told["output"], Value::Array(items), "{note}");
            let status = case.status.as_deref().or(body["status"].as_str());
            assert_eq!(told["status"].as_str(), status, "{note}");
            let is_call = |said: &&Vec<String>| said[0].ends_with("_call") && said.len() > 2;
            let given = case.said.iter().filter(is_call).count();
            let found = watcher.normaliser().unwrap().found();
            assert!(
                found + given >= case.told.iter().filter(is_call).count(),
                "{note}"
            );
        }
    }
}

#[test]
fn any_split_gives_the_same() {
    for case in cases() {
        let stream = stream(&response(&case), 4);
        let (whole, _, _) = watch(&[stream.as_bytes()]);
        for size in [1, 7, 64, 333] {
            let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            assert_eq!(watch(&pieces).0, whole, "{} by {size}", case.note);
        }
    }
}

/// Of a stream that is cut nothing is lost that would have been text, and nothing becomes a
/// call that was not complete.
#[test]
fn a_cut_stream_tells_what_waits_and_fails_with_the_next_number() {
    for case in cases() {
        let note = &case.note;
        let stream = stream(&response(&case), 6);
        let starts = stream.match_indices("event: ").map(|(at, _)| at);
        for at in starts {
            let (mut out, end, mut watcher) = watch(&[&stream.as_bytes()[..at]]);
            assert_eq!(end, End::Fault(StreamFault::Truncated), "{note}");
            let mut failure = BytesMut::new();
            let error = StreamFault::Truncated.public(&|text: &str| text.to_owned());
            watcher.fail(&error, &mut failure);
            out.push_str(std::str::from_utf8(&failure).unwrap());
            for (number, event) in events(out.as_bytes()).iter().enumerate() {
                assert_eq!(event["sequence_number"], number, "{note} at {at}\n{out}");
            }
            if case.same {
                assert!(out.starts_with(&stream[..at]), "{note} at {at}\n{out}");
            }
        }
    }
}

#[test]
fn a_whole_response_is_what_its_stream_amounts_to() {
    let (names, namespaces) = tools();
    for case in cases() {
        let note = &case.note;
        let body = response(&case);
        let bytes = Bytes::from(serde_json::to_string_pretty(&body).unwrap());
        let made = normalised_response(&bytes, manner(), &names, &namespaces);
        if case.same {
            assert_eq!(made.body, bytes, "{note}");
        }
        let (out, _, _) = watch(&[stream(&body, 1000).as_bytes()]);
        let mut whole: Value = serde_json::from_slice(&made.body).unwrap();
        let mut streamed = events(out.as_bytes()).pop().unwrap()["response"].take();
        // Of a whole reply arguments are written anew, whichever way they are damaged.
        for response in [&mut whole, &mut streamed] {
            for item in response["output"].as_array_mut().unwrap() {
                if let Some(text) = item["arguments"].as_str()
                    && let Ok(read) = serde_json::from_str::<Value>(text)
                {
                    item["arguments"] = read;
                }
            }
        }
        assert_eq!(whole, streamed, "{note}");
    }
}

/// What waits is bounded: a message whose events are far longer than their words.
#[test]
fn long_events_do_not_wait_for_ever() {
    let text = format!(
        r#"<tool_call>{{"name": "get_weather", "arguments": {{"city": "{}"#,
        "x".repeat(40_000)
    );
    let case = Case {
        note: "long".to_owned(),
        said: vec![vec!["message".to_owned(), text.clone()]],
        told: Vec::new(),
        same: false,
        cut: true,
        status: None,
    };
    let stream = stream(&response(&case), 2);
    let (names, namespaces) = tools();
    let mut watcher = Watcher::default().normalising(manner(), &names, &namespaces);
    let mut out = BytesMut::new();
    let mut most = 0;
    for event in stream.split_inclusive("\n\n") {
        watcher.push(event.as_bytes(), &mut out);
        most = most.max(watcher.waiting());
    }
    assert!(
        most > MOST_WAITING / 2 && most < MOST_WAITING + 1024,
        "{most}"
    );
    assert_eq!(watcher.finish(true, &mut out), End::Complete);
    let items = folded("long", std::str::from_utf8(&out).unwrap());
    assert_eq!(short(&items), [vec!["message".to_owned(), text]]);
}

/// Numbers beyond any end nothing.
#[test]
fn a_server_with_the_largest_numbers() {
    let case = &cases()[3];
    let mut stream = stream(&response(case), 5);
    for number in 0..100 {
        let own = format!("\"sequence_number\":{number},");
        stream = stream.replace(&own, &format!("\"sequence_number\":{},", u64::MAX));
    }
    let stream = stream.replace(
        "\"output_index\":0",
        &format!("\"output_index\":{}", usize::MAX),
    );
    let (out, end, _) = watch(&[stream.as_bytes()]);
    assert_eq!(end, End::Complete, "{out}");
    assert!(out.contains("get_weather"), "{out}");
}

/// A server that gives neither numbers nor places.
#[test]
fn a_server_without_numbers() {
    let case = &cases()[3];
    let stream = stream(&response(case), 5);
    let mut bare = String::new();
    for mut event in events(stream.as_bytes()) {
        let members = event.as_object_mut().unwrap();
        members.remove("sequence_number");
        members.remove("output_index");
        let kind = event["type"].as_str().unwrap();
        bare.push_str(&format!("event: {kind}\ndata: {event}\n\n"));
    }
    let (out, end, mut watcher) = watch(&[bare.as_bytes()]);
    assert_eq!(end, End::Complete, "{out}");
    let told: Value = serde_json::from_slice(&watcher.take_response().unwrap()).unwrap();
    assert_eq!(short(told["output"].as_array().unwrap()), case.told);
}
