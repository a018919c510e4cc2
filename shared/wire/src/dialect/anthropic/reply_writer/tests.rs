#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::*;
use crate::dialect::openai::{EventReader, UpstreamError};
use crate::hub::{Answer, StreamFault};

fn options() -> WriterOptions {
    WriterOptions {
        model: Bytes::from_static(b"\"virtual\""),
        id: "gw1".to_owned(),
        input_tokens: 11,
    }
}

fn written(events: &[Event<'_>]) -> String {
    let mut writer = StreamWriter::new(options());
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &ToolNames::default(), &mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

/// The stream's events; each is named as its type says.
fn events(stream: &str) -> Vec<Value> {
    let frames = stream
        .split_terminator("\n\n")
        .filter(|f| !f.starts_with(':'));
    frames
        .map(|frame| {
            let (name, data) = frame.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name, format!("event: {}", data["type"].as_str().unwrap()));
            data
        })
        .collect()
}

fn append(block: &mut Value, member: &str, more: &Value) {
    let text = format!(
        "{}{}",
        block[member].as_str().unwrap(),
        more.as_str().unwrap()
    );
    block[member] = json!(text);
}

/// The message as a client puts it together, which insists on the order of events.
fn message(stream: &str) -> Value {
    let mut message = Value::Null;
    let mut open: Option<String> = None;
    let mut has_delta = false;
    let mut is_stopped = false;
    for event in events(stream) {
        assert!(!is_stopped, "nothing follows message_stop: {event}");
        let name = event["type"].as_str().unwrap();
        assert_eq!(message.is_null(), name == "message_start", "{event}");
        let next = message["content"].as_array().map_or(0, Vec::len);
        match name {
            "message_start" => message = event["message"].clone(),
            "ping" => {}
            "content_block_start" => {
                assert!(open.is_none() && !has_delta, "{event}");
                assert_eq!(event["index"], next, "{event}");
                let blocks = message["content"].as_array_mut().unwrap();
                blocks.push(event["content_block"].clone());
                open = Some(String::new());
            }
            "content_block_delta" => {
                assert_eq!(event["index"], next - 1, "{event}");
                let input = open.as_mut().unwrap();
                let block = &mut message["content"][next - 1];
                let delta = &event["delta"];
                match delta["type"].as_str().unwrap() {
                    "text_delta" => append(block, "text", &delta["text"]),
                    "thinking_delta" => append(block, "thinking", &delta["thinking"]),
                    "signature_delta" => append(block, "signature", &delta["signature"]),
                    "input_json_delta" => input.push_str(delta["partial_json"].as_str().unwrap()),
                    other => unreachable!("{other}"),
                }
            }
            "content_block_stop" => {
                assert_eq!(event["index"], next - 1, "{event}");
                let input = open.take().unwrap();
                let block = &mut message["content"][next - 1];
                if block["type"] == "tool_use" {
                    block["input"] = serde_json::from_str(&input).unwrap();
                }
            }
            "message_delta" => {
                assert!(open.is_none() && !has_delta, "{event}");
                has_delta = true;
                for (member, value) in event["delta"].as_object().unwrap() {
                    message[member] = value.clone();
                }
                message["usage"] = event["usage"].clone();
            }
            "message_stop" => {
                assert!(has_delta);
                is_stopped = true;
            }
            other => unreachable!("{other}"),
        }
    }
    assert!(is_stopped);
    message
}

/// The message of these events, streamed; the law: the whole reply says the same.
fn both(events: &[Event<'_>]) -> Value {
    let streamed = message(&written(events));
    let mut answer = Answer::default();
    events.iter().for_each(|event| answer.add(event));
    let whole = write_reply(&answer, &ToolNames::default(), &options());
    assert_eq!(streamed, serde_json::from_slice::<Value>(&whole).unwrap());
    streamed
}

fn text(text: &str) -> Event<'_> {
    let text = Cow::Borrowed(text);
    Event::Text { choice: 0, text }
}

fn reasoning(text: &str) -> Event<'_> {
    let text = Cow::Borrowed(text);
    Event::Reasoning { choice: 0, text }
}

