//! RunPod: jobs that advance when they are looked at, and what each worker makes of them.

use serde_json::{Value, json};
use sim::{Flavor, Options, Sim};

use crate::raw::{Answer, Caller, chat, start};

async fn post(sim: &Sim, path: &str, body: &Value) -> Answer {
    Caller::connect(sim)
        .await
        .post(path, &body.to_string())
        .await
}

async fn get(sim: &Sim, path: &str) -> Answer {
    Caller::connect(sim).await.get(path).await
}

async fn submit(sim: &Sim, endpoint: &str, input: &Value) -> String {
    let answer = post(
        sim,
        &format!("/v2/{endpoint}/run"),
        &json!({"input": input}),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let envelope = answer.json();
    assert_eq!(envelope["status"], "IN_QUEUE");
    envelope["id"].as_str().unwrap().to_owned()
}

fn messages(script: &str) -> Value {
    json!([{"role": "user", "content": format!("hi [[sim: {script}]]")}])
}

fn openai(script: &str, stream: bool) -> Value {
    json!({
        "openai_route": "/v1/chat/completions",
        "openai_input": {"model": "sim-model", "messages": messages(script), "stream": stream}
    })
}

/// All pieces of a job's stream and its last status.
async fn streamed(sim: &Sim, endpoint: &str, id: &str) -> (Vec<Value>, String, usize) {
    let mut pieces = Vec::new();
    let mut looks = 0;
    loop {
        let envelope = get(sim, &format!("/v2/{endpoint}/stream/{id}"))
            .await
            .json();
        looks += 1;
        let new = envelope["stream"].as_array().unwrap();
        pieces.extend(new.iter().map(|piece| piece["output"].clone()));
        let status = envelope["status"].as_str().unwrap();
        if !status.starts_with("IN_") && new.is_empty() {
            return (pieces, status.to_owned(), looks);
        }
    }
}

#[tokio::test]
async fn a_job_goes_through_its_states_by_being_looked_at() {
    let sim = start(Flavor::Runpod).await;
    let id = submit(
        &sim,
        "vllm",
        &openai("say=done queue_polls=2 progress_polls=1", false),
    )
    .await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let envelope = get(&sim, &format!("/v2/vllm/status/{id}")).await.json();
        seen.push(envelope["status"].as_str().unwrap().to_owned());
        assert_eq!(
            envelope["output"].is_null(),
            envelope["status"] != "COMPLETED"
        );
        if envelope["status"] == "COMPLETED" {
            let text = &envelope["output"][0]["choices"][0]["message"]["content"];
            assert_eq!(text, "done");
            assert_eq!(
                (&envelope["delayTime"], &envelope["executionTime"]),
                (&json!(824), &json!(3391))
            );
        }
    }
    assert_eq!(seen, ["IN_QUEUE", "IN_QUEUE", "IN_PROGRESS", "COMPLETED"]);
}

#[tokio::test]
async fn a_synchronous_job_may_come_back_unfinished() {
    let sim = start(Flavor::Runpod).await;
    let run = async |script: &str| {
        let body = json!({"input": openai(script, false)});
        post(&sim, "/v2/vllm/runsync?wait=2000", &body).await.json()
    };
    assert_eq!(run("").await["status"], "COMPLETED");
    assert_eq!(run("progress_polls=1").await["status"], "IN_PROGRESS");
    let queued = run("queue_polls=1").await;
    assert_eq!(queued["status"], "IN_QUEUE");
    assert!(queued["id"].as_str().unwrap().starts_with("sync-"));
}

#[tokio::test]
async fn every_way_a_job_can_end() {
    let sim = start(Flavor::Runpod).await;
    for (endpoint, script, status, error) in [
        (
            "vllm",
            "job=failed",
            "FAILED",
            "\"error_message\":\"Simulated failure.\"",
        ),
        (
            "vllm",
            "job=failed status=400 message=too+long",
            "FAILED",
            "'message': 'vLLM returned HTTP 400: {\"error\"",
        ),
        ("vllm", "job=cancelled", "CANCELLED", ""),
        ("vllm", "job=timed_out", "TIMED_OUT", ""),
        (
            "ollama",
            "job=failed status=500 message=gone",
            "FAILED",
            "gone",
        ),
    ] {
        let id = submit(&sim, endpoint, &openai(script, false)).await;
        let envelope = get(&sim, &format!("/v2/{endpoint}/status/{id}"))
            .await
            .json();
        assert_eq!(envelope["status"], status, "{script}");
        assert!(envelope["output"].is_null(), "{script}");
        assert!(
            envelope["error"]
                .as_str()
                .unwrap_or_default()
                .contains(error),
            "{script}: {envelope}"
        );
    }
    let id = submit(&sim, "vllm", &openai("job=lost progress_polls=1", false)).await;
    let path = format!("/v2/vllm/status/{id}");
    assert_eq!(get(&sim, &path).await.json()["status"], "IN_PROGRESS");
    assert_eq!(get(&sim, &path).await.status, 404);
    let id = submit(&sim, "vllm", &openai("poll_errors=1", false)).await;
    let path = format!("/v2/vllm/status/{id}");
    assert_eq!(get(&sim, &path).await.status, 502);
    assert_eq!(get(&sim, &path).await.json()["status"], "COMPLETED");
}

