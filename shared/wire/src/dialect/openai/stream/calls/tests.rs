#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::chat_writer::reply_call_id;
use super::super::super::reply::Reply;
use super::super::super::{collect, read_reply_events};
use super::super::StreamEditor;
use super::NativeCalls;
use crate::hub::Answer;
use crate::normaliser::{Native, Tools};

const SCHEMA: &str = r#"{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer"}},"required":["path"]}"#;

const DONE: &str = "data: [DONE]\n\n";

#[derive(Deserialize)]
struct Case {
    note: String,
    /// The data of the upstream's events.
    chunks: Vec<String>,
    /// The data of those that leave.
    out: Vec<String>,
    repaired: u32,
    broken: u32,
    /// Whether the stream ends well.
    done: bool,
}

fn cases() -> Vec<Case> {
    let table = include_str!("../../../../../cases/openai-native.jsonl");
    let rows: Vec<Case> = table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() > 30, "{}", rows.len());
    rows
}

fn tools() -> Arc<Tools> {
    let offered = [("read_file", Some(SCHEMA)), ("list", None)];
    Arc::new(Tools::new(offered.into_iter()))
}

fn native() -> NativeCalls {
    NativeCalls::new(tools(), Arc::new([]), "fallback".to_owned())
}

fn events(data: &[String], done: bool) -> String {
    let events = data.iter().map(|data| format!("data: {data}\n\n"));
    let end = if done { DONE } else { "" };
    events.chain([end.to_owned()]).collect()
}

#[test]
fn every_case_leaves_as_it_says_at_any_split() {
    for case in cases() {
        let note = &case.note;
        let stream = events(&case.chunks, case.done);
        let mut expected = events(&case.out, case.done);
        for call in 0..2 {
            let made = reply_call_id("r1", "", (0, call), "");
            expected = expected.replace(&format!("call_MADE0{call}"), &made);
        }
        for step in [usize::MAX, 1, 7, 64] {
            let model = Bytes::from_static(b"\"virtual\"");
            let mut editor = StreamEditor::new(model, false).with_native(native());
            let mut out = BytesMut::new();
            let pieces = stream.as_bytes().chunks(step);
            pieces.for_each(|piece| editor.push(piece, &mut out));
            editor.finish(true, &mut out);
            let out = String::from_utf8(out.to_vec()).unwrap();
            assert_eq!(out, expected, "{note} in steps of {step}");
            let calls = editor.native().unwrap();
            let counts = (calls.repaired(), calls.broken());
            assert_eq!(counts, (case.repaired, case.broken), "{note}");
        }
    }
}

/// What leaves needs nothing more.
#[test]
fn what_is_mended_leaves_as_it_came() {
    let complete = cases()
        .into_iter()
        .filter(|case| case.done && case.broken == 0);
    for case in complete {
        let stream = events(&case.out, true);
        let model = Bytes::from_static(b"\"virtual\"");
        let mut editor = StreamEditor::new(model, false).with_native(native());
        let mut out = BytesMut::new();
        editor.push(stream.as_bytes(), &mut out);
        let out = String::from_utf8(out.to_vec()).unwrap();
        assert_eq!(out, stream, "{}", case.note);
        assert_eq!(editor.native().unwrap().repaired(), 0, "{}", case.note);
    }
}

/// The whole reply of the same calls is mended to the same calls as its events.
#[test]
fn a_whole_reply_is_mended_as_its_events_are() {
    for case in cases().into_iter().filter(|case| case.done) {
        let note = &case.note;
        if case.chunks[0].contains("function_call") {
            // It is left alone.
            continue;
        }
        let Ok(whole) = collect(events(&case.chunks, true).as_bytes()) else {
            continue;
        };
        let mut calls = native();
        let model = Bytes::from_static(b"\"virtual\"");
        let reply = Reply::mended(&whole, &model, Some(&mut calls)).unwrap();
        let mut answer = Answer::default();
        read_reply_events(&reply.body.to_bytes(), &mut |event| answer.add(&event));
        let mut expected = Answer::default();
        let mut native = Native::whole(tools(), Arc::new([]));
        read_reply_events(&whole, &mut |event| {
            native.event(event, &mut |event| expected.add(&event));
        });
        assert_eq!(answer.choices.len(), expected.choices.len(), "{note}");
        for (got, expected) in answer.choices.iter().zip(&expected.choices) {
            for (at, call) in (0u32..).zip(&expected.calls) {
                let got = &got.calls[at as usize];
                let made = reply_call_id(&answer.id, "fallback", (0, at), &call.id);
                assert_eq!(got.id, made, "{note}");
                assert_eq!(got.name, call.name, "{note}");
                assert_eq!(got.arguments, call.arguments, "{note}");
            }
        }
        assert_eq!(calls.broken(), native.broken(), "{note}");
    }
}

#[test]
fn a_whole_reply_changes_where_it_must_and_nowhere_else() {
    let body = json!({"id": "r1", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "read_file", "arguments": "{\"path\": \"a\"}"}},
            {"type": "function", "function": {"name": "functions.read_file", "arguments": "{'path': 'a', 'limit': '5'}"}},
            {"id": "a", "type": "function", "function": {"name": "list"}},
            {"id": "d", "type": "function", "function": {"name": "list", "arguments": "{\"a\": \"b"}},
        ],
    }}]});
    let whole = Bytes::from(body.to_string());
    let mut calls = native();
    let model = Bytes::from_static(b"\"virtual\"");
    let reply = Reply::mended(&whole, &model, Some(&mut calls)).unwrap();
    let got: Value = serde_json::from_slice(&reply.body.to_bytes()).unwrap();
    let mut expected = body.clone();
    let all = &mut expected["choices"][0]["message"]["tool_calls"];
    all[1]["id"] = (*reply_call_id("r1", "", (0, 1), "")).into();
    all[1]["function"]["name"] = "read_file".into();
    all[1]["function"]["arguments"] = r#"{"path":"a","limit":5}"#.into();
    all[2]["id"] = (*reply_call_id("r1", "", (0, 2), "")).into();
    all[2]["function"]["arguments"] = "{}".into();
    assert_eq!(got, expected);
    assert_eq!((calls.repaired(), calls.broken()), (2, 1));
    let text = r#"{ "choices" : [ {"message":{"tool_calls":[ {"id":"a", "function":{"arguments":" {\"path\":\"é\"} ","name":"read_file"} } ] } } ] }"#;
    let whole = Bytes::from(text);
    let reply = Reply::mended(&whole, &model, Some(&mut native())).unwrap();
    assert_eq!(reply.body.to_bytes(), whole);
}
