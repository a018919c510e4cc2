#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use serde_json::{Value, json};

use super::*;
use crate::hub::{Answer, StreamFault};

fn options(include_usage: bool) -> WriterOptions {
    WriterOptions {
        model: Bytes::from_static(b"\"my model\""),
        include_usage,
        id: "resp-1".to_owned(),
        created: 1_759_436_803,
        origin: None,
    }
}

fn write(events: &[Event<'_>], include_usage: bool) -> String {
    let mut writer = ChatWriter::new(options(include_usage));
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &ToolNames::default(), &mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

fn start() -> Event<'static> {
    Event::Start {
        id: "msg_1".into(),
        model: "upstream-model".into(),
        created: None,
    }
}

fn call(number: u32, id: &'static str) -> Event<'static> {
    Event::Call {
        choice: 0,
        call: number,
        id: id.into(),
        name: "get_country".into(),
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

/// The answer with which a model thinks, writes and calls a tool without arguments.
fn thinking_and_tool() -> Vec<Event<'static>> {
    vec![
        start(),
        Event::KeepAlive,
        Event::Reasoning {
            choice: 0,
            text: "Hm".into(),
        },
        Event::Signature {
            choice: 0,
            signature: "sig==".into(),
        },
        Event::Redacted {
            choice: 0,
            data: "opaque".into(),
        },
        Event::Text {
            choice: 0,
            text: "a\"b\n".into(),
        },
        call(0, "toolu_1"),
        finish(Finish::ToolCalls),
        Event::Usage(Usage {
            prompt_tokens: 30,
            completion_tokens: 7,
            total_tokens: 37,
            cached_tokens: 10,
            cache_write_tokens: 5,
            reasoning_tokens: 2,
            ..Usage::default()
        }),
        Event::End,
    ]
}

#[test]
fn a_stream_is_written_as_openai_writes_it() {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"msg_1\",\"object\":\"chat.completion.chunk\",\"created\":1759436803,\"model\":\"my model\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}],\"usage\":null}}\n\n"
        )
    };
    let expected = [
        chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null"),
        ": keep-alive\n\n".to_owned(),
        chunk(r#"{"reasoning_content":"Hm"}"#, "null"),
        chunk(r#"{"reasoning_details":[{"type":"reasoning.text","signature":"sig==","format":"anthropic-claude-v1","index":0}]}"#, "null"),
        chunk(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"opaque","format":"anthropic-claude-v1","index":1}]}"#, "null"),
        chunk(r#"{"content":"a\"b\n"}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":0,"id":"toolu_1","type":"function","function":{"name":"get_country","arguments":""}}]}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, "null"),
        chunk("{}", "\"tool_calls\""),
        "data: {\"id\":\"msg_1\",\"object\":\"chat.completion.chunk\",\"created\":1759436803,\"model\":\"my model\",\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":7,\"total_tokens\":37,\"prompt_tokens_details\":{\"cached_tokens\":10,\"cache_write_tokens\":5},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(write(&thinking_and_tool(), true), expected.concat());
    let quiet = expected.concat().replace(",\"usage\":null", "");
    let usage = quiet.find("data: {\"id\":\"msg_1\",\"object\":\"chat.completion.chunk\",\"created\":1759436803,\"model\":\"my model\",\"choices\":[],");
    let quiet = format!("{}data: [DONE]\n\n", &quiet[..usage.unwrap()]);
    assert_eq!(write(&thinking_and_tool(), false), quiet);
}

#[test]
fn a_reply_holds_what_the_stream_tells() {
    let mut answer = Answer::default();
    thinking_and_tool()
        .iter()
        .for_each(|event| answer.add(event));
    let names = ToolNames::default();
    let reply = write_chat_reply(&answer, &names, &options(false));
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(
        reply,
        json!({
            "id": "msg_1", "object": "chat.completion", "created": 1_759_436_803, "model": "my model",
            "choices": [{
                "index": 0,
                "message": {
                    "role": "assistant", "content": "a\"b\n", "refusal": null,
                    "reasoning_content": "Hm",
                    "reasoning_details": [
                        {"type": "reasoning.text", "text": "Hm", "signature": "sig==", "format": "anthropic-claude-v1", "index": 0},
                        {"type": "reasoning.encrypted", "data": "opaque", "format": "anthropic-claude-v1", "index": 1},
                    ],
                    "tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "get_country", "arguments": "{}"}}],
                },
                "logprobs": null, "finish_reason": "tool_calls",
            }],
            "usage": {
                "prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37,
                "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        })
    );
}

#[test]
fn content_is_null_only_when_something_else_is_there() {
    let message = |event: Option<Event<'_>>| {
        let mut answer = Answer::default();
        event.iter().for_each(|event| answer.add(event));
        let reply = write_chat_reply(&answer, &ToolNames::default(), &options(false));
        let mut reply: Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(reply["id"], "resp-1");
        reply["choices"][0]["message"].take()
    };
    assert_eq!(message(Some(call(0, "a")))["content"], Value::Null);
    let refusal = message(Some(Event::Refusal {
        choice: 0,
        text: "no".into(),
    }));
    assert_eq!(refusal["content"], Value::Null);
    assert_eq!(refusal["refusal"], "no");
    assert_eq!(message(None)["content"], "");
}

#[test]
fn b06_interleaved_calls_keep_their_indexes() {
    let out = write(
        &[
            start(),
            call(0, "a"),
            call(1, "b"),
            arguments(0, "{\"x\""),
            arguments(1, "{\"y\""),
            arguments(0, ":1}"),
            arguments(1, ":2}"),
            finish(Finish::ToolCalls),
            Event::End,
        ],
        false,
    );
    let pieces: Vec<(u64, String)> = out
        .split("\n\n")
        .filter_map(|frame| serde_json::from_str::<Value>(frame.strip_prefix("data: ")?).ok())
        .filter_map(|event| {
            let call = event.pointer("/choices/0/delta/tool_calls/0")?.clone();
            let text = call["function"]["arguments"].as_str()?.to_owned();
            Some((call["index"].as_u64()?, text))
        })
        .collect();
    let of = |index: u64| -> String {
        let texts = pieces.iter().filter(|(at, _)| *at == index);
        texts.map(|(_, text)| text.as_str()).collect()
    };
    assert_eq!((of(0), of(1)), ("{\"x\":1}".into(), "{\"y\":2}".into()));
}

#[test]
fn a_call_without_an_id_gets_the_same_one_streamed_and_whole() {
    let events = [
        start(),
        call(0, ""),
        call(1, ""),
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let mut answer = Answer::default();
    events.iter().for_each(|event| answer.add(event));
    let reply = write_chat_reply(&answer, &ToolNames::default(), &options(false));
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    let out = write(&events, false);
    let ids: Vec<&str> = (0..2)
        .map(|n| {
            reply["choices"][0]["message"]["tool_calls"][n]["id"]
                .as_str()
                .unwrap()
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        assert!(id.starts_with("call_") && out.contains(id), "{id} in {out}");
    }
    let other = write(
        &[
            Event::Start {
                id: "msg_2".into(),
                model: "".into(),
                created: None,
            },
            call(0, ""),
        ],
        false,
    );
    let first = reply.pointer("/choices/0/message/tool_calls/0/id").unwrap();
    assert!(
        !other.contains(first.as_str().unwrap()),
        "of its own answer"
    );
}

#[test]
fn an_answer_without_a_finish_still_gets_one() {
    let out = write(&[start(), call(0, "a"), Event::End], false);
    assert!(out.contains("\"finish_reason\":\"tool_calls\""), "{out}");
    assert!(out.contains("\"arguments\":\"{}\""), "{out}");
}

#[test]
fn nothing_is_written_for_a_fault() {
    assert_eq!(write(&[Event::Fault(StreamFault::Truncated)], true), "");
}

#[test]
fn numbers_beyond_all_bounds_are_left_out() {
    let out = write(
        &[
            Event::Text {
                choice: u32::MAX,
                text: "x".into(),
            },
            call(u32::MAX, "a"),
            arguments(u32::MAX, "{}"),
        ],
        false,
    );
    assert!(
        !out.contains("\"x\"") && !out.contains("tool_calls"),
        "{out}"
    );
}

#[test]
fn a_custom_tool_is_called_with_its_text() {
    let mut names = ToolNames::default();
    names.mark_custom(&["get_country".to_owned()]);
    let events = [
        start(),
        call(0, "call_1"),
        arguments(0, r#"{"input":"a "#),
        arguments(0, r#"line"}"#),
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let mut writer = ChatWriter::new(options(false));
    let (mut out, mut answer) = (BytesMut::new(), Answer::default());
    for event in &events {
        writer.write(event, &names, &mut out);
        answer.add(event);
    }
    let text = String::from_utf8(out.to_vec()).unwrap();
    let deltas: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: {"))
        .map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap())
        .map(|chunk: Value| chunk["choices"][0]["delta"]["tool_calls"][0].clone())
        .filter(|call| !call.is_null())
        .collect();
    let head =
        json!({"index":0,"id":"call_1","type":"custom","custom":{"name":"get_country","input":""}});
    let input = json!({"index":0,"custom":{"input":"a line"}});
    assert_eq!(deltas, [head, input]);
    let whole = write_chat_reply(&answer, &names, &options(false));
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(
        whole["choices"][0]["message"]["tool_calls"],
        json!([{"id":"call_1","type":"custom","custom":{"name":"get_country","input":"a line"}}])
    );
}

#[test]
fn blanks_are_no_arguments() {
    let call = Event::Call {
        choice: 0,
        call: 0,
        id: "a".into(),
        name: "f".into(),
    };
    let blank = Event::Arguments {
        choice: 0,
        call: 0,
        text: " \n".into(),
    };
    let out = write(&[start(), call, blank, Event::End], false);
    assert!(out.contains(r#""function":{"arguments":"{}"}"#), "{out}");
}

/// Every chunk repeats it: a long one would multiply what an upstream sends.
#[test]
fn an_endless_id_is_not_taken() {
    let id = "x".repeat(LONGEST_ID + 1);
    let start = Event::Start {
        id: id.as_str().into(),
        model: "m".into(),
        created: None,
    };
    let out = write(&[start, Event::End], false);
    assert!(out.contains(r#"{"id":"resp-1","#), "{out}");
    let answer = Answer {
        id,
        ..Answer::default()
    };
    let reply = write_chat_reply(&answer, &ToolNames::default(), &options(false));
    assert!(reply.starts_with(br#"{"id":"resp-1","#));
}

/// What is blank is so in both forms: JSON's white space and no other.
#[test]
fn arguments_are_as_blank_in_a_reply_as_in_a_stream() {
    for (text, said) in [(" \n", "{}"), ("\u{b}", "\u{b}"), ("\u{a0}", "\u{a0}")] {
        let events = [
            start(),
            call(0, "c"),
            arguments(0, text),
            finish(Finish::ToolCalls),
        ];
        let streamed: String = write(&events, false)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
            .filter_map(|chunk| {
                let calls = &chunk["choices"][0]["delta"]["tool_calls"];
                calls[0]["function"]["arguments"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect();
        assert_eq!(streamed.trim_ascii(), said, "{text:?} streamed");
        let mut answer = Answer::default();
        events.iter().for_each(|event| answer.add(event));
        let reply = write_chat_reply(&answer, &ToolNames::default(), &options(false));
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        let call = &reply["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["arguments"], said, "{text:?} whole");
    }
}