#[tokio::test]
async fn a_stream_is_cut_inside_its_events_and_given_once() {
    let sim = start(Flavor::Runpod).await;
    let script = "chunks=6 progress_polls=3";
    let id = submit(&sim, "vllm", &openai(script, true)).await;
    let (pieces, status, looks) = streamed(&sim, "vllm", &id).await;
    assert_eq!((status.as_str(), looks), ("COMPLETED", 5));
    let inside = |piece: &Value| !piece.as_str().unwrap().ends_with("\n\n");
    assert!(pieces.iter().any(inside), "{pieces:?}");
    let all: String = pieces.iter().map(|piece| piece.as_str().unwrap()).collect();
    let vllm = start(Flavor::Vllm).await;
    let direct = post(
        &vllm,
        "/v1/chat/completions",
        &openai(script, true)["openai_input"],
    )
    .await;
    assert_eq!(all, direct.body);
    let output = get(&sim, &format!("/v2/vllm/status/{id}")).await.json()["output"].clone();
    assert_eq!(output, json!(pieces));
}

#[tokio::test]
async fn each_worker_has_its_own_shape() {
    let sim = start(Flavor::Runpod).await;
    let run = async |endpoint: &str, input: &Value| {
        let body = json!({"input": input});
        post(&sim, &format!("/v2/{endpoint}/runsync"), &body)
            .await
            .json()
    };
    // Lists of chunks in growing batches, and no end mark.
    let output = run("vllm-batch", &openai("chunks=4", true)).await["output"].clone();
    let sizes: Vec<usize> = output
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| batch.as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [1, 3, 1]);
    assert_eq!(output[0][0]["object"], "chat.completion.chunk");

    // Tokens, a limit of 100, and no route.
    let input = json!({"messages": messages("chunks=5"), "sampling_params": {"max_tokens": 3}});
    let output = run("vllm-native", &input).await["output"].clone();
    assert_eq!(
        output[0]["choices"],
        json!([{"tokens": ["word word word "]}])
    );
    assert_eq!(output[0]["usage"]["output"], 3);
    let input = json!({"prompt": "[[sim: chunks=5]]", "stream": true});
    let output = run("vllm-native", &input).await["output"].clone();
    assert_eq!(
        output[1],
        json!({
            "choices": [{"tokens": ["word ", "word ", "word "]}], "usage": {"input": 5, "output": 4}
        })
    );
    let input = json!({"prompt": "[[sim: chunks=200]]"});
    assert_eq!(
        run("vllm-native", &input).await["output"][0]["usage"]["output"],
        100
    );
    assert_eq!(
        run("vllm-native", &openai("", false)).await["error"],
        "Invalid route"
    );
    let input = json!({"prompt": "a", "sampling_params": {"tools": []}});
    let error = run("vllm-native", &input).await["error"]
        .as_str()
        .unwrap()
        .to_owned();
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["error_type"], "<class 'TypeError'>");

    // Whole events as text; the last without its empty line; tools are not heard of.
    let input = json!({"messages": messages("chunks=1"), "stream": true, "tools": "ignored"});
    let output = run("ollama", &input).await["output"].clone();
    assert_eq!(output.as_array().unwrap().last().unwrap(), "data: [DONE]");
    assert!(
        output[0].as_str().unwrap().starts_with("data: {")
            && output[0].as_str().unwrap().ends_with("\n\n")
    );
    let input = json!({"openai_route": "/v1/none", "openai_input": {}});
    assert_eq!(run("ollama", &input).await["error"], "Invalid route");

    // A converted native call answers in OpenAI's shape.
    let input = json!({"prompt": "[[sim: say=yes]]", "sampling_params": {"max_tokens": 5}});
    assert_eq!(
        run("vllm", &input).await["output"][0]["choices"][0]["text"],
        "yes"
    );
    assert_eq!(
        run("vllm", &json!({"openai_route": "/v1/models"})).await["output"][0]["object"],
        "list"
    );

    assert_eq!(
        run("text", &json!({"prompt": "[[sim: say=a+b]]"})).await["output"],
        "a b"
    );
    let input = json!({"prompt": "[[sim: say=a+b]]", "stream": true});
    assert_eq!(run("text", &input).await["output"], json!(["a ", "b"]));
    let input = json!({"model": "sim-model", "input": ["a", "b"]});
    assert_eq!(
        run("embed", &input).await["output"]["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_cancelled_job_is_remembered_and_a_gated_one_waits() {
    let sim = start(Flavor::Runpod).await;
    let id = submit(&sim, "vllm", &openai("queue_polls=9", true)).await;
    let answer = post(&sim, &format!("/v2/vllm/cancel/{id}"), &json!({})).await;
    assert_eq!(answer.json(), json!({"id": id, "status": "CANCELLED"}));
    assert_eq!(
        get(&sim, &format!("/v2/vllm/status/{id}")).await.json()["status"],
        "CANCELLED"
    );
    assert_eq!(sim.cancelled(), [id]);

    let id = submit(&sim, "vllm", &openai("gate=stream chunks=9", true)).await;
    for _ in 0..3 {
        let status = get(&sim, &format!("/v2/vllm/status/{id}")).await.json()["status"].clone();
        assert_eq!(status, "IN_PROGRESS");
    }
    sim.open_gate();
    let (pieces, status, _) = streamed(&sim, "vllm", &id).await;
    assert_eq!(status, "COMPLETED");
    assert!(pieces.len() > 1);
    let answer = post(&sim, &format!("/v2/vllm/cancel/{id}"), &json!({})).await;
    assert_eq!(answer.json()["status"], "COMPLETED");
    assert_eq!(sim.cancelled().len(), 1);
    let health = get(&sim, "/v2/vllm/health").await.json();
    assert_eq!(health["jobs"]["completed"], 2, "{health}");
}

#[tokio::test]
async fn the_route_to_the_server_inside_is_as_the_server_itself() {
    let sim = start(Flavor::Runpod).await;
    for (endpoint, flavor) in [("vllm", Flavor::Vllm), ("ollama", Flavor::Ollama)] {
        let direct = start(flavor).await;
        for extra in ["", r#","stream":true"#] {
            let body = chat("say=one+two", extra);
            let path = "/v1/chat/completions";
            let through = Caller::connect(&sim)
                .await
                .post(&format!("/v2/{endpoint}/openai{path}"), &body)
                .await;
            let direct = Caller::connect(&direct).await.post(path, &body).await;
            assert_eq!(through.body, direct.body);
        }
    }
    let models = get(&sim, "/v2/vllm/openai/v1/models").await.json();
    assert_eq!(models["object"], "list");
    let refused = post(&sim, "/v2/vllm/openai/v1/chat/completions", &json!({})).await;
    assert_eq!(refused.status, 500);
    assert!(
        refused.json()["error"]
            .as_str()
            .unwrap()
            .starts_with("vLLM returned HTTP 400: {")
    );
    assert_eq!(
        get(&sim, "/v2/vllm-native/openai/v1/models").await.status,
        404
    );
}

#[tokio::test]
async fn what_the_platform_does_not_take_is_refused() {
    let options = Options {
        flavor: Flavor::Runpod,
        key: Some("rpa_key".to_owned()),
        ..Options::default()
    };
    let sim = Sim::start(options).await.unwrap();
    let mut caller = Caller::connect(&sim).await;
    let key = "authorization: Bearer rpa_key\r\n";
    let good = json!({"input": openai("", false)}).to_string();
    for (path, headers, body, status) in [
        ("/v2/vllm/run", "", good.as_str(), 401),
        (
            "/v2/vllm/run",
            "authorization: Bearer other\r\n",
            good.as_str(),
            401,
        ),
        ("/v2/none/run", key, good.as_str(), 404),
        ("/v2/vllm/walk", key, good.as_str(), 404),
        ("/v2/vllm/run", key, "{", 400),
        ("/v2/vllm/run", key, "{}", 400),
        ("/v2/vllm/run", key, r#"{"input":{}}"#, 400),
        ("/v2/vllm/run", key, r#"{"input":"text"}"#, 400),
        (
            "/v2/vllm/run",
            key,
            r#"{"input":{"prompt":"a"},"policy":{"executionTimeout":100}}"#,
            400,
        ),
        ("/v2/vllm/runsync?wait=10", key, good.as_str(), 400),
        ("/v2/vllm/cancel/none", key, "{}", 404),
        ("/v2/vllm/status/none", key, "{}", 405),
        ("/v2/vllm/runsync", key, good.as_str(), 200),
    ] {
        let answer = caller.post_with(path, headers, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert_eq!(
            answer.json()["error"].is_string(),
            status != 200,
            "{answer:?}"
        );
    }
    let limited = format!("{key}x-sim: status=429 retry_after=2\r\n");
    let answer = caller.post_with("/v2/vllm/run", &limited, &good).await;
    assert_eq!(answer.status, 429);
    assert!(answer.head.contains("retry-after: 2"));
}
