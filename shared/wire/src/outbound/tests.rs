#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use serde_json::{Value, json};

use super::*;
use crate::dialect::openai::WriterOptions;
use crate::hub::StreamFault;
use crate::inbound::{CallerDialect, Recipient};
use crate::provider::{BaseUrl, ProviderKind};
use bytes::BytesMut;

fn write_to(
    kind: ProviderKind,
    base: &str,
    worker: Worker,
    call: Call,
    body: &Value,
) -> Result<Outbound, Unsaid> {
    let provider = kind.provider();
    let way = provider.way(&BaseUrl::parse(base).unwrap(), call).unwrap();
    let body = Bytes::from(body.to_string());
    let dialects = CallerDialect::ALL.into_iter();
    let dialect = dialects.into_iter().find(|dialect| dialect.call() == call);
    let inbound = Inbound::read(dialect.unwrap(), body).unwrap();
    let candidate = Candidate {
        provider,
        way: &way,
        model: "upstream",
        model_json: &Bytes::from_static(b"\"upstream\""),
        defaults: &Defaults::default(),
        whole: false,
        repair_history: true,
        auto_cache: false,
        inline_system: false,
        origin: Origin::of(1, "https://upstream.example", "up"),
        recall: &|_| None,
        is_foreign: &|_| false,
        samples: true,
        keep_alive: None,
        local: LocalModel::default(),
        worker,
        policy: None,
    };
    write(&inbound, &candidate)
}

fn to_worker(worker: Worker, call: Call, body: &Value) -> Outbound {
    let base = "https://api.runpod.ai/v2/abc";
    write_to(ProviderKind::Runpod, base, worker, call, body).unwrap()
}

fn to_anthropic(body: &Value) -> Result<Outbound, Unsaid> {
    let base = "https://api.anthropic.com";
    write_to(
        ProviderKind::Anthropic,
        base,
        Worker::Auto,
        Call::Chat,
        body,
    )
}

fn options() -> Recipient {
    WriterOptions {
        model: Bytes::from_static(b"\"virtual\""),
        include_usage: false,
        id: "made".to_owned(),
        created: 1,
        origin: None,
    }
    .into()
}

fn whole(outbound: &Outbound, reply: &Value) -> Completed {
    let replies = [(Bytes::from(reply.to_string()), false)];
    let completed = outbound
        .answer
        .completed(&replies, &options(), &outbound.names, None);
    completed.unwrap().unwrap()
}

fn choice(outbound: &Outbound, reply: &Value) -> Value {
    let body: Value = serde_json::from_slice(&whole(outbound, reply).body).unwrap();
    body["choices"][0].clone()
}

