//! A stream put together into one reply, for a caller that wants no stream from an
//! upstream that gave one.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::stream::{End, StreamEditor};
use crate::hub::StreamFault;
use crate::sse::{Frame, MAX_EVENT, Reader};

/// The reply that the events of `stream` amount to, as they are mended for a caller of
/// the stream.
///
/// # Errors
/// When the stream carries an error, an event that is not JSON, or ends before every
/// choice has finished.
pub fn collect(stream: &[u8]) -> Result<Bytes, StreamFault> {
    let (stream, end) = StreamEditor::mended(stream);
    match end {
        End::Complete => {}
        End::Fault(fault) => return Err(fault),
    }
    let mut fold = Fold::default();
    Reader::default().push(&stream, |frame| fold.frame(&frame));
    fold.into_reply()
}

#[derive(Default)]
struct Fold {
    reply: Map<String, Value>,
    choices: Vec<Map<String, Value>>,
    fault: Option<StreamFault>,
}

impl Fold {
    fn frame(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::Comment(_) => {}
            Frame::TooLong => self.fault = Some(StreamFault::TooLong),
            Frame::Event { data, .. } if *data == b"[DONE]" || self.fault.is_some() => {}
            Frame::Event { data, .. } => match serde_json::from_slice(data) {
                Ok(event) => self.event(event),
                Err(err) => self.fault = Some(StreamFault::BadEvent(err.to_string())),
            },
        }
    }

    fn event(&mut self, event: Map<String, Value>) {
        for (name, value) in event {
            match (name.as_str(), value) {
                ("choices", Value::Array(choices)) => {
                    let mut position = 0;
                    for choice in choices {
                        if let Value::Object(choice) = choice {
                            self.choice(position, choice);
                            position += 1;
                        }
                    }
                }
                ("choices", _) | (_, Value::Null) => {}
                ("object", Value::String(object)) => {
                    let whole = object.strip_suffix(".chunk").unwrap_or(&object);
                    self.reply.insert(name, json!(whole));
                }
                (_, value) => {
                    self.reply.insert(name, value);
                }
            }
        }
    }

    fn choice(&mut self, position: usize, choice: Map<String, Value>) {
        let index = choice.get("index").and_then(Value::as_u64);
        // The editor lets no greater number through than a server gives.
        let at = index.map_or(position, |index| usize::try_from(index).unwrap_or(0));
        while self.choices.len() <= at {
            let next = self.choices.len();
            self.choices
                .push(Map::from_iter([("index".to_owned(), json!(next))]));
        }
        let into = &mut self.choices[at];
        for (name, value) in choice {
            match (name.as_str(), value) {
                ("index", _) | (_, Value::Null) => {}
                ("delta", Value::Object(delta)) => {
                    let message = into
                        .entry("message")
                        .or_insert_with(|| json!({"role": "assistant", "content": null}));
                    add_delta(message, delta);
                }
                ("finish_reason", value) => {
                    if value != "" {
                        into.entry(name).or_insert(value);
                    }
                }
                (_, value) => add(into.entry(name).or_insert(Value::Null), value),
            }
        }
    }

    fn into_reply(mut self) -> Result<Bytes, StreamFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut choices: Vec<Value> = self.choices.into_iter().map(Value::Object).collect();
        choices.iter_mut().for_each(drop_call_indexes);
        self.reply
            .insert("choices".to_owned(), Value::Array(choices));
        Ok(Value::Object(self.reply).to_string().into())
    }
}

/// Whole tool calls carry no index, streamed ones do.
fn drop_call_indexes(choice: &mut Value) {
    let calls = choice.pointer_mut("/message/tool_calls");
    for call in calls.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(call) = call {
            call.remove("index");
        }
    }
}

fn add_delta(message: &mut Value, delta: Map<String, Value>) {
    let Value::Object(message) = message else {
        return;
    };
    for (name, value) in delta {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("role", value) => {
                message.insert(name, value);
            }
            ("tool_calls", Value::Array(pieces)) => {
                if let Value::Array(calls) = message.entry(name).or_insert_with(|| json!([])) {
                    pieces.into_iter().for_each(|piece| add_call(calls, piece));
                }
            }
            ("content", value) => add_content(message.entry(name).or_insert(Value::Null), value),
            (_, value) => add(message.entry(name).or_insert(Value::Null), value),
        }
    }
}

/// Content that comes as texts and as parts, as Mistral's does, is parts.
fn add_content(into: &mut Value, more: Value) {
    let as_parts = |text: &str| match text {
        "" => json!([]),
        text => json!([{"type": "text", "text": text}]),
    };
    match (&*into, more) {
        (Value::Array(_), Value::String(more)) => add(into, as_parts(&more)),
        (Value::String(text), more @ Value::Array(_)) => {
            *into = as_parts(text);
            add(into, more);
        }
        // What is neither a text nor parts says nothing.
        (
            Value::String(_) | Value::Array(_),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_),
        ) => {}
        (_, more) => add(into, more),
    }
}

