//! The laws of what an Ollama caller gets, over the cases of every upstream dialect.

use serde_json::{Map, Value};

use super::*;
use crate::dialect::ollama::{Durations, Form, StreamWriter, WriterOptions, write_reply};

const FORMS: [Form; 2] = [Form::Chat, Form::Generate];

const DURATIONS: Durations = Durations {
    total: 9,
    load: 2,
    prompt_eval: 3,
    eval: 4,
};

fn options(form: Form) -> WriterOptions {
    WriterOptions {
        form,
        model: Bytes::from_static(b"\"virtual\""),
        created: 1_700_000_000,
    }
}

/// What the caller gets for `pieces`.
fn lines(case: &Case, form: Form, pieces: &[&[u8]]) -> BytesMut {
    let mut reader = case.reader();
    let mut writer = StreamWriter::new(options(form));
    writer.took(DURATIONS);
    let mut out = BytesMut::new();
    let each = &mut |event: Event<'_>| writer.write(&event, &ToolNames::default(), &mut out);
    for piece in pieces {
        reader.push(piece, each);
    }
    reader.finish(true, each);
    out
}

fn read(lines: &[u8]) -> Answer {
    let reader = StreamFrom::Ollama(ollama::StreamReader::default());
    collected(reader, lines)
}

/// An answer as far as the format can say it: its arguments are values, so that space
/// between tokens does not count.
#[derive(Debug, PartialEq)]
struct Sayable {
    text: String,
    thinking: String,
    calls: Vec<(String, String, Map<String, Value>)>,
    finish: Finish,
    usage: Option<(u64, u64)>,
    end: Option<Result<(), StreamFault>>,
}

fn object(arguments: &str) -> Option<Map<String, Value>> {
    match arguments.trim() {
        "" | "null" => Some(Map::new()),
        text => serde_json::from_str(text).ok(),
    }
}

fn sayable(answer: &Answer, form: Form) -> Sayable {
    let choice = answer.choices.first().cloned().unwrap_or_default();
    let words = choice.reasoning.iter().filter_map(|block| match block {
        Thinking::Plain { text, .. } => Some(text.as_str()),
        Thinking::Redacted { .. } => None,
    });
    let thinking = words.collect();
    let mut text = choice.text + &choice.refusal;
    let mut calls = Vec::new();
    for call in choice.calls {
        match object(&call.arguments).filter(|_| form == Form::Chat) {
            Some(arguments) => calls.push((call.id, call.name, arguments)),
            None => {
                let line = [call.name.as_str(), call.arguments.trim()].into_iter();
                let line = line.filter(|word| !word.is_empty());
                let line = line.collect::<Vec<_>>().join(" ");
                let space = if text.is_empty() { "" } else { "\n" };
                text = format!("{text}{space}{line}");
            }
        }
    }
    Sayable {
        text,
        thinking,
        finish: match choice.finish {
            Some(Finish::Length) => Finish::Length,
            _ if calls.is_empty() => Finish::Stop,
            _ => Finish::ToolCalls,
        },
        calls,
        usage: answer
            .usage
            .map(|usage| (usage.prompt_tokens, usage.completion_tokens)),
        end: answer.end.clone(),
    }
}

#[test]
fn b01_lines_are_the_same_for_any_split() {
    for case in all() {
        let bytes = case.stream;
        let expected = lines(&case, Form::Chat, &[bytes]);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let got = lines(&case, Form::Chat, &[a, b]);
            assert_eq!(got, expected, "{} cut at {cut}", case.name);
        }
        for form in FORMS {
            let expected = lines(&case, form, &[bytes]);
            for size in [1, 2, 3, 7] {
                let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                let got = lines(&case, form, &pieces);
                assert_eq!(got, expected, "{} in pieces of {size}", case.name);
            }
        }
    }
}

fn begins_with_a_sign_of_life(case: &Case) -> bool {
    let mut first = None;
    let mut reader = case.reader();
    reader.push(case.stream, &mut |event: Event<'_>| {
        first.get_or_insert(event == Event::KeepAlive);
    });
    first == Some(true)
}

#[test]
fn lines_read_back_as_the_answer_that_they_were_written_of() {
    for case in all() {
        let answer = collected(case.reader(), case.stream);
        for form in FORMS {
            let again = read(&lines(&case, form, &[case.stream]));
            let mut expected = sayable(&answer, form);
            if !case.is_complete() {
                // Calls and tokens come with the end, which is the gateway's error line.
                expected.end = Some(Err(StreamFault::Truncated));
                let again = sayable(&again, form);
                assert_eq!(again.end, expected.end, "{}", case.name);
                assert_eq!(again.thinking, expected.thinking, "{}", case.name);
                assert!(expected.text.starts_with(&again.text), "{}", case.name);
                continue;
            }
            assert_eq!(again.model, "virtual", "{}", case.name);
            // A sign of life ahead of all else cannot know the upstream's time.
            let known = answer
                .created
                .filter(|_| !begins_with_a_sign_of_life(&case));
            let created = known.unwrap_or(1_700_000_000);
            assert_eq!(again.created, Some(created), "{}", case.name);
            assert_eq!(sayable(&again, form), expected, "{}", case.name);
        }
    }
}

#[test]
fn a_whole_reply_says_what_its_lines_say() {
    for case in all().into_iter().filter(Case::is_complete) {
        let answer = collected(case.reader(), case.stream);
        for form in FORMS {
            let names = ToolNames::default();
            let reply = write_reply(&answer, &names, &options(form), &DURATIONS);
            let replied = whole(WholeFrom::Ollama, &reply.body);
            let streamed = read(&lines(&case, form, &[case.stream]));
            assert_eq!(
                sayable(&replied, form),
                sayable(&streamed, form),
                "{}",
                case.name
            );
        }
    }
}

/// Lines are objects of one form, and the last one alone is done.
#[test]
fn every_line_has_its_form() {
    for case in all() {
        for form in FORMS {
            let out = lines(&case, form, &[case.stream]);
            let text = std::str::from_utf8(&out).unwrap();
            let last = text.lines().count();
            for (number, line) in (1..).zip(text.split_terminator('\n')) {
                let line: Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["model"], "virtual", "{}", case.name);
                assert!(line["created_at"].is_string(), "{line}");
                let is_done = case.is_complete() && number == last;
                assert_eq!(line["done"], is_done, "{line}");
                assert_eq!(line["total_duration"].is_u64(), is_done, "{line}");
                let message = &line["message"];
                match form {
                    Form::Chat => {
                        assert_eq!(message["role"], "assistant", "{line}");
                        assert!(message["content"].is_string(), "{line}");
                    }
                    Form::Generate => assert!(line["response"].is_string(), "{line}"),
                }
                for (index, call) in message["tool_calls"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .enumerate()
                {
                    assert_eq!(call["function"]["index"], index, "{line}");
                    assert!(call["function"]["arguments"].is_object(), "{line}");
                }
            }
        }
    }
}