fn call<'e>(call: u32, id: &'e str, name: &'e str) -> Event<'e> {
    Event::Call {
        choice: 0,
        call,
        id: Cow::Borrowed(id),
        name: Cow::Borrowed(name),
    }
}

fn arguments(call: u32, text: &str) -> Event<'_> {
    Event::Arguments {
        choice: 0,
        call,
        text: Cow::Borrowed(text),
    }
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason }
}

fn start() -> Event<'static> {
    Event::Start {
        id: Cow::Borrowed("chatcmpl-1"),
        model: Cow::Borrowed("upstream"),
        created: Some(7),
    }
}

#[test]
fn a_text_is_a_message() {
    let usage = Usage {
        prompt_tokens: 100,
        completion_tokens: 5,
        total_tokens: 105,
        cached_tokens: 60,
        cache_write_tokens: 30,
        ..Usage::default()
    };
    let events = [
        start(),
        text("Hello"),
        text(" wörld\n"),
        finish(Finish::Stop),
        Event::Usage(usage),
        Event::End,
    ];
    assert_eq!(
        both(&events),
        json!({
            "id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "virtual",
            "content": [{"type": "text", "text": "Hello wörld\n"}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {
                "input_tokens": 10, "cache_creation_input_tokens": 30,
                "cache_read_input_tokens": 60, "output_tokens": 5,
            },
        })
    );
}

#[test]
fn the_bytes_of_a_stream() {
    let events = [
        start(),
        text("Hi"),
        Event::KeepAlive,
        finish(Finish::Length),
        Event::End,
    ];
    assert_eq!(
        written(&events),
        concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_chatcmpl-1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"virtual\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":11,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0}}}\n\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":11,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        )
    );
}

#[test]
fn b06_interleaved_calls_become_blocks_one_after_the_other() {
    let events = [
        start(),
        text("Let me see."),
        call(0, "a", "f"),
        call(1, "b", "g"),
        arguments(1, "{\"y\":"),
        arguments(0, "{\"x\":\"}\\\""),
        call(2, "", "h"),
        arguments(1, "[2"),
        arguments(2, "{}"),
        arguments(0, "\"}"),
        arguments(1, "]}\n"),
        finish(Finish::Stop),
        Event::End,
    ];
    let message = both(&events);
    assert_eq!(
        message["content"],
        json!([
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": "}\""}},
            {"type": "tool_use", "id": "b", "name": "g", "input": {"y": [2]}},
            {"type": "tool_use", "id": "toolu_chatcmpl-1_2", "name": "h", "input": {}},
        ])
    );
    assert_eq!(
        message["stop_reason"], "tool_use",
        "whatever the upstream says"
    );
}

#[test]
fn b06_from_the_bytes_of_an_upstream() {
    let stream = concat!(
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"k\\\"\"}}]}}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\":1}\"}},{\"index\":1,\"function\":{\"arguments\":\":2}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: [DONE]\n\n",
    );
    let mut writer = StreamWriter::new(options());
    let mut out = BytesMut::new();
    let mut reader = EventReader::default();
    let each = &mut |event: Event<'_>| writer.write(&event, &ToolNames::default(), &mut out);
    reader.push(stream.as_bytes(), each);
    reader.finish(true, each);
    let message = message(std::str::from_utf8(&out).unwrap());
    assert_eq!(
        message["content"],
        json!([
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "g", "input": {"k": 2}},
        ])
    );
}

