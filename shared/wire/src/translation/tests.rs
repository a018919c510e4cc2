//! The laws that hold for every case file of every upstream dialect.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod anthropic_cases;
mod cases;
mod edited;
mod ollama_caller;
mod openai_cases;
mod shape;

use bytes::Bytes;

use super::*;
use crate::dialect::openai::{ChatWriter, CompletionPart, CompletionWriter, WriterOptions};
use crate::hub::{AnsweredChoice, Finish};
use cases::{Case, all, tell};

fn options() -> WriterOptions {
    WriterOptions {
        model: Bytes::from_static(b"\"virtual\""),
        include_usage: true,
        id: "resp-1".to_owned(),
        created: 1_700_000_000,
        origin: None,
    }
}

fn chat() -> StreamTo {
    StreamTo::Chat(ChatWriter::new(options()))
}

fn completion() -> StreamTo {
    let part = CompletionPart::only(Some("Prompt: ".to_owned()));
    StreamTo::Completion(CompletionWriter::new(options(), part))
}

/// What the caller gets for `pieces`.
fn translate(case: &Case, to: StreamTo, pieces: &[&[u8]]) -> (String, End, Translation) {
    let mut translation = Translation::new(case.reader(), to, ToolNames::default());
    let mut out = BytesMut::new();
    for piece in pieces {
        translation.push(piece, &mut out);
    }
    let end = translation.finish(true, &mut out);
    (String::from_utf8(out.to_vec()).unwrap(), end, translation)
}

#[test]
fn the_stream_of_every_case_amounts_to_what_its_file_says() {
    for case in all() {
        let Some(expected) = case.expected else {
            continue;
        };
        let got = collected(case.reader(), case.stream);
        assert_eq!(tell(&got), expected, "{}", case.name);
    }
}

#[test]
fn a_whole_reply_amounts_to_what_its_stream_amounts_to() {
    for case in all() {
        let Some(body) = case.whole else { continue };
        let mut streamed = collected(case.reader(), case.stream);
        let mut replied = whole(case.whole_from, body);
        // Ollama dates each line of its own.
        streamed.created = streamed.created.and(Some(1));
        replied.created = replied.created.and(Some(1));
        if streamed.end != Some(Ok(())) {
            // What came before an error is not in a whole reply.
            let end = streamed.end.take();
            streamed = Answer {
                end,
                ..Answer::default()
            };
            let end = replied.end.take();
            replied = Answer {
                end,
                ..Answer::default()
            };
        }
        assert_eq!(tell(&replied), tell(&streamed), "{}", case.name);
    }
}

#[test]
fn b01_b02_any_split_gives_the_same_output() {
    for case in all() {
        let bytes = case.stream;
        let (expected, end, _) = translate(&case, chat(), &[bytes]);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let (got, split_end, _) = translate(&case, chat(), &[a, b]);
            assert_eq!(got, expected, "{} cut at {cut}", case.name);
            assert_eq!(split_end, end, "{} cut at {cut}", case.name);
        }
        for to in [chat, completion] {
            let (expected, _, _) = translate(&case, to(), &[bytes]);
            for size in [1, 2, 3, 7] {
                let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
                let (got, _, _) = translate(&case, to(), &pieces);
                assert_eq!(got, expected, "{} in pieces of {size}", case.name);
            }
        }
    }
}

/// Events keep the order that the hub promises, whatever is cut off.
#[test]
fn a_cut_anywhere_ends_once_and_in_order() {
    for case in all() {
        for cut in 0..=case.stream.len() {
            let cleanly = cut % 2 == 0;
            let mut order = cases::Order::default();
            let mut reader = case.reader();
            let each = &mut |event: Event<'_>| order.add(&event);
            reader.push(&case.stream[..cut], each);
            reader.finish(cleanly, each);
            reader.push(case.stream, each);
            reader.finish(cleanly, each);
            order.check(&format!("{} cut at {cut}", case.name));
        }
    }
}

#[test]
fn a_whole_reply_ends_once_and_in_order() {
    for case in all() {
        let Some(body) = case.whole else { continue };
        let mut order = cases::Order::default();
        read_whole(case.whole_from, body, &mut |event| order.add(&event));
        order.check(case.name);
    }
}

/// Broken bytes may break the answer, but not the reader and not the order.
#[test]
fn mutilated_streams_end_once_and_in_order() {
    // Knuth's linear congruential generator: the same damage in every run.
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for case in all() {
        for round in 0..100 {
            let mut bytes = case.stream.to_vec();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                let end = (at + next(40)).min(bytes.len());
                match next(4) {
                    0 => drop(bytes.drain(at..end)),
                    1 => bytes.extend_from_within(at..end),
                    2 if at < bytes.len() => bytes[at] = b"{}[]\",:\\n0u\xff"[next(12)],
                    _ => bytes.insert(at, b"{}[]\",:\\n0u\xff"[next(12)]),
                }
            }
            let mut order = cases::Order::default();
            let mut reader = case.reader();
            let each = &mut |event: Event<'_>| order.add(&event);
            bytes.chunks(97).for_each(|piece| reader.push(piece, each));
            reader.finish(true, each);
            let text = String::from_utf8_lossy(&bytes);
            order.check(&format!("{} round {round}: {text}", case.name));

            let mut order = cases::Order::default();
            read_whole(case.whole_from, &bytes, &mut |event| order.add(&event));
            order.check(&format!("{} round {round} as a reply: {text}", case.name));
        }
    }
}