fn streamed(outbound: &Outbound, output: &Value) -> String {
    let mut translation = outbound
        .answer
        .translation(&options(), ToolNames::default(), None)
        .unwrap();
    let mut out = BytesMut::new();
    translation.push(output.to_string().as_bytes(), &mut out);
    let end = translation.finish(true, &mut out);
    assert_eq!(end, crate::translation::End::Complete);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn a_worker_that_put_out_all_it_may_was_cut() {
    let request =
        json!({"model": "m", "max_tokens": 7, "messages": [{"role": "user", "content": "hi"}]});
    let output = |tokens: u64| json!([{"choices": [{"tokens": ["he"]}], "usage": {"input": 3, "output": tokens}}]);
    for worker in [Worker::VllmNative, Worker::Auto] {
        let outbound = to_worker(worker, Call::Chat, &request);
        for (tokens, reason) in [(6, "stop"), (7, "length")] {
            let output = output(tokens);
            assert_eq!(choice(&outbound, &output)["finish_reason"], reason);
            let streamed = streamed(&outbound, &output);
            let expected = format!(r#""finish_reason":"{reason}""#);
            assert!(streamed.contains(&expected), "{streamed}");
        }
    }
}

#[test]
fn every_form_of_worker_gets_the_form_of_the_answer_as_it_can() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let form = json!({"type": "json_schema", "json_schema": {"name": "r", "schema": schema}});
    let request = json!({"model": "m", "response_format": form, "messages": [{"role": "user", "content": "hi"}]});
    for (worker, at, wanted, note) in [
        (
            Worker::Auto,
            "/input/openai_input/response_format",
            form.clone(),
            None,
        ),
        (
            Worker::Vllm,
            "/input/openai_input/response_format",
            form.clone(),
            None,
        ),
        (
            Worker::Ollama,
            "/input/openai_input/response_format",
            form.clone(),
            None,
        ),
        (
            Worker::VllmNative,
            "/input/sampling_params",
            json!({ "max_tokens": null }),
            Some(crate::hub::Change::Dropped),
        ),
        (
            Worker::Text,
            "/input/prompt",
            json!("User: hi\nAssistant:"),
            Some(crate::hub::Change::Dropped),
        ),
    ] {
        let out = to_worker(worker, Call::Chat, &request);
        let sent: Value = serde_json::from_slice(&out.bodies[0].to_bytes()).unwrap();
        assert_eq!(sent.pointer(at), Some(&wanted), "{worker:?}: {sent}");
        let noted = out
            .notes
            .iter()
            .find(|note| note.field == "response_format");
        assert_eq!(noted.map(|note| note.change), note, "{worker:?}");
    }
}

#[test]
fn what_only_another_dialect_takes_is_refused_and_not_wrong() {
    for (content, param) in [
        (
            json!([{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]),
            "messages[0].content[0]",
        ),
        (
            json!([{"type": "video_url", "video_url": {"url": "https://example.com/v.mp4"}}]),
            "messages[0].content[0].type",
        ),
    ] {
        let request = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        let Err(Unsaid::Refused(refusal)) = to_anthropic(&request) else {
            unreachable!("{request} must be refused");
        };
        assert_eq!(refusal.param, param);
        assert!(refusal.message.contains(param), "{}", refusal.message);
    }
    let token_ids = json!({"model": "m", "prompt": [1, 2, 3]});
    let unsaid = write_to(
        ProviderKind::Anthropic,
        "https://api.anthropic.com",
        Worker::Auto,
        Call::Completions,
        &token_ids,
    );
    assert!(matches!(unsaid, Err(Unsaid::Refused(_))), "{unsaid:?}");
}

#[test]
fn a_worker_without_echo_gets_help() {
    let request = json!({"model": "m", "prompt": "Once", "echo": true});
    let own = json!([{"choices": [{"tokens": [" upon"]}], "usage": {"input": 1, "output": 2}}]);
    let openai = json!([{"id": "1", "object": "text_completion", "model": "x", "choices":
        [{"index": 0, "text": " upon", "finish_reason": "stop"}]}]);
    for worker in [Worker::VllmNative, Worker::Text, Worker::Auto] {
        let outbound = to_worker(worker, Call::Completions, &request);
        assert_eq!(choice(&outbound, &own)["text"], "Once upon", "{worker:?}");
        assert!(
            streamed(&outbound, &own).contains("Once upon"),
            "{worker:?}"
        );
        let sent = outbound.bodies[0].to_bytes();
        let sent = String::from_utf8_lossy(&sent);
        assert!(!sent.contains(r#""echo":true"#), "repeated by both: {sent}");
    }
    let outbound = to_worker(Worker::Auto, Call::Completions, &request);
    assert_eq!(choice(&outbound, &openai)["text"], "Once upon");
    // A server of OpenAI's dialect repeats the prompt itself.
    let outbound = to_worker(Worker::Vllm, Call::Completions, &request);
    assert_eq!(choice(&outbound, &openai)["text"], " upon");
    let sent = outbound.bodies[0].to_bytes();
    assert!(String::from_utf8_lossy(&sent).contains(r#""echo":true"#));
}

#[test]
fn a_fault_in_a_reply_is_told() {
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let outbound = to_worker(Worker::Vllm, Call::Chat, &request);
    let output = json!([{"id": "1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "abort"}]}]);
    let replies = [(Bytes::from(output.to_string()), false)];
    let failed = outbound
        .answer
        .completed(&replies, &options(), &outbound.names, None);
    assert!(
        matches!(failed, Err(Failed::Stream(StreamFault::Upstream(_)))),
        "{failed:?}"
    );
}

#[test]
fn thinking_is_kept_alike_from_a_stream_and_a_whole_reply() {
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let outbound = to_anthropic(&request).unwrap();
    let thought = |text: &str| json!({"type": "thinking", "thinking": text, "signature": "s"});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let blocks = [thought("a"), call("c1"), call("c2"), thought("b"), call("")];
    let reply = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "x",
        "content": blocks, "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 2}});
    let completed = whole(&outbound, &reply);
    let body: Value = serde_json::from_slice(&completed.body).unwrap();
    let made = &body["choices"][0]["message"]["tool_calls"][2]["id"];
    let block = |text: &str| {
        vec![Thinking::Plain {
            text: text.to_owned(),
            signature: Some("s".to_owned()),
        }]
    };
    let expected = vec![
        ("c1".to_owned(), block("a")),
        (made.as_str().unwrap().to_owned(), block("b")),
    ];
    assert_eq!(completed.thinking, expected);

    let mut stream = String::new();
    let mut event = |data: Value| {
        let kind = data["type"].as_str().unwrap();
        stream.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    };
    event(
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "x", "content": [],
        "usage": {"input_tokens": 1, "output_tokens": 1}}}),
    );
    for (index, block) in blocks.iter().enumerate() {
        let mut start = block.clone();
        if start["type"] == "thinking" {
            start = json!({"type": "thinking", "thinking": "", "signature": ""});
        }
        event(json!({"type": "content_block_start", "index": index, "content_block": start}));
        if block["type"] == "thinking" {
            let delta = json!({"type": "thinking_delta", "thinking": block["thinking"]});
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            let delta = json!({"type": "signature_delta", "signature": "s"});
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        event(json!({"type": "content_block_stop", "index": index}));
    }
    event(
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}),
    );
    event(json!({"type": "message_stop"}));
    let translation = outbound
        .answer
        .translation(&options(), ToolNames::default(), None);
    let mut translation = translation.unwrap();
    let mut out = BytesMut::new();
    translation.push(stream.as_bytes(), &mut out);
    assert_eq!(translation.take_thinking(), expected);
    let replies = [(Bytes::from(stream), true)];
    let completed = outbound
        .answer
        .completed(&replies, &options(), &outbound.names, None);
    assert_eq!(completed.unwrap().unwrap().thinking, expected);
}

#[test]
fn several_answers_are_several_requests_where_one_gives_one() {
    let ask = |kind, base, more: Value| {
        let mut body = json!({"model": "v", "prompt": ["a", "b"], "seed": 7, "echo": true});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        write_to(kind, base, Worker::Auto, Call::Completions, &body)
    };
    let ollama = |more| ask(ProviderKind::Ollama, "http://host:11434", more);
    let anthropic = |more| ask(ProviderKind::Anthropic, "https://api.anthropic.com", more);
    let bodies = |out: &Outbound| -> Vec<Value> {
        let bodies = out.bodies.iter().map(|body| body.to_bytes());
        bodies
            .map(|b| serde_json::from_slice(&b).unwrap())
            .collect()
    };
    let out = ollama(json!({"n": 3, "stream": true})).unwrap();
    assert!(!out.streams, "several answers make one stream here");
    let told = bodies(&out);
    let told: Vec<_> = told
        .iter()
        .map(|body| {
            (
                body["prompt"].as_str().unwrap(),
                body["options"]["seed"].as_i64().unwrap(),
            )
        })
        .collect();
    let wanted = [("a", 7), ("a", 8), ("a", 9), ("b", 7), ("b", 8), ("b", 9)];
    assert_eq!(told, wanted, "with one seed all would be one answer");
    let echoes = ["a", "a", "a", "b", "b", "b"].map(|echo| Some(echo.into()));
    assert_eq!(
        out.answer,
        AnswerForm::Completion(Dialect::Ollama, echoes.into())
    );

    let out = anthropic(json!({"n": 2, "stream": true})).unwrap();
    assert!(!out.streams);
    assert_eq!(bodies(&out).len(), 4);
    assert_eq!(bodies(&out)[0], bodies(&out)[1]);
    assert_ne!(bodies(&out)[1], bodies(&out)[2]);
    let only = json!({"n": 1, "prompt": "a", "stream": true});
    assert!(anthropic(only.clone()).unwrap().streams);
    assert!(ollama(only).unwrap().streams);

    let most = json!(vec!["x"; 20]);
    for refused in [
        ollama(json!({"n": 103, "prompt": most})),
        anthropic(json!({"n": 103, "prompt": most})),
    ] {
        let Err(Unsaid::Refused(refusal)) = refused else {
            unreachable!("2,060 requests for one call");
        };
        assert_eq!(refusal.param, "n");
    }
    assert!(ollama(json!({"n": 102, "prompt": most})).is_ok());
}

/// Every lane gets the mended conversation, and the notes say what was changed.
#[test]
fn a_damaged_conversation_is_mended_for_every_candidate() {
    let body = json!({"model": "v", "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"type": "function", "function": {"name": "functions.f", "arguments": "{'a': 1}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        ]},
        {"role": "tool", "content": "one"},
        {"role": "tool", "tool_call_id": "z", "content": "other"},
    ]});
    let openai = "http://gpu:8000";
    for (kind, base) in [
        (ProviderKind::OpenAi, "https://api.openai.com"),
        (ProviderKind::Vllm, openai),
        (ProviderKind::Anthropic, "https://api.anthropic.com"),
        (ProviderKind::Ollama, "http://here:11434"),
        (ProviderKind::Runpod, "https://api.runpod.ai/v2/abc"),
    ] {
        let out = write_to(kind, base, Worker::Vllm, Call::Chat, &body).unwrap();
        let sent = String::from_utf8(out.bodies[0].to_bytes().to_vec()).unwrap();
        assert!(!sent.contains("functions.f"), "{base}: {sent}");
        assert!(!sent.contains("'a'"), "{base}: {sent}");
        assert!(sent.contains("No result of this call"), "{base}: {sent}");
        assert!(
            sent.contains("not part of this conversation"),
            "{base}: {sent}"
        );
        for field in ["messages[1].tool_calls[0].id", "messages[3]"] {
            let noted = out.notes.iter().any(|note| note.field == field);
            assert!(noted, "{base}: {field} {:?}", out.notes);
        }
    }
}

#[test]
fn several_answers_to_a_chat_are_several_requests() {
    let chat = |more: &Value| {
        let mut body = json!({"model": "v", "stream": true, "seed": 7, "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let to_ollama = |body: &Value| {
        let base = "http://127.0.0.1:11434";
        write_to(ProviderKind::Ollama, base, Worker::Auto, Call::Chat, body)
    };
    let sent = |out: &Outbound| -> Vec<Value> {
        let all = out.bodies.iter();
        all.map(|body| serde_json::from_slice(&body.to_bytes()).unwrap())
            .collect()
    };
    let three = chat(&json!({"n": 3}));
    for (out, seeds) in [
        (to_ollama(&three).unwrap(), [json!(7), json!(8), json!(9)]),
        (
            to_anthropic(&three).unwrap(),
            [Value::Null, Value::Null, Value::Null],
        ),
    ] {
        let bodies = sent(&out);
        let found: Vec<Value> = bodies
            .iter()
            .map(|body| body["options"]["seed"].clone())
            .collect();
        assert_eq!(found, seeds);
        assert!(
            bodies.iter().all(|body| body["stream"] != true),
            "{bodies:?}"
        );
        assert!(!out.streams);
        let reply = |n: u32| {
            let reply = if out.answer == AnswerForm::Chat(Dialect::Ollama) {
                json!({
                    "model": "m", "done": true, "done_reason": "stop", "prompt_eval_count": 5,
                    "eval_count": n, "message": {"role": "assistant", "content": format!("answer {n}")},
                })
            } else {
                json!({
                    "id": format!("msg_{n}"), "type": "message", "role": "assistant", "model": "m",
                    "content": [{"type": "text", "text": format!("answer {n}")}],
                    "stop_reason": "end_turn", "usage": {"input_tokens": 5, "output_tokens": n},
                })
            };
            (Bytes::from(reply.to_string()), false)
        };
        let replies = [reply(1), reply(2), reply(3)];
        let whole = out.answer.completed(&replies, &options(), &out.names, None);
        let whole = whole.unwrap().unwrap();
        let body: Value = serde_json::from_slice(&whole.body).unwrap();
        let choices = body["choices"].as_array().unwrap().iter().zip(1..);
        let mut count = 0;
        for (choice, n) in choices {
            assert_eq!(choice["index"], n - 1, "{body}");
            assert_eq!(
                choice["message"]["content"],
                format!("answer {n}"),
                "{body}"
            );
            count = n;
        }
        assert_eq!(count, 3, "{body}");
        assert_eq!(body["usage"]["prompt_tokens"], 15, "{body}");
        assert_eq!(body["usage"]["completion_tokens"], 6, "{body}");
    }
    for out in [
        to_ollama(&chat(&json!({"n": 1}))),
        to_anthropic(&chat(&json!({}))),
    ] {
        assert!(out.unwrap().streams);
    }
    for out in [
        to_ollama(&chat(&json!({"n": 9}))),
        to_anthropic(&chat(&json!({"n": 9}))),
    ] {
        let Err(Unsaid::Refused(refusal)) = out else {
            panic!("nine answers");
        };
        assert_eq!(refusal.param, "n");
    }
}
