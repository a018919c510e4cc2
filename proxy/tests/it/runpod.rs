//! What only RunPod has: calls that are jobs, which wait for a worker, fail in their own
//! ways and must be cancelled when nobody waits for them.

use serde_json::{Value, json};
use sim::{Flavor, Options};

use crate::crowd::until;
use crate::process::Process;
use crate::scene::{Answer, Ground, MODEL, Props, Scene, answer, chat, client, provider};

const CHAT: &str = "/v1/chat/completions";

async fn scene(env: &[(&str, &str)]) -> Scene {
    at("/v2/vllm", env).await
}

async fn at(path: &str, env: &[(&str, &str)]) -> Scene {
    Scene::with(Props {
        options: Options {
            flavor: Flavor::Runpod,
            ..Options::default()
        },
        path,
        env,
        ..Props::default()
    })
    .await
}

fn heard(got: &Answer, stream: bool) -> String {
    assert_eq!(got.status, 200, "{got:?}");
    if stream {
        return got.streamed_text();
    }
    let content = got.json()["choices"][0]["message"]["content"].clone();
    content.as_str().unwrap().to_owned()
}

/// How often a job was looked at.
fn looks(scene: &Scene) -> usize {
    let requests = scene.sim.requests();
    let looks = requests.iter().filter(|request| request.method == "GET");
    looks.count()
}

#[tokio::test]
async fn b27_a_job_that_waits_is_asked_for_again() {
    for stream in [false, true] {
        let scene = scene(&[]).await;
        let script = "say=one+two queue_polls=2 progress_polls=1 poll_errors=2";
        let got = scene.chat(script, json!({"stream": stream})).await;
        assert_eq!(heard(&got, stream), "one two", "{stream}");
        assert!(looks(&scene) >= 6, "{stream}: {}", looks(&scene));
        let row = scene.ground.row_of_job().await;
        assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
        assert_eq!((row.queue_ms, row.execution_ms), (Some(824), Some(3391)));
        assert_eq!(row.attempt_count, 1, "{row:?}");
        assert_eq!(scene.sim.cancelled(), [] as [String; 0]);
    }
}

#[tokio::test]
async fn every_end_of_a_job_is_told_for_what_it_is() {
    let scene = scene(&[]).await;
    let ends = [
        ("failed", 502, "upstream_job_failed"),
        ("cancelled", 503, "upstream_job_cancelled"),
        ("timed_out", 504, "upstream_job_timed_out"),
        ("lost", 502, "upstream_job_lost"),
    ];
    for (end, status, code) in ends {
        for stream in [false, true] {
            // Nothing of it is said before the end.
            let script = format!("job={end} empty=content no_finish no_done");
            let got = scene.chat(&script, json!({"stream": stream})).await;
            assert_eq!(got.status, status, "{end} {stream}: {got:?}");
            assert_eq!(got.error()["code"], code, "{end} {stream}: {got:?}");
            assert!(!got.body.contains("Traceback"), "{got:?}");
        }
    }
    for row in scene.ground.rows(2 * ends.len()).await {
        assert_eq!(row.outcome.as_deref(), Some("upstream_error"), "{row:?}");
        assert_eq!(row.total_tokens, 0, "{row:?}");
    }
}

/// A form of the answer goes to each worker as it takes it; where it takes none the caller is
/// told.
#[tokio::test]
async fn a_schema_is_what_the_worker_takes() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let form = json!({"type": "json_schema", "json_schema": {"name": "r", "schema": schema}});
    for (path, worker, at, wanted, is_told) in [
        (
            "/v2/vllm",
            "vllm",
            "openai_input/response_format",
            form.clone(),
            false,
        ),
        (
            "/v2/ollama",
            "ollama",
            "openai_input/response_format",
            form.clone(),
            false,
        ),
        (
            "/v2/vllm-native",
            "vllm_native",
            "sampling_params/structured_outputs",
            Value::Null,
            true,
        ),
        ("/v2/text", "text", "response_format", Value::Null, true),
    ] {
        let scene = Scene::with(Props {
            options: Options {
                flavor: Flavor::Runpod,
                ..Options::default()
            },
            path,
            endpoint: json!({"worker_form": worker}),
            ..Props::default()
        })
        .await;
        let got = scene
            .chat("say=yes", json!({"response_format": form}))
            .await;
        assert_eq!(heard(&got, false), "yes", "{worker}");
        let changed = got.header("x-gateway-changed") == "response_format";
        assert_eq!(changed, is_told, "{worker}: {got:?}");
        let requests = scene.sim.requests();
        let job = requests.iter().find(|request| request.method == "POST");
        let job: Value = serde_json::from_slice(&job.unwrap().body).unwrap();
        let sent = job.pointer(&format!("/input/{at}")).cloned();
        assert_eq!(sent.unwrap_or_default(), wanted, "{worker}: {job}");
    }
}

#[tokio::test]
async fn b28_a_stream_that_is_cut_anywhere_is_the_same() {
    let scene = scene(&[]).await;
    let uncut = scene.stream("unicode chunks=6 dribble=100000").await;
    for size in [1, 7, 64] {
        let cut = scene
            .stream(&format!("unicode chunks=6 dribble={size}"))
            .await;
        assert_eq!(heard(&cut, true), heard(&uncut, true), "{size}");
    }
}

