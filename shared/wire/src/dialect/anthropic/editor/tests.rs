//! Streams of the vendor, passed on.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::dialect::anthropic::StreamReader;

macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../cases/anthropic/", $name, ".txt")))),*]
    };
}

const CASES: &[(&str, &str)] = cases![
    "another-servers",
    "answer-tool",
    "block-after-reason",
    "cached-usage",
    "context-full",
    "cut-before-anything",
    "cut-off",
    "error-midway",
    "error-openai-form",
    "error-unnamed",
    "last-event-missing",
    "max-tokens",
    "not-json",
    "parallel-tools",
    "redacted-thinking",
    "refusal-unexplained",
    "refusal-without-blocks",
    "server-tools",
    "thinking-text-tool",
];

fn stream(case: &str) -> &[u8] {
    let (_, rest) = case.split_once('\n').unwrap();
    rest.split("\n=== ").next().unwrap().as_bytes()
}

struct Passed {
    out: Vec<u8>,
    end: End,
    usage: Option<Usage>,
    answer_bytes: u64,
    thinking: Vec<(String, Vec<Thinking>)>,
}

fn passed<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Passed {
    let mut editor = StreamEditor::new(Bytes::from_static(b"\"virtual\""));
    let mut out = BytesMut::new();
    for piece in pieces {
        editor.push(piece, &mut out);
    }
    let end = editor.finish(true, &mut out);
    assert_eq!(editor.finish(true, &mut out), end, "one end");
    Passed {
        out: out.to_vec(),
        end,
        usage: editor.usage(),
        answer_bytes: editor.answer_bytes(),
        thinking: editor.take_thinking(),
    }
}

fn events(bytes: &[u8]) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut reader = StreamReader::default();
    let each = &mut |event: Event<'_>| events.push(event.into_owned());
    reader.push(bytes, each);
    reader.finish(true, each);
    events.retain(|event| *event != Event::KeepAlive);
    events
}

/// What the caller reads is what the upstream said, but for the model's name; and the
/// editor knows of it what a reader does.
#[test]
fn a_stream_says_the_same_behind_the_editor() {
    for (name, case) in CASES {
        let bytes = stream(case);
        let whole = passed(std::iter::once(bytes));
        let mut expected = events(bytes);
        let mut answer = Answer::default();
        for event in &expected {
            answer.add(event);
        }
        match answer.end.clone().unwrap() {
            Ok(()) => assert_eq!(whole.end, End::Complete, "{name}"),
            Err(fault) => assert_eq!(whole.end, End::Fault(fault), "{name}"),
        }
        assert_eq!(whole.usage, answer.usage, "{name}");
        assert_eq!(whole.answer_bytes, answer.bytes(), "{name}");
        for event in &mut expected {
            if let Event::Start { model, .. } = event {
                *model = if model.is_empty() { "" } else { "virtual" }.into();
            }
        }
        let mut got = events(&whole.out);
        if matches!(whole.end, End::Fault(_)) {
            // The caller of the editor tells the fault.
            assert_eq!(
                got.pop(),
                Some(Event::Fault(StreamFault::Truncated)),
                "{name}"
            );
            expected.pop();
        }
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn any_split_gives_the_same() {
    for (name, case) in CASES {
        let bytes = stream(case);
        let whole = passed(std::iter::once(bytes));
        for size in [1, 2, 3, 7, 64] {
            let split = passed(bytes.chunks(size));
            assert_eq!(split.out, whole.out, "{name} by {size}");
            assert_eq!(split.end, whole.end, "{name} by {size}");
            assert_eq!(split.thinking, whole.thinking, "{name} by {size}");
        }
    }
}

#[test]
fn what_the_hub_has_no_place_for_passes() {
    let (_, case) = CASES
        .iter()
        .find(|(name, _)| *name == "server-tools")
        .unwrap();
    let out = String::from_utf8(passed(std::iter::once(stream(case))).out).unwrap();
    assert!(out.contains("server_tool_use"), "{out}");
    assert!(out.contains("event: content_block_start\n"), "{out}");
    assert!(out.contains(r#""model":"virtual""#), "{out}");
}

#[test]
fn names_on_event_lines_are_put_back() {
    let bare = b"data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"x\",\"usage\":{\"input_tokens\":3}}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: [DONE]\n\n";
    let out = passed(std::iter::once(&bare[..]));
    assert_eq!(out.end, End::Complete);
    let out = String::from_utf8(out.out).unwrap();
    let names: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("event: "))
        .collect();
    let expected = [
        "event: message_start",
        "event: message_delta",
        "event: message_stop",
    ];
    assert_eq!(names, expected);
    assert!(!out.contains("DONE"), "{out}");
}

#[test]
fn a_whole_reply_keeps_its_bytes() {
    let body = Bytes::from_static(br#"{ "id":"msg_1","type":"message", "model" : "claude","content":[{"type":"thinking","thinking":"a","signature":"s"},{"type":"web_search_tool_result","content":[]},{"type":"tool_use","id":"t","name":"f","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#);
    let edited = edited_reply(&body, &Bytes::from_static(b"\"v\"")).unwrap();
    let before = std::str::from_utf8(&body).unwrap();
    assert_eq!(edited.body, before.replace("\"claude\"", "\"v\""));
    assert_eq!(edited.answer.usage.unwrap().completion_tokens, 2);
    assert_eq!(edited.thinking[0].0, "t");
    let error =
        Bytes::from_static(br#"{"type":"error","error":{"type":"api_error","message":"m"}}"#);
    assert!(edited_reply(&error, &Bytes::from_static(b"\"v\"")).is_err());
}

#[test]
fn a_list_is_no_event() {
    let start = "data: {\"type\":\"message_start\",\"message\":[\"up\"]}\n\n";
    let list = "data: [\"message_stop\"]\n\n";
    let got = passed([start.as_bytes()].into_iter());
    assert_ne!(got.end, End::Complete);
    assert!(!String::from_utf8(got.out).unwrap().contains("virtual"));
    let got = passed([list.as_bytes()].into_iter());
    assert_ne!(got.end, End::Complete);
    assert!(got.out.is_empty());
}

#[test]
fn a_list_is_no_reply() {
    let model = Bytes::from_static(b"\"virtual\"");
    for body in ["[\"message\"]", "[]"] {
        assert!(edited_reply(&Bytes::from_static(body.as_bytes()), &model).is_err());
    }
}
