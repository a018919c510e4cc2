#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::dialect::openai::read_chat;
use crate::hub::{Change, Message, Part, Role};

macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../cases/anthropic/requests/", $name, ".json")))),*]
    };
}

const CASES: &[(&str, &str)] = cases![
    "assistant-first",
    "b08-arguments",
    "b16-thinking-echoed",
    "b16-thinking-foreign",
    "b16-thinking-foreign-recalled",
    "b17-thinking-lost",
    "b17-thinking-lost-adaptive",
    "b17-thinking-recalled",
    "b18-turns",
    "b19-system-hoisted",
    "b19-system-inline",
    "b19-system-inline-own-role",
    "b20-blank-texts",
    "b21-both-on-an-older-model",
    "b21-no-sampling",
    "b21-no-sampling-new",
    "b21-temperature",
    "b21-temperature-or-top-p",
    "b22-max-completion-tokens",
    "b22-max-tokens-default",
    "b22-max-tokens-lowered",
    "b24-tool-names",
    "b25-tool-ids",
    "cache-marks",
    "cache-marks-automatic",
    "cache-marks-too-many",
    "call-last",
    "call-unanswered",
    "documents",
    "effort-adaptive",
    "effort-budget",
    "effort-budget-clamped",
    "effort-forced-tool",
    "effort-never",
    "effort-none",
    "effort-none-always",
    "format-object",
    "format-object-schema-tool",
    "format-schema",
    "format-schema-own-tools",
    "format-schema-prefill",
    "format-schema-thinking",
    "format-schema-tool",
    "format-schema-tool-name-taken",
    "format-schema-union",
    "function-result-without-call",
    "left-out",
    "logprobs",
    "n",
    "nothing-to-answer",
    "one-call-at-a-time-auto",
    "one-call-at-a-time-none",
    "one-call-at-a-time-required",
    "one-call-at-a-time-unsaid",
    "only-system",
    "parallel-calls",
    "picture-in-result",
    "picture-unknown",
    "pictures",
    "prefill",
    "prefill-blank",
    "prefill-refused",
    "prefill-thinking",
    "result-without-call",
    "schema-union",
    "schemas",
    "stop",
    "thinking-interleaved",
    "tier-unknown",
    "tools-made-up",
    "tools-named-alike",
    "user-and-tier",
];

/// The id of thinking that the target has signed.
const OWN: &str = "by_00000000000000aa_0000000000000001";

/// An OpenAI request, and what the provider gets.
#[derive(Deserialize)]
struct Case<'a> {
    target: To<'a>,
    #[serde(borrow)]
    request: &'a RawValue,
    written: Option<Value>,
    refused: Option<Refused>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct To<'a> {
    model: &'a str,
    default_max_tokens: Option<u64>,
    #[serde(default)]
    auto_cache: bool,
    #[serde(default)]
    inline_system: bool,
    /// Ids of calls whose thinking was kept.
    #[serde(default)]
    recalls: Vec<&'a str>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Refused {
    param: String,
    message: String,
}

fn chat(name: &str, case: &Case<'_>) -> Chat {
    let read = read_chat(case.request.get().as_bytes());
    read.unwrap_or_else(|err| unreachable!("{name}: {err:?}"))
}

fn written(chat: &Chat, to: &To<'_>) -> Result<Written, Refusal> {
    let recall = |id: &str| {
        let thoughts = vec![Thinking::Plain {
            text: "kept".to_owned(),
            signature: Some("Kept==".to_owned()),
        }];
        to.recalls.contains(&id).then_some(thoughts)
    };
    let target = Target {
        model: to.model,
        default_max_tokens: to.default_max_tokens.unwrap_or(8192),
        auto_cache: to.auto_cache,
        inline_system: to.inline_system,
        origin: Origin::read(OWN).unwrap(),
        recall: &recall,
    };
    write(chat, &target)
}

fn run(prefix: &str) {
    let mut ran = 0;
    for (name, text) in CASES.iter().filter(|(name, _)| name.starts_with(prefix)) {
        let case: Case<'_> = serde_json::from_str(text).unwrap();
        match written(&chat(name, &case), &case.target) {
            Ok(got) => {
                let body: Value = serde_json::from_slice(&got.body).unwrap();
                assert_eq!(Some(&body), case.written.as_ref(), "{name}: {body:#}");
                assert_eq!(notes(&got.notes), case.notes, "{name}");
            }
            Err(refusal) => {
                let got = Refused {
                    param: refusal.param,
                    message: refusal.message,
                };
                assert_eq!(Some(got), case.refused, "{name}");
            }
        }
        ran += 1;
    }
    assert!(ran > 0, "no case begins with {prefix:?}");
}

fn notes(notes: &[Note]) -> Vec<String> {
    let words = notes.iter().map(|note| {
        let change = match note.change {
            Change::Dropped => "dropped",
            Change::Adapted => "adapted",
        };
        format!("{change} {}", note.field)
    });
    words.collect()
}

#[test]
fn every_case_is_written_as_it_says() {
    run("");
}

#[test]
fn b08_arguments_are_an_object_whatever_the_model_wrote() {
    run("b08-");
}

#[test]
fn b16_signed_thinking_goes_back_first_and_as_it_was() {
    run("b16-");
}

#[test]
fn b17_lost_thinking_is_recalled_or_thinking_is_off() {
    run("b17-");
}

#[test]
fn b18_roles_alternate_and_results_come_first() {
    run("b18-");
}

