//! The answers in `cases/ollama-caller/answers`: an upstream's stream, and what a caller
//! of chat and of generate gets, streamed and whole.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fmt::Write as _;

use super::*;
use crate::dialect::ollama::{CallerRequest, Loading, Wanted, read_chat};
use crate::dialect::openai::{ChatTarget, EventReader, write_chat};
use crate::dialect::{anthropic, ollama};
use crate::hub::Answer;
use crate::translation::StreamFrom;

const DURATIONS: Durations = Durations {
    total: 1_200_000_000,
    load: 5,
    prompt_eval: 300_000_000,
    eval: 899_999_995,
};

fn options(form: Form) -> WriterOptions {
    WriterOptions {
        form,
        model: Bytes::from_static(b"\"virtual\""),
        created: 1_700_000_000,
    }
}

/// The part of a case with this title.
fn section<'c>(case: &'c str, title: &str) -> Option<&'c str> {
    let (_, rest) = case.split_once(&format!("=== {title}\n"))?;
    Some(rest.split("=== ").next().unwrap_or_default())
}

/// A reader of the case's upstream, and its stream.
fn upstream(case: &str) -> (StreamFrom, &str) {
    let openai = || StreamFrom::OpenAi(EventReader::default());
    let anthropic = || StreamFrom::Anthropic(anthropic::StreamReader::default());
    let ollama = || StreamFrom::Ollama(ollama::StreamReader::default());
    section(case, "openai")
        .map(|stream| (openai(), stream))
        .or_else(|| section(case, "anthropic").map(|stream| (anthropic(), stream)))
        .or_else(|| section(case, "ollama").map(|stream| (ollama(), stream)))
        .unwrap()
}

/// The lines that a caller gets, with the gateway's own for a fault, and the answer.
fn lines(case: &str, form: Form) -> (String, Answer, Vec<Note>) {
    let (mut reader, stream) = upstream(case);
    let mut writer = StreamWriter::new(options(form));
    writer.took(DURATIONS);
    let mut out = BytesMut::new();
    let mut answer = Answer::default();
    let each = &mut |event: Event<'_>| {
        answer.add(&event);
        writer.write(&event, &ToolNames::default(), &mut out);
    };
    reader.push(stream.as_bytes(), each);
    reader.finish(true, each);
    if let Some(Err(fault)) = &answer.end {
        let public = fault.public(&|text: &str| text.to_owned());
        out.put_slice(&error_line(&public.message));
    }
    let text = String::from_utf8(out.to_vec()).unwrap();
    (text, answer, writer.take_notes())
}

/// What becomes of a case's stream, in the words of its file.
fn outcome(case: &str) -> String {
    let (chat, answer, notes) = lines(case, Form::Chat);
    let (generate, _, _) = lines(case, Form::Generate);
    let mut out = format!("=== chat\n{chat}=== generate\n{generate}");
    if answer.end == Some(Ok(())) {
        for (title, form) in [
            ("whole chat", Form::Chat),
            ("whole generate", Form::Generate),
        ] {
            let names = ToolNames::default();
            let reply = write_reply(&answer, &names, &options(form), &DURATIONS);
            let body = std::str::from_utf8(&reply.body).unwrap();
            let _ = writeln!(out, "=== {title}\n{body}");
            assert!(form == Form::Generate || reply.notes == notes);
        }
    }
    if !notes.is_empty() {
        out.push_str("=== notes\n");
    }
    for note in &notes {
        let _ = writeln!(out, "{:?} {}: {}", note.change, note.field, note.why);
    }
    out
}

macro_rules! cases {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!(
            "../../../../cases/ollama-caller/answers/", $name, ".txt"
        )))),*]
    };
}

const CASES: &[(&str, &str)] = &cases![
    "a-call-alone-that-is-text" "a-time-that-is-none" "another-ollama"
    "anthropic-thinking-text-tool" "arguments-that-are-no-object" "b26-openai-text"
    "cut-off" "error-inside" "filtered" "length" "openai-one-tool" "parallel-calls"
    "reasoning" "refusal" "sign-of-life" "two-choices"
];

fn case(name: &str) -> &'static str {
    let (_, case) = CASES.iter().find(|(known, _)| *known == name).unwrap();
    case
}

#[test]
fn every_case_says_what_its_caller_gets() {
    for (name, case) in CASES {
        let expected = case.find("=== chat\n").map_or("", |at| &case[at..]);
        assert_eq!(outcome(case), expected, "{name}");
    }
}