#[tokio::test]
async fn b32_a_job_is_cancelled_when_the_caller_leaves() {
    for (stream, script) in [
        (false, "queue_polls=100000"),
        (true, "queue_polls=100000"),
        (true, "say=one+two+three hang=stream hang_after=4"),
    ] {
        let scene = scene(&[]).await;
        let mut caller = scene.caller().await;
        let body = chat(script, &json!({"stream": stream}));
        caller.ask(CHAT, "", &body.to_string()).await;
        if script.contains("hang") {
            caller.sees("one").await;
        } else {
            scene.sim.wait_for_requests(2).await.unwrap();
        }
        drop(caller);
        let cancelled = until("a cancelled job", async || {
            let all = scene.sim.cancelled();
            (!all.is_empty()).then_some(all)
        })
        .await;
        assert_eq!(cancelled.len(), 1, "{script}");
        let row = scene.ground.row().await;
        assert_eq!(row.outcome.as_deref(), Some("client_cancelled"), "{row:?}");
    }
}

#[tokio::test]
async fn a_job_is_cancelled_when_its_time_is_up() {
    let scene = scene(&[("TIMEOUT", "1")]).await;
    let got = scene.chat("queue_polls=100000", json!({})).await;
    assert_eq!(got.status, 504, "{got:?}");
    let cancelled = until("a cancelled job", async || scene.sim.cancelled().pop()).await;
    assert!(!cancelled.is_empty());
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("timeout"), "{row:?}");
}

#[tokio::test]
async fn a_cold_start_is_seen_and_lasts_no_longer_than_it_does() {
    let env = [("HOLD_SECONDS", "1"), ("KEEP_ALIVE_SECONDS", "1")];
    let scene = scene(&env).await;
    let mut caller = scene.caller().await;
    let script = "say=one+two gate=stream gate_after=0";
    let body = chat(script, &json!({"stream": true}));
    caller.ask(CHAT, "", &body.to_string()).await;
    caller.sees(": keep-alive").await;
    assert!(!caller.unread().contains("one"));
    scene.sim.open_gate();
    let got = caller.response().await;
    assert!(got.complete);
    assert_eq!(got.events().last().unwrap(), "[DONE]");
    assert!(got.text().contains("\"one "), "{got:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
}

#[tokio::test]
async fn an_endpoint_works_however_its_url_is_typed() {
    for path in [
        "/v2/vllm/run",
        "/v2/vllm/runsync",
        "/v2/vllm/",
        "/v2/vllm/run/",
    ] {
        let scene = at(path, &[]).await;
        let got = scene.chat("say=one", json!({})).await;
        assert_eq!(heard(&got, false), "one", "{path}");
        let first = &scene.sim.requests()[0];
        assert_eq!(first.path, "/v2/vllm/run", "{path}");
    }
    let scene = at("/v2/vllm/openai/v1/", &[]).await;
    assert_eq!(heard(&scene.stream("say=one").await, true), "one");
}

/// The worker form is recognised where none is set.
#[tokio::test]
async fn a_worker_is_recognised_by_what_it_says() {
    for path in [
        "/v2/vllm",
        "/v2/vllm-batch",
        "/v2/vllm-native",
        "/v2/ollama",
    ] {
        let scene = at(path, &[]).await;
        for stream in [false, true] {
            let got = scene.chat("say=one+two", json!({"stream": stream})).await;
            assert_eq!(heard(&got, stream), "one two", "{path} {stream}");
        }
    }
    let embed = at("/v2/embed", &[]).await;
    let body = json!({"model": MODEL, "input": ["one", "two"]});
    let got = embed.post("/v1/embeddings", &body).await;
    let vectors: Value = got.json()["data"].clone();
    assert_eq!(vectors.as_array().unwrap().len(), 2, "{got:?}");
}

#[tokio::test]
async fn a_job_that_is_too_long_for_the_platform_goes_to_another() {
    let ground = Ground::new();
    let (runpod, other) = (
        provider(Flavor::Runpod).await,
        provider(Flavor::OpenAi).await,
    );
    let url = format!("{}/v2/vllm", runpod.base_url());
    let jobs = ground.endpoint(&runpod, &json!({ "url": url }));
    let second = ground.model("second", ground.endpoint(&other, &json!({})), &json!({}));
    let targets = json!([{"virtual_model_id": second}]);
    let routing = json!({"strategy": "backup", "targets": targets});
    ground.model(MODEL, jobs, &json!({}));
    ground.model("both", jobs, &json!({ "routing": routing }));
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    let url = format!("{}{CHAT}", gateway.base);

    let picture = format!("data:image/png;base64,{}", "A".repeat(11 * 1024 * 1024));
    let content = json!([
        {"type": "text", "text": "What is this? [[sim: say=a+dot]]"},
        {"type": "image_url", "image_url": {"url": picture}},
    ]);
    let mut body = json!({"model": MODEL, "messages": [{"role": "user", "content": content}]});
    let got = answer(client().post(&url).json(&body)).await;
    assert_eq!(got.status, 400, "{got:?}");
    let error = got.error();
    assert_eq!(error["code"], "unsupported_value", "{error}");
    assert_eq!(error["param"], "messages", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("11.1 MB"), "{message}");

    body["model"] = json!("both");
    let got = answer(client().post(&url).json(&body)).await;
    assert_eq!(heard(&got, false), "a dot");
    assert_eq!(other.served().requests, 1);
    assert_eq!(runpod.served().requests, 0);
}
