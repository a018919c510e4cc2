//! The laws of what an OpenAI caller gets: streams and whole replies, chat and
//! completion, read back as the answer that they were written of.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use wire::dialect::openai::{
    ChatWriter, CompletionPart, CompletionWriter, EventReader, WriterOptions, read_reply_events,
    write_chat_reply, write_completion_reply,
};
use wire::hub::{Answer, AnsweredChoice, Finish, ToolNames};
use wire::usage::Usage;

use crate::json::must_be_object;
use crate::told::Told;

const CREATED: i64 = 1_700_000_000;

/// For one byte of input there is never more than this much of output.
const MOST_FOR_A_BYTE: usize = 256;

fn options() -> WriterOptions {
    WriterOptions {
        model: Bytes::from_static(b"\"virtual\""),
        include_usage: true,
        id: "resp-1".to_owned(),
        created: CREATED,
        origin: None,
    }
}

/// Checks what is written of `told`, which came of `input` bytes.
pub fn check(told: &Told, input: usize) {
    let most = MOST_FOR_A_BYTE * input + 64 * 1024;
    let names = ToolNames::default();

    let mut out = BytesMut::new();
    let mut writer = ChatWriter::new(options());
    for event in &told.events {
        writer.write(event, &names, &mut out);
    }
    assert!(out.len() <= most, "{} bytes of {input}", out.len());
    check_chunks(&out, told.is_complete());
    let mut completion = BytesMut::new();
    let mut writer = CompletionWriter::new(options(), CompletionPart::only(None));
    for event in &told.events {
        writer.write(event, &mut completion);
    }
    assert!(
        completion.len() <= most,
        "{} bytes of {input}",
        completion.len()
    );
    for event in events(&completion, told.is_complete()) {
        assert_eq!(event["object"], "text_completion");
    }
    let reply = write_chat_reply(&told.answer, &names, &options());
    must_be_object("a chat completion", &reply);
    let texts = write_completion_reply(&told.answer, None, &options().model, CREATED, "resp-1");
    must_be_object("a completion", &texts);

    if told.is_complete() && can_be_compared(&told.answer) {
        // Counts that contradict each other are mended by a reader, once more.
        let mends = told.answer.usage.is_some_and(|usage| !adds_up(&usage));
        let normal = |answer: &Answer| {
            let mut answer = normal(answer);
            answer.usage = answer.usage.filter(|_| !mends);
            answer
        };
        let expected = normal(&as_the_caller_knows(&told.answer));
        let again = normal(&read_stream(&out));
        if told.answer.choices.is_empty() {
            // Nothing but the end may have been written, which has no id.
            assert_eq!(again.choices, expected.choices);
        } else {
            assert_eq!(again, expected, "of {:?}", told.answer);
        }
        let again = Told::by(|each| read_reply_events(&reply, each)).answer;
        assert_eq!(normal(&again), expected, "whole, of {:?}", told.answer);

        let again = read_stream(&completion);
        assert_eq!(choices_of_text(&again), choices_of_text(&told.answer));
        let again = Told::by(|each| read_reply_events(&texts, each)).answer;
        if !told.answer.choices.is_empty() {
            assert_eq!(choices_of_text(&again), choices_of_text(&told.answer));
        }
    }
}

fn adds_up(usage: &Usage) -> bool {
    let sum = usage.prompt_tokens.checked_add(usage.completion_tokens);
    sum == Some(usage.total_tokens) && usage.clamped() == *usage
}

/// What a stream in OpenAI's dialect amounts to.
#[must_use]
pub fn read_stream(stream: &[u8]) -> Answer {
    let told = Told::by(|each| {
        let mut reader = EventReader::default();
        reader.push(stream, each);
        reader.finish(true, each);
    });
    told.answer
}

/// The events of a written stream.
fn events(out: &[u8], complete: bool) -> Vec<Value> {
    let text = std::str::from_utf8(out).expect("a stream is text");
    let mut frames: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(frames.pop(), Some(""), "an unfinished event");
    let is_done = frames.last() == Some(&"data: [DONE]");
    assert_eq!(is_done, complete, "[DONE]");
    if is_done {
        frames.pop();
    }
    let json = frames.into_iter().filter_map(|frame| {
        assert!(!frame.contains(['\n', '\r']), "{frame}");
        let json = frame.strip_prefix("data: ");
        assert!(json.is_some() || frame == ": keep-alive", "{frame}");
        json.map(|json| serde_json::from_str::<Value>(json).expect("an event is JSON"))
    });
    let events: Vec<Value> = json.collect();
    for event in &events {
        for member in ["id", "object", "created", "model"] {
            assert_eq!(event[member], events[0][member], "{member}");
            assert!(event[member] != Value::Null && event[member] != "");
        }
        assert_eq!(event["model"], "virtual");
    }
    events
}