/// Adds a piece of a tool call to the call it belongs to: the one with its index,
/// or without an index the one with its id, or the last one.
fn add_call(calls: &mut Vec<Value>, piece: Value) {
    let Value::Object(mut piece) = piece else {
        return;
    };
    let index = piece.remove("index").and_then(|i| i.as_u64());
    let place = calls.iter().position(|call| match index {
        Some(index) => call["index"].as_u64() == Some(index),
        None => piece.get("id").is_some_and(|id| call["id"] == *id),
    });
    let place = match (place, index, piece.get("id")) {
        (Some(place), _, _) => place,
        (None, None, None) if !calls.is_empty() => calls.len() - 1,
        (None, _, _) => {
            calls.push(json!({"index": index.unwrap_or(calls.len() as u64)}));
            calls.len() - 1
        }
    };
    let Some(Value::Object(call)) = calls.get_mut(place) else {
        return;
    };
    for (name, value) in piece {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("function", Value::Object(function)) => {
                let into = call.entry(name).or_insert_with(|| json!({"arguments": ""}));
                for (name, value) in function {
                    match (name.as_str(), &value) {
                        ("arguments", Value::String(_)) => add(&mut into[name], value),
                        ("arguments", _) => into[name] = json!(value.to_string()),
                        ("name", Value::String(text)) if text.is_empty() => {}
                        _ => into[name] = value,
                    }
                }
            }
            (_, value) => {
                call.insert(name, value);
            }
        }
    }
}

/// Text is continued, lists are extended, objects are joined, the rest replaced.
fn add(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::String(text), Value::String(more)) if text.len() + more.len() <= MAX_EVENT => {
            text.push_str(&more);
        }
        (Value::Array(list), Value::Array(more)) => list.extend(more),
        (Value::Object(object), Value::Object(more)) => {
            for (name, value) in more {
                add(object.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::super::error::UpstreamError;
    use super::*;

    fn reply(stream: &str) -> Value {
        serde_json::from_slice(&collect(stream.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn fragments_become_one_message() {
        let got = reply(concat!(
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
            "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n",
            "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n"
        ));
        assert_eq!(
            got,
            json!({"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}})
        );
    }

    #[test]
    fn tool_calls_join_with_and_without_an_index() {
        let got = reply(concat!(
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"\",\"arguments\":\"{\\\"x\\\":\"}}]}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"1}\"}}]}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":{\"y\":2}}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
        ));
        let calls = &got["choices"][0]["message"]["tool_calls"];
        assert_eq!(
            calls[0]["function"],
            json!({"name":"f","arguments":"{\"x\":1}"})
        );
        assert_eq!(
            calls[1]["function"],
            json!({"name":"g","arguments":"{\"y\":2}"})
        );
    }

    /// Mistral's reasoning models write parts first and then text.
    #[test]
    fn content_of_texts_and_parts_is_kept() {
        let stream = include_str!("../../../cases/openai-stream/mistral-thinking-parts.sse");
        let got = reply(stream);
        let parts = got["choices"][0]["message"]["content"].as_array().unwrap();
        let texts: Vec<&str> = parts.iter().filter_map(|p| p["text"].as_str()).collect();
        assert_eq!(texts.concat(), "Answer is 4");
        let thoughts = parts.iter().filter(|part| part["type"] == "thinking");
        assert!(thoughts.count() > 0, "{got}");
        let got = reply(concat!(
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"b\"}]}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}\n\n",
        ));
        let content = &got["choices"][0]["message"]["content"];
        let expected = json!([{"type":"text","text":"a"},{"type":"text","text":"b"}]);
        assert_eq!(*content, expected);
    }

    #[test]
    fn content_that_is_no_text_takes_none_away() {
        let stream = include_str!("../../../cases/openai-stream/content-that-is-no-text.sse");
        let content = &reply(stream)["choices"][0]["message"]["content"];
        assert_eq!(*content, "one two");
    }

    #[test]
    fn a_broken_stream_is_no_reply() {
        for (stream, fault) in [
            ("", StreamFault::Truncated),
            (
                "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
                StreamFault::Truncated,
            ),
            (
                "data: {\"error\":{\"message\":\"x\"}}\n\n",
                StreamFault::Upstream(UpstreamError {
                    message: Some("x".into()),
                    ..UpstreamError::default()
                }),
            ),
            (
                "data: {\"choices\":[{\"index\":99999999}]}\n\n",
                StreamFault::BadEvent("choice index 99999999".into()),
            ),
        ] {
            assert_eq!(collect(stream.as_bytes()), Err(fault), "{stream}");
        }
    }

    #[test]
    fn what_is_no_error_and_half_of_an_event_break_nothing() {
        let whole = "data: {\"error\":\"\",\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
        for rest in ["", "data: {\"choices\":[],\"usa"] {
            let got = reply(&format!("{whole}{rest}"));
            assert_eq!(got["choices"][0]["message"]["content"], "a", "{rest}");
        }
    }
}
