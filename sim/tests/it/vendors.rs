//! Each vendor's paths, authentication, checks, lists and peculiarities.

use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};

use crate::raw::{Answer, Caller, chat, start};

/// Chat, completions, embeddings and models; `None` where the vendor has no such path.
fn paths(flavor: Flavor) -> [Option<&'static str>; 4] {
    match flavor {
        Flavor::OpenAi | Flavor::Vllm | Flavor::Together | Flavor::Ollama => [
            Some("/v1/chat/completions"),
            Some("/v1/completions"),
            Some("/v1/embeddings"),
            Some("/v1/models"),
        ],
        Flavor::DeepInfra => [
            Some("/v1/openai/chat/completions"),
            Some("/v1/openai/completions"),
            Some("/v1/openai/embeddings"),
            Some("/v1/openai/models"),
        ],
        Flavor::OpenWebui => [
            Some("/api/chat/completions"),
            None,
            Some("/api/embeddings"),
            Some("/api/models"),
        ],
        Flavor::Queue => [
            Some("/v1/chat/completions"),
            None,
            Some("/v1/embeddings"),
            Some("/v1/models"),
        ],
        Flavor::Anthropic => [None, None, None, Some("/v1/models")],
        Flavor::Runpod => [None; 4],
    }
}

async fn post(sim: &Sim, call: usize, body: &str) -> Answer {
    let path = paths(sim.flavor())[call].unwrap();
    Caller::connect(sim).await.post(path, body).await
}

#[tokio::test]
async fn every_vendor_answers_on_its_own_paths_only() {
    for flavor in Flavor::OPENAI_FORMAT {
        let sim = start(flavor).await;
        let bodies = [
            chat("", ""),
            r#"{"model":"sim-model","prompt":"hi"}"#.to_owned(),
            r#"{"model":"sim-model","input":"hi"}"#.to_owned(),
        ];
        for (call, body) in bodies.iter().enumerate() {
            if paths(flavor)[call].is_some() {
                let answer = post(&sim, call, body).await;
                assert_eq!(answer.status, 200, "{flavor:?} {answer:?}");
            }
        }
        let mut caller = Caller::connect(&sim).await;
        let list = caller.get(paths(flavor)[3].unwrap()).await.json();
        let items = if flavor == Flavor::Together {
            &list
        } else {
            &list["data"]
        };
        let ids: Vec<&str> = items
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["id"].as_str().unwrap())
            .collect();
        assert!(
            ids.contains(&"sim-model") && ids.len() > 1,
            "{flavor:?} {ids:?}"
        );
        let missing = caller.post("/v2/chat/completions", "{}").await;
        assert_eq!(missing.status, 404, "{flavor:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_the_vendors_words() {
    for (flavor, body) in [
        (Flavor::Vllm, json!({"error": "Unauthorized"})),
        (Flavor::OpenWebui, json!({"detail": "Not authenticated"})),
        (
            Flavor::DeepInfra,
            json!({"detail": {"error": "Unauthorized"}}),
        ),
    ] {
        let sim = Sim::start(Options {
            flavor,
            key: Some("sk-right".to_owned()),
            ..Options::default()
        })
        .await
        .unwrap();
        let path = paths(flavor)[0].unwrap();
        let mut caller = Caller::connect(&sim).await;
        let refused = caller
            .post_with(path, "authorization: Bearer sk-wrong\r\n", &chat("", ""))
            .await;
        assert_eq!((refused.status, refused.json()), (401, body), "{flavor:?}");
        let served = caller
            .post_with(path, "authorization: Bearer sk-right\r\n", &chat("", ""))
            .await;
        assert_eq!(served.status, 200, "{flavor:?}");
    }
}

#[tokio::test]
async fn openai_refuses_what_it_does_not_know_or_cannot_use() {
    let sim = start(Flavor::OpenAi).await;
    let message = json!({"role": "user", "content": "hi"});
    for (body, param, code) in [
        (
            json!({"messages": [message]}),
            "model",
            "missing_required_parameter",
        ),
        (
            json!({"model": 4, "messages": [message]}),
            "model",
            "invalid_type",
        ),
        (
            json!({"model": "sim-model"}),
            "messages",
            "missing_required_parameter",
        ),
        (
            json!({"model": "sim-model", "messages": "hi"}),
            "messages",
            "invalid_type",
        ),
        (
            json!({"model": "sim-model", "messages": []}),
            "messages",
            "empty_array",
        ),
        (
            json!({"model": "sim-model", "messages": [message], "top_k": 4}),
            "top_k",
            "unknown_parameter",
        ),
        (
            json!({"model": "sim-model", "messages": [message], "temperature": 2.5}),
            "temperature",
            "decimal_above_max_value",
        ),
        (
            json!({"model": "sim-model", "messages": [message], "temperature": "hot"}),
            "temperature",
            "invalid_type",
        ),
        (
            json!({"model": "sim-model", "messages": [{"role": "robot", "content": "hi"}]}),
            "messages[0].role",
            "invalid_value",
        ),
        (
            json!({"model": "o4-mini", "messages": [message], "max_tokens": 5}),
            "max_tokens",
            "unsupported_parameter",
        ),
    ] {
        let answer = post(&sim, 0, &body.to_string()).await;
        let error = &answer.json()["error"];
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            (&error["param"], &error["code"]),
            (&json!(param), &json!(code)),
            "{body}"
        );
        assert_eq!(error["type"], "invalid_request_error", "{body}");
    }
    let unknown = json!({"model": "gpt-none", "messages": [message]});
    let answer = post(&sim, 0, &unknown.to_string()).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
}

