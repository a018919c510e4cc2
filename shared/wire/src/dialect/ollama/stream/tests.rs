//! The answers in `cases/ollama/answers`: streamed in any pieces, cut anywhere, whole.

use std::fmt::Write as _;

use super::{StreamReader, read_reply};
use crate::hub::{Answer, Event, StreamFault};
use crate::ndjson::MAX_LINE;

macro_rules! cases {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("../../../../cases/ollama/answers/", $name, ".txt")))),*]
    };
}

const CASES: &[(&str, &str)] = &cases![
    "calls-on-several-lines" "cut-line" "empty" "error-alone" "error-line" "generate"
    "length-after-call" "list" "load" "nameless-call" "no-done" "nulls" "page"
    "streamed-though-not-asked" "text" "thinking-and-tool"
];

struct Case {
    name: &'static str,
    stream: &'static str,
    whole: Option<&'static str>,
    events: &'static str,
}

fn cases() -> impl Iterator<Item = Case> {
    CASES.iter().map(|(name, text)| {
        let section = |title: &str| {
            let head = format!("=== {title}\n");
            let (_, rest) = text.split_once(&head)?;
            Some(rest.split_once("=== ").map_or(rest, |(section, _)| section))
        };
        Case {
            name,
            // The last line of a section ends with the file's line, not its own.
            stream: section("stream")
                .and_then(|s| s.strip_suffix('\n'))
                .unwrap_or_default(),
            whole: section("whole").and_then(|s| s.strip_suffix('\n')),
            events: section("events").unwrap_or_default(),
        }
    })
}

/// Events one a line, adjacent pieces of text joined.
#[derive(Default)]
struct Record {
    lines: String,
    /// The kind of text that is open, and the text.
    open: Option<(&'static str, String)>,
    answer: Answer,
    ends: usize,
}

impl Record {
    fn note(&mut self, event: &Event<'_>) {
        assert_eq!(self.ends, 0, "{event:?} after the end");
        self.answer.add(event);
        let line = match event {
            Event::Text { choice: 0, text } => return self.text("text", text),
            Event::Reasoning { choice: 0, text } => return self.text("think", text),
            Event::Start { id, model, created } => {
                assert_eq!(id, "");
                format!("start model={model} created={}", created.unwrap_or(-1))
            }
            Event::Call {
                choice: 0,
                call,
                id,
                name,
            } => {
                assert!(!name.is_empty());
                format!("call {call} id={id} {name}")
            }
            Event::Arguments {
                choice: 0,
                call,
                text,
            } => {
                assert!(!text.is_empty());
                format!("arguments {call} {text}")
            }
            Event::Finish { choice: 0, reason } => format!("finish {reason:?}"),
            Event::Usage(usage) => format!(
                "usage {}+{}={}",
                usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
            ),
            Event::End => "end".to_owned(),
            Event::Fault(StreamFault::Upstream(error)) => {
                format!(
                    "fault Upstream {:?}",
                    error.message.as_deref().unwrap_or("")
                )
            }
            Event::Fault(StreamFault::BadEvent(why)) => {
                assert!(!why.is_empty());
                "fault BadEvent".to_owned()
            }
            Event::Fault(fault @ (StreamFault::Truncated | StreamFault::TooLong)) => {
                format!("fault {fault:?}")
            }
            Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. }
            | Event::KeepAlive => format!("unexpected {event:?}"),
        };
        self.ends += usize::from(matches!(event, Event::End | Event::Fault(_)));
        self.close();
        let _ = writeln!(self.lines, "{line}");
    }

    fn text(&mut self, kind: &'static str, more: &str) {
        assert!(!more.is_empty());
        if self.open.as_ref().is_some_and(|(open, _)| *open != kind) {
            self.close();
        }
        let (_, text) = self.open.get_or_insert_with(|| (kind, String::new()));
        text.push_str(more);
    }

    fn close(&mut self) {
        if let Some((kind, text)) = self.open.take() {
            let _ = writeln!(self.lines, "{kind} {text:?}");
        }
    }
}

fn streamed<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Record {
    let mut record = Record::default();
    let mut reader = StreamReader::default();
    for piece in pieces {
        reader.push(piece, &mut |event| record.note(&event));
    }
    reader.finish(true, &mut |event| record.note(&event));
    reader.finish(true, &mut |event| record.note(&event));
    record
}

fn replied(body: &[u8]) -> Record {
    let mut record = Record::default();
    read_reply(body, &mut |event| record.note(&event));
    record
}

#[test]
fn every_stream_in_pieces_of_any_size() {
    for case in cases() {
        let bytes = case.stream.as_bytes();
        assert_eq!(streamed([bytes]).lines, case.events, "{}", case.name);
        let single = streamed(bytes.chunks(1));
        assert_eq!(single.lines, case.events, "{} byte by byte", case.name);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let got = streamed([a, b]);
            assert_eq!(got.lines, case.events, "{} cut at {cut}", case.name);
        }
    }
}

#[test]
fn a_whole_reply_is_the_same_answer_as_its_stream() {
    for case in cases() {
        let Some(whole) = case.whole else { continue };
        let whole = replied(whole.as_bytes());
        assert_eq!(whole.lines, case.events, "{}", case.name);
        let stream = streamed([case.stream.as_bytes()]);
        assert_eq!(whole.answer.choices, stream.answer.choices, "{}", case.name);
        assert_eq!(whole.answer.usage, stream.answer.usage, "{}", case.name);
        assert_eq!(
            whole.answer.end.is_some_and(|end| end.is_ok()),
            stream.answer.end.is_some_and(|end| end.is_ok()),
            "{}",
            case.name
        );
    }
}

/// A stream that ends anywhere ends in exactly one way, and completely only after its
/// line of `done:true`; broken bytes do not break the reader.
#[test]
fn a_stream_may_end_or_break_anywhere() {
    for case in cases() {
        let bytes = case.stream.as_bytes();
        let complete = case.events.ends_with("\nend\n");
        for cut in 0..bytes.len() {
            let got = streamed([&bytes[..cut]]);
            assert_eq!(got.ends, 1, "{} up to {cut}", case.name);
            if complete && !case.stream.is_char_boundary(cut) {
                assert!(
                    got.lines.ends_with("fault Truncated\n"),
                    "{} inside of a character at {cut}: {}",
                    case.name,
                    got.lines
                );
            }
            for broken in [b'\n', b'"', b'{', 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[cut] = broken;
                assert_eq!(streamed([&*bytes]).ends, 1, "{} at {cut}", case.name);
                assert_eq!(replied(&bytes).ends, 1, "{} at {cut}", case.name);
            }
        }
    }
}

#[test]
fn an_endless_line_ends_the_answer() {
    let block = vec![b' '; MAX_LINE / 4];
    let got = streamed([&b"{"[..], &block, &block, &block, &block, &block]);
    assert_eq!(got.lines, "fault TooLong\n");
}

#[test]
fn an_open_stream_is_small() {
    assert!(size_of::<StreamReader>() <= 64);
}
