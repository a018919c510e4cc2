//! The form of what the caller gets, as strict and as naive clients need it.

use serde_json::Value;

use super::End;

/// The events of a stream: each `data: ` with one line of JSON and an empty line, or
/// a comment. Gives the JSON.
fn events(name: &str, out: &str, end: &End) -> Vec<Value> {
    let mut frames: Vec<&str> = out.split("\n\n").collect();
    assert_eq!(frames.pop(), Some(""), "{name}: an unfinished event");
    let is_done = frames.last() == Some(&"data: [DONE]");
    assert_eq!(is_done, *end == End::Complete, "{name}: [DONE]");
    if is_done {
        frames.pop();
    }
    let mut events = Vec::new();
    for frame in frames {
        assert!(!frame.contains(['\n', '\r']), "{name}: {frame}");
        if frame != ": keep-alive" {
            let json = frame.strip_prefix("data: ").unwrap();
            events.push(serde_json::from_str::<Value>(json).unwrap());
        }
    }
    for event in &events {
        for member in ["id", "object", "created", "model"] {
            assert_eq!(event[member], events[0][member], "{name}: {member}");
            assert!(
                event[member] != Value::Null && event[member] != "",
                "{name}: {member}"
            );
        }
        assert_eq!(event["model"], "virtual", "{name}");
        assert!(event.get("error").is_none(), "{name}");
    }
    events
}

/// The choices of the events; usage only in the last event, which then has none.
fn choices(name: &str, events: &[Value]) -> Vec<Value> {
    let mut choices = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let listed = event["choices"].as_array().unwrap();
        if listed.is_empty() {
            assert_eq!(at, events.len() - 1, "{name}: usage is not last");
            let usage = &event["usage"];
            for count in [
                "/prompt_tokens",
                "/completion_tokens",
                "/total_tokens",
                "/prompt_tokens_details/cached_tokens",
                "/prompt_tokens_details/cache_write_tokens",
                "/completion_tokens_details/reasoning_tokens",
            ] {
                assert!(
                    usage.pointer(count).is_some_and(Value::is_u64),
                    "{name}: {count}"
                );
            }
        } else {
            assert_eq!(listed.len(), 1, "{name}");
            assert!(event.get("usage").is_some_and(Value::is_null), "{name}");
            choices.push(listed[0].clone());
        }
    }
    choices
}

pub(super) fn check_chat(name: &str, out: &str, end: &End) {
    let events = events(name, out, end);
    let choices = choices(name, &events);
    let numbers: std::collections::BTreeSet<u64> = choices
        .iter()
        .map(|c| c["index"].as_u64().unwrap())
        .collect();
    for number in numbers {
        let of: Vec<&Value> = choices.iter().filter(|c| c["index"] == number).collect();
        let first = serde_json::json!({"role": "assistant", "content": "", "refusal": null});
        assert_eq!(of[0]["delta"], first, "{name}");
        let (last, before) = of.split_last().unwrap();
        assert!(
            before.iter().all(|c| c["finish_reason"].is_null()),
            "{name}"
        );
        if *end == End::Complete {
            assert_eq!(last["delta"], serde_json::json!({}), "{name}");
            assert!(last["finish_reason"].is_string(), "{name}");
        }
        check_calls(name, &of, last["finish_reason"] == "tool_calls");
    }
}

/// Every call begins with id, name and the next index, and only then has arguments.
fn check_calls(name: &str, of: &[&Value], finished: bool) {
    let mut arguments: Vec<String> = Vec::new();
    let mut ids = Vec::new();
    for piece in of
        .iter()
        .filter_map(|c| c["delta"]["tool_calls"].as_array())
        .flatten()
    {
        let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
        if let Some(id) = piece.get("id") {
            assert_eq!(index, arguments.len(), "{name}: {piece}");
            assert!(
                id.as_str().is_some_and(|id| !id.is_empty()),
                "{name}: {piece}"
            );
            assert!(!ids.contains(id), "{name}: {piece}");
            ids.push(id.clone());
            assert_eq!(piece["type"], "function", "{name}");
            let function = piece["function"]["name"].as_str();
            assert!(function.is_some_and(|f| !f.is_empty()), "{name}: {piece}");
            arguments.push(String::new());
        }
        arguments[index].push_str(piece["function"]["arguments"].as_str().unwrap());
    }
    if finished {
        for text in arguments {
            let is_json = serde_json::from_str::<Value>(&text).is_ok();
            // Broken by the model, and not the translator's to mend.
            assert!(
                is_json || name.ends_with("broken-arguments"),
                "{name}: {text}"
            );
        }
    }
}

pub(super) fn check_completion(name: &str, out: &str, end: &End) {
    let events = events(name, out, end);
    let choices = choices(name, &events);
    for choice in &choices {
        assert!(
            choice["text"].is_string() && choice.get("delta").is_none(),
            "{name}"
        );
        assert!(choice["finish_reason"] != "tool_calls", "{name}");
    }
    for event in &events {
        assert_eq!(event["object"], "text_completion", "{name}");
    }
    let firsts = |number: u64| choices.iter().find(|c| c["index"] == number);
    for first in [0, 1].into_iter().filter_map(firsts) {
        let text = first["text"].as_str().unwrap();
        assert!(text.starts_with("Prompt: "), "{name}: {text}");
    }
}
