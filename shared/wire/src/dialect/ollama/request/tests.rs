//! The requests in `cases/ollama/requests`: an OpenAI body, and what Ollama gets; and
//! what an OpenAI body cannot say.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;
use crate::dialect::openai::read_chat;
use crate::hub::{CacheMark, Effort, Message, Part, Role, Source, Thinking};

/// What becomes of a case's OpenAI body, in the words of its file.
fn outcome(case: &str) -> String {
    let section = |title: &str| {
        let (_, rest) = case.split_once(&format!("=== {title}\n"))?;
        rest.split("=== ").next()
    };
    let mut target = Target {
        model: "qwen3",
        ..Target::default()
    };
    for line in section("target").unwrap_or_default().lines() {
        let (name, value) = line.split_once('=').unwrap();
        match name {
            "num_ctx" => target.num_ctx = Some(value.parse().unwrap()),
            "keep_alive" => target.keep_alive = Some(value),
            "thinks" => target.thinks = Some(value.parse().unwrap()),
            "takes_tools" => target.takes_tools = Some(value.parse().unwrap()),
            other => unreachable!("no such setting: {other}"),
        }
    }
    let chat = read_chat(section("openai").unwrap().as_bytes()).unwrap();
    let mut out = String::new();
    match write(&chat, &target) {
        Ok(written) => {
            assert!(!written.names.differ());
            let body = std::str::from_utf8(&written.body).unwrap();
            let _ = writeln!(out, "=== ollama\n{body}");
            if !written.notes.is_empty() {
                out.push_str("=== notes\n");
            }
            for note in &written.notes {
                let _ = writeln!(out, "{:?} {}: {}", note.change, note.field, note.why);
            }
        }
        Err(refusal) => {
            let _ = writeln!(out, "=== refused\n{}: {}", refusal.param, refusal.message);
        }
    }
    out
}

macro_rules! requests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let case = include_str!(concat!(
                    "../../../../cases/ollama/requests/", stringify!($name), ".txt"
                ));
                let (_, rest) = case.split_once("=== openai\n").unwrap();
                let expected = rest.find("=== ").map_or("", |at| &rest[at..]);
                assert_eq!(outcome(case), expected);
            }
        )*
    };
}

requests! {
    a_named_tool_goes_alone
    a_pdf_is_refused
    a_picture_by_address_is_refused
    a_result_of_a_function_that_nobody_called_is_told
    b08_arguments_are_an_object
    b20_an_empty_user_text_stays_a_text
    b22_max_completion_tokens_is_num_predict
    b24_tools_keep_their_names_and_schemas
    b26_stream_is_always_said
    effort_for_a_model_that_does_not_think
    effort_is_think
    effort_none_is_no_thinking
    fields_without_a_place_are_noted
    format_json
    format_schema
    logprobs_are_refused
    n_above_one_is_refused
    n_is_one
    only_empty_messages_of_the_model_are_refused
    sampling_is_options
    stream_is_asked_for
    texts_are_joined_and_pictures_beside
    thoughts_of_the_history_go_back
    tool_choice_none_is_no_tools
    tool_choice_required_cannot_be_forced
    tools_for_a_model_without_are_refused
}

fn chat(role: Role, parts: Vec<Part>) -> Chat {
    Chat {
        messages: vec![Message {
            role,
            parts,
            at: "messages[0]".to_owned(),
        }],
        ..Chat::default()
    }
}

const TARGET: Target<'_> = Target {
    model: "qwen3",
    num_ctx: None,
    keep_alive: None,
    thinks: None,
    takes_tools: None,
};

fn body(chat: &Chat, target: &Target<'_>) -> Value {
    serde_json::from_slice(&write(chat, target).unwrap().body).unwrap()
}

fn messages(role: Role, parts: Vec<Part>) -> Value {
    body(&chat(role, parts), &TARGET)["messages"].take()
}

fn document(source: Source) -> Part {
    Part::Document {
        source,
        title: Some("notes.txt".to_owned()),
        cache: None,
    }
}

#[test]
fn results_come_before_what_else_the_user_says() {
    let result = |id: &str, name: Option<&str>, parts, is_error| Part::ToolResult {
        id: id.to_owned(),
        name: name.map(str::to_owned),
        parts,
        is_error,
        cache: None,
    };
    let image = Part::Image {
        source: Source::Data {
            media_type: "image/png".to_owned(),
            data: "AAAA".to_owned(),
        },
        cache: None,
    };
    let got = messages(
        Role::User,
        vec![
            Part::text("now"),
            result("c1", Some("look"), vec![Part::text("seen"), image], false),
            result("c2", None, vec![Part::text("broken")], true),
        ],
    );
    assert_eq!(
        got,
        json!([
            {"role": "tool", "content": "seen", "images": ["AAAA"], "tool_name": "look", "tool_call_id": "c1"},
            {"role": "tool", "content": "Error: broken", "tool_call_id": "c2"},
            {"role": "user", "content": "now"},
        ])
    );
}

