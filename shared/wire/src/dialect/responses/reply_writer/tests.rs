#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod laws;

use serde_json::{Value, json};

use super::*;
use crate::dialect::responses::{is_keepable, read_response, replay};
use crate::hub::{Answer, StreamFault};
use laws::Stream;

fn options() -> WriterOptions {
    let body = br#"{"model":"m","input":"x","tools":[{"type":"namespace","name":"clock","tools":[{"type":"function","name":"sleep"}]}]}"#;
    WriterOptions {
        model: Bytes::from_static(b"\"virtual\""),
        id: "1".to_owned(),
        created: 1_759_436_803,
        input_tokens: 11,
        origin: Some(Origin::of(1, "https://a.example", "model")),
        echo: Arc::new(Echo::of(body)),
        namespaces: Arc::new(read_response(body).unwrap().namespaces),
    }
}

fn custom_names() -> ToolNames {
    let mut names = ToolNames::default();
    names.mark_custom(&["apply_patch".to_owned()]);
    names
}

/// The stream of these events, and what the whole reply of them is.
fn written(events: &[Event<'_>]) -> (Stream, Value) {
    let mut writer = StreamWriter::new(options());
    let mut out = BytesMut::new();
    let mut answer = Answer::default();
    let names = custom_names();
    for event in events {
        writer.write(event, &names, &mut out);
        answer.add(event);
    }
    let stream = Stream::check(&out);
    let whole = write_reply(&answer, &names, options());
    let again = Stream::check(&replay(&whole).unwrap());
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(*again.response(), whole, "told again");
    (stream, whole)
}

fn text(text: &'static str) -> Event<'static> {
    Event::Text {
        choice: 0,
        text: text.into(),
    }
}

fn reasoning(text: &'static str) -> Event<'static> {
    Event::Reasoning {
        choice: 0,
        text: text.into(),
    }
}

fn call(number: u32, id: &'static str, name: &'static str) -> Event<'static> {
    Event::Call {
        choice: 0,
        call: number,
        id: id.into(),
        name: name.into(),
    }
}

fn arguments(number: u32, text: &'static str) -> Event<'static> {
    Event::Arguments {
        choice: 0,
        call: number,
        text: text.into(),
    }
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason }
}

fn start() -> Event<'static> {
    Event::Start {
        id: "chatcmpl-1".into(),
        model: "up".into(),
        created: Some(7),
    }
}

#[test]
fn a_text_is_told_in_the_documented_order() {
    let (stream, whole) = written(&[
        start(),
        text("Hel"),
        Event::KeepAlive,
        text("lo"),
        finish(Finish::Stop),
        Event::Usage(Usage {
            prompt_tokens: 30,
            completion_tokens: 7,
            total_tokens: 37,
            cached_tokens: 10,
            reasoning_tokens: 2,
            ..Usage::default()
        }),
        Event::End,
    ]);
    assert_eq!(
        stream.kinds(),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(
        stream.events[4],
        json!({
            "type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_1_0",
            "output_index": 0, "content_index": 0, "delta": "Hel", "logprobs": [],
        })
    );
    let response = stream.response();
    assert_eq!(response["id"], "resp_1");
    assert_eq!(response["created_at"], 1_759_436_803);
    assert_eq!(response["model"], "virtual");
    assert_eq!(response["tools"][0]["name"], "clock");
    assert_eq!(
        response["output"],
        json!([{
            "id": "msg_1_0", "type": "message", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "Hello", "annotations": [], "logprobs": [] }],
        }])
    );
    assert_eq!(
        response["usage"],
        json!({
            "input_tokens": 30,
            "input_tokens_details": { "cached_tokens": 10, "cache_write_tokens": 0 },
            "output_tokens": 7,
            "output_tokens_details": { "reasoning_tokens": 2 },
            "total_tokens": 37,
        })
    );
    assert_eq!(*response, whole);
}

#[test]
fn reasoning_and_calls_are_items_of_their_own() {
    let (stream, whole) = written(&[
        start(),
        reasoning("Hm"),
        Event::Signature {
            choice: 0,
            signature: "sig==".into(),
        },
        Event::Redacted {
            choice: 0,
            data: "opaque".into(),
        },
        text("I wait."),
        call(0, "call_a", "clock__sleep"),
        arguments(0, "{\"ms\":"),
        arguments(0, "5}"),
        call(1, "", "apply_patch"),
        arguments(1, "{\"input\":\"*** Begin"),
        arguments(1, "\\n\"}"),
        call(2, "call_c", "f"),
        finish(Finish::ToolCalls),
        Event::End,
    ]);
    let kinds: Vec<&str> = stream.kinds();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds, expected);
    let output = &stream.response()["output"];
    assert_eq!(output[0]["summary"][0]["text"], "Hm");
    assert_eq!(output[1]["summary"], json!([]));
    for at in [0, 1] {
        let sealed = output[at]["encrypted_content"].as_str().unwrap();
        assert!(sealed.starts_with("gw1.by_"), "{sealed}");
    }
    assert_eq!(
        output[3],
        json!({
            "id": "fc_1_3", "type": "function_call", "status": "completed", "call_id": "call_a",
            "namespace": "clock", "name": "sleep", "arguments": "{\"ms\":5}",
        })
    );
    assert_eq!(
        output[4],
        json!({
            "id": "ctc_1_4", "type": "custom_tool_call", "status": "completed",
            "call_id": "call_1_1", "name": "apply_patch", "input": "*** Begin\n",
        })
    );
    assert_eq!(output[5]["arguments"], "{}");
    assert_eq!(*stream.response(), whole);
}

