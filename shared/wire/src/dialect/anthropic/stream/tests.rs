#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::super::read_reply;
use super::*;
use crate::hub::Answer;

macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../cases/anthropic/", $name, ".txt")))),*]
    };
}

const CASES: &[(&str, &str)] = cases![
    "another-servers",
    "answer-tool",
    "cached-usage",
    "context-full",
    "cut-before-anything",
    "cut-off",
    "error-midway",
    "error-openai-form",
    "error-unnamed",
    "last-event-missing",
    "max-tokens",
    "block-after-reason",
    "not-json",
    "parallel-tools",
    "redacted-thinking",
    "refusal-unexplained",
    "refusal-without-blocks",
    "server-tools",
    "thinking-text-tool",
];

struct Case {
    name: &'static str,
    stream: &'static [u8],
    cleanly: bool,
    reply: Option<&'static str>,
    events: &'static str,
}

fn cases() -> impl Iterator<Item = Case> {
    CASES.iter().map(|(name, text)| {
        let (before, events) = text.split_once("\n=== events\n").unwrap();
        let (stream, reply) = match before.split_once("\n=== reply\n") {
            Some((stream, reply)) => (stream, Some(reply)),
            None => (before, None),
        };
        let cut = stream.strip_prefix("=== unfinished\n");
        let whole = stream.strip_prefix("=== stream\n");
        Case {
            name,
            stream: whole.or(cut).unwrap().as_bytes(),
            cleanly: cut.is_none(),
            reply,
            events,
        }
    })
}

fn case(name: &str) -> Case {
    cases().find(|case| case.name == name).unwrap()
}

/// Events as lines, pieces of one text joined.
#[derive(Default)]
struct Log {
    lines: Vec<(String, String)>,
    answer: Answer,
    terminals: usize,
}

impl Log {
    fn add(&mut self, event: Event<'_>) {
        assert_eq!(self.terminals, 0, "nothing follows the end: {event:?}");
        self.answer.add(&event);
        let (line, text) = match event {
            Event::Start { id, model, created } => {
                assert_eq!(created, None);
                (format!("start {id:?} {model:?}"), None)
            }
            Event::Text { text, .. } => ("text".to_owned(), Some(text)),
            Event::Reasoning { text, .. } => ("reasoning".to_owned(), Some(text)),
            Event::Signature { signature, .. } => (format!("signature {signature:?}"), None),
            Event::Redacted { data, .. } => (format!("redacted {data:?}"), None),
            Event::Refusal { text, .. } => ("refusal".to_owned(), Some(text)),
            Event::Call { call, id, name, .. } => (format!("call {call} {id:?} {name:?}"), None),
            Event::Arguments { call, text, .. } => (format!("arguments {call}"), Some(text)),
            Event::Finish { reason, .. } => (format!("finish {reason:?}"), None),
            Event::Usage(u) => (
                format!(
                    "usage prompt {} completion {} total {} cached {} written {} reasoning {}",
                    u.prompt_tokens,
                    u.completion_tokens,
                    u.total_tokens,
                    u.cached_tokens,
                    u.cache_write_tokens,
                    u.reasoning_tokens
                ),
                None,
            ),
            Event::KeepAlive => ("alive".to_owned(), None),
            Event::End => {
                self.terminals += 1;
                ("end".to_owned(), None)
            }
            Event::Fault(fault) => {
                self.terminals += 1;
                (format!("fault {}", words(&fault)), None)
            }
        };
        let Some(text) = text else {
            return self.lines.push((line, String::new()));
        };
        assert!(!text.is_empty(), "{line}: no event without text");
        match self.lines.last_mut() {
            Some((last, whole)) if *last == line => whole.push_str(&text),
            _ => self.lines.push((line, text.into_owned())),
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|(line, text)| match text.as_str() {
            "" => format!("{line}\n"),
            text => format!("{line} {text:?}\n"),
        });
        lines.collect()
    }
}

fn words(fault: &StreamFault) -> String {
    match fault {
        StreamFault::Truncated => "truncated".to_owned(),
        StreamFault::Upstream(error) => {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            format!(
                "{}/{} {:?}",
                part(&error.kind),
                part(&error.code),
                part(&error.message)
            )
        }
        StreamFault::BadEvent(_) => "bad event".to_owned(),
        StreamFault::TooLong => "too long".to_owned(),
    }
}