#[tokio::test]
async fn stream_options_need_a_stream() {
    for flavor in [Flavor::OpenAi, Flavor::Vllm] {
        let sim = start(flavor).await;
        let body = chat("", r#","stream_options":{"include_usage":true}"#);
        let answer = post(&sim, 0, &body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!("stream_options"))
        );
    }
}

#[tokio::test]
async fn tools_are_checked_as_the_vendor_does() {
    let sim = start(Flavor::Vllm).await;
    let answer = post(&sim, 0, &chat("", r#","tools":[]"#)).await;
    assert_eq!(
        answer.json()["error"]["message"],
        "`tools` must not be an empty array"
    );
    assert_eq!(answer.json()["error"]["code"], 400);
    let answer = post(&sim, 0, &chat("", r#","tool_choice":"auto""#)).await;
    assert_eq!(
        answer.json()["error"]["message"],
        "When using `tool_choice`, `tools` must be set."
    );

    let sim = start(Flavor::OpenAi).await;
    let call =
        json!({"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let called = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let user = json!({"role": "user", "content": "hi"});
    let tool = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "42"});
    for (messages, status) in [
        (json!([user, called, tool("call_1")]), 200),
        (json!([user, called, tool("call_2")]), 400),
        (json!([user, called, user]), 400),
        (json!([user, tool("call_1")]), 400),
    ] {
        let body = json!({"model": "sim-model", "messages": messages});
        assert_eq!(
            post(&sim, 0, &body.to_string()).await.status,
            status,
            "{body}"
        );
    }
}

#[tokio::test]
async fn tool_calls_fit_the_schema_and_are_streamed_in_fragments() {
    let tools = r#","tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}}]"#;
    let body = |extra: &str| {
        format!(
            r#"{{"model":"sim-model","messages":[{{"role":"user","content":"What is the weather in Paris?"}}]{tools}{extra}}}"#
        )
    };
    let wanted = json!({"city": "Paris", "days": 1});
    for flavor in Flavor::OPENAI_FORMAT {
        let sim = start(flavor).await;
        let whole = post(&sim, 0, &body("")).await.json();
        let choice = &whole["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{flavor:?}");
        let call = &choice["message"]["tool_calls"][0]["function"];
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&call["name"], &arguments),
            (&json!("get_weather"), &wanted),
            "{flavor:?}"
        );
        if flavor == Flavor::Queue {
            continue;
        }
        let stream = post(&sim, 0, &body(r#","stream":true"#)).await;
        let mut text = String::new();
        let mut deltas = 0;
        for data in stream.events().iter().filter(|data| **data != "[DONE]") {
            let chunk: Value = serde_json::from_str(data).unwrap();
            if let Some(part) = chunk.pointer("/choices/0/delta/tool_calls/0/function/arguments") {
                text.push_str(part.as_str().unwrap());
                deltas += 1;
            }
        }
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            wanted,
            "{flavor:?}"
        );
        assert_eq!(
            deltas,
            if flavor == Flavor::Ollama { 1 } else { 4 },
            "{flavor:?}"
        );
    }
}

#[tokio::test]
async fn usage_comes_where_the_vendor_puts_it() {
    for flavor in Flavor::OPENAI_FORMAT {
        if flavor == Flavor::Queue {
            continue;
        }
        let sim = start(flavor).await;
        for asked in [false, true] {
            let options = if asked {
                r#","stream_options":{"include_usage":true}"#
            } else {
                ""
            };
            let body = chat("chunks=3", &format!(r#","stream":true{options}"#));
            let answer = post(&sim, 0, &body).await;
            let chunks: Vec<Value> = answer
                .events()
                .iter()
                .filter(|data| **data != "[DONE]")
                .map(|data| serde_json::from_str(data).unwrap())
                .collect();
            let counted: Vec<&Value> = chunks
                .iter()
                .filter(|chunk| chunk["usage"].is_object())
                .collect();
            let always = matches!(flavor, Flavor::Together | Flavor::DeepInfra);
            assert_eq!(
                counted.len(),
                usize::from(asked || always),
                "{flavor:?} {asked}"
            );
            if let Some(chunk) = counted.first() {
                let own = chunk["choices"] == json!([]);
                assert_eq!(own, !always, "{flavor:?}");
                assert_eq!(chunk["usage"]["completion_tokens"], 3, "{flavor:?}");
            }
            let nulls = chunks
                .iter()
                .filter(|chunk| chunk.get("usage") == Some(&Value::Null))
                .count();
            let null = (flavor == Flavor::OpenAi && asked) || flavor == Flavor::Together;
            assert_eq!(nulls > 0, null, "{flavor:?} {asked}");
        }
    }
}

#[tokio::test]
async fn vllm_ends_with_text_in_the_finish_chunk() {
    let sim = start(Flavor::Vllm).await;
    let answer = post(&sim, 0, &chat("chunks=2", r#","stream":true"#)).await;
    let events = answer.events();
    let last: Value = serde_json::from_str(events[events.len() - 2]).unwrap();
    assert_eq!(last["choices"][0]["delta"]["content"], "word ");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn several_answers_and_prompts_are_numbered() {
    let sim = start(Flavor::OpenAi).await;
    let answer = post(&sim, 0, &chat("", r#","n":3"#)).await.json();
    let numbers: Vec<u64> = answer["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["index"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
    let body = r#"{"model":"sim-model","prompt":["a","b"],"n":2}"#;
    assert_eq!(
        post(&sim, 1, body).await.json()["choices"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    for (prompt, choices) in [("[1,2,3]", 1), ("[[1,2],[3]]", 2)] {
        let body = format!(r#"{{"model":"sim-model","prompt":{prompt}}}"#);
        let answer = post(&sim, 1, &body).await.json();
        assert_eq!(
            answer["choices"].as_array().unwrap().len(),
            choices,
            "{prompt}"
        );
    }
}

#[tokio::test]
async fn embeddings_are_the_same_as_numbers_and_as_base64() {
    let sim = start(Flavor::OpenAi).await;
    let body = |format: &str| {
        format!(
            r#"{{"model":"sim-model","input":["a","b"],"dimensions":2,"encoding_format":"{format}"}}"#
        )
    };
    let numbers = post(&sim, 2, &body("float")).await.json();
    assert_eq!(numbers["data"][1]["embedding"], json!([-0.734375, -0.25]));
    let text = post(&sim, 2, &body("base64")).await.json();
    // The two little-endian floats above: 00 00 3c bf, 00 00 80 be.
    assert_eq!(text["data"][1]["embedding"], "AAA8vwAAgL4=");
}

#[tokio::test]
async fn reasoning_is_in_the_vendors_field() {
    for (flavor, field) in [
        (Flavor::Vllm, "reasoning"),
        (Flavor::Ollama, "reasoning"),
        (Flavor::DeepInfra, "reasoning_content"),
    ] {
        let sim = start(flavor).await;
        let answer = post(&sim, 0, &chat("reasoning", "")).await.json();
        assert_eq!(
            answer["choices"][0]["message"][field], "Let me think.",
            "{flavor:?}"
        );
    }
}

#[tokio::test]
async fn what_a_vendor_does_not_document_is_refused_there_alone() {
    let developer = json!({"messages": [{"role": "developer", "content": "Be brief."}]});
    let limit = json!({"max_completion_tokens": 5});
    for flavor in Flavor::OPENAI_FORMAT {
        let sim = start(flavor).await;
        for (extra, known) in [
            (&developer, flavor != Flavor::DeepInfra),
            (
                &limit,
                !matches!(flavor, Flavor::DeepInfra | Flavor::Together),
            ),
        ] {
            let mut body: Value = serde_json::from_str(&chat("", "")).unwrap();
            for (name, value) in extra.as_object().unwrap() {
                body[name] = value.clone();
            }
            let answer = post(&sim, 0, &body.to_string()).await;
            assert_eq!(
                answer.status == 200,
                known,
                "{flavor:?} {extra}: {answer:?}"
            );
        }
    }
}
