use super::*;

/// Runs `input` through an editor in pieces of `step` bytes.
fn run(input: &[u8], step: usize, hide_usage: bool, cleanly: bool) -> (String, End, StreamEditor) {
    let mut editor = StreamEditor::new(Bytes::from_static(b"\"virtual\""), hide_usage);
    let mut out = BytesMut::new();
    for piece in input.chunks(step.max(1)) {
        editor.push(piece, &mut out);
    }
    let end = editor.finish(cleanly, &mut out);
    (String::from_utf8_lossy(&out).into_owned(), end, editor)
}

struct Case {
    name: &'static str,
    input: &'static str,
    hide_usage: bool,
    output: &'static str,
    complete: bool,
    completion_tokens: Option<u64>,
    answer_bytes: u64,
}

const CASES: &[Case] = &[
    Case {
        name: "openai text, usage hidden",
        input: "data: {\"id\":\"1\",\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"id\":\"1\",\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"},\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"a\"}\n\ndata: {\"id\":\"1\",\"model\":\"gpt-x-2026\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\ndata: {\"id\":\"1\",\"model\":\"gpt-x-2026\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n",
        hide_usage: true,
        output: "data: {\"id\":\"1\",\"model\":\"virtual\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}]}\n\ndata: {\"id\":\"1\",\"model\":\"virtual\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hé\"},\"finish_reason\":null}],\"obfuscation\":\"a\"}\n\ndata: {\"id\":\"1\",\"model\":\"virtual\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: Some(2),
        answer_bytes: 3,
    },
    Case {
        name: "usage asked for stays",
        input: "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\ndata: {\"model\":\"m\",\"choices\":[],\"usage\":{\"completion_tokens\":2,\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n",
        hide_usage: false,
        output: "data: {\"model\":\"virtual\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\ndata: {\"model\":\"virtual\",\"choices\":[],\"usage\":{\"completion_tokens\":2,\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: Some(2),
        answer_bytes: 0,
    },
    Case {
        name: "usage in the finish chunk stays although hidden elsewhere; member order other",
        input: "data: {\"usage\": null, \"choices\":[{\"delta\":{\"reasoning\":\"abc\",\"reasoning_content\":\"abc\"}}],\"model\":\"m\"}\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"<\"},\"finish_reason\":\"length\"}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":9}}\r\n\r\ndata: [DONE]\r\n\r\n",
        hide_usage: true,
        output: "data: { \"choices\":[{\"delta\":{\"reasoning\":\"abc\",\"reasoning_content\":\"abc\"}}],\"model\":\"virtual\"}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"<\"},\"finish_reason\":\"length\"}],\"model\":\"virtual\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":9}}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: Some(9),
        answer_bytes: 4,
    },
    Case {
        name: "no [DONE] after the finish: complete, and the caller gets one",
        input: "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"hello\",\"finish_reason\":\"stop\"}]}",
        hide_usage: true,
        output: "data: {\"model\":\"virtual\",\"choices\":[{\"index\":0,\"text\":\"hello\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: None,
        answer_bytes: 5,
    },
    Case {
        name: "one of two choices unfinished: cut",
        input: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\ndata: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        hide_usage: true,
        output: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}},{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\ndata: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        complete: false,
        completion_tokens: None,
        answer_bytes: 2,
    },
    Case {
        name: "zeros on every chunk, as Ollama's completions send them",
        input: "data: {\"choices\":[{\"index\":0,\"text\":\"hi\",\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}\n\ndata: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1,\"total_tokens\":5}}\n\ndata: [DONE]\n\n",
        hide_usage: true,
        output: "data: {\"choices\":[{\"index\":0,\"text\":\"hi\",\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: Some(1),
        answer_bytes: 2,
    },
    Case {
        name: "foreign words of an end, the second and the empty ones",
        input: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"},{\"finish_reason\":\"eos\",\"index\":1}],\"model\":\"m\",\"usage\":null}\n\ndata: {\"model\":\"m\",\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"},{\"index\":0,\"finish_reason\":\"model_length\"}]}\n\n",
        hide_usage: true,
        output: "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null},{\"finish_reason\":\"stop\",\"index\":1}],\"model\":\"virtual\"}\n\ndata: {\"model\":\"virtual\",\"choices\":[{\"index\":1,\"finish_reason\":null},{\"index\":0,\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: None,
        answer_bytes: 1,
    },
    Case {
        name: "events that a client could not read: no choices, no object, a broken character",
        input: "data: {\"choices\":null,\"model\":\"m\"}\n\ndata: { }\n\ndata: null\n\ndata: []\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"},\"finish_reason\":\"stop\"}]}\n\n",
        hide_usage: true,
        output: "data: {\"choices\":[],\"model\":\"virtual\"}\n\ndata: {\"choices\":[] }\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ufffd\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: None,
        answer_bytes: 4,
    },
    Case {
        name: "comments pass, tool arguments count, data without blank, events on two lines",
        input: ": OPENROUTER PROCESSING\n\ndata:{\"model\":\"m\",\ndata:\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\ndata: {\"sources\":[1]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
        hide_usage: true,
        output: ": OPENROUTER PROCESSING\n\ndata: {\"model\":\"virtual\", \"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\ndata: {\"choices\":[],\"sources\":[1]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
        complete: true,
        completion_tokens: None,
        answer_bytes: 5,
    },
];