fn read<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, cleanly: bool) -> Log {
    let mut log = Log::default();
    let mut reader = StreamReader::default();
    for piece in pieces {
        reader.push(piece, &mut |event| log.add(event));
    }
    reader.finish(cleanly, &mut |event| log.add(event));
    reader.push(b"data: {\"type\":\"ping\"}\n\n", &mut |event| {
        log.add(event);
    });
    reader.finish(cleanly, &mut |event| log.add(event));
    assert_eq!(log.terminals, 1, "exactly one end");
    log
}

fn reply(body: &[u8]) -> Log {
    let mut log = Log::default();
    read_reply(body, &mut |event| log.add(event));
    assert_eq!(log.terminals, 1, "exactly one end");
    log
}

#[track_caller]
fn at_every_split(case: &Case) {
    let (name, bytes) = (case.name, case.stream);
    assert_eq!(read([bytes], case.cleanly).text(), case.events, "{name}");
    for cut in 0..=bytes.len() {
        let (a, b) = bytes.split_at(cut);
        let got = read([a, b], case.cleanly).text();
        assert_eq!(got, case.events, "{name} split at {cut}");
    }
    let got = read(bytes.chunks(1), case.cleanly).text();
    assert_eq!(got, case.events, "{name} byte by byte");
}

#[test]
fn b01_thinking_text_and_tool_cut_at_every_position() {
    at_every_split(&case("thinking-text-tool"));
}

#[test]
fn every_case_at_every_split() {
    cases().for_each(|case| at_every_split(&case));
}

#[test]
fn the_whole_reply_says_what_the_stream_says() {
    let mut compared = 0;
    for case in cases() {
        let Some(body) = case.reply else { continue };
        let (stream, whole) = (read([case.stream], case.cleanly), reply(body.as_bytes()));
        if stream.answer.end == Some(Ok(())) {
            assert_eq!(stream.answer, whole.answer, "{}", case.name);
        } else {
            assert_eq!(stream.answer.end, whole.answer.end, "{}", case.name);
        }
        compared += 1;
    }
    assert!(compared > 9, "{compared}");
}

#[test]
fn cut_off_anywhere_the_end_is_true() {
    for case in cases() {
        let whole = read([case.stream], true).answer;
        for cut in 0..case.stream.len() {
            for cleanly in [true, false] {
                let got = read([&case.stream[..cut]], cleanly).answer;
                let finished = got.choices.first().is_some_and(|c| c.finish.is_some());
                match got.end {
                    Some(Ok(())) => {
                        assert!(finished, "{} cut at {cut}", case.name);
                        assert_eq!(got.choices, whole.choices, "{} cut at {cut}", case.name);
                    }
                    Some(Err(fault)) => {
                        let is_own = whole.end == Some(Err(fault.clone()));
                        assert!(
                            fault == StreamFault::Truncated || is_own,
                            "{} cut at {cut}: {fault:?}",
                            case.name
                        );
                        assert!(!finished || is_own, "{} cut at {cut}", case.name);
                    }
                    None => unreachable!("{} cut at {cut}: no end", case.name),
                }
            }
        }
    }
}

#[test]
fn b08_arguments_that_never_come_are_an_empty_object() {
    for name in ["thinking-text-tool", "parallel-tools"] {
        let answer = read([case(name).stream], true).answer;
        let calls = &answer.choices[0].calls;
        assert!(calls.iter().any(|call| call.arguments == "{}"), "{calls:?}");
    }
}

#[test]
fn b14_a_ping_is_a_sign_of_life_and_no_answer() {
    let log = read([&b"event: ping\ndata: {\"type\": \"ping\"}\n\n"[..]], true);
    assert_eq!(log.text(), "alive\nfault truncated\n");
    assert!(log.answer.choices.is_empty());
}

#[test]
fn b15_a_refusal_without_blocks_is_a_filter() {
    let answer = read([case("refusal-without-blocks").stream], true).answer;
    let choice = &answer.choices[0];
    assert_eq!(choice.finish, Some(crate::hub::Finish::ContentFilter));
    assert_eq!(choice.text, "");
    assert_eq!(choice.refusal, "This cannot be answered.");
}

#[test]
fn a_reply_that_is_no_message_is_a_fault() {
    for body in [
        "",
        "<html>",
        "[]",
        "null",
        "{\"type\":\"message\"",
        "{}",
        "{\"content\":5}",
    ] {
        assert_eq!(reply(body.as_bytes()).text(), "fault bad event\n", "{body}");
    }
    let pretty = "\n {\"error\":{\"message\":\"queue full\"}} ";
    assert_eq!(reply(pretty.as_bytes()).text(), "fault / \"queue full\"\n");
}

#[test]
fn a_waiting_reader_is_small() {
    assert!(size_of::<StreamReader>() < 400);
}
