#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::super::Defaults;
use super::*;
use crate::hub::{Part, Role, Source, Thinking, ToolChoice};

fn one_user_part(part: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#)
}

/// Body, the field that is refused, what its message holds.
const REFUSED: &[(&str, &str, &str)] = &[
    (r#"{"messages":[]}"#, "messages", "at least one"),
    (r#"{}"#, "messages", "at least one"),
    (r#"{"messages":{}}"#, "messages", "must be a list"),
    (r#"{"messages":[7]}"#, "messages[0]", "must be an object"),
    (
        r#"{"messages":[{"content":"x"}]}"#,
        "messages[0].role",
        "is required",
    ),
    (
        r#"{"messages":[{"role":"robot"}]}"#,
        "messages[0].role",
        "must be one of",
    ),
    (
        r#"{"messages":[{"role":"user","role":"user"}]}"#,
        "messages[0].role",
        "more than once",
    ),
    (
        r#"{"messages":[{"role":"user","content":7}]}"#,
        "messages[0].content",
        "must be a string or a list",
    ),
    (
        r#"{"messages":[{"role":"user","content":"\ud800"}]}"#,
        "messages[0].content",
        "half of a character",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
        "messages[0].content[0].type",
        "is required",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#,
        "messages[0].content[0].text",
        "is required",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"video_url"}]}]}"#,
        "messages[0].content[0].type",
        "must be 'text'",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}]}]}"#,
        "messages[0].content[0]",
        "is sound",
    ),
    (
        r#"{"messages":[{"role":"system","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
        "messages[0].content[0].type",
        "must be 'text'",
    ),
    (
        r#"{"messages":[{"role":"user"},{"role":"user","content":[{"type":"image_url","image_url":{"url":5}}]}]}"#,
        "messages[1].content[0].image_url.url",
        "must be a string",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}"#,
        "messages[0].content[0].image_url.url",
        "must be a data: URL",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,a*b"}}]}]}"#,
        "messages[0].content[0].image_url.url",
        "no valid base64",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,x"}}]}]}"#,
        "messages[0].content[0].image_url.url",
        "media type",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#,
        "messages[0].content[0].file.file_id",
        "file_data",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/zip;base64,AAAA"}}]}]}"#,
        "messages[0].content[0].file.file_data",
        "PDF or plain text",
    ),
    (
        r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/plain;base64,/w=="}}]}]}"#,
        "messages[0].content[0].file.file_data",
        "not UTF-8",
    ),
    (
        r#"{"messages":[{"role":"tool","content":"x"}]}"#,
        "messages[0].tool_call_id",
        "is required",
    ),
    (
        r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]}]}"#,
        "messages[0].tool_calls[0].id",
        "is required",
    ),
    (
        r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":[]}}]}]}"#,
        "messages[0].tool_calls[0].function.arguments",
        "must be a string",
    ),
    (
        r#"{"messages":[{"role":"user"}],"tools":[{"type":"web_search"}]}"#,
        "tools[0].type",
        "run at OpenAI",
    ),
    (
        r#"{"messages":[{"role":"user"}],"tools":[{"function":{"name":""}}]}"#,
        "tools[0].function.name",
        "must not be empty",
    ),
    (
        r#"{"messages":[{"role":"user"}],"tools":[{"function":{"name":"f","parameters":[]}}]}"#,
        "tools[0].function.parameters",
        "must be an object",
    ),
    (
        r#"{"messages":[{"role":"user"}],"tool_choice":"maybe"}"#,
        "tool_choice",
        "must be 'none'",
    ),
    (
        r#"{"messages":[{"role":"user"}],"max_tokens":1.5,"max_completion_tokens":1}"#,
        "max_tokens",
        "whole number",
    ),
    (
        r#"{"messages":[{"role":"user"}],"temperature":"1"}"#,
        "temperature",
        "must be a number",
    ),
    (
        r#"{"messages":[{"role":"user"}],"stream":"yes"}"#,
        "stream",
        "true or false",
    ),
    (
        r#"{"messages":[{"role":"user"}],"stop":[1]}"#,
        "stop[0]",
        "must be a string",
    ),
    (
        r#"{"messages":[{"role":"user"}],"stop":1}"#,
        "stop",
        "must be a string or a list",
    ),
    (r#"{"messages":[{"role":"user"}],"n":0}"#, "n", "1 to 128"),
    (
        r#"{"messages":[{"role":"user"}],"top_logprobs":3}"#,
        "top_logprobs",
        "needs 'logprobs'",
    ),
    (
        r#"{"messages":[{"role":"user"}],"response_format":{"type":"xml"}}"#,
        "response_format.type",
        "must be 'text'",
    ),
    (
        r#"{"messages":[{"role":"user"}],"reasoning_effort":"huge"}"#,
        "reasoning_effort",
        "must be one of",
    ),
    (
        r#"{"messages":[{"role":"user"}],"modalities":["text","audio"]}"#,
        "modalities",
        "asks for sound",
    ),
    (
        r#"{"messages":[{"role":"user"}],"audio":{"voice":"a"}}"#,
        "audio",
        "asks for sound",
    ),
    (
        r#"{"messages":[{"role":"user"}],"web_search_options":{}}"#,
        "web_search_options",
        "asks for a web search",
    ),
];

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    for (body, param, message) in REFUSED {
        let err = read_chat(body.as_bytes()).unwrap_err();
        assert_eq!(err.param.as_deref(), Some(*param), "{body}: {err}");
        assert!(err.message.contains(message), "{body}: {err}");
    }
    for body in ["", "[]", "7", "{", "\"x\"", "{\"a\":\u{1}}"] {
        assert_eq!(
            read_chat(body.as_bytes()).unwrap_err().param,
            None,
            "{body}"
        );
    }
}