#[test]
fn b08_arguments_are_always_an_object() {
    for (sent, expected) in [
        ("", json!({})),
        ("{}", json!({})),
        (" \n", json!({})),
        ("null", json!({})),
        ("not json", json!({"_raw_arguments": "not json"})),
        ("[1]", json!({"_raw_arguments": "[1]"})),
        (" {\"a\":{\"b\":\"}\"}} ", json!({"a": {"b": "}"}})),
    ] {
        for cut in sent.char_indices().map(|(at, _)| at).chain([sent.len()]) {
            let (first, rest) = sent.split_at(cut);
            let mut events = vec![start(), call(0, "a", "f")];
            events.extend(
                [first, rest]
                    .into_iter()
                    .filter(|piece| !piece.is_empty())
                    .map(|piece| arguments(0, piece)),
            );
            events.extend([call(1, "b", "g"), finish(Finish::ToolCalls), Event::End]);
            let message = both(&events);
            assert_eq!(
                message["content"][0]["input"], expected,
                "{sent:?} at {cut}"
            );
            assert_eq!(message["content"][1]["input"], json!({}));
        }
    }
}

#[test]
fn arguments_flow_and_keep_their_text() {
    let sent = "{\"z\": 12345678901234567890123, \"a\": 1.0}";
    let (first, rest) = sent.split_at(9);
    let stream = written(&[start(), call(0, "a", "f"), arguments(0, first)]);
    let last = events(&stream).pop().unwrap();
    assert_eq!(last["delta"]["partial_json"], first, "at once");
    let answer = [
        start(),
        call(0, "a", "f"),
        arguments(0, first),
        arguments(0, rest),
        Event::End,
    ];
    let mut folded = Answer::default();
    answer.iter().for_each(|event| folded.add(event));
    let whole = write_reply(&folded, &ToolNames::default(), &options());
    let whole = String::from_utf8(whole.to_vec()).unwrap();
    assert!(whole.contains(&format!("\"input\":{sent}")), "{whole}");
}

#[test]
fn reasoning_has_blocks_of_its_own() {
    let signature = |text: &'static str| Event::Signature {
        choice: 0,
        signature: Cow::Borrowed(text),
    };
    let events = [
        start(),
        reasoning("first"),
        reasoning(" thought"),
        signature("s1"),
        reasoning("second"),
        signature("s2"),
        signature("alone"),
        Event::Redacted {
            choice: 0,
            data: Cow::Borrowed("opaque"),
        },
        reasoning("unsigned"),
        text("answer"),
        finish(Finish::Stop),
        Event::End,
    ];
    assert_eq!(
        both(&events)["content"],
        json!([
            {"type": "thinking", "thinking": "first thought", "signature": "s1"},
            {"type": "thinking", "thinking": "second", "signature": "s2"},
            {"type": "thinking", "thinking": "", "signature": "alone"},
            {"type": "redacted_thinking", "data": "opaque"},
            {"type": "thinking", "thinking": "unsigned", "signature": ""},
            {"type": "text", "text": "answer"},
        ])
    );
}

#[test]
fn what_comes_during_a_call_waits_for_its_end() {
    let stream = written(&[
        start(),
        call(0, "a", "f"),
        arguments(0, "{"),
        text("in the "),
        text("midst"),
        reasoning("hm"),
        arguments(0, "}"),
        text("after"),
        finish(Finish::ToolCalls),
        Event::End,
    ]);
    let message = message(&stream);
    let blocks: Vec<&Value> = message["content"].as_array().unwrap().iter().collect();
    assert_eq!(blocks[0]["input"], json!({}));
    assert_eq!(blocks[1]["text"], "in the midst");
    assert_eq!(blocks[2]["thinking"], "hm");
    assert_eq!(blocks[3]["text"], "after");
}