#[test]
fn every_case_at_every_step_width() {
    for case in CASES {
        for step in [usize::MAX, 1, 2, 3, 7, 64, 100] {
            let (out, end, editor) = run(case.input.as_bytes(), step, case.hide_usage, true);
            assert_eq!(out, case.output, "{} in steps of {step}", case.name);
            assert_eq!(end == End::Complete, case.complete, "{}", case.name);
            assert_eq!(
                editor.usage().map(|u| u.completion_tokens),
                case.completion_tokens,
                "{}",
                case.name
            );
            assert_eq!(editor.answer_bytes(), case.answer_bytes, "{}", case.name);
        }
    }
}

#[test]
fn cut_anywhere_there_is_exactly_one_end_and_it_is_true() {
    for case in CASES {
        let bytes = case.input.as_bytes();
        for cut in 0..bytes.len() {
            let (out, end, _) = run(&bytes[..cut], usize::MAX, case.hide_usage, false);
            let said_done = out.contains("[DONE]");
            assert_eq!(
                end == End::Complete,
                said_done,
                "{} cut at {cut}",
                case.name
            );
            assert!(
                out.matches("[DONE]").count() <= 1,
                "{} cut at {cut}",
                case.name
            );
        }
    }
}

#[test]
fn an_error_inside_the_stream_ends_it() {
    for (input, message) in [
        (
            "data: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\ndata: [DONE]\n\n",
            Some("boom"),
        ),
        (
            "event: error\ndata: {\"message\":\"boom\"}\n\n",
            Some("boom"),
        ),
        (
            "data: {\"error\":\"boom\",\"choices\":[]}\n\n",
            Some("boom"),
        ),
        ("event: error\ndata: {}\n\n", None),
        (
            "data: {\"object\":\"error\",\"message\":\"boom\",\"code\":400}\n\n",
            Some("boom"),
        ),
    ] {
        for step in [usize::MAX, 1] {
            let (out, end, _) = run(input.as_bytes(), step, true, true);
            assert_eq!(out, "", "{input}");
            let End::Fault(StreamFault::Upstream(error)) = end else {
                unreachable!("{input}: {end:?}");
            };
            assert_eq!(error.message.as_deref(), message, "{input}");
        }
    }
}

#[test]
fn b05_a_cut_after_the_finish_is_a_success() {
    let finished = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    for rest in ["", "data: {\"choices\":[],\"usage\":{\"prom", "data: [DO"] {
        let input = format!("{finished}{rest}");
        for cleanly in [true, false] {
            let (out, end, _) = run(input.as_bytes(), usize::MAX, true, cleanly);
            assert_eq!(out, format!("{finished}data: [DONE]\n\n"), "{rest}");
            assert_eq!(end, End::Complete, "{rest}");
        }
    }
}

