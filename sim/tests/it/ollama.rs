//! Ollama's own API: the bytes of its answers, what it refuses, and its memory.

use serde_json::{Value, json};
use sim::{Flavor, Sim};

use crate::raw::{Answer, Caller, start};

async fn post(sim: &Sim, path: &str, body: &Value) -> Answer {
    Caller::connect(sim)
        .await
        .post(path, &body.to_string())
        .await
}

fn chat(script: &str, extra: &Value) -> Value {
    let mut body = json!({
        "model": "sim-model",
        "messages": [{"role": "user", "content": format!("hi [[sim: {script}]]")}],
    });
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn tools() -> Value {
    json!([{"type": "function", "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}
    }}])
}

#[tokio::test]
async fn a_stream_has_the_vendors_lines() {
    let sim = start(Flavor::Ollama).await;
    let body = chat("tools=1", &json!({"think": true, "tools": tools()}));
    let answer = post(&sim, "/api/chat", &body).await;
    assert!(answer.head.contains("content-type: application/x-ndjson"));
    let wanted = [
        r#"{"model":"sim-model","created_at":"2025-10-09T08:53:20.000000001Z","message":{"role":"assistant","content":"","thinking":"Let "},"done":false}"#,
        r#"{"model":"sim-model","created_at":"2025-10-09T08:53:20.000000002Z","message":{"role":"assistant","content":"","thinking":"me "},"done":false}"#,
        r#"{"model":"sim-model","created_at":"2025-10-09T08:53:20.000000003Z","message":{"role":"assistant","content":"","thinking":"think."},"done":false}"#,
        r#"{"model":"sim-model","created_at":"2025-10-09T08:53:20.000000004Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"call_sim0000","function":{"index":0,"name":"get_weather","arguments":{"city":"hi"}}}]},"done":false}"#,
        r#"{"model":"sim-model","created_at":"2025-10-09T08:53:20.000000005Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":1200000000,"load_duration":50000000,"prompt_eval_count":36,"prompt_eval_duration":300000000,"eval_count":7,"eval_duration":800000000}"#,
    ];
    assert_eq!(answer.body, wanted.map(|line| format!("{line}\n")).concat());

    let mut body = body;
    body["stream"] = json!(false);
    let whole = post(&sim, "/api/chat", &body).await;
    assert!(whole.head.contains("content-type: application/json"));
    let whole = whole.json();
    let message = &whole["message"];
    assert_eq!(message["thinking"], "Let me think.");
    assert_eq!(
        message["tool_calls"][0]["function"]["arguments"],
        json!({"city": "hi"})
    );
    assert_eq!(
        (&whole["done"], &whole["eval_count"]),
        (&json!(true), &json!(7))
    );
}