#[test]
fn reasons_are_anthropics() {
    for (has_call, refusal, reason, expected) in [
        (false, false, Some(Finish::Stop), "end_turn"),
        (false, false, None, "end_turn"),
        (false, false, Some(Finish::Length), "max_tokens"),
        (false, false, Some(Finish::ContentFilter), "refusal"),
        (false, true, Some(Finish::Stop), "refusal"),
        (true, false, Some(Finish::Stop), "tool_use"),
        (true, false, Some(Finish::ToolCalls), "tool_use"),
        (true, false, Some(Finish::Length), "max_tokens"),
    ] {
        let mut events = vec![start()];
        if refusal {
            events.push(Event::Refusal {
                choice: 0,
                text: Cow::Borrowed("I will not."),
            });
        }
        if has_call {
            events.extend([call(0, "a", "f"), arguments(0, "{}")]);
        }
        events.extend(reason.map(finish));
        events.push(Event::End);
        let message = both(&events);
        assert_eq!(message["stop_reason"], expected, "{reason:?}");
        let blocks = message["content"].as_array().unwrap().len();
        assert_eq!(blocks, usize::from(refusal) + usize::from(has_call));
    }
}

#[test]
fn a_call_has_the_callers_name() {
    let mut names = ToolNames::default();
    let upstream = names.upstream("mcp/files.read", 64);
    let mut writer = StreamWriter::new(options());
    let mut out = BytesMut::new();
    for event in [call(0, "a", &upstream), Event::End] {
        writer.write(&event, &names, &mut out);
    }
    let message = message(std::str::from_utf8(&out).unwrap());
    assert_eq!(message["content"][0]["name"], "mcp/files.read");
    assert_eq!(message["id"], "msg_gw1", "the upstream gave none");
}

#[test]
fn before_the_message_only_comments() {
    let stream = written(&[Event::KeepAlive, start(), Event::End]);
    assert!(stream.starts_with(": keep-alive\n\nevent: message_start\n"));
}

/// Clients take the prompt's size from the message's start.
#[test]
fn a_message_begins_with_the_tokens_that_are_known_by_then() {
    let usage = Event::Usage(Usage {
        prompt_tokens: 4321,
        ..Usage::default()
    });
    let stream = written(&[start(), usage]);
    assert!(stream.contains(r#""input_tokens":4321"#), "{stream}");
    let silent = written(&[start(), Event::KeepAlive]);
    assert!(silent.starts_with("event: message_start\n"), "{silent}");
}

#[test]
fn a_fault_is_the_last_event_and_one_of_anthropics() {
    let fault = |code: &str| {
        StreamFault::Upstream(UpstreamError {
            code: Some(code.to_owned()),
            ..UpstreamError::default()
        })
    };
    let stream = written(&[start(), text("Hel"), Event::Fault(fault("503"))]);
    assert!(!stream.contains("message_stop"));
    for (fault, kind) in [
        (StreamFault::Truncated, "api_error"),
        (fault("server_is_overloaded"), "overloaded_error"),
        (fault("rate_limit_exceeded"), "rate_limit_error"),
        (fault("504"), "timeout_error"),
        (fault("insufficient_quota"), "api_error"),
    ] {
        let event = error_event(ErrorKind::of_fault(&fault), "m", None);
        let event = std::str::from_utf8(&event).unwrap();
        let expected = json!({"type": "error", "error": {"type": kind, "message": "m"}});
        assert_eq!(events(event), [expected]);
    }
}

#[test]
fn every_status_has_a_class() {
    let mut classes = Map::new();
    for status in [
        400, 401, 402, 403, 404, 408, 413, 422, 429, 499, 500, 502, 503, 504, 529,
    ] {
        let body = error_body(ErrorKind::of_status(status), "m", Some("r"));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["request_id"], "r");
        classes.insert(status.to_string(), body["error"]["type"].clone());
    }
    assert_eq!(
        Value::Object(classes),
        json!({
            "400": "invalid_request_error", "401": "authentication_error",
            "402": "billing_error", "403": "permission_error", "404": "not_found_error",
            "408": "timeout_error", "413": "request_too_large",
            "422": "invalid_request_error", "429": "rate_limit_error",
            "499": "invalid_request_error", "500": "api_error", "502": "api_error",
            "503": "overloaded_error", "504": "timeout_error", "529": "overloaded_error",
        })
    );
}
