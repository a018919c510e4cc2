//! The laws of what an Ollama caller gets: lines and whole replies of chat and of
//! generate, read back as the answer that they were written of.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use wire::dialect::ollama::{
    Durations, Form, StreamReader, StreamWriter, WriterOptions, error_body, read_reply, write_reply,
};
use wire::hub::{Answer, AnsweredCall, AnsweredChoice, Event, Finish, Thinking, ToolNames};

use crate::json::must_be_object;
use crate::told::Told;

/// For one byte of input there is never more than this much of output.
const MOST_FOR_A_BYTE: usize = 256;

const DURATIONS: Durations = Durations {
    total: 4,
    load: 1,
    prompt_eval: 1,
    eval: 2,
};

fn options(form: Form) -> WriterOptions {
    WriterOptions {
        form,
        model: Bytes::from_static(b"\"virtual\""),
        created: 1_700_000_000,
    }
}

/// Checks what is written of `told`, which came of `input` bytes.
pub fn check(told: &Told, input: usize) {
    for form in [Form::Chat, Form::Generate] {
        check_one(told, input, form);
    }
    if let Some(Err(fault)) = &told.answer.end {
        let message = fault.public(&|text: &str| text.to_owned()).message;
        let body = error_body(&message);
        let read: Value = serde_json::from_slice(&body).expect("an error is JSON");
        assert_eq!(read["error"], message.as_str());
        assert!(!body.contains(&b'\n'));
    }
}

fn check_one(told: &Told, input: usize, form: Form) {
    let names = ToolNames::default();
    let mut out = BytesMut::new();
    let mut writer = StreamWriter::new(options(form));
    writer.took(DURATIONS);
    for event in &told.events {
        writer.write(event, &names, &mut out);
    }
    let most = MOST_FOR_A_BYTE * input + 64 * 1024;
    assert!(out.len() <= most, "{} bytes of {input}", out.len());
    check_form(&out, form, told.is_complete());
    let reply = write_reply(&told.answer, &names, &options(form), &DURATIONS);
    must_be_object("an answer", &reply.body);
    if !told.is_complete() {
        return;
    }
    assert_eq!(writer.take_notes(), reply.notes);
    let stream = Told::by(|each| {
        let mut reader = StreamReader::default();
        reader.push(&out, each);
        reader.finish(true, each);
    });
    let (streamed, expected) = (first(&stream.answer), expected(told, form));
    assert_eq!(streamed, expected, "of {:?}", told.answer);
    let counts = |answer: &Answer| {
        let usage = answer.usage.as_ref();
        usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens))
    };
    assert_eq!(counts(&stream.answer), counts(&told.answer));
    let whole = Told::by(|each| read_reply(&reply.body, each));
    assert_eq!(counts(&whole.answer), counts(&told.answer));
    // A refusal between texts comes behind them in a whole reply.
    let sorted = |mut choice: AnsweredChoice| {
        let mut chars: Vec<char> = choice.text.chars().collect();
        chars.sort_unstable();
        choice.text = chars.into_iter().collect();
        choice
    };
    let whole = sorted(first(&whole.answer));
    assert_eq!(whole, sorted(expected), "whole, of {:?}", told.answer);
}

/// The form of a stream.
fn check_form(out: &[u8], form: Form, complete: bool) {
    let text = std::str::from_utf8(out).expect("a stream is text");
    let mut lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.pop(), Some(""), "an unfinished line");
    let mut time = None;
    let mut has_calls = false;
    for (at, line) in lines.iter().enumerate() {
        must_be_object("a line", line.as_bytes());
        // Numbers that do not fit into a tree of values are not looked into.
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        assert_eq!(value["model"], "virtual");
        assert_eq!(
            *time.get_or_insert(value["created_at"].clone()),
            value["created_at"]
        );
        let is_last = complete && at + 1 == lines.len();
        assert_eq!(value["done"], is_last, "{line}");
        assert_eq!(value.get("done_reason").is_some(), is_last, "{line}");
        let message = &value["message"];
        assert_eq!(message.is_object(), form == Form::Chat, "{line}");
        let text = match form {
            Form::Chat => &message["content"],
            Form::Generate => &value["response"],
        };
        assert!(text.is_string(), "{line}");
        if let Some(calls) = message.get("tool_calls") {
            assert!(!has_calls && text == "", "{line}");
            has_calls = true;
            let calls = calls.as_array().expect("a list of calls");
            assert!(!calls.is_empty(), "{line}");
            for (index, call) in calls.iter().enumerate() {
                assert_eq!(call["function"]["index"], index, "{line}");
                assert!(call["function"]["arguments"].is_object(), "{line}");
            }
        }
    }
    assert!(!complete || !lines.is_empty(), "no last line");
}

/// The first choice as the caller knows it: refusals are text, and so are calls that
/// the format cannot say.
fn expected(told: &Told, form: Form) -> AnsweredChoice {
    let mut choice = told.answer.choices.first().cloned().unwrap_or_default();
    choice.text.clear();
    for event in &told.events {
        if let Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } = event {
            choice.text.push_str(text);
        }
    }
    choice.refusal.clear();
    let words: String = choice
        .reasoning
        .iter()
        .map(|block| match block {
            Thinking::Plain { text, .. } => text.as_str(),
            Thinking::Redacted { .. } => "",
        })
        .collect();
    choice.reasoning.clear();
    if !words.is_empty() {
        choice.reasoning.push(Thinking::Plain {
            text: words,
            signature: None,
        });
    }
    let calls = std::mem::take(&mut choice.calls);
    for call in calls {
        if form == Form::Chat && is_object(&call) {
            choice.calls.push(call);
            continue;
        }
        if !choice.text.is_empty() {
            choice.text.push('\n');
        }
        choice.text.push_str(&call.name);
        let arguments = call.arguments.trim();
        if !arguments.is_empty() {
            choice.text.push(' ');
            choice.text.push_str(arguments);
        }
    }
    choice.finish = Some(match choice.finish {
        Some(Finish::Length) => Finish::Length,
        Some(Finish::Stop | Finish::ToolCalls | Finish::ContentFilter) | None => {
            if choice.calls.is_empty() {
                Finish::Stop
            } else {
                Finish::ToolCalls
            }
        }
    });
    normal(choice)
}

fn is_object(call: &AnsweredCall) -> bool {
    let text = call.arguments.trim_ascii();
    matches!(text, "" | "null") || crate::json::is_object(text.as_bytes())
}

fn first(answer: &Answer) -> AnsweredChoice {
    normal(answer.choices.first().cloned().unwrap_or_default())
}

/// Space between the tokens of arguments does not count.
fn normal(mut choice: AnsweredChoice) -> AnsweredChoice {
    for call in &mut choice.calls {
        let text = match call.arguments.trim_ascii() {
            "" | "null" => "{}",
            text => text,
        };
        let value = serde_json::from_str::<Value>(text);
        // What does not fit into a tree of values is compared without any space.
        let bare = |_| text.split_ascii_whitespace().collect();
        call.arguments = value.map_or_else(bare, |value| value.to_string());
    }
    choice
}
