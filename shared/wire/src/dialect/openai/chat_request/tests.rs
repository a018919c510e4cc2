#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::super::read_chat;
use super::*;
use crate::hub::{Change, Message, Part, Role, Source, Thinking};

macro_rules! cases {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../../../cases/openai-request/", $name, ".json"))),)*]
    };
}

const CASES: &[(&str, &str)] = cases![
    "plain",
    "streamed",
    "tools-round-trip",
    "parallel-results",
    "calls-without-content",
    "named-choice",
    "required-choice",
    "allowed-tools",
    "custom-tool",
    "legacy-functions",
    "legacy-auto",
    "tool-names",
    "image-data",
    "image-url",
    "image-in-result",
    "pdf",
    "text-file",
    "reasoning-text",
    "reasoning-other-name",
    "reasoning-signed",
    "reasoning-collected",
    "reasoning-foreign",
    "sampling",
    "limits",
    "many-stops",
    "schema",
    "json-object",
    "schema-beside-type",
    "text-format",
    "cache-marks",
    "several-texts",
    "empty-texts",
    "refusal",
    "system-in-the-middle",
    "left-out",
    "who-asks",
    "nulls",
    "object-arguments",
    "broken-arguments",
];

/// A file of `cases/openai-request`.
#[derive(Deserialize)]
struct Case<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
    /// Whether what is written reads as the same chat.
    same: bool,
    left_out: Vec<String>,
    notes: Vec<String>,
    written: Value,
}

fn target() -> ChatTarget<'static> {
    ChatTarget {
        model: "up",
        only_max_tokens: true,
        developer_role: false,
        ask_usage: true,
        string_content: false,
        stop_limit: None,
        plain_tool_names: true,
    }
}

fn said(notes: &[Note]) -> Vec<String> {
    let word = |change| match change {
        Change::Dropped => "dropped",
        Change::Adapted => "adapted",
    };
    notes
        .iter()
        .map(|note| format!("{} {}", word(note.change), note.field))
        .collect()
}

#[test]
fn every_case_is_read_and_written() {
    for (name, file) in CASES {
        let case: Case<'_> = serde_json::from_str(file).unwrap();
        let chat = read_chat(case.request.get().as_bytes()).unwrap();
        assert_eq!(chat.left_out, case.left_out, "{name}");
        let written = write_chat(&chat, &target()).unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(body, case.written, "{name}");
        assert_eq!(said(&written.notes), case.notes, "{name}");
    }
}

/// The law: what is written reads as the same chat; where the case says that the
/// form cannot carry it, at least as one that is written the same.
#[test]
fn what_is_written_reads_as_the_same_chat() {
    for (name, file) in CASES {
        let case: Case<'_> = serde_json::from_str(file).unwrap();
        let chat = Chat {
            left_out: Vec::new(),
            custom_tools: Vec::new(),
            ..read_chat(case.request.get().as_bytes()).unwrap()
        };
        let written = write_chat(&chat, &target()).unwrap();
        let again = read_chat(&written.body).unwrap();
        assert_eq!(chat == again, case.same, "{name}\n{chat:?}\n{again:?}");
        assert_eq!(
            write_chat(&again, &target()).unwrap().body,
            written.body,
            "{name}"
        );
    }
}

#[test]
fn no_prefix_of_a_body_panics() {
    for (name, file) in CASES {
        let case: Case<'_> = serde_json::from_str(file).unwrap();
        let body = case.request.get().as_bytes();
        for end in 0..body.len() {
            assert!(read_chat(&body[..end]).is_err(), "{name} up to {end}");
        }
    }
}

fn user(parts: Vec<Part>) -> Chat {
    Chat {
        messages: vec![Message {
            role: Role::User,
            parts,
            at: "messages[0]".to_owned(),
        }],
        ..Chat::default()
    }
}

fn written(chat: &Chat, target: &ChatTarget<'_>) -> Value {
    serde_json::from_slice(&write_chat(chat, target).unwrap().body).unwrap()
}