#[tokio::test]
async fn a_prompt_is_gone_on_with() {
    let sim = start(Flavor::Ollama).await;
    let body = json!({"model": "sim-model:latest", "prompt": "[[sim: chunks=2 finish=length]]"});
    let answer = post(&sim, "/api/generate", &body).await;
    let lines: Vec<Value> = answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said: Vec<&str> = lines
        .iter()
        .map(|line| line["response"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["word ", "word ", ""]);
    assert_eq!(lines[2]["done_reason"], "length");
    assert_eq!(lines[2]["context"], json!([1, 2, 3]));
}

#[tokio::test]
async fn vectors_come_in_both_ways() {
    let sim = start(Flavor::Ollama).await;
    let body = json!({"model": "nomic-embed-text", "input": ["a", "b"], "dimensions": 2});
    let answer = post(&sim, "/api/embed", &body).await.json();
    assert_eq!(
        answer["embeddings"],
        json!([[-1, -0.515_625], [-0.734_375, -0.25]])
    );
    assert_eq!(answer["prompt_eval_count"], 1);
    let body = json!({"model": "nomic-embed-text", "prompt": "a"});
    let answer = post(&sim, "/api/embeddings", &body).await.json();
    assert_eq!(answer["embedding"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn inputs_are_cut_at_the_context_unless_they_are_to_stay_whole() {
    let sim = start(Flavor::Ollama).await;
    let long = "abc ".repeat(5000);
    for (more, counted) in [
        (json!({}), Some(4097)),
        (json!({"truncate": true}), Some(4097)),
        (json!({"options": {"num_ctx": 8192}}), Some(5001)),
        (
            json!({"truncate": false, "options": {"num_ctx": 8192}}),
            Some(5001),
        ),
        (json!({"truncate": false}), None),
    ] {
        let mut body = json!({"model": "nomic-embed-text", "input": [long, "b"]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = post(&sim, "/api/embed", &body).await;
        if let Some(counted) = counted {
            assert_eq!(answer.json()["prompt_eval_count"], counted, "{more}");
        } else {
            let told = json!({"error": "the input length exceeds the context length"});
            assert_eq!((answer.status, answer.json()), (400, told), "{more}");
        }
    }
}

#[tokio::test]
async fn faults_come_the_vendors_way() {
    let sim = start(Flavor::Ollama).await;
    let refused = post(
        &sim,
        "/api/chat",
        &chat("status=503 message=server+busy", &json!({})),
    )
    .await;
    assert_eq!(
        (refused.status, refused.json()),
        (503, json!({"error": "server busy"}))
    );
    let body = chat("chunks=3 error_after=2 message=gone", &json!({}));
    let answer = post(&sim, "/api/chat", &body).await;
    let lines: Vec<&str> = answer.body.lines().collect();
    assert_eq!((lines.len(), lines[2]), (3, r#"{"error":"gone"}"#));
    for script in [
        "chunks=3 no_done",
        "chunks=3 no_finish",
        "chunks=3 cut=done",
    ] {
        let answer = post(&sim, "/api/chat", &chat(script, &json!({}))).await;
        assert_eq!(answer.body.lines().count(), 3, "{script}");
        assert!(!answer.body.contains("\"done\":true"), "{script}");
    }
}

#[tokio::test]
async fn what_the_vendor_does_not_take_is_refused_in_its_words() {
    let sim = start(Flavor::Ollama).await;
    let message = |extra: Value| {
        let mut message = json!({"role": "user", "content": "hi"});
        for (name, value) in extra.as_object().unwrap() {
            message[name] = value.clone();
        }
        json!({"messages": [message]})
    };
    let call = |arguments: Value| {
        message(json!({"role": "assistant", "tool_calls": [
            {"function": {"name": "f", "arguments": arguments}}
        ]}))
    };
    for (extra, words) in [
        (json!({"model": null}), "model is required"),
        (
            json!({"model": 4}),
            "cannot unmarshal number into Go struct field .model",
        ),
        (
            json!({"messages": "hi"}),
            "cannot unmarshal string into Go struct field .messages",
        ),
        (json!({"messages": ["hi"]}), "of type api.Message"),
        (
            message(json!({"role": "developer"})),
            "invalid role: \"developer\"",
        ),
        (
            message(json!({"content": [{"type": "text", "text": "a"}]})),
            "cannot unmarshal array into Go struct field .content of type string",
        ),
        (
            message(json!({"images": ["data:image/png;base64,QUJD"]})),
            "illegal base64 data at input byte 4",
        ),
        (
            message(json!({"images": ["QUJ"]})),
            "illegal base64 data at input byte 3",
        ),
        (
            message(json!({"images": "QUJD"})),
            "cannot unmarshal string into Go struct field .images",
        ),
        (call(json!("{}")), "of type api.ToolCallFunctionArguments"),
        (
            call(json!([])),
            "cannot unmarshal array into Go struct field .messages.tool_calls",
        ),
        (json!({"stream": "yes"}), ".stream of type bool"),
        (
            json!({"think": "minimal"}),
            "invalid think value: \"minimal\"",
        ),
        (json!({"think": 3}), "invalid think value: 3"),
        (json!({"format": "xml"}), "invalid format: \"xml\""),
        (json!({"options": []}), ".options of type map"),
        (
            json!({"options": {"stop": "a"}}),
            "option \"stop\" must be of type array",
        ),
        (
            json!({"options": {"stop": [1]}}),
            "option \"stop\" must be of type array",
        ),
        (
            json!({"options": {"temperature": "hot"}}),
            "option \"temperature\" must be of type float32",
        ),
        (
            json!({"options": {"num_ctx": "8k"}}),
            "option \"num_ctx\" must be of type integer",
        ),
        (
            json!({"options": {"use_mmap": 1}}),
            "option \"use_mmap\" must be of type boolean",
        ),
        (
            json!({"keep_alive": "300"}),
            "time: missing unit in duration \"300\"",
        ),
        (json!({"keep_alive": "3x"}), "time: unknown unit"),
        (json!({"keep_alive": {}}), "Unsupported type"),
        (
            json!({"top_logprobs": 21}),
            "top_logprobs must be between 0 and 20",
        ),
        (json!({"tools": [{"name": "f"}]}), "of type api.Tool"),
        (
            json!({"model": "sim-no-tools", "tools": tools()}),
            "\"sim-no-tools\" does not support tools",
        ),
        (
            json!({"model": "sim-no-thinking", "think": true}),
            "does not support thinking",
        ),
        (
            json!({"model": "nomic-embed-text"}),
            "does not support chat",
        ),
        (
            chat("unsupported=tools", &json!({"tools": tools()})),
            "does not support tools",
        ),
    ] {
        for name in ["sim-no-tools", "sim-no-thinking"] {
            post(&sim, "/api/pull", &json!({"model": name})).await;
        }
        let body = chat("", &extra);
        let answer = post(&sim, "/api/chat", &body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{body}: {error}");
    }
    for (path, body, words) in [
        (
            "/api/embed",
            json!({"model": "sim-model", "input": [[1]]}),
            "invalid input type",
        ),
        (
            "/api/generate",
            json!({"model": "sim-model", "prompt": "a", "raw": true, "system": "b"}),
            "raw mode",
        ),
        (
            "/api/generate",
            json!({"model": "sim-model", "prompt": ["a"]}),
            ".prompt of type string",
        ),
        ("/api/show", json!({}), "model is required"),
    ] {
        let answer = post(&sim, path, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.contains(words), "{body}: {answer:?}");
    }
    let unknown = post(&sim, "/api/chat", &chat("", &json!({"model": "none"}))).await;
    assert_eq!(
        (unknown.status, unknown.json()),
        (404, json!({"error": "model 'none' not found"}))
    );
    let ignored =
        json!({"top_k": 5, "options": {"colour": "red"}, "think": "high", "keep_alive": -1});
    assert_eq!(
        post(&sim, "/api/chat", &chat("", &ignored)).await.status,
        200
    );
}

#[tokio::test]
async fn a_long_prompt_is_cut_to_the_context_and_a_new_context_loads_anew() {
    let sim = start(Flavor::Ollama).await;
    let long = "x".repeat(4 * 5000);
    let count = async |context: Option<u64>| {
        let options = context.map_or(json!({}), |size| json!({"num_ctx": size}));
        let body = json!({
            "model": "sim-model", "options": options, "stream": false,
            "messages": [{"role": "user", "content": long}],
        });
        post(&sim, "/api/chat", &body).await.json()["prompt_eval_count"].clone()
    };
    assert_eq!(count(None).await, 4096);
    assert_eq!(count(Some(8192)).await, 5000);
    assert_eq!(count(Some(8192)).await, 5000);
    let running = Caller::connect(&sim).await.get("/api/ps").await.json();
    assert_eq!(running["models"][0]["context_length"], 8192);
    assert_eq!(count(None).await, 4096);
    assert_eq!(sim.loads("sim-model"), [4096, 8192, 4096]);

    let unload = json!({"model": "sim-model", "messages": [], "keep_alive": 0, "stream": false});
    let answer = post(&sim, "/api/chat", &unload).await.json();
    assert_eq!(answer["done_reason"], "unload");
    let running = Caller::connect(&sim).await.get("/api/ps").await.json();
    assert_eq!(running["models"], json!([]));
}

#[tokio::test]
async fn models_are_shown_and_pulled() {
    let sim = start(Flavor::Ollama).await;
    let shown = post(&sim, "/api/show", &json!({"model": "sim-model"}))
        .await
        .json();
    assert_eq!(shown["model_info"]["llama.context_length"], 131_072);
    assert_eq!(
        shown["capabilities"],
        json!(["completion", "tools", "thinking", "vision"])
    );
    let version = Caller::connect(&sim).await.get("/api/version").await;
    assert_eq!(version.body, r#"{"version":"0.32.0"}"#);

    let pulled = post(&sim, "/api/pull", &json!({"model": "phi4"})).await;
    assert!(pulled.head.contains("x-ndjson"));
    assert!(
        pulled.body.ends_with("{\"status\":\"success\"}\n"),
        "{pulled:?}"
    );
    assert_eq!(
        post(&sim, "/api/show", &json!({"model": "phi4:latest"}))
            .await
            .status,
        200
    );
    let failed = post(&sim, "/api/pull", &json!({"model": "missing"})).await;
    assert!(
        failed.body.contains(r#"{"error":"pull model manifest"#),
        "{failed:?}"
    );
    let tags = Caller::connect(&sim).await.get("/api/tags").await;
    assert!(tags.body.contains("\"phi4\"") && !tags.body.contains("\"missing\""));
}

#[tokio::test]
async fn models_are_made_copied_and_pushed() {
    let sim = start(Flavor::Ollama).await;
    let blob = format!("sha256:{}", "a".repeat(64));
    let made = json!({"model": "made", "files": {"m.gguf": blob}});
    let early = post(&sim, "/api/create", &made).await;
    assert_eq!(early.status, 400, "{early:?}");
    let sent = post(&sim, &format!("/api/blobs/{blob}"), &json!("weights")).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let created = post(&sim, "/api/create", &made).await;
    assert!(created.body.ends_with("{\"status\":\"success\"}\n"));
    let copied = json!({"source": "made", "destination": "other"});
    assert_eq!(post(&sim, "/api/copy", &copied).await.status, 200);
    let unknown = json!({"source": "nobody", "destination": "other"});
    assert_eq!(post(&sim, "/api/copy", &unknown).await.status, 404);
    let pushed = post(&sim, "/api/push", &json!({"model": "other"})).await;
    assert!(pushed.body.contains("pushing"), "{pushed:?}");
    let nobody = post(&sim, "/api/push", &json!({"model": "nobody"})).await;
    assert_eq!(nobody.status, 404, "{nobody:?}");
}
