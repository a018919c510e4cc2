//! The requests in `cases/ollama-caller/requests`: a caller's body, and what an OpenAI
//! server gets.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fmt::Write as _;

use super::*;
use crate::dialect::ollama::{Target, write};
use crate::dialect::openai::{ChatTarget, write_chat};

const OPENAI: ChatTarget<'_> = ChatTarget {
    model: "up",
    only_max_tokens: false,
    developer_role: false,
    ask_usage: true,
    string_content: true,
    stop_limit: None,
    plain_tool_names: true,
};

fn read(case: &str) -> Result<CallerRequest, BadRequest> {
    let section = |title: &str| {
        let (_, rest) = case.split_once(&format!("=== {title}\n"))?;
        rest.split("=== ").next()
    };
    match section("chat") {
        Some(body) => read_chat(body.as_bytes()),
        None => read_generate(section("generate").unwrap().as_bytes()),
    }
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
    let _ = writeln!(out, "=== model\n{}", request.model);
    match request.wants {
        Wanted::Nothing(loading) => {
            let _ = writeln!(out, "=== nothing\n{loading:?}");
        }
        Wanted::Complete { form, left_out } => {
            let form = std::str::from_utf8(&form).unwrap();
            let _ = writeln!(out, "=== completion\n{form}");
            if !left_out.is_empty() {
                let _ = writeln!(out, "=== left out\n{}", left_out.join("\n"));
            }
        }
        Wanted::Answer(chat) => {
            let written = write_chat(&chat, &OPENAI).unwrap();
            let body = std::str::from_utf8(&written.body).unwrap();
            let _ = writeln!(out, "=== openai\n{body}");
            if !written.notes.is_empty() {
                out.push_str("=== notes\n");
            }
            for note in &written.notes {
                let _ = writeln!(out, "{:?} {}", note.change, note.field);
            }
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
                    "../../../../cases/ollama-caller/requests/", stringify!($name), ".txt"
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
                "../../../../cases/ollama-caller/requests/", stringify!($name), ".txt"
            )),
        )),*];
    };
}

requests! {
    a_context_is_refused
    a_field_twice_is_refused
    a_limit_may_be_a_fraction
    a_data_url_of_nothing_known_is_refused
    a_picture_in_a_result
    a_picture_is_what_its_bytes_are
    a_picture_of_the_model_is_refused
    a_picture_that_is_none_is_refused
    a_prompt_alone
    a_prompt_is_a_message
    a_result_of_another_function_is_refused
    a_result_without_a_call_is_refused
    a_sound_is_refused
    a_suffix_makes_it_a_completion
    a_template_is_refused
    a_tool_of_another_type_is_refused
    an_empty_prompt_and_no_time_unload_it
    an_empty_prompt_loads_the_model
    an_option_of_the_wrong_type_is_refused
    an_unanswered_call_is_over
    an_unknown_role_is_refused
    arguments_as_text_are_taken
    b26_stream_is_the_default
    each_turn_has_calls_of_its_own
    format_in_other_words_is_refused
    format_json
    format_schema
    keep_alive_of_the_wrong_type_is_refused
    minus_one_is_no_limit_and_no_seed
    no_messages_and_no_time_unload_it
    no_messages_load_the_model
    no_model_is_refused
    options_of_the_server_are_noted
    parts_are_refused
    pictures_come_before_the_text
    raw_is_a_completion
    results_name_their_call
    results_name_their_function
    results_without_ids_go_by_order
    sampling_is_in_options
    stream_false
    think_false
    think_in_other_words_is_refused
    think_max
    think_true
    thoughts_of_the_history
    tools_keep_their_schemas
    what_is_empty_is_nothing
    zero_is_a_seed_and_no_limit
}

/// What is written for an Ollama server is a request that a caller could have sent: read
/// and written again, it is the same.
#[test]
fn a_request_survives_its_own_dialect() {
    let target = Target {
        model: "up",
        ..Target::default()
    };
    let mut checked = 0;
    for (name, case) in CASES {
        let Ok(CallerRequest {
            wants: Wanted::Answer(chat),
            ..
        }) = read(case)
        else {
            continue;
        };
        let once = write(&chat, &target).unwrap().body;
        let again = read_chat(&once).unwrap();
        assert_eq!(again.model, "up", "{name}");
        let Wanted::Answer(chat) = again.wants else {
            unreachable!("{name}: it had messages");
        };
        assert_eq!(chat.left_out, Vec::<String>::new(), "{name}");
        assert_eq!(write(&chat, &target).unwrap().body, once, "{name}");
        checked += 1;
    }
    assert!(checked > 15, "{checked}");
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    for body in ["", "[]", "null", "{", "\"x\"", "{\"model\":\"m\"} x"] {
        for read in [read_chat, read_generate] {
            let bad = read(body.as_bytes()).unwrap_err();
            assert!(bad.message.contains("JSON"), "{}", bad.message);
        }
    }
}

#[test]
fn no_more_tools_than_a_model_takes() {
    let tool = r#"{"function":{"name":"a"}}"#;
    let body = |number| {
        let tools = vec![tool; number].join(",");
        format!(r#"{{"model":"m","messages":[],"tools":[{tools}]}}"#)
    };
    assert!(read_chat(body(4096).as_bytes()).is_ok());
    let bad = read_chat(body(4097).as_bytes()).unwrap_err();
    assert_eq!(bad.param.as_deref(), Some("tools"));
}
