//! The requests in `cases/anthropic-caller/requests`: a caller's body, and what an OpenAI
//! server gets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use crate::dialect::anthropic::{Target, write};
use crate::dialect::openai::{ChatTarget, write_chat};
use crate::hub::{Origin, Thinking};

const OPENAI: ChatTarget<'_> = ChatTarget {
    model: "up",
    only_max_tokens: true,
    developer_role: false,
    ask_usage: true,
    string_content: false,
    stop_limit: None,
    plain_tool_names: true,
};

fn read(case: &str) -> Result<CallerRequest, BadRequest> {
    let (_, rest) = case.split_once("=== messages\n").unwrap();
    read_chat(rest.split("=== ").next().unwrap().as_bytes())
}

/// What becomes of a case's body, in the words of its file.
fn outcome(case: &str) -> String {
    let mut out = String::new();
    let request = match read(case) {
        Ok(request) => request,
        Err(bad) => {
            let param = bad.param.unwrap_or_default();
            let _ = writeln!(out, "=== refused\n{param}: {}", bad.message);
            return out;
        }
    };
    let model = request.model.unwrap_or_default();
    let _ = writeln!(out, "=== model\n{model}");
    match write_chat(&request.chat, &OPENAI) {
        Ok(written) => {
            let body = std::str::from_utf8(&written.body).unwrap();
            let _ = writeln!(out, "=== openai\n{body}");
            if !written.notes.is_empty() {
                out.push_str("=== notes\n");
            }
            for note in &written.notes {
                let _ = writeln!(out, "{:?} {}", note.change, note.field);
            }
        }
        Err(refusal) => {
            let _ = writeln!(out, "=== unsaid\n{}", refusal.message);
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
                    "../../../../cases/anthropic-caller/requests/", stringify!($name), ".txt"
                ));
                let expected = ["=== refused\n", "=== model\n"]
                    .iter()
                    .find_map(|title| case.find(title));
                let expected = expected.map_or("", |at| &case[at..]);
                assert_eq!(outcome(case), expected);
            }
        )*

        /// All of them.
        const CASES: &[(&str, &str)] = &[$((
            stringify!($name),
            include_str!(concat!(
                "../../../../cases/anthropic-caller/requests/", stringify!($name), ".txt"
            )),
        )),*];
    };
}

requests! {
    a_budget_is_an_effort
    a_choice_in_other_words_is_refused
    a_compacted_conversation
    a_document_by_its_address
    a_limit_of_the_wrong_type_is_refused
    a_named_choice
    a_named_choice_of_what_is_left_out
    a_picture_without_data_is_refused
    a_result_of_nothing
    a_role_of_another_dialect_is_refused
    a_schema
    a_schema_in_its_older_place
    a_tool_without_a_name_is_refused
    any_choice
    content_of_the_wrong_type_is_refused
    deferred_tools_of_a_search_at_the_vendor
    deferred_tools_wait_to_be_found
    documents
    effort_in_output_config
    empty_messages_are_refused
    no_choice
    no_messages_are_refused
    no_tokens_are_one
    nulls_are_nothing
    pictures
    results
    settings
    shape_aider
    shape_claude_code_image
    shape_claude_code_known_model
    shape_claude_code_schema
    shape_claude_code_thinking_back
    shape_claude_code_tool_result
    shape_litellm_tool_result
    shape_opencode_tool_result
    shape_sdk_count_tokens
    shape_sdk_tool_result
    system_as_blocks
    system_as_text
    system_in_the_middle
    thinking_back
    thinking_disabled
    tools_of_every_type
    what_ran_at_the_vendor_is_left_out
}

/// What is written for the vendor is a request that a caller could have sent: read and
/// written again, it is the same, but for what a model's limits do to it.
#[test]
fn a_request_survives_its_own_dialect() {
    let origin = Origin::of(1, "https://upstream.example", "up");
    let recall: &dyn Fn(&str) -> Option<Vec<Thinking>> = &|_| None;
    let target = Target {
        model: "up",
        default_max_tokens: 100,
        auto_cache: false,
        inline_system: true,
        origin,
        recall,
    };
    let mut checked = 0;
    for (name, case) in CASES {
        let Ok(CallerRequest { mut chat, .. }) = read(case) else {
            continue;
        };
        // A budget is counted into the limit each time.
        chat.effort = None;
        let once = write(&chat, &target).unwrap().body;
        let again = read_chat(&once).unwrap();
        assert_eq!(again.model.as_deref(), Some("up"), "{name}");
        assert_eq!(again.chat.left_out, Vec::<String>::new(), "{name}");
        assert_eq!(write(&again.chat, &target).unwrap().body, once, "{name}");
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}

/// Of what real clients send nothing is lost that another server could make use of.
#[test]
fn real_clients_are_read_without_loss() {
    let shapes = CASES.iter().filter(|(name, _)| name.starts_with("shape_"));
    let mut lost = BTreeSet::new();
    let mut read_all = 0;
    for (name, case) in shapes {
        let read = read(case);
        assert!(read.is_ok(), "{name}: {read:?}");
        let chat = read.unwrap().chat;
        lost.extend(chat.left_out);
        read_all += 1;
    }
    let told: Vec<&str> = lost.iter().map(String::as_str).collect();
    assert_eq!(
        told,
        ["context_management", "tools[2].DeferredToolPlaceholder"]
    );
    assert_eq!(read_all, 10);
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["", "[]", "null", "{", "\"x\"", "{\"model\":\"m\"} x"] {
        let bad = read_chat(body.as_bytes()).unwrap_err();
        assert!(bad.message.contains("JSON"), "{}", bad.message);
    }
}