#[test]
fn b19_system_in_the_middle_is_hoisted_or_inline() {
    run("b19-");
}

#[test]
fn b20_no_blank_text_goes_out() {
    run("b20-");
}

#[test]
fn b21_sampling_is_what_the_model_takes() {
    run("b21-");
}

#[test]
fn b22_max_tokens_has_a_default() {
    run("b22-");
}

#[test]
fn b24_tool_names_are_mapped_and_come_back() {
    run("b24-");
    let (name, text) = CASES
        .iter()
        .find(|(name, _)| *name == "b24-tool-names")
        .unwrap();
    let case: Case<'_> = serde_json::from_str(text).unwrap();
    let got = written(&chat(name, &case), &case.target).unwrap();
    assert_eq!(got.names.caller("files_read_v1"), "files.read/v1");
}

#[test]
fn b25_tool_ids_are_mapped_alike_in_call_and_result() {
    run("b25-");
}

/// A chat of one user message and what `add` says.
fn asking(add: impl FnOnce(&mut Chat)) -> Chat {
    let mut chat = Chat {
        messages: vec![Message {
            role: Role::User,
            parts: vec![Part::text("hi")],
            at: "messages[0]".to_owned(),
        }],
        ..Chat::default()
    };
    add(&mut chat);
    chat
}

const SONNET: To<'static> = To {
    model: "claude-sonnet-4-5",
    default_max_tokens: None,
    auto_cache: false,
    inline_system: false,
    recalls: Vec::new(),
};

#[test]
fn schemas_and_arguments_keep_the_callers_text() {
    let schema = r#"{"properties": {"n": {"type":"number","maximum":1.0e3, "minimum":12345678901234567890123}}, "b":1,"a":2}"#;
    let arguments = r#"{"n": 12345678901234567890123, "z":1.50,"a":"\u00e9"}"#;
    let chat = asking(|chat| {
        chat.tools.push(crate::hub::Tool {
            name: "f".to_owned(),
            parameters: Some(schema.to_owned()),
            ..crate::hub::Tool::default()
        });
        chat.messages.push(Message {
            role: Role::Assistant,
            parts: vec![Part::ToolCall {
                id: "c".to_owned(),
                name: "f".to_owned(),
                arguments: arguments.to_owned(),
            }],
            at: "messages[1]".to_owned(),
        });
        chat.messages.push(Message {
            role: Role::User,
            parts: vec![Part::ToolResult {
                id: "c".to_owned(),
                name: None,
                parts: vec![],
                is_error: true,
                cache: None,
            }],
            at: "messages[2]".to_owned(),
        });
    });
    let body = written(&chat, &SONNET).unwrap().body;
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        body.contains(&schema.replacen('{', "{\"type\":\"object\",", 1)),
        "{body}"
    );
    assert!(body.contains(arguments), "{body}");
    assert!(
        body.contains(r#"{"type":"tool_result","tool_use_id":"c","is_error":true}"#),
        "{body}"
    );
}

#[test]
fn an_address_does_not_reach_the_provider() {
    let user = |user: &str| {
        let chat = asking(|chat| chat.user = Some(user.to_owned()));
        let body = written(&chat, &SONNET).unwrap().body;
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["metadata"]["user_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(user("u-1"), "u-1");
    let hashed = user("jane@example.com");
    assert!(
        hashed.starts_with("user_") && !hashed.contains("jane"),
        "{hashed}"
    );
    assert_eq!(hashed, user("jane@example.com"), "the same again");
    assert_ne!(hashed, user("joan@example.com"));
}

#[test]
fn a_longer_conversation_begins_with_the_same_bytes() {
    let text = |name: &str| CASES.iter().find(|(case, _)| *case == name).unwrap().1;
    let case: Case<'_> = serde_json::from_str(text("b25-tool-ids")).unwrap();
    let long = chat("b25-tool-ids", &case);
    let mut short = long.clone();
    short.messages.truncate(short.messages.len() - 2);
    let body = |chat: &Chat| {
        let body = written(chat, &case.target).unwrap().body;
        String::from_utf8(body.to_vec()).unwrap()
    };
    let (short, long) = (body(&short), body(&long));
    let same = short.strip_suffix("]}").unwrap();
    assert!(long.starts_with(same), "{long}\n{short}");
}

/// As many calls as a request may hold, whose ids and names are all alike, between as
/// many messages of the system.
#[test]
fn ids_that_are_all_alike_cost_no_more_than_others() {
    const MANY: usize = 20_000;
    let body = |call: String, result: String| {
        let request = format!(
            r#"{{"messages":[{}{{"role":"assistant","tool_calls":[{}]}},{}]}}"#,
            r#"{"role":"system","content":"s"},"#.repeat(MANY),
            call.strip_suffix(',').unwrap(),
            result.strip_suffix(',').unwrap(),
        );
        let chat = read_chat(request.as_bytes()).unwrap();
        let body = written(&chat, &SONNET).unwrap().body;
        String::from_utf8(body.to_vec()).unwrap()
    };
    let body = body(
        r#"{"id":"c","function":{"name":"f.g","arguments":"{}"}},"#.repeat(MANY),
        r#"{"role":"tool","tool_call_id":"c","content":"r"},"#.repeat(MANY),
    );
    let (first, last) = (r#""tool_use_id":"c","#, r#""tool_use_id":"c_t0_19999","#);
    assert!(body.find(first).unwrap() < body.find(last).unwrap());
    assert_eq!(body.matches(r#""tool_use_id":"#).count(), MANY);
}
