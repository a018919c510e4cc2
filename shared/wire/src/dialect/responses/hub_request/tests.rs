//! The requests in `cases/responses/requests`: a caller's body, and what an OpenAI server
//! of chat completions gets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fmt::Write as _;

use super::*;
use crate::dialect::openai::{ChatTarget, write_chat};
use crate::dialect::responses::sealed::seal;
use crate::hub::{Origin, Thinking};

const OPENAI: ChatTarget<'_> = ChatTarget {
    model: "up",
    only_max_tokens: false,
    developer_role: false,
    ask_usage: true,
    string_content: true,
    stop_limit: None,
    plain_tool_names: true,
};

fn body(case: &str) -> &str {
    let (_, rest) = case.split_once("=== responses\n").unwrap();
    rest.split("=== ").next().unwrap()
}

/// What becomes of a case's body, in the words of its file.
fn outcome(case: &str) -> String {
    let mut out = String::new();
    let chat = match read_response(body(case).as_bytes()) {
        Ok(request) => request.chat,
        Err(bad) => {
            let param = bad.param.unwrap_or_default();
            let _ = writeln!(out, "=== refused\n{param}: {}", bad.message);
            return out;
        }
    };
    let written = write_chat(&chat, &OPENAI).unwrap();
    let body = std::str::from_utf8(&written.body).unwrap();
    let _ = writeln!(out, "=== openai\n{body}");
    if !written.notes.is_empty() {
        out.push_str("=== notes\n");
    }
    for note in &written.notes {
        let _ = writeln!(out, "{:?} {}", note.change, note.field);
    }
    out
}

macro_rules! requests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let case = include_str!(concat!(
                    "../../../../cases/responses/requests/", stringify!($name), ".txt"
                ));
                let expected = ["=== refused\n", "=== openai\n"]
                    .iter()
                    .find_map(|title| case.find(title));
                let expected = expected.map_or("", |at| &case[at..]);
                assert_eq!(outcome(case), expected);
            }
        )*
    };
}

requests! {
    a_call_without_an_id_is_refused
    a_choice_in_other_words_is_refused
    a_choice_of_a_function
    a_choice_of_a_tool_in_a_namespace
    a_choice_of_a_tool_of_the_vendor
    a_choice_of_no_tool_is_refused
    a_conversation_is_refused
    a_demand_without_tools_is_left_out
    a_field_twice_is_refused
    a_part_of_another_kind_is_refused
    a_picture_and_a_file
    a_picture_in_a_result
    a_picture_of_the_operator_is_refused
    a_reference_is_refused
    a_result_without_a_call_is_a_message
    a_schema_for_the_answer
    a_second_tool_of_one_name_is_left_out
    a_stored_file_is_refused
    a_stored_picture_is_refused
    a_stored_prompt_is_refused
    a_text_is_a_message_of_the_user
    a_tool_in_the_form_of_chat
    allowed_tools
    an_earlier_answer_is_refused
    an_empty_input_is_refused
    an_object_for_the_answer
    an_older_shell_call
    another_role_is_refused
    codex_first_turn
    effort_in_other_words_is_refused
    input_of_another_type_is_refused
    instructions_come_first
    items_of_the_vendor_are_left_out
    no_input_is_refused
    no_model_is_refused
    parallel_calls_are_one_message
    sound_is_refused
    tools_in_an_item
    work_in_the_background_is_refused
}

fn read(body: &str) -> CallerRequest {
    read_response(body.as_bytes()).unwrap()
}

#[test]
fn tools_in_namespaces_are_known_by_both_names() {
    let request = read(
        r#"{"model":"m","input":"x","tools":[{"type":"namespace","name":"mcp__a__","tools":[{"type":"custom","name":"_b"}]},{"type":"namespace","name":"functions","tools":[{"type":"function","name":"c"}]}]}"#,
    );
    let names: Vec<&str> = request.chat.tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["mcp__a__b", "c"]);
    assert_eq!(request.chat.custom_tools, ["mcp__a__b"]);
    let namespaces = &request.namespaces;
    assert_eq!(namespaces.split("mcp__a__b"), (Some("mcp__a__"), "_b"));
    assert_eq!(namespaces.split("c"), (None, "c"));
    assert_eq!(namespaces.split("other"), (None, "other"));
}

#[test]
fn proofs_come_back_with_their_makers() {
    let origin = Origin::of(1, "https://a.example", "model");
    let signed = Thinking::Plain {
        text: "words".to_owned(),
        signature: Some("proof==".to_owned()),
    };
    let redacted = Thinking::Redacted {
        data: "opaque".to_owned(),
    };
    let item = |block: &Thinking, text: &str| {
        let sealed = seal(block, Some(origin)).unwrap();
        serde_json::json!({
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{ "type": "summary_text", "text": text }],
            "encrypted_content": sealed,
        })
    };
    let body = serde_json::json!({
        "model": "m",
        "input": [{ "role": "user", "content": "x" }, item(&signed, "words"), item(&redacted, "")],
    });
    let request = read(&body.to_string());
    let parts = &request.chat.messages[1].parts;
    let expected = [signed, redacted].map(|block| Part::Thinking(block, Some(origin)));
    assert_eq!(*parts, expected);
    assert_eq!(request.chat.left_out, Vec::<String>::new());
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["", "[]", "null", "{", "\"x\"", "{\"model\":\"m\"} x"] {
        let bad = read_response(body.as_bytes()).unwrap_err();
        assert!(bad.message.contains("JSON"), "{}", bad.message);
    }
}

#[test]
fn no_more_tools_than_a_model_takes() {
    let body = |number: usize| {
        let tools: Vec<String> = (0..number)
            .map(|number| format!(r#"{{"type":"function","name":"f{number}"}}"#))
            .collect();
        let tools = tools.join(",");
        format!(r#"{{"model":"m","input":"x","tools":[{tools}]}}"#)
    };
    assert!(read_response(body(4096).as_bytes()).is_ok());
    let bad = read_response(body(4097).as_bytes()).unwrap_err();
    assert_eq!(bad.param.as_deref(), Some("tools[4096]"));
}