#[test]
fn documents_and_images_are_read_where_they_are() {
    for (part, expected) in [
        (
            r#"{"type":"image_url","image_url":{"url":"DATA:Image/PNG;Base64,iVBO\nRw0K"}}"#,
            Source::Data {
                media_type: "image/png".to_owned(),
                data: "iVBORw0K".to_owned(),
            },
        ),
        (
            r#"{"type":"file","file":{"file_data":"data:text/markdown;base64,aMOpIQ=="}}"#,
            Source::Text("hé!".to_owned()),
        ),
    ] {
        let chat = read_chat(one_user_part(part).as_bytes()).unwrap();
        match &chat.messages[0].parts[..] {
            [Part::Image { source, .. } | Part::Document { source, .. }] => {
                assert_eq!(*source, expected);
            }
            other => assert_eq!(other, [], "{part}"),
        }
    }
}

#[test]
fn results_know_their_functions_name() {
    let chat = read_chat(
        br#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"c","content":"x"},{"role":"tool","tool_call_id":"d","content":"y"}]}"#,
    )
    .unwrap();
    let names: Vec<_> = chat.messages[1..]
        .iter()
        .map(|message| match &message.parts[..] {
            [Part::ToolResult { name, .. }] => (message.role, name.as_deref()),
            _ => (message.role, Some("no result")),
        })
        .collect();
    assert_eq!(names, [(Role::User, Some("f")), (Role::User, None)]);
}