/// The form of a stream of chat completion chunks.
fn check_chunks(out: &[u8], complete: bool) {
    let mut calls: Vec<Vec<String>> = Vec::new();
    let mut finished: Vec<u64> = Vec::new();
    let mut seen: Vec<u64> = Vec::new();
    let events = events(out, complete);
    for (at, event) in events.iter().enumerate() {
        let choices = event["choices"].as_array().expect("choices");
        let Some(choice) = choices.first() else {
            assert!(complete && at + 1 == events.len(), "usage is not last");
            continue;
        };
        assert_eq!(choices.len(), 1);
        assert!(event["usage"].is_null() && event.get("usage").is_some());
        let number = choice["index"].as_u64().expect("an index");
        let delta = choice["delta"].as_object().expect("a delta");
        assert!(!finished.contains(&number), "{event} after its finish");
        let is_first = !seen.contains(&number);
        assert_eq!(delta.get("role").is_some(), is_first, "{event}");
        if is_first {
            seen.push(number);
        }
        if !choice["finish_reason"].is_null() {
            assert!(delta.is_empty(), "{event}");
            finished.push(number);
        }
        let of = usize::try_from(number).expect("a small number");
        calls.resize(calls.len().max(of + 1), Vec::new());
        for piece in delta
            .get("tool_calls")
            .into_iter()
            .flat_map(|list| list.as_array())
            .flatten()
        {
            let index = piece["index"].as_u64().expect("a call's index");
            let function = &piece["function"];
            if let Some(id) = piece.get("id") {
                assert_eq!(index, calls[of].len() as u64, "{piece}");
                assert!(id.as_str().is_some_and(|id| !id.is_empty()), "{piece}");
                assert_eq!(piece["type"], "function");
                assert!(
                    function["name"]
                        .as_str()
                        .is_some_and(|name| !name.is_empty())
                );
                calls[of].push(String::new());
            }
            let at = usize::try_from(index).expect("a small number");
            calls[of][at].push_str(function["arguments"].as_str().expect("arguments"));
        }
    }
    if complete {
        seen.sort_unstable();
        finished.sort_unstable();
        assert_eq!(seen, finished, "every choice finishes");
        let nothing = calls
            .iter()
            .flatten()
            .any(|text| text.trim_ascii().is_empty());
        assert!(!nothing, "a call without arguments");
    }
}

/// Whether reading back can tell the same: an id of `null` is no id to the reader, and
/// two calls with one id are one.
fn can_be_compared(answer: &Answer) -> bool {
    answer.choices.len() <= 128
        && answer.choices.iter().all(|choice| {
            let ids = choice.calls.iter().map(|call| call.id.as_str());
            let mut ids: Vec<&str> = ids.filter(|id| !id.is_empty()).collect();
            ids.sort_unstable();
            !ids.contains(&"null") && ids.windows(2).all(|two| two[0] != two[1])
        })
}

/// `answer` as a caller of OpenAI's dialect knows it.
fn as_the_caller_knows(answer: &Answer) -> Answer {
    let mut known = answer.clone();
    known.model = "virtual".to_owned();
    if known.id.is_empty() || known.id.len() > 256 {
        known.id = "resp-1".to_owned();
    }
    let id = known.id.clone();
    let writer = ChatWriter::new(WriterOptions { id, ..options() });
    known.created = Some(answer.created.unwrap_or(CREATED));
    for (number, choice) in (0u32..).zip(&mut known.choices) {
        for (at, call) in (0u32..).zip(&mut choice.calls) {
            call.id = writer.call_id(number, at, &call.id).into_owned();
        }
    }
    normal(&known)
}

/// What two tellings of the same answer have in common: a choice that does not say why
/// it ended has stopped, and its calls are told by their presence.
fn normal(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    answer.created = answer.created.filter(|created| *created > 0);
    // Neither the hour nor the price has a word in OpenAI's dialect.
    answer.usage = answer.usage.map(|usage| Usage {
        cache_write_1h_tokens: 0,
        cost: None,
        ..usage
    });
    answer.usage = answer.usage.filter(|usage| !usage.is_nothing());
    if answer.choices.is_empty() {
        answer.choices.push(AnsweredChoice::default());
    }
    for choice in &mut answer.choices {
        let has_calls = !choice.calls.is_empty();
        choice.finish = Some(match choice.finish.unwrap_or(Finish::Stop) {
            Finish::Stop | Finish::ToolCalls if has_calls => Finish::ToolCalls,
            Finish::Stop | Finish::ToolCalls => Finish::Stop,
            reason @ (Finish::Length | Finish::ContentFilter) => reason,
        });
        for call in &mut choice.calls {
            call.arguments = match call.arguments.trim_ascii_start() {
                "" => "{}".to_owned(),
                text => text.to_owned(),
            };
        }
    }
    answer
}

/// What a completion can say: texts, and why they ended.
fn choices_of_text(answer: &Answer) -> Vec<(String, Finish)> {
    let each = answer.choices.iter().map(|choice| {
        let finish = match choice.finish.unwrap_or(Finish::Stop) {
            Finish::ToolCalls => Finish::Stop,
            reason @ (Finish::Stop | Finish::Length | Finish::ContentFilter) => reason,
        };
        (choice.text.clone(), finish)
    });
    each.collect()
}