#[test]
fn a_cut_stream_is_never_told_as_complete_before_its_finish() {
    for case in all().iter().filter(|case| case.is_complete()) {
        let complete = collected(case.reader(), case.stream);
        for cut in 0..case.stream.len() {
            let cut_short = collected(case.reader(), &case.stream[..cut]);
            if cut_short.end == Some(Ok(())) {
                let texts = |answer: &Answer| -> Vec<_> {
                    let choices = answer.choices.iter();
                    choices.map(|c| (c.text.clone(), c.finish)).collect()
                };
                assert_eq!(texts(&cut_short), texts(&complete), "{} {cut}", case.name);
            }
        }
    }
}

/// Whoever gives up the connection behind a finished answer has the whole answer.
#[test]
fn b05_what_is_finished_is_complete_wherever_it_ends() {
    for case in all().iter().filter(|case| case.is_complete()) {
        let complete = collected(case.reader(), case.stream);
        for cut in 0..case.stream.len() {
            let mut answer = Answer::default();
            let mut reader = case.reader();
            reader.push(&case.stream[..cut], &mut |event| answer.add(&event));
            let finished = reader.is_finished();
            reader.finish(false, &mut |event| answer.add(&event));
            if finished {
                assert_eq!(answer.end, Some(Ok(())), "{} {cut}", case.name);
                let [said, whole] = [&answer, &complete].map(|a| a.choices.len());
                assert_eq!(said, whole, "{} {cut}", case.name);
            }
        }
    }
}

/// `answer` as a caller of OpenAI's dialect knows it.
fn as_the_caller_knows(answer: &Answer) -> Answer {
    let mut known = answer.clone();
    known.model = "virtual".to_owned();
    if known.id.is_empty() {
        known.id = "resp-1".to_owned();
    }
    known.created = Some(answer.created.unwrap_or(1_700_000_000));
    let response = known.id.clone();
    let writer = ChatWriter::new(WriterOptions {
        id: response,
        ..options()
    });
    for (number, choice) in (0u32..).zip(&mut known.choices) {
        for (at, call) in (0u32..).zip(&mut choice.calls) {
            call.id = writer.call_id(number, at, &call.id).into_owned();
        }
        choice.finish.get_or_insert(Finish::Stop);
    }
    if known.choices.is_empty() {
        known.choices.push(AnsweredChoice {
            finish: Some(Finish::Stop),
            ..AnsweredChoice::default()
        });
    }
    known
}

#[test]
fn what_is_written_reads_back_as_the_same_answer() {
    for case in all().iter().filter(|case| case.is_complete()) {
        let answer = collected(case.reader(), case.stream);
        let expected = tell(&as_the_caller_knows(&answer));

        let (stream, end, _) = translate(case, chat(), &[case.stream]);
        assert_eq!(end, End::Complete, "{}", case.name);
        if !answer.choices.is_empty() {
            let reader = StreamFrom::OpenAi(openai::EventReader::default());
            let again = collected(reader, stream.as_bytes());
            assert_eq!(tell(&again), expected, "{} streamed", case.name);
        }

        let names = ToolNames::default();
        let reply = openai::write_chat_reply(&answer, &names, &options());
        let again = whole(WholeFrom::OpenAi, &reply);
        assert_eq!(tell(&again), expected, "{} whole", case.name);
    }
}

#[test]
fn every_stream_towards_the_caller_has_openais_form() {
    for case in all() {
        let (out, end, _) = translate(&case, chat(), &[case.stream]);
        shape::check_chat(case.name, &out, &end);
        let (out, end, _) = translate(&case, completion(), &[case.stream]);
        shape::check_completion(case.name, &out, &end);
    }
}

/// A whole reply that comes in the place of a stream is told as the same stream.
#[test]
fn a_replayed_reply_is_a_stream_of_the_same_answer() {
    for case in all().iter().filter(|case| case.is_complete()) {
        let Some(body) = case.whole else { continue };
        let mut translation = Translation::new(case.reader(), chat(), ToolNames::default());
        let mut out = BytesMut::new();
        let end = translation.replay(case.whole_from, body, &mut out);
        let (stream, stream_end, expected) = translate(case, chat(), &[case.stream]);
        assert_eq!(end, stream_end, "{}", case.name);
        assert_eq!(translation.usage(), expected.usage(), "{}", case.name);
        let read = |bytes: &[u8]| {
            let reader = StreamFrom::OpenAi(openai::EventReader::default());
            tell(&collected(reader, bytes))
        };
        assert_eq!(read(&out), read(stream.as_bytes()), "{}", case.name);
    }
}

#[test]
fn a_translation_counts_what_its_answer_holds() {
    for case in all() {
        let (_, end, translation) = translate(&case, chat(), &[case.stream]);
        let answer = collected(case.reader(), case.stream);
        assert_eq!(translation.usage(), answer.usage, "{}", case.name);
        assert_eq!(translation.end(), Some(&end), "{}", case.name);
        let bytes = |choice: &AnsweredChoice| {
            let thoughts = choice.reasoning.iter().map(|block| match block {
                Thinking::Plain { text, .. } => text.len(),
                Thinking::Redacted { .. } => 0,
            });
            let calls = choice.calls.iter();
            let calls = calls.map(|call| call.name.len() + call.arguments.len());
            let total: usize = thoughts.chain(calls).sum();
            (total + choice.text.len() + choice.refusal.len()) as u64
        };
        let expected: u64 = answer.choices.iter().map(bytes).sum();
        assert_eq!(translation.answer_bytes(), expected, "{}", case.name);
        let says_why = answer
            .choices
            .iter()
            .any(|choice| matches!(choice.finish, Some(Finish::Length | Finish::ContentFilter)));
        assert_eq!(translation.says_why(), says_why, "{}", case.name);
    }
}

#[test]
fn an_idle_stream_is_small() {
    for (what, bytes) in [
        ("reader", size_of::<openai::EventReader>()),
        ("writer", size_of::<ChatWriter>()),
    ] {
        assert!(bytes < 400, "{what}: {bytes}");
    }
}