#[test]
fn words_that_came_apart_from_their_proof_are_put_together() {
    let read = |message: &str| {
        let body = format!(r#"{{"messages":[{{"role":"assistant",{message}}}]}}"#);
        read_chat(body.as_bytes()).unwrap()
    };
    let plain = |text: &str, signature: Option<&str>| {
        let thinking = Thinking::Plain {
            text: text.to_owned(),
            signature: signature.map(str::to_owned),
        };
        Part::Thinking(thinking, None)
    };
    let one = read(
        r#""reasoning_content":"ab","reasoning_details":[{"type":"reasoning.text","signature":"s"}]"#,
    );
    assert_eq!(one.messages[0].parts, [plain("ab", Some("s"))]);
    let pieces = read(
        r#""reasoning_details":[{"type":"reasoning.text","text":"a","index":0},{"type":"reasoning.text","text":"b","index":0},{"type":"reasoning.text","signature":"s","index":0}]"#,
    );
    assert_eq!(pieces.messages[0].parts, [plain("ab", Some("s"))]);
    let two = read(
        r#""reasoning_content":"ab","reasoning_details":[{"type":"reasoning.text","signature":"s","index":0},{"type":"reasoning.text","signature":"t","index":1}]"#,
    );
    assert_eq!(two.messages[0].parts, [plain("ab", None)]);
    assert_eq!(two.left_out, ["messages[0].reasoning_details"]);
}

#[test]
fn only_allowed_tools_remain_and_custom_ones_are_told() {
    let chat = read_chat(
        br#"{"messages":[{"role":"user"}],"tools":[{"type":"custom","custom":{"name":"a"}},{"type":"custom","custom":{"name":"b"}},{"function":{"name":"c"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"custom","custom":{"name":"a"}},{"function":{"name":"c"}}]}}}"#,
    )
    .unwrap();
    let names: Vec<_> = chat.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(chat.custom_tools, ["a"]);
    assert_eq!(chat.tool_choice, Some(ToolChoice::Auto));
}

#[test]
fn defaults_fill_what_is_open_and_the_prompt_leads() {
    let defaults = Defaults {
        max_tokens: Some("100".into()),
        temperature: Some("0.5".into()),
        top_p: Some("1".into()),
        system_prompt: Some("Be kind.".to_owned()),
    };
    for (body, max_tokens, texts) in [
        (
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
            100,
            &["Be kind.", "x"][..],
        ),
        (
            r#"{"messages":[{"role":"developer","content":"Short."},{"role":"user","content":"x"}],"max_tokens":5}"#,
            5,
            &["Be kind.\n\nShort.", "x"],
        ),
        (
            r#"{"messages":[{"role":"system","content":""}]}"#,
            100,
            &["Be kind."],
        ),
    ] {
        let mut chat = read_chat(body.as_bytes()).unwrap();
        chat.apply(&defaults);
        let got: Vec<&str> = chat
            .messages
            .iter()
            .flat_map(|message| &message.parts)
            .map(|part| {
                if let Part::Text { text, .. } = part {
                    text.as_str()
                } else {
                    "no text"
                }
            })
            .collect();
        assert_eq!(got, texts, "{body}");
        assert_eq!(chat.messages[0].role, Role::System, "{body}");
        assert_eq!(chat.max_tokens, Some(max_tokens), "{body}");
        assert_eq!(chat.sampling.temperature, serde_json::Number::from_f64(0.5));
    }
}

#[test]
fn a_field_in_every_message_is_named_fifty_times_at_most() {
    let messages = vec![r#"{"role":"user","content":"x","name":"ann"}"#; 1000].join(",");
    let chat = read_chat(format!(r#"{{"messages":[{messages}]}}"#).as_bytes()).unwrap();
    assert_eq!(chat.left_out.len(), 50);
}

#[test]
fn tools_without_end_are_refused() {
    let with = |tools: usize, functions: usize| {
        let list = |many: usize, one: &str| vec![one; many].join(",");
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":[{}],"functions":[{}]}}"#,
            list(tools, r#"{"function":{"name":"f"}}"#),
            list(functions, r#"{"name":"f"}"#),
        );
        read_chat(body.as_bytes())
    };
    assert_eq!(with(4000, 96).unwrap().tools.len(), 4096);
    for (tools, functions) in [(4097, 0), (0, 4097), (4000, 97)] {
        let refused = with(tools, functions).unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("tools"));
    }
}