/// Codex sends reasoning back unread; the model that signed it gets it as it was.
#[test]
fn what_was_signed_comes_back() {
    let (stream, _) = written(&[
        reasoning("Hm"),
        Event::Signature {
            choice: 0,
            signature: "sig==".into(),
        },
        text("x"),
        Event::End,
    ]);
    let mut input = stream.response()["output"].as_array().unwrap().clone();
    input.push(json!({ "role": "user", "content": "more" }));
    let body = json!({ "model": "m", "input": input }).to_string();
    let request = read_response(body.as_bytes()).unwrap();
    let thinking = crate::hub::Thinking::Plain {
        text: "Hm".to_owned(),
        signature: Some("sig==".to_owned()),
    };
    assert_eq!(
        request.chat.messages[0].parts[0],
        crate::hub::Part::Thinking(thinking, options().origin)
    );
    assert_eq!(request.chat.left_out, Vec::<String>::new());
}

#[test]
fn an_answer_that_was_cut_is_incomplete_and_half_a_call_is_not_done() {
    let (stream, whole) = written(&[
        text("Well"),
        call(0, "a", "f"),
        arguments(0, "{}"),
        call(1, "b", "g"),
        arguments(1, "{\"x\":"),
        finish(Finish::Length),
        Event::End,
    ]);
    let response = stream.response();
    assert_eq!(*stream.kinds().last().unwrap(), "response.incomplete");
    assert_eq!(
        response["incomplete_details"]["reason"],
        "max_output_tokens"
    );
    assert_eq!(response["output"][1]["status"], "completed");
    assert_eq!(response["output"][2]["status"], "incomplete");
    let done = stream
        .events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done" && event["output_index"] == 2);
    assert_eq!(done.count(), 0);
    assert_eq!(*response, whole);
}

#[test]
fn a_filter_and_a_refusal() {
    let (stream, _) = written(&[text("x"), finish(Finish::ContentFilter), Event::End]);
    let reason = &stream.response()["incomplete_details"]["reason"];
    assert_eq!(reason, "content_filter");
    let refusal = Event::Refusal {
        choice: 0,
        text: "No.".into(),
    };
    let (stream, whole) = written(&[text("x"), refusal, finish(Finish::Stop), Event::End]);
    let content = &stream.response()["output"][0]["content"];
    assert_eq!(content[1], json!({ "type": "refusal", "refusal": "No." }));
    assert_eq!(*stream.response(), whole);
}

#[test]
fn a_broken_answer_ends_with_its_error() {
    let error = StreamFault::Truncated.public(&|text: &str| text.to_owned());
    for begun in [&[][..], &[start(), text("x"), call(0, "a", "f")]] {
        let mut writer = StreamWriter::new(options());
        let mut out = BytesMut::new();
        let names = ToolNames::default();
        for event in begun {
            writer.write(event, &names, &mut out);
        }
        writer.write(&Event::Fault(StreamFault::Truncated), &names, &mut out);
        writer.fail(&error, &mut out);
        writer.fail(&error, &mut out);
        writer.write(&Event::End, &names, &mut out);
        let stream = Stream::check(&out);
        let kinds = stream.kinds();
        assert_eq!(kinds[kinds.len() - 2..], ["error", "response.failed"]);
        assert_eq!(stream.response()["status"], "failed");
        assert_eq!(stream.response()["error"]["code"], "server_error");
        assert!(writer.take_finished().is_none());
    }
}

#[test]
fn tokens_that_nobody_counted_are_estimated() {
    let (stream, _) = written(&[text("12345678"), Event::End]);
    let usage = &stream.response()["usage"];
    assert_eq!(usage["input_tokens"], 11);
    assert_eq!(usage["output_tokens"], 2);
    assert_eq!(usage["total_tokens"], 13);
}

#[test]
fn only_the_first_choice_is_written() {
    let other = Event::Text {
        choice: 1,
        text: "y".into(),
    };
    let (stream, _) = written(&[text("x"), other, Event::End]);
    assert_eq!(stream.response()["output"][0]["content"][0]["text"], "x");
}

#[test]
fn an_endless_answer_is_bounded() {
    let mut writer = StreamWriter::new(options());
    let mut out = BytesMut::new();
    let names = ToolNames::default();
    let piece = "x".repeat(1024 * 1024);
    for _ in 0..40 {
        let event = Event::Text {
            choice: 0,
            text: (&*piece).into(),
        };
        out.clear();
        writer.write(&event, &names, &mut out);
    }
    assert!(out.is_empty());
    writer.write(&Event::End, &names, &mut out);
    let text = std::str::from_utf8(&out).unwrap();
    assert!(text.contains("event: response.incomplete"));
}

#[test]
fn only_a_complete_text_is_given_again() {
    let kept = |events: &[Event<'_>]| is_keepable(written(events).1.to_string().as_bytes());
    assert!(kept(&[
        reasoning("Hm"),
        text("x"),
        finish(Finish::Stop),
        Event::End
    ]));
    for events in [
        &[Event::End][..],
        &[text("x"), finish(Finish::Length), Event::End],
        &[text("x"), call(0, "a", "f"), Event::End],
    ] {
        assert!(!kept(events), "{events:?}");
    }
    assert!(!is_keepable(b"") && !is_keepable(b"{}"));
    assert_eq!(replay(b"{}"), None);
}