#[test]
fn documents_of_plain_text_are_text() {
    let data = |media_type: &str, data: &str| {
        document(Source::Data {
            media_type: media_type.to_owned(),
            data: data.to_owned(),
        })
    };
    for part in [
        document(Source::Text("grün".to_owned())),
        data("text/plain", "Z3LDvG4="),
    ] {
        assert_eq!(
            messages(Role::User, vec![Part::text("read"), part]),
            json!([{"role": "user", "content": "read\nnotes.txt\ngrün"}])
        );
    }
    for (part, word) in [
        (data("application/pdf", "AAAA"), "PDF"),
        (data("text/plain", "Z3L8bg=="), "UTF-8"),
        (data("text/plain", "?"), "base64"),
        (
            document(Source::Url("https://x.test/".to_owned())),
            "address",
        ),
    ] {
        let refusal = write(&chat(Role::User, vec![part]), &TARGET).unwrap_err();
        assert_eq!(refusal.param, "messages[0].content[0]");
        assert!(refusal.message.contains(word), "{}", refusal.message);
    }
}

#[test]
fn what_only_another_vendor_reads_is_left_out_with_a_note() {
    let mut chat = chat(
        Role::Assistant,
        vec![
            Part::Thinking(
                Thinking::Redacted {
                    data: "opaque".to_owned(),
                },
                None,
            ),
            Part::Thinking(
                Thinking::Plain {
                    text: "hm".to_owned(),
                    signature: Some("proof".to_owned()),
                },
                None,
            ),
            Part::text("yes"),
        ],
    );
    chat.cache = Some(CacheMark { ttl: None });
    let written = write(&chat, &TARGET).unwrap();
    let fields: Vec<&str> = written.notes.iter().map(|n| n.field.as_str()).collect();
    assert_eq!(fields, ["messages[0].content[0]", "cache_control"]);
    assert_eq!(
        body(&chat, &TARGET)["messages"],
        json!([{"role": "assistant", "content": "yes", "thinking": "hm"}])
    );
}

#[test]
fn every_effort_has_its_think() {
    for (effort, think, noted) in [
        (Effort::None, json!(false), false),
        (Effort::Minimal, json!("low"), true),
        (Effort::Low, json!("low"), false),
        (Effort::Medium, json!("medium"), false),
        (Effort::High, json!("high"), false),
        (Effort::XHigh, json!("high"), true),
        (Effort::Max, json!("max"), false),
    ] {
        let mut chat = chat(Role::User, vec![Part::text("hi")]);
        chat.effort = Some(effort);
        for thinks in [None, Some(true)] {
            let target = Target { thinks, ..TARGET };
            assert_eq!(body(&chat, &target)["think"], think, "{effort:?}");
            let notes = write(&chat, &target).unwrap().notes;
            assert_eq!(!notes.is_empty(), noted, "{effort:?}");
        }
        let target = Target {
            thinks: Some(false),
            ..TARGET
        };
        assert_eq!(body(&chat, &target).get("think"), None, "{effort:?}");
        let notes = write(&chat, &target).unwrap().notes;
        assert_eq!(notes.is_empty(), effort == Effort::None, "{effort:?}");
    }
}

#[test]
fn keep_alive_is_a_duration_or_seconds() {
    let chat = chat(Role::User, vec![Part::text("hi")]);
    for (text, expected) in [
        ("5m", json!("5m")),
        ("1h30m", json!("1h30m")),
        ("-1", json!(-1)),
        ("0", json!(0)),
        (" 300 ", json!(300)),
        ("007", json!(7)),
        ("1.5", json!(1.5)),
        ("-1m", json!("-1m")),
    ] {
        let target = Target {
            keep_alive: Some(text),
            ..TARGET
        };
        assert_eq!(body(&chat, &target)["keep_alive"], expected, "{text}");
    }
    let target = Target {
        keep_alive: Some(" "),
        ..TARGET
    };
    assert_eq!(body(&chat, &target).get("keep_alive"), None);
}

#[test]
fn what_is_no_schema_is_refused() {
    let mut chat = chat(Role::User, vec![Part::text("hi")]);
    chat.response_format = crate::hub::ResponseFormat::JsonSchema {
        name: "x".to_owned(),
        schema: "{".to_owned(),
        strict: None,
    };
    let refusal = write(&chat, &TARGET).unwrap_err();
    assert_eq!(refusal.param, "response_format.json_schema.schema");

    chat.response_format = crate::hub::ResponseFormat::JsonSchema {
        name: "x".to_owned(),
        schema: "{}".to_owned(),
        strict: None,
    };
    assert_eq!(body(&chat, &TARGET)["format"], "json");

    for parameters in ["{", "[]", "null", ""] {
        chat.tools = vec![Tool {
            name: "a".to_owned(),
            parameters: Some(parameters.to_owned()),
            ..Tool::default()
        }];
        let refusal = write(&chat, &TARGET).unwrap_err();
        assert_eq!(
            refusal.param, "tools[0].function.parameters",
            "{parameters}"
        );
    }
}

#[test]
fn limits_beyond_the_servers_are_kept_in_bounds() {
    let mut chat = chat(Role::User, vec![Part::text("hi")]);
    chat.max_tokens = Some(u64::MAX);
    assert_eq!(body(&chat, &TARGET)["options"]["num_predict"], i32::MAX);
}