#[test]
fn b26_without_stream_the_upstream_streams_and_the_caller_gets_lines() {
    let body = br#"{"model":"virtual","messages":[{"role":"user","content":"Hi"}]}"#;
    let CallerRequest { model, wants } = read_chat(body).unwrap();
    assert_eq!(model, "virtual");
    let Wanted::Answer(chat) = wants else {
        unreachable!("there is a message")
    };
    let target = ChatTarget {
        model: "gpt-4o",
        only_max_tokens: false,
        developer_role: true,
        ask_usage: true,
        string_content: true,
        stop_limit: Some(4),
        plain_tool_names: true,
    };
    let written = write_chat(&chat, &target).unwrap();
    assert_eq!(
        written.body,
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}"#
    );
    let (got, _, notes) = lines(case("b26-openai-text"), Form::Chat);
    let head = r#"{"model":"virtual","created_at":"2025-10-02T20:26:43Z","message":{"role":"assistant","content":"#;
    let expected = [
        format!("{head}\"Hi\"}},\"done\":false}}\n"),
        format!(
            "{head}\"\"}},\"done\":true,\"done_reason\":\"stop\",\"total_duration\":1200000000,\"load_duration\":5,\"prompt_eval_count\":9,\"prompt_eval_duration\":300000000,\"eval_count\":1,\"eval_duration\":899999995}}\n"
        ),
    ];
    assert_eq!(got, expected.concat());
    assert_eq!(notes, []);
}

#[test]
fn names_come_back_as_the_caller_knows_them() {
    let mut names = ToolNames::default();
    let upstream = names.upstream("files.read", 64);
    assert_ne!(upstream, "files.read");
    let events = [
        Event::Call {
            choice: 0,
            call: 0,
            id: "".into(),
            name: (&*upstream).into(),
        },
        Event::Finish {
            choice: 0,
            reason: Finish::ToolCalls,
        },
        Event::End,
    ];
    for form in [Form::Chat, Form::Generate] {
        let mut writer = StreamWriter::new(options(form));
        let mut out = BytesMut::new();
        let mut answer = Answer::default();
        for event in &events {
            answer.add(event);
            writer.write(event, &names, &mut out);
        }
        let reply = write_reply(&answer, &names, &options(form), &DURATIONS);
        for bytes in [&out[..], &reply.body] {
            let text = std::str::from_utf8(bytes).unwrap();
            assert!(text.contains("files.read"), "{text}");
            assert!(!text.contains(&upstream), "{text}");
        }
        assert_eq!(writer.take_notes(), reply.notes);
    }
}

#[test]
fn loading_is_one_object() {
    for (form, loading, expected) in [
        (
            Form::Chat,
            Loading::Load,
            r#"{"model":"virtual","created_at":"2023-11-14T22:13:20Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}"#,
        ),
        (
            Form::Generate,
            Loading::Unload,
            r#"{"model":"virtual","created_at":"2023-11-14T22:13:20Z","response":"","done":true,"done_reason":"unload"}"#,
        ),
    ] {
        assert_eq!(write_loading(loading, &options(form)), expected);
    }
}

#[test]
fn an_error_is_one_text() {
    let body = error_body("no \"such\" model\n");
    assert_eq!(body, "{\"error\":\"no \\\"such\\\" model\\n\"}");
    assert_eq!(error_line("x"), "{\"error\":\"x\"}\n");
}

#[test]
fn durations_are_what_can_be_seen() {
    for (total, first_token, prompt_eval, eval) in [
        (10, Some(4), 4, 6),
        (10, None, 10, 0),
        (10, Some(12), 10, 0),
        (0, Some(0), 0, 0),
    ] {
        let durations = Durations {
            total,
            load: 0,
            prompt_eval,
            eval,
        };
        assert_eq!(Durations::seen(total, first_token), durations);
    }
}

#[test]
fn an_open_stream_is_small() {
    assert!(size_of::<StreamWriter>() < 400);
}

#[test]
fn arguments_without_end_are_not_kept() {
    let mut writer = StreamWriter::new(options(Form::Chat));
    let mut out = BytesMut::new();
    let names = ToolNames::default();
    let piece = "x".repeat(1024 * 1024);
    writer.write(
        &Event::Call {
            choice: 0,
            call: 0,
            id: "".into(),
            name: "a".into(),
        },
        &names,
        &mut out,
    );
    for _ in 0..20 {
        let event = Event::Arguments {
            choice: 0,
            call: 0,
            text: (&*piece).into(),
        };
        writer.write(&event, &names, &mut out);
    }
    assert!(out.is_empty());
    writer.write(&Event::End, &names, &mut out);
    assert!(out.len() < 17 * 1024 * 1024);
    assert_eq!(writer.take_notes().len(), 1);
}

#[test]
fn a_blank_name_is_a_line_of_its_own() {
    let call = |call, name: &'static str| Event::Call {
        choice: 0,
        call,
        id: "".into(),
        name: name.into(),
    };
    let names = ToolNames::default();
    let mut writer = StreamWriter::new(options(Form::Generate));
    let mut out = BytesMut::new();
    let mut answer = Answer::default();
    for event in [call(0, " "), call(1, "a"), Event::End] {
        answer.add(&event);
        writer.write(&event, &names, &mut out);
    }
    let reply = write_reply(&answer, &names, &options(Form::Generate), &DURATIONS);
    for bytes in [&out[..], &reply.body] {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.contains(r#""response":" \na""#), "{text}");
    }
}