#[test]
fn an_answer_is_finished_when_all_its_choices_are() {
    let choice = |index: u32, reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"a\"}},\"finish_reason\":{reason}}}]}}\n\n"
        )
    };
    let mut editor = StreamEditor::new(Bytes::from_static(b"\"m\""), false);
    let mut out = BytesMut::new();
    for (event, finished) in [
        (": a comment\n\n".to_owned(), false),
        (choice(0, "null"), false),
        (choice(1, "null"), false),
        (choice(0, "\"stop\""), false),
        (choice(1, "\"length\""), true),
        (
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n".to_owned(),
            true,
        ),
    ] {
        editor.push(event.as_bytes(), &mut out);
        assert_eq!(editor.is_finished(), finished, "{event}");
        assert_eq!(editor.end(), None, "{event}");
    }
}

#[test]
fn an_answer_that_was_given_up_is_an_error() {
    let first =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"three words so\"}}]}\n\n";
    for reason in ["error", "abort", "insufficient_system_resource"] {
        let input = format!(
            "{first}data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"{reason}\"}}],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":3}}}}\n\ndata: [DONE]\n\n"
        );
        let (out, end, editor) = run(input.as_bytes(), usize::MAX, true, true);
        assert_eq!(out, first);
        let End::Fault(StreamFault::Upstream(error)) = end else {
            unreachable!("{reason}: {end:?}");
        };
        assert_eq!(error.code.as_deref(), Some(reason));
        assert_eq!(editor.usage().map(|usage| usage.completion_tokens), Some(3));
    }
    let finished =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let again = finished.replace("stop", "error");
    let input = format!("{finished}{again}data: [DONE]\n\n");
    let (_, end, _) = run(input.as_bytes(), usize::MAX, true, true);
    assert_eq!(end, End::Complete, "the first reason holds");
}

#[test]
fn what_is_no_text_is_no_emptiness() {
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"audio\":{\"id\":\"a\",\"transcript\":\"hello\"}},\"finish_reason\":\"stop\"}]}\n\n";
    let (_, _, editor) = run(chunk.as_bytes(), usize::MAX, true, true);
    assert_eq!(editor.answer_bytes(), 1);
}

#[test]
fn a_null_or_empty_error_member_is_no_error() {
    let chunk = "data: {\"error\":null,\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let (out, end, _) = run(chunk.as_bytes(), usize::MAX, true, true);
    assert_eq!(out, format!("{chunk}data: [DONE]\n\n"));
    assert_eq!(end, End::Complete);
}

#[test]
fn an_empty_finish_reason_finishes_nothing() {
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"}]}\n\n";
    let (out, end, _) = run(chunk.as_bytes(), usize::MAX, true, true);
    assert_eq!(out, chunk.replace(":\"\"}", ":null}"));
    assert_eq!(end, End::Fault(StreamFault::Truncated));
}

#[test]
fn an_event_that_is_not_json_is_a_fault_and_nothing_follows() {
    let input = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: {oops\n\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n";
    let (out, end, _) = run(input.as_bytes(), usize::MAX, true, true);
    assert_eq!(
        out,
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
    );
    assert!(matches!(end, End::Fault(StreamFault::BadEvent(_))));
}

#[test]
fn the_callers_words_about_a_fault_are_scrubbed() {
    let fault = StreamFault::Upstream(UpstreamError {
        message: Some("bad key sk-1".to_owned()),
        kind: None,
        param: None,
        code: None,
    });
    let body = fault.public(&|text| text.replace("sk-1", "***"));
    assert_eq!(body.message, "bad key ***");
    assert_eq!(body.kind, "server_error");
    assert_eq!(body.code.as_deref(), Some("upstream_stream_error"));
}

#[test]
fn choices_of_another_shape_hide_nothing_else() {
    let chunk = "data: {\"choices\":[null,5],\"model\":\"m\",\"usage\":{\"prompt_tokens\":3}}\n\n";
    for hide_usage in [true, false] {
        let (out, _, editor) = run(chunk.as_bytes(), usize::MAX, hide_usage, true);
        assert_eq!(out, chunk.replace("\"m\"", "\"virtual\""));
        assert_eq!(editor.usage().map(|usage| usage.prompt_tokens), Some(3));
    }
    let error = "data: {\"choices\":5,\"error\":{\"message\":\"queue full\"}}\n\n";
    let (out, end, _) = run(error.as_bytes(), usize::MAX, true, true);
    assert_eq!(out, "");
    assert!(matches!(end, End::Fault(StreamFault::Upstream(_))));
}
