//! The laws of what an Anthropic caller gets: streams and whole messages, read back as
//! the answer that they were written of.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use wire::dialect::anthropic::{
    StreamReader, StreamWriter, WriterOptions, read_reply, write_reply,
};
use wire::hub::{Answer, AnsweredCall, AnsweredChoice, Event, Finish, ToolNames};

use crate::json::must_be_object;
use crate::told::Told;

/// For one byte of input there is never more than this much of output.
const MOST_FOR_A_BYTE: usize = 256;

fn options() -> WriterOptions {
    WriterOptions {
        model: Bytes::from_static(b"\"virtual\""),
        id: "resp-1".to_owned(),
        input_tokens: 7,
    }
}

/// Checks what is written of `told`, which came of `input` bytes.
pub fn check(told: &Told, input: usize) {
    let names = ToolNames::default();
    let mut out = BytesMut::new();
    let mut writer = StreamWriter::new(options());
    for event in &told.events {
        writer.write(event, &names, &mut out);
    }
    let most = MOST_FOR_A_BYTE * input + 64 * 1024;
    assert!(out.len() <= most, "{} bytes of {input}", out.len());
    check_form(&out, told.is_complete());
    let reply = write_reply(&told.answer, &names, &options());
    must_be_object("a message", &reply);
    if told.is_complete() {
        let expected = expected(told);
        let stream = Told::by(|each| {
            let mut reader = StreamReader::default();
            reader.push(&out, each);
            reader.finish(true, each);
        });
        assert_eq!(first(&stream.answer), expected, "of {:?}", told.answer);
        let whole = Told::by(|each| read_reply(&reply, each));
        let (mut whole, mut expected) = (first(&whole.answer), expected);
        // What follows an object is left out of a stream, and makes it no object whole.
        let calls = told.answer.choices.first().map(|choice| &choice.calls[..]);
        for (at, call) in calls.unwrap_or_default().iter().enumerate() {
            let text = call.arguments.trim();
            if !text.is_empty() && serde_json::from_str::<Value>(text).is_err() {
                whole.calls[at].arguments.clear();
                expected.calls[at].arguments.clear();
            }
        }
        // A refusal between texts comes behind them in a whole message.
        for choice in [&mut whole, &mut expected] {
            let mut chars: Vec<char> = choice.text.chars().collect();
            chars.sort_unstable();
            choice.text = chars.into_iter().collect();
        }
        assert_eq!(whole, expected, "whole, of {:?}", told.answer);
    }
}

/// The form of a stream of a message.
fn check_form(out: &[u8], complete: bool) {
    let text = std::str::from_utf8(out).expect("a stream is text");
    let mut frames: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(frames.pop(), Some(""), "an unfinished event");
    let mut is_started = false;
    let mut is_stopped = false;
    let mut has_delta = false;
    let mut open: Option<u64> = None;
    let mut next = 0;
    for frame in frames {
        assert!(!is_stopped, "{frame} after the end");
        if frame == ": keep-alive" {
            assert!(!is_started, "a comment in the place of a ping");
            continue;
        }
        let (name, data) = frame.split_once('\n').expect("two lines");
        let name = name.strip_prefix("event: ").expect("a name");
        let data = data.strip_prefix("data: ").expect("data");
        let data: Value = serde_json::from_str(data).expect("data is JSON");
        assert_eq!(data["type"], name);
        assert_eq!(is_started, name != "message_start", "{name}");
        match name {
            "message_start" => {
                is_started = true;
                let message = &data["message"];
                assert!(
                    message["id"]
                        .as_str()
                        .is_some_and(|id| id.starts_with("msg_"))
                );
                assert_eq!(message["model"], "virtual");
            }
            "ping" => {}
            "content_block_start" => {
                assert!(open.is_none() && !has_delta, "{frame}");
                assert_eq!(data["index"], next);
                open = data["index"].as_u64();
                let block = &data["content_block"];
                if block["type"] == "tool_use" {
                    for member in ["id", "name"] {
                        let text = block[member].as_str();
                        assert!(text.is_some_and(|text| !text.is_empty()), "{frame}");
                    }
                }
            }
            "content_block_delta" | "content_block_stop" => {
                assert!(open.is_some() && data["index"].as_u64() == open, "{frame}");
                if name == "content_block_stop" {
                    open = None;
                    next += 1;
                }
            }
            "message_delta" => {
                assert!(open.is_none() && !has_delta, "{frame}");
                assert!(data["delta"]["stop_reason"].is_string());
                has_delta = true;
            }
            "message_stop" => {
                assert!(has_delta);
                is_stopped = true;
            }
            other => unreachable!("an event {other}"),
        }
    }
    assert_eq!(is_stopped, complete, "message_stop");
}

/// The first choice as the caller knows it; refusals are text.
fn expected(told: &Told) -> AnsweredChoice {
    let mut choice = told.answer.choices.first().cloned().unwrap_or_default();
    choice.text.clear();
    for event in &told.events {
        if let Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } = event {
            choice.text.push_str(text);
        }
    }
    let has_refused = !choice.refusal.is_empty();
    choice.refusal.clear();
    let id = match told.answer.id.as_str() {
        "" => "resp-1".to_owned(),
        id => id.to_owned(),
    };
    let writer = StreamWriter::new(WriterOptions { id, ..options() });
    for (at, call) in (0u32..).zip(&mut choice.calls) {
        call.id = writer.call_id(at, &call.id);
    }
    choice.finish = Some(match choice.finish.unwrap_or(Finish::Stop) {
        Finish::Stop | Finish::ToolCalls if !choice.calls.is_empty() => Finish::ToolCalls,
        Finish::Stop | Finish::ToolCalls if has_refused => Finish::ContentFilter,
        Finish::Stop | Finish::ToolCalls => Finish::Stop,
        reason @ (Finish::Length | Finish::ContentFilter) => reason,
    });
    normal(choice)
}

fn first(answer: &Answer) -> AnsweredChoice {
    normal(answer.choices.first().cloned().unwrap_or_default())
}

/// Arguments are objects to this dialect: what is none is wrapped in one, and of
/// broken ones only the call is compared.
fn normal(mut choice: AnsweredChoice) -> AnsweredChoice {
    choice.finish.get_or_insert(Finish::Stop);
    for call in &mut choice.calls {
        call.arguments = object(call).unwrap_or_default();
    }
    choice
}

fn object(call: &AnsweredCall) -> Option<String> {
    let text = match call.arguments.trim() {
        "" | "null" => "{}",
        text => text,
    };
    // What follows an object is not part of it.
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let is_wrapped = value.get("_raw_arguments").is_some();
    (value.is_object() && !is_wrapped).then(|| value.to_string())
}
