//! The law of the other road: what is edited in place is judged as what is translated.

use std::sync::Arc;

use super::*;
use crate::dialect::openai::{
    NativeCalls, Reply, ReplyFault, StreamEditor, collect, reply_call_id,
};
use crate::hub::{AnsweredCall, AnsweredChoice};
use crate::normaliser::{Native, Tools};

/// Answers that are broken only in what the editor does not look at: tool calls leave
/// as they came.
const NOT_SEEN: &[&str] = &["openai-stream/tools-never-named"];

/// A fault as both roads tell it; the words on bad JSON may be others.
fn verdict(fault: StreamFault) -> StreamFault {
    match fault {
        StreamFault::BadEvent(_) => StreamFault::BadEvent(String::new()),
        fault @ (StreamFault::Truncated | StreamFault::Upstream(_) | StreamFault::TooLong) => fault,
    }
}

fn edited(stream: &[u8], step: usize, hide_usage: bool) -> (BytesMut, End, Option<Usage>) {
    let mut editor = StreamEditor::new(Bytes::from_static(b"\"virtual\""), hide_usage);
    let mut out = BytesMut::new();
    stream
        .chunks(step)
        .for_each(|piece| editor.push(piece, &mut out));
    let end = editor.finish(true, &mut out);
    (out, end, editor.usage())
}

fn cases() -> impl Iterator<Item = Case> {
    cases::openai()
        .into_iter()
        .filter(|case| !NOT_SEEN.contains(&case.name))
}

#[test]
fn b13_a_stream_is_judged_alike_edited_and_translated() {
    for case in cases() {
        let translated = collected(case.reader(), case.stream);
        let expected = translated.end.unwrap().map_err(verdict);
        for hide_usage in [true, false] {
            for step in [usize::MAX, 1, 7] {
                let (out, end, usage) = edited(case.stream, step, hide_usage);
                let end = match end {
                    End::Complete => Ok(()),
                    End::Fault(fault) => Err(verdict(fault)),
                };
                assert_eq!(end, expected, "{}", case.name);
                assert_eq!(usage, translated.usage, "{}", case.name);
                let is_done = out.ends_with(b"data: [DONE]\n\n");
                assert_eq!(is_done, expected.is_ok(), "{}", case.name);
            }
        }
        let collected = collect(case.stream).map(drop).map_err(verdict);
        assert_eq!(collected, expected, "{} collected", case.name);
    }
}

#[test]
fn b04_b05_a_cut_stream_is_judged_alike_edited_and_translated() {
    for case in cases() {
        for cut in 0..case.stream.len() {
            let stream = &case.stream[..cut];
            let translated = collected(case.reader(), stream);
            let (_, end, usage) = edited(stream, usize::MAX, true);
            let end = match end {
                End::Complete => Ok(()),
                End::Fault(fault) => Err(verdict(fault)),
            };
            let expected = translated.end.unwrap().map_err(verdict);
            assert_eq!(end, expected, "{} cut at {cut}", case.name);
            assert_eq!(usage, translated.usage, "{} cut at {cut}", case.name);
        }
    }
}

#[test]
fn a_whole_reply_is_judged_alike_edited_and_translated() {
    for case in cases() {
        let Some(body) = case.whole else { continue };
        let translated = whole(case.whole_from, body);
        let model = Bytes::from_static(b"\"virtual\"");
        let reply = Reply::read(&Bytes::from_static(body), &model);
        let usage = reply.as_ref().ok().and_then(|reply| reply.usage);
        let end = reply.map(drop).map_err(|fault| match fault {
            ReplyFault::NotJson(_) => StreamFault::BadEvent(String::new()),
            ReplyFault::Error(error) => StreamFault::Upstream(error),
        });
        let expected = translated.end.unwrap().map_err(verdict);
        assert_eq!(end, expected, "{}", case.name);
        assert_eq!(usage, translated.usage, "{}", case.name);
    }
}

/// What leaves edited can be read by clients that take OpenAI's form alone: each event
/// has its choices, and of each choice one finish in OpenAI's words.
#[test]
fn b12_what_is_edited_has_choices_and_one_finish_of_each() {
    #[derive(Debug, serde::Deserialize)]
    struct Chunk {
        choices: Vec<serde_json::Value>,
    }
    for case in cases() {
        let (out, _, _) = edited(case.stream, usize::MAX, false);
        let text = std::str::from_utf8(&out).unwrap();
        let mut finished = Vec::new();
        for event in text.split("\n\n").filter_map(|e| e.strip_prefix("data: ")) {
            if event == "[DONE]" {
                continue;
            }
            let chunk: Chunk = serde_json::from_str(event).unwrap();
            for choice in chunk.choices {
                let Some(reason) = choice.get("finish_reason").filter(|r| !r.is_null()) else {
                    continue;
                };
                let words = [
                    "stop",
                    "length",
                    "tool_calls",
                    "function_call",
                    "content_filter",
                ];
                assert!(words.iter().any(|w| reason == w), "{}: {reason}", case.name);
                let index = choice["index"].clone();
                assert!(!finished.contains(&index), "{}: twice", case.name);
                finished.push(index);
            }
        }
    }
}

/// The calls of an answer as a client gets them.
fn calls(answer: &Answer) -> Vec<Vec<[String; 3]>> {
    let choices = answer.choices.iter().zip(0u32..);
    let of_choice = |(choice, number): (&AnsweredChoice, u32)| {
        let calls = choice.calls.iter().zip(0u32..);
        let call = |(call, at): (&AnsweredCall, u32)| {
            let id = reply_call_id(&answer.id, "fallback", (number, at), &call.id);
            [id.into_owned(), call.name.clone(), call.arguments.clone()]
        };
        calls.map(call).collect()
    };
    choices.map(of_choice).collect()
}

/// Calls that are mended in place are those that are mended on their way through the hub.
#[test]
fn calls_are_mended_alike_edited_and_translated() {
    let tools = || {
        let offered = ["get_weather", "get_time", "search"].map(|name| (name, None));
        Arc::new(Tools::new(offered.into_iter()))
    };
    let mut with_calls = 0;
    // The older form is left alone where nothing is translated.
    let cases = cases().filter(|case| !case.name.contains("function-call"));
    for case in cases {
        let mut expected = Answer::default();
        let mut native = Native::new(tools(), Arc::new([]));
        let mut reader = case.reader();
        let each = &mut |event: Event<'_>| {
            native.event(event, &mut |event| expected.add(&event));
        };
        reader.push(case.stream, each);
        reader.finish(true, each);
        for step in [usize::MAX, 1, 7] {
            let calls_of = NativeCalls::new(tools(), Arc::new([]), "fallback".to_owned());
            let model = Bytes::from_static(b"\"virtual\"");
            let mut editor = StreamEditor::new(model, false).with_native(calls_of);
            let mut out = BytesMut::new();
            let pieces = case.stream.chunks(step);
            pieces.for_each(|piece| editor.push(piece, &mut out));
            editor.finish(true, &mut out);
            let got = collected(case.reader(), &out);
            assert_eq!(calls(&got), calls(&expected), "{}", case.name);
            let broken = editor.native().map_or(0, NativeCalls::broken);
            assert_eq!(broken, native.broken(), "{}", case.name);
        }
        with_calls += usize::from(!calls(&expected).concat().is_empty());
    }
    assert!(with_calls > 15, "{with_calls}");
}
