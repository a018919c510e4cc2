#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use serde_json::{Value, json};

use super::*;

fn options() -> WriterOptions {
    WriterOptions {
        model: Bytes::from_static(b"\"m\""),
        include_usage: true,
        id: "cmpl-1".to_owned(),
        created: 7,
        origin: None,
    }
}

fn text(choice: u32, text: &'static str) -> Event<'static> {
    Event::Text {
        choice,
        text: text.into(),
    }
}

fn finish(choice: u32, reason: Finish) -> Event<'static> {
    Event::Finish { choice, reason }
}

fn spent(prompt: u64, completion: u64) -> Usage {
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt + completion,
        ..Usage::default()
    }
}

fn write(part: CompletionPart, events: &[Event<'_>]) -> String {
    let mut writer = CompletionWriter::new(options(), part);
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

/// Text, index and finish reason of every choice, then the usage.
fn told(out: &str) -> Vec<Value> {
    out.split("\n\n")
        .filter_map(|frame| serde_json::from_str::<Value>(frame.strip_prefix("data: ")?).ok())
        .map(|event| match event["choices"].get(0) {
            Some(choice) => json!([choice["text"], choice["index"], choice["finish_reason"]]),
            None => event["usage"]["total_tokens"].clone(),
        })
        .collect()
}

fn answer(events: &[Event<'_>]) -> Answer {
    let mut answer = Answer::default();
    events.iter().for_each(|event| answer.add(event));
    answer
}

#[test]
fn a_stream_is_written_as_openai_writes_it() {
    let out = write(
        CompletionPart::only(None),
        &[
            Event::Start {
                id: "chatcmpl-9".into(),
                model: "u".into(),
                created: Some(1),
            },
            Event::KeepAlive,
            Event::Reasoning {
                choice: 0,
                text: "hm".into(),
            },
            text(0, "Hi"),
            finish(0, Finish::ToolCalls),
            Event::Usage(spent(2, 1)),
            Event::End,
        ],
    );
    let head =
        r#"data: {"id":"cmpl-1","object":"text_completion","created":7,"model":"m","choices":["#;
    let expected = [
        ": keep-alive\n\n".to_owned(),
        format!(
            "{head}{{\"text\":\"Hi\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}}],\"usage\":null}}\n\n"
        ),
        format!(
            "{head}{{\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":null}}\n\n"
        ),
        format!(
            "{head}],\"usage\":{{\"prompt_tokens\":2,\"completion_tokens\":1,\"total_tokens\":3,\"prompt_tokens_details\":{{\"cached_tokens\":0,\"cache_write_tokens\":0}},\"completion_tokens_details\":{{\"reasoning_tokens\":0}}}}}}\n\n"
        ),
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn the_prompt_is_echoed_once_a_choice_and_also_before_no_text() {
    let part = CompletionPart::only(Some("Once".to_owned()));
    let events = [
        text(0, " upon"),
        text(0, " a"),
        finish(0, Finish::Length),
        finish(1, Finish::ContentFilter),
        Event::End,
    ];
    assert_eq!(
        told(&write(part, &events)),
        [
            json!(["Once upon", 0, null]),
            json!([" a", 0, null]),
            json!(["", 0, "length"]),
            json!(["Once", 1, "content_filter"]),
        ]
    );
    let reply = write_completion_reply(&answer(&events), Some("Once"), &options().model, 7, "x");
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(reply["choices"][0]["text"], "Once upon a");
    assert_eq!(reply["choices"][1]["text"], "Once");
    assert!(reply.get("usage").is_none(), "nobody counted");
}

#[test]
fn the_parts_of_several_prompts_make_one_stream_and_one_reply() {
    let prompts = [("A", spent(1, 2)), ("B", spent(10, 20))];
    let events = |usage: Usage| {
        [
            text(0, "x"),
            text(1, "y"),
            finish(0, Finish::Stop),
            finish(1, Finish::Stop),
            Event::Usage(usage),
            Event::End,
        ]
    };
    let mut stream = String::new();
    let mut spent_before = None;
    for (at, (echo, usage)) in prompts.iter().enumerate() {
        let part = CompletionPart {
            echo: Some((*echo).to_owned()),
            choice_offset: u32::try_from(at).unwrap() * 2,
            more_follows: at == 0,
            spent_before,
        };
        stream.push_str(&write(part, &events(*usage)));
        spent_before = total_usage(spent_before, Some(*usage));
    }
    assert_eq!(stream.matches("[DONE]").count(), 1);
    assert_eq!(
        told(&stream),
        [
            json!(["Ax", 0, null]),
            json!(["Ay", 1, null]),
            json!(["", 0, "stop"]),
            json!(["", 1, "stop"]),
            json!(["Bx", 2, null]),
            json!(["By", 3, null]),
            json!(["", 2, "stop"]),
            json!(["", 3, "stop"]),
            json!(33),
        ]
    );

    let answers = prompts.map(|(_, usage)| answer(&events(usage)));
    let both = [(&answers[0], Some("A")), (&answers[1], Some("B"))];
    let reply = write_completion_replies(&both, &options().model, 7, "cmpl-1");
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    let texts: Vec<Value> = reply["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| json!([choice["text"], choice["index"], choice["finish_reason"]]))
        .collect();
    assert_eq!(
        texts,
        [
            json!(["Ax", 0, "stop"]),
            json!(["Ay", 1, "stop"]),
            json!(["Bx", 2, "stop"]),
            json!(["By", 3, "stop"]),
        ]
    );
    assert_eq!(reply["usage"]["total_tokens"], 33);
    assert_eq!(reply["object"], "text_completion");

    let empty = Answer::default();
    let reply = write_completion_replies(
        &[(&empty, None), (&answers[1], None)],
        &options().model,
        7,
        "cmpl-1",
    );
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(reply["choices"][0]["text"], "");
    assert_eq!(
        reply["choices"][1]["text"], "x",
        "the number is the prompt's"
    );
}
