#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod limits;
mod offered;

use super::*;

fn chat(body: &str) -> Result<Request, BadRequest> {
    Request::read(Call::Chat, body.as_bytes())
}

/// call, body, param, start of the message behind the field's name.
const REFUSED: &[(Call, &str, Option<&str>, &str)] = &[
    (
        Call::Chat,
        "{\"messages\":[[\"user\"]]}",
        Some("messages[0]"),
        "must be an object",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[[\"id\"]]}]}",
        Some("messages[0].tool_calls[0]"),
        "must be an object",
    ),
    (
        Call::Chat,
        "{\"stream_options\":[true],\"messages\":[{\"role\":\"user\"}]}",
        Some("stream_options"),
        "must be an object",
    ),
    (Call::Chat, "", None, "the request has no body"),
    (Call::Chat, "{", None, "the request body is not valid JSON"),
    (
        Call::Chat,
        "{\"messages\":[}",
        None,
        "the request body is not valid JSON",
    ),
    (
        Call::Chat,
        "[]",
        None,
        "the request body must be a JSON object",
    ),
    (
        Call::Chat,
        "\"x\"",
        None,
        "the request body must be a JSON object",
    ),
    (
        Call::Chat,
        "{\"model\":\"m\"}",
        Some("messages"),
        "is required",
    ),
    (
        Call::Chat,
        "{\"messages\":null}",
        Some("messages"),
        "is required",
    ),
    (
        Call::Chat,
        "{\"messages\":[]}",
        Some("messages"),
        "must hold",
    ),
    (
        Call::Chat,
        "{\"messages\":\"hi\"}",
        Some("messages"),
        "must be a list",
    ),
    (
        Call::Chat,
        "{\"messages\":[1]}",
        Some("messages[0]"),
        "must be an object",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"content\":\"x\"}]}",
        Some("messages[0].role"),
        "is required",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"role\":7}]}",
        Some("messages[0].role"),
        "must be a string",
    ),
    (
        Call::Chat,
        "{\"model\":1,\"messages\":[{\"role\":\"user\"}]}",
        Some("model"),
        "must be a string",
    ),
    (
        Call::Chat,
        "{\"model\":\"a\",\"model\":\"b\",\"messages\":[{\"role\":\"user\"}]}",
        Some("model"),
        "is given more than once",
    ),
    (
        Call::Chat,
        "{\"stream\":\"yes\",\"messages\":[{\"role\":\"user\"}]}",
        Some("stream"),
        "must be true or false",
    ),
    (
        Call::Chat,
        "{\"stream_options\":1,\"messages\":[{\"role\":\"user\"}]}",
        Some("stream_options"),
        "must be an object",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}",
        Some("messages[0].tool_call_id"),
        "is required",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c1\"}]}",
        Some("messages[0].tool_call_id"),
        "answers no tool call",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c1\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\"}]}]}",
        Some("messages[0].tool_call_id"),
        "answers no tool call",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":{}}]}",
        Some("messages[0].tool_calls"),
        "must be a list",
    ),
    (
        Call::Chat,
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":4}]}]}",
        Some("messages[0].tool_calls[0].id"),
        "must be a string",
    ),
    (
        Call::Embeddings,
        "{\"model\":\"m\"}",
        Some("input"),
        "is required",
    ),
    (
        Call::Chat,
        r#"{"messages":[{"role":"user","content":"a","tool_calls":[{"id":"c"}]},{"role":"tool","tool_call_id":"c","content":"b"}]}"#,
        Some("messages[1].tool_call_id"),
        "answers no tool call",
    ),
    (
        Call::Embeddings,
        "{\"input\":5}",
        Some("input"),
        "must be a non-empty",
    ),
    (
        Call::Embeddings,
        "{\"input\":\"\"}",
        Some("input"),
        "must be a non-empty",
    ),
    (
        Call::Embeddings,
        "{\"input\":[ ]}",
        Some("input"),
        "must be a non-empty",
    ),
    (
        Call::Completions,
        "{\"prompt\":{}}",
        Some("prompt"),
        "must be a string",
    ),
    (
        Call::Completions,
        "{\"prompt\":[]}",
        Some("prompt"),
        "must be a string",
    ),
];

#[test]
fn what_is_wrong_is_refused_with_the_fields_name() {
    for (call, body, param, message) in REFUSED {
        let err = match Request::read(*call, body.as_bytes()) {
            Ok(request) => request.refusal().unwrap().clone(),
            Err(err) => err,
        };
        assert_eq!(err.param.as_deref(), *param, "{body}: {err}");
        let said = match param {
            Some(param) => err
                .message
                .strip_prefix(&format!("'{param}' "))
                .unwrap_or(""),
            None => &err.message,
        };
        assert!(said.starts_with(message), "{body}: {err}");
    }
}

#[test]
fn a_tool_message_that_answers_a_call_passes() {
    let request = chat(
        r#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1"},{"id":"c2"}]},{"role":"tool","tool_call_id":"c2","content":"y"},{"role":"tool","tool_call_id":"c1","content":"y"}]}"#,
    );
    assert!(request.is_ok());
}

#[test]
fn what_routing_needs_is_read() {
    let r = chat(r#"{"messages":[{"role":"user","content":"x"}],"stream":true,"model":"a\"b","stream_options":{"include_usage":true}}"#).unwrap();
    assert_eq!(
        (r.model.as_deref(), r.stream, r.wants_usage),
        (Some("a\"b"), true, true)
    );
    let r =
        chat(r#"{"model":null,"messages":[{"role":"user"}],"stream":null,"stream_options":null}"#)
            .unwrap();
    assert_eq!((r.model, r.stream, r.wants_usage), (None, false, false));
}

fn edited(body: &str, target: &Target<'_>) -> String {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let request = Request::read(Call::Chat, &bytes).unwrap();
    String::from_utf8(request.upstream_body(&bytes, target).to_bytes().to_vec()).unwrap()
}

fn plain<'t>(model: &'t Bytes, defaults: &'t Defaults) -> Target<'t> {
    Target {
        model,
        stream: None,
        stream_options: StreamOptions::Keep,
        defaults,
        only_max_tokens: false,
        only_system: false,
        reasoning: false,
        calls: CallForm::Any,
        float_embeddings_only: false,
        only_named: false,
        stops: Stops::All,
        most: None,
    }
}

#[test]
fn only_the_model_changes_when_nothing_else_is_set() {
    let (model, none) = (Bytes::from_static(b"\"real/7b\""), Defaults::default());
    let body = "{ \"messages\":[ {\"role\":\"user\",\"content\":\"hi \\u00e4\"} ],\n\t\"x_unknown\":{\"b\":1,\"a\":[1.0,2e3]},\"model\":\"virtual\" , \"temperature\":0}";
    assert_eq!(
        edited(body, &plain(&model, &none)),
        body.replace("\"virtual\"", "\"real/7b\"")
    );
}

#[test]
fn defaults_fill_only_what_the_caller_left_out() {
    let model = Bytes::from_static(b"\"m\"");
    let defaults = Defaults {
        max_tokens: Some("100".into()),
        temperature: Some("0".into()),
        top_p: Some("0.5".into()),
        system_prompt: None,
    };
    let target = plain(&model, &defaults);
    assert_eq!(
        edited(r#"{"model":"v","messages":[{"role":"user"}]}"#, &target),
        r#"{"max_tokens":100,"temperature":0,"top_p":0.5,"model":"m","messages":[{"role":"user"}]}"#
    );
    assert_eq!(
        edited(
            r#"{"model":"v","messages":[{"role":"user"}],"max_completion_tokens":7,"temperature":null,"top_p":1}"#,
            &target
        ),
        r#"{"model":"m","messages":[{"role":"user"}],"max_completion_tokens":7,"temperature":0,"top_p":1}"#
    );
}

#[test]
fn a_missing_model_is_added() {
    let (model, none) = (Bytes::from_static(b"\"m\""), Defaults::default());
    assert_eq!(
        edited(r#"{"messages":[{"role":"user"}]}"#, &plain(&model, &none)),
        r#"{"model":"m","messages":[{"role":"user"}]}"#
    );
}

#[test]
fn the_system_prompt_leads() {
    let model = Bytes::from_static(b"\"m\"");
    let defaults = Defaults {
        system_prompt: Some("Be \"kind\".".to_owned()),
        ..Defaults::default()
    };
    for (before, after) in [
        (
            r#"[{"role":"user","content":"x"}]"#,
            r#"[{"role":"system","content":"Be \"kind\"."},{"role":"user","content":"x"}]"#,
        ),
        (
            r#"[ {"role":"system","content":"caf\u00e9"},{"role":"user","content":"x"}]"#,
            r#"[ {"role":"system","content":"Be \"kind\".\n\ncaf\u00e9"},{"role":"user","content":"x"}]"#,
        ),
        (
            r#"[{"content":[{"type":"text","text":"a"}],"role":"developer"}]"#,
            r#"[{"content":[{"type":"text","text":"Be \"kind\".\n\n"},{"type":"text","text":"a"}],"role":"developer"}]"#,
        ),
        (
            r#"[{"role":"user","content":"x"},{"role":"system","content":"later"}]"#,
            r#"[{"role":"system","content":"Be \"kind\"."},{"role":"user","content":"x"},{"role":"system","content":"later"}]"#,
        ),
    ] {
        assert_eq!(
            edited(
                &format!(r#"{{"model":"v","messages":{before}}}"#),
                &plain(&model, &defaults)
            ),
            format!(r#"{{"model":"m","messages":{after}}}"#)
        );
    }
}

#[test]
fn stream_options_ask_for_usage_and_keep_the_rest() {
    let (model, none) = (Bytes::from_static(b"\"m\""), Defaults::default());
    let ask = Target {
        stream_options: StreamOptions::AskUsage,
        ..plain(&model, &none)
    };
    let stop = Target {
        stream: Some(false),
        stream_options: StreamOptions::Remove,
        ..plain(&model, &none)
    };
    let m = r#""messages":[{"role":"user"}]"#;
    for (target, before, after) in [
        (
            &ask,
            format!(r#"{{"model":"v",{m},"stream":true}}"#),
            format!(
                r#"{{"stream_options":{{"include_usage":true}},"model":"m",{m},"stream":true}}"#
            ),
        ),
        (
            &ask,
            format!(r#"{{"model":"v",{m},"stream":true,"stream_options":null}}"#),
            format!(
                r#"{{"model":"m",{m},"stream":true,"stream_options":{{"include_usage":true}}}}"#
            ),
        ),
        (
            &ask,
            format!(
                r#"{{"model":"v",{m},"stream":true,"stream_options":{{"x":1,"include_usage":false}}}}"#
            ),
            format!(
                r#"{{"model":"m",{m},"stream":true,"stream_options":{{"x":1,"include_usage":true}}}}"#
            ),
        ),
        (
            &ask,
            format!(r#"{{"model":"v",{m},"stream":true,"stream_options":{{"x":1}}}}"#),
            format!(
                r#"{{"model":"m",{m},"stream":true,"stream_options":{{"include_usage":true,"x":1}}}}"#
            ),
        ),
        (
            &stop,
            format!(r#"{{"model":"v",{m},"stream":true,"stream_options":{{"x":1}}}}"#),
            format!(r#"{{"model":"m",{m},"stream":false}}"#),
        ),
    ] {
        assert_eq!(edited(&before, target), after);
    }
}

#[test]
fn a_server_without_base64_embeddings_is_asked_for_floats() {
    let (model, none) = (Bytes::from_static(b"\"m\""), Defaults::default());
    for (only_floats, format, sent) in [
        (true, "base64", "float"),
        (true, "float", "float"),
        (false, "base64", "base64"),
    ] {
        let body = format!(r#"{{"model":"v","input":"x","encoding_format":"{format}"}}"#);
        let bytes = Bytes::from(body);
        let request = Request::read(Call::Embeddings, &bytes).unwrap();
        let target = Target {
            float_embeddings_only: only_floats,
            ..plain(&model, &none)
        };
        let expected = format!(r#"{{"model":"m","input":"x","encoding_format":"{sent}"}}"#);
        assert_eq!(
            request.upstream_body(&bytes, &target).to_bytes(),
            expected.as_bytes()
        );
    }
}

#[test]
fn tool_calls_without_end_are_refused() {
    let calls = r#"{"id":"c"},"#.repeat(10);
    assert!(
        chat(&format!(
            r#"{{"messages":[{{"role":"assistant","tool_calls":[{}]}}]}}"#,
            calls.trim_end_matches(',')
        ))
        .is_ok()
    );
    for all_alike in [false, true] {
        let call = |n: usize| format!(r#"{{"id":"{}"}}"#, if all_alike { 0 } else { n });
        let many: Vec<String> = (0..20_001).map(call).collect();
        let body = format!(
            r#"{{"messages":[{{"role":"assistant","tool_calls":[{}]}}]}}"#,
            many.join(",")
        );
        assert_eq!(
            chat(&body).unwrap_err().param.as_deref(),
            Some("messages[0].tool_calls")
        );
    }
}

/// The law: read by its outline, however short the strings that are left out, a body
/// becomes the same request.
#[test]
fn an_outline_reads_as_the_body_does() {
    let model = Bytes::from_static(b"\"real/7b\"");
    let defaults = Defaults {
        max_tokens: Some("100".into()),
        temperature: Some("0".into()),
        top_p: Some("0.5".into()),
        system_prompt: Some("Be kind.".to_owned()),
    };
    let target = Target {
        stream: Some(true),
        stream_options: StreamOptions::AskUsage,
        ..plain(&model, &defaults)
    };
    for body in [
        r#"{"model":"virtual","messages":[{"role":"user","content":"a long text with \"quotes\" and \\ in it"}],"stream":false,"temperature":null}"#,
        r#"{ "messages":[ {"role":"system","content":"another long text, ümläuts and 😀"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAAAAAA"}}]}], "stream_options":{"include_usage":false,"x":"something long"}, "model" : "virtual" }"#,
        r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"call_1","function":{"name":"f","arguments":"{\"path\":\"/tmp\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"what the tool said"}],"max_tokens":5,"user":"somebody with a name","model":"virtual"}"#,
    ] {
        let bytes = Bytes::from_static(body.as_bytes());
        let whole = Request::parse(Call::Chat, &bytes, &Outline::whole(&bytes)).unwrap();
        // Longer than any key that is read.
        for long in 24..48 {
            let outline = Outline::of(&bytes, long);
            let read = Request::parse(Call::Chat, &bytes, &outline).unwrap();
            assert_eq!(
                read.upstream_body(&bytes, &target).to_bytes(),
                whole.upstream_body(&bytes, &target).to_bytes(),
                "{body} with strings above {long} left out"
            );
            assert_eq!(
                (read.model, read.stream),
                (whole.model.clone(), whole.stream)
            );
        }
    }
}

#[test]
fn a_long_body_is_read_and_a_broken_one_refused() {
    let text = "a long line\\n".repeat(20_000);
    let good = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":"v"}}"#);
    assert!(good.len() > OUTLINED);
    assert_eq!(chat(&good).unwrap().model.as_deref(), Some("v"));
    let bad = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":7}}"#);
    assert_eq!(chat(&bad).unwrap_err().param.as_deref(), Some("model"));
    let cut = &good[..good.len() - 1];
    assert!(chat(cut).unwrap_err().message.contains("not valid JSON"));
}
