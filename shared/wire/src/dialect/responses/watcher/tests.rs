#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use serde_json::Value;

use super::*;

const TEXT: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"gpt\",\"output\":[],\"usage\":null}}\n\n",
    ": keep-alive\n\n",
    "event: response.output_text.delta\r\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"häh\"}\r\n\r\n",
);
const COMPLETED: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":2,\"response\":{\"id\":\"resp_1\",\"model\":\"gpt\",\"output\":[{\"id\":\"msg_1\"}],\"usage\":{\"input_tokens\":7,\"output_tokens\":2,\"total_tokens\":9}}}\n\n";

/// What the caller gets, and the end.
fn watch(pieces: &[&[u8]], cleanly: bool) -> (Watcher, String, End) {
    let mut watcher = Watcher::default();
    let mut out = BytesMut::new();
    for piece in pieces {
        watcher.push(piece, &mut out);
    }
    let end = watcher.finish(cleanly, &mut out);
    let text = String::from_utf8(out.to_vec()).unwrap();
    (watcher, text, end)
}

const CASES: &[(&str, &str)] = &[
    (
        "blank_lines",
        include_str!("../../../../cases/responses/streams/blank_lines.txt"),
    ),
    (
        "call",
        include_str!("../../../../cases/responses/streams/call.txt"),
    ),
    (
        "done",
        include_str!("../../../../cases/responses/streams/done.txt"),
    ),
    (
        "failed",
        include_str!("../../../../cases/responses/streams/failed.txt"),
    ),
];

#[test]
fn every_case_at_every_split() {
    for (name, case) in CASES {
        let section = |title: &str| {
            let (_, rest) = case.split_once(&format!("=== {title}\n"))?;
            rest.split("=== ").next()
        };
        let stream = section("stream").unwrap();
        for cut in 0..=stream.len() {
            let (one, other) = stream.as_bytes().split_at(cut);
            let (watcher, text, end) = watch(&[one, other], true);
            assert_eq!(text, stream, "{name} {cut}");
            let end = match end {
                End::Complete => "Complete".to_owned(),
                End::Fault(StreamFault::Upstream(error)) => error.code.unwrap_or_default(),
                End::Fault(other) => format!("{other:?}"),
            };
            assert_eq!(Some(&*format!("{end}\n")), section("end"), "{name} {cut}");
            let usage = watcher.usage();
            let usage =
                usage.map(|usage| format!("{} {}\n", usage.prompt_tokens, usage.completion_tokens));
            assert_eq!(usage.as_deref(), section("usage"), "{name} {cut}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(watch(&bytes, true).1, stream, "{name} byte by byte");
    }
}

#[test]
fn a_stream_passes_byte_for_byte_at_every_split() {
    let stream = format!("{TEXT}{COMPLETED}");
    for cut in 0..=stream.len() {
        let (one, other) = stream.as_bytes().split_at(cut);
        let (mut watcher, text, end) = watch(&[one, other], true);
        assert_eq!(text, stream, "{cut}");
        assert_eq!(end, End::Complete);
        assert_eq!(watcher.usage().unwrap().prompt_tokens, 7);
        assert_eq!(watcher.answer_bytes(), 4);
        let response: Value = serde_json::from_slice(&watcher.take_response().unwrap()).unwrap();
        assert_eq!(response["output"][0]["id"], "msg_1");
    }
}

#[test]
fn of_a_cut_event_nothing_goes_out_and_the_numbers_go_on() {
    for kept in 0..COMPLETED.len() - 1 {
        let stream = format!("{TEXT}{}", &COMPLETED[..kept]);
        let (mut watcher, text, end) = watch(&[stream.as_bytes()], false);
        assert_eq!(text, TEXT, "{kept}");
        assert_eq!(end, End::Fault(StreamFault::Truncated));
        let mut out = BytesMut::new();
        let error = StreamFault::Truncated.public(&|text: &str| text.to_owned());
        watcher.fail(&error, &mut out);
        let text = String::from_utf8(out.to_vec()).unwrap();
        let data = text.strip_prefix("event: response.failed\ndata: ").unwrap();
        let event: Value = serde_json::from_str(data.trim()).unwrap();
        assert_eq!(event["sequence_number"], 2);
        assert_eq!(event["response"]["id"], "resp_1");
        assert_eq!(event["response"]["error"]["code"], "server_error");
    }
}

#[test]
fn the_last_event_may_lack_its_blank_line() {
    let stream = format!("{TEXT}{}", COMPLETED.trim_end());
    let (_, text, end) = watch(&[stream.as_bytes()], true);
    assert_eq!(text, format!("{TEXT}{COMPLETED}"));
    assert_eq!(end, End::Complete);
}

#[test]
fn a_failure_is_told_in_the_servers_words() {
    let error = "event: error\ndata: {\"type\":\"error\",\"sequence_number\":2,\"error\":{\"type\":\"invalid_request_error\",\"code\":\"context_length_exceeded\",\"message\":\"too long\",\"param\":null}}\n\n";
    let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":3,\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"too long\"}}}\n\n";
    for rest in [
        error.to_owned(),
        failed.to_owned(),
        format!("{error}{failed}"),
    ] {
        let stream = format!("{TEXT}{rest}");
        let (_, text, end) = watch(&[stream.as_bytes()], true);
        assert_eq!(text, stream);
        let End::Fault(StreamFault::Upstream(said)) = end else {
            unreachable!("a fault");
        };
        assert_eq!(said.code.as_deref(), Some("context_length_exceeded"));
        assert_eq!(said.message.as_deref(), Some("too long"));
    }
}

#[test]
fn a_list_is_no_event() {
    let stream = "data: [\"response.completed\",2,null,{\"output\":[]}]\n\n";
    let (_, text, end) = watch(&[stream.as_bytes()], true);
    assert_eq!(text, "");
    assert!(
        matches!(end, End::Fault(StreamFault::BadEvent(_))),
        "{end:?}"
    );
}

#[test]
fn an_endless_event_is_bounded() {
    let mut watcher = Watcher::default();
    let mut out = BytesMut::new();
    let block = vec![b'x'; 1024 * 1024];
    for _ in 0..20 {
        watcher.push(&block, &mut out);
    }
    assert_eq!(watcher.end(), Some(&End::Fault(StreamFault::TooLong)));
    assert!(out.is_empty() && watcher.held.capacity() <= sse::MAX_EVENT);
}

#[test]
fn a_whole_response_is_read() {
    let body = r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{}],"usage":{"input_tokens":7,"output_tokens":2}}"#;
    let whole = Whole::read(body.as_bytes()).unwrap();
    assert!(whole.says_why);
    assert_eq!(whole.usage.unwrap().completion_tokens, 2);
    let failed = r#"{"status":"failed","error":{"code":"server_error","message":"m"},"output":[]}"#;
    let said = Whole::read(failed.as_bytes()).unwrap_err();
    assert_eq!(said.message.as_deref(), Some("m"));
    let list = r#"["r","m","completed",{},null,null,[]]"#;
    for body in ["", "[]", list, "{}", "<html>"] {
        assert!(Whole::read(body.as_bytes()).is_err(), "{body}");
    }
}