#[test]
fn a_schema_is_written_as_the_caller_wrote_it() {
    let schema = r#"{ "b" : 1.50, "a":{"maximum":12345678901234567890123} }"#;
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}}}"#
    );
    let body = write_chat(&read_chat(body.as_bytes()).unwrap(), &target())
        .unwrap()
        .body;
    let text = std::str::from_utf8(&body).unwrap();
    assert_eq!(text.matches(schema).count(), 2, "{text}");
}

#[test]
fn results_come_first_and_tell_failure() {
    let failed = |parts| Part::ToolResult {
        id: "c".to_owned(),
        name: None,
        parts,
        is_error: true,
        cache: None,
    };
    let chat = user(vec![
        Part::text("go on"),
        failed(vec![Part::text("no such file")]),
        failed(Vec::new()),
    ]);
    let body = written(&chat, &target());
    assert_eq!(
        body["messages"],
        serde_json::json!([
            {"role": "tool", "content": "Error: no such file", "tool_call_id": "c"},
            {"role": "tool", "content": "Error:", "tool_call_id": "c"},
            {"role": "user", "content": "go on"},
        ])
    );
}

#[test]
fn b23_more_stop_texts_than_the_server_takes_are_refused() {
    let mut chat = user(vec![Part::text("x")]);
    let four = ChatTarget {
        stop_limit: Some(4),
        ..target()
    };
    chat.stop = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    assert!(write_chat(&chat, &four).is_ok());
    chat.stop.push("e".to_owned());
    assert_eq!(write_chat(&chat, &four).unwrap_err().param, "stop");
    assert!(write_chat(&chat, &target()).is_ok());
}

#[test]
fn a_document_by_url_is_refused() {
    let chat = user(vec![Part::Document {
        source: Source::Url("https://example.com/a.pdf".to_owned()),
        title: None,
        cache: None,
    }]);
    assert_eq!(
        write_chat(&chat, &target()).unwrap_err().param,
        "messages[0]"
    );
}

#[test]
fn the_target_decides_on_names_of_fields_and_roles() {
    let body = br#"{"messages":[{"role":"system","content":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]},{"role":"user","content":"x"}],"max_tokens":9,"stream":true,"tools":[{"function":{"name":"a.b"}}]}"#;
    let chat = read_chat(body).unwrap();
    let openai = ChatTarget {
        only_max_tokens: false,
        developer_role: true,
        ask_usage: false,
        string_content: true,
        plain_tool_names: false,
        ..target()
    };
    let body = written(&chat, &openai);
    assert_eq!(body["max_completion_tokens"], 9);
    assert_eq!(body["max_tokens"], Value::Null);
    assert_eq!(
        body["messages"][0],
        serde_json::json!({"role": "developer", "content": "s"})
    );
    assert_eq!(body["tools"][0]["function"]["name"], "a.b");
    assert_eq!(body["stream_options"], Value::Null);
    let notes = write_chat(&chat, &openai).unwrap().notes;
    assert_eq!(said(&notes), ["dropped messages[0]"]);
}

#[test]
fn b16_signed_reasoning_is_read_byte_for_byte_and_before_the_text() {
    let body = br#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y","reasoning_content":"same words","reasoning_details":[{"type":"reasoning.text","text":" words\n","signature":"c2ln+/=","index":0},{"type":"reasoning.encrypted","data":"b3A=","index":1}],"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}]}"#;
    let chat = read_chat(body).unwrap();
    assert_eq!(
        chat.messages[1].parts[..3],
        [
            Part::Thinking(
                Thinking::Plain {
                    text: " words\n".to_owned(),
                    signature: Some("c2ln+/=".to_owned()),
                },
                None
            ),
            Part::Thinking(
                Thinking::Redacted {
                    data: "b3A=".to_owned()
                },
                None
            ),
            Part::text("y"),
        ]
    );
}
