//! Calls as RunPod jobs when something goes wrong on the way: pages that are lost, jobs
//! that fall silent or cannot be followed, workers that tell less than others.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, Options};

use crate::caller::Caller;
use crate::crowd::{CHAT, until};
use crate::process::Process;
use crate::scene::{Ground, MODEL, Scene, chat, client, provider_with};

/// A gateway before the worker of that name.
pub(crate) async fn scene(worker: &str, form: &str, env: &[(&str, &str)]) -> Scene {
    let sim = provider_with(Options {
        flavor: Flavor::Runpod,
        ..Options::default()
    })
    .await;
    let ground = Ground::new();
    let url = format!("{}/v2/{worker}", sim.base_url());
    let endpoint = ground.endpoint(&sim, &json!({"url": url, "worker_form": form}));
    let model = ground.model(MODEL, endpoint, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), env).await;
    Scene {
        gateway,
        sim,
        ground,
        client: client(),
        endpoint,
        model,
    }
}

/// A stream of which `text` has come.
async fn begun(scene: &Scene, script: &str, text: &str) -> Caller {
    let mut caller = scene.caller().await;
    let body = chat(script, &json!({"stream": true})).to_string();
    caller.ask(CHAT, "", &body).await;
    caller.sees(text).await;
    caller
}

/// How many requests went to an address with `part` in it.
fn asked(scene: &Scene, part: &str) -> usize {
    let requests = scene.sim.requests();
    requests.iter().filter(|r| r.path.contains(part)).count()
}

async fn cancelled(scene: &Scene) {
    until("a cancellation", async || {
        (asked(scene, "/cancel/") > 0).then_some(())
    })
    .await;
}

fn content(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn a_page_that_is_lost_leaves_no_hole() {
    let scene = scene("text", "text", &[]).await;
    let script = "say=one+two+three gate=stream gate_after=1";
    let mut caller = begun(&scene, script, "one").await;
    scene.sim.set_script("cut=header".parse().unwrap());
    let before = scene.sim.served().received;
    scene.sim.open_gate();
    // The page that is cut, and what is asked after it.
    scene.sim.wait_for_requests(before + 2).await.unwrap();
    scene.sim.set_script(sim::Script::default());
    let response = caller.response().await;
    assert!(!response.text().contains("[DONE]"), "{response:?}");
    assert!(response.text().contains("\"error\""), "{response:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("upstream_error"), "{row:?}");
    cancelled(&scene).await;
}

#[tokio::test]
async fn a_lost_page_before_the_first_output_costs_nothing() {
    for worker in ["vllm", "text"] {
        let scene = scene(worker, worker, &[]).await;
        scene.sim.set_script("cut=header".parse().unwrap());
        let request = scene.request(Method::POST, CHAT);
        let body = chat("say=one+two+three", &json!({"stream": true}));
        let answer = tokio::spawn(crate::scene::answer(request.json(&body)));
        // The job, its first page, and the question after it.
        scene.sim.wait_for_requests(3).await.unwrap();
        scene.sim.set_script(sim::Script::default());
        let answer = answer.await.unwrap();
        assert_eq!(answer.streamed_text(), "one two three", "{worker}");
        let row = scene.ground.row().await;
        assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
        assert_eq!(asked(&scene, "/run"), 1, "{worker}");
        assert_eq!(asked(&scene, "/cancel/"), 0, "{worker}");
    }
}

#[tokio::test]
async fn a_page_lost_in_the_queue_had_nothing_on_it() {
    let scene = scene("text", "text", &[]).await;
    scene.sim.set_script("cut=header".parse().unwrap());
    let request = scene.request(Method::POST, CHAT);
    // It stays in the queue for longer than the questions about it fail.
    let script = "say=one+two+three queue_polls=6 uncollected";
    let body = chat(script, &json!({"stream": true}));
    let answer = tokio::spawn(crate::scene::answer(request.json(&body)));
    scene.sim.wait_for_requests(3).await.unwrap();
    scene.sim.set_script(sim::Script::default());
    let answer = answer.await.unwrap();
    assert_eq!(answer.streamed_text(), "one two three");
}

#[tokio::test]
async fn a_job_that_falls_silent_is_ended() {
    let scene = scene("text", "text", &[("TIMEOUT", "3")]).await;
    let script = "say=one+two+three hang=stream hang_after=1";
    let mut caller = begun(&scene, script, "one").await;
    let response = caller.response().await;
    assert!(!response.text().contains("[DONE]"), "{response:?}");
    assert!(response.text().contains("TIMEOUT"), "{response:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("timeout"), "{row:?}");
    until("a cancelled job", async || scene.sim.cancelled().pop()).await;
}

#[tokio::test]
async fn a_job_has_the_time_of_its_endpoint() {
    let scene = scene("text", "text", &[("TIMEOUT", "3600")]).await;
    let own = json!({"timeout_seconds": 3});
    scene.ground.change_endpoint(scene.endpoint, &own);
    let revision = scene.ground.store.revision().unwrap();
    until("the new revision", async || {
        let health = crate::scene::answer(scene.request(Method::GET, "/health")).await;
        (health.json()["store"]["revision"] == revision).then_some(())
    })
    .await;
    let script = "say=one+two+three hang=stream hang_after=1";
    let mut caller = begun(&scene, script, "one").await;
    let response = caller.response().await;
    assert!(!response.text().contains("[DONE]"), "{response:?}");
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("timeout"), "{row:?}");
}

#[tokio::test]
async fn pages_without_a_state_come_to_an_end() {
    for worker in ["text", "vllm", "ollama"] {
        let scene = scene(worker, worker, &[]).await;
        for script in ["bare", "bare progress_polls=3", "bare queue_polls=2"] {
            let got = scene.stream(&format!("say=one+two+three {script}")).await;
            assert_eq!(got.streamed_text(), "one two three", "{worker}: {script}");
        }
        let got = scene.stream("bare job=failed").await;
        assert!(!got.body.contains("[DONE]"), "{worker}: {got:?}");
    }
}

#[tokio::test]
async fn a_stream_may_run_for_longer_than_it_may_be_silent() {
    let scene = scene("vllm", "vllm", &[("TIMEOUT", "60")]).await;
    for (stream, execution, ttl) in [(false, 60_000, 120_000), (true, 600_000, 660_000)] {
        scene.chat("say=ok", json!({"stream": stream})).await;
        let requests = scene.sim.requests();
        let run = requests.iter().rfind(|r| r.path.ends_with("/run")).unwrap();
        let body: Value = serde_json::from_slice(&run.body).unwrap();
        let policy = json!({"executionTimeout": execution, "ttl": ttl});
        assert_eq!(body["policy"], policy);
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_followed_is_cancelled() {
    for stream in [false, true] {
        let scene = scene("vllm", "vllm", &[]).await;
        // The submission has a script of its own.
        scene.sim.set_script("status=400".parse().unwrap());
        let got = scene
            .chat("say=ok queue_polls=1000", json!({"stream": stream}))
            .await;
        assert_eq!(got.status, 502, "{got:?}");
        cancelled(&scene).await;
        let row = scene.ground.row().await;
        assert_eq!(row.outcome.as_deref(), Some("upstream_error"), "{row:?}");
    }
}

#[tokio::test]
async fn pages_are_not_asked_for_without_a_pause() {
    let scene = scene("text", "text", &[]).await;
    let began = Instant::now();
    let got = scene.stream("say=a+b+c+d+e+f+g+h progress_polls=4").await;
    let took = began.elapsed();
    assert_eq!(got.streamed_text(), "a b c d e f g h");
    let pages = u32::try_from(asked(&scene, "/stream/")).unwrap();
    assert!(pages > 4, "{pages}");
    // A slow machine only makes it longer.
    assert!(took >= Duration::from_millis(100) * (pages - 1), "{took:?}");
}

#[tokio::test]
async fn a_jobs_times_are_kept_when_its_answer_ends_before_it() {
    let scene = scene("vllm", "vllm", &[]).await;
    let script = "say=one+two gate=stream gate_after=1000";
    let got = scene.stream(script).await;
    assert_eq!(got.streamed_text(), "one two");
    scene.sim.open_gate();
    let row = scene.ground.row_of_job().await;
    assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    assert_eq!((row.queue_ms, row.execution_ms), (Some(824), Some(3391)));
    assert_eq!(asked(&scene, "/cancel/"), 0);
}

#[tokio::test]
async fn a_kill_before_the_jobs_end_loses_no_record_of_an_answer_that_was_whole() {
    let mut scene = scene("vllm", "vllm", &[]).await;
    let got = scene
        .stream("say=one+two gate=stream gate_after=1000")
        .await;
    assert_eq!(got.streamed_text(), "one two");
    scene.gateway.signal("-KILL");
    assert_eq!(scene.gateway.ended().await, None);
    let _next = Process::gateway(scene.ground.folder.path(), &[]).await;
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    assert!(row.completion_tokens > 0, "{row:?}");
    // Nobody was there any more to ask for it.
    assert_eq!(row.execution_ms, None, "{row:?}");
}

#[tokio::test]
async fn the_form_that_a_worker_takes_is_remembered() {
    let scene = scene("vllm-native", "auto", &[]).await;
    for (stream, runs) in [(false, 2), (false, 3), (true, 4), (true, 5)] {
        let got = scene.chat("say=one+two", json!({"stream": stream})).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(asked(&scene, "/run"), runs, "stream: {stream}");
    }
}

#[tokio::test]
async fn what_a_worker_does_not_collect_is_found_in_its_pages() {
    for worker in ["text", "vllm", "ollama"] {
        let scene = scene(worker, worker, &[]).await;
        for script in ["uncollected", "uncollected progress_polls=2"] {
            let got = scene
                .chat(&format!("say=one+two+three {script}"), json!({}))
                .await;
            assert_eq!(got.status, 200, "{worker}: {got:?}");
            assert_eq!(content(&got.json()), "one two three", "{worker}");
            let got = scene.stream(&format!("say=one+two+three {script}")).await;
            assert_eq!(got.streamed_text(), "one two three", "{worker}");
        }
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_for_the_worker_is_the_callers_to_mend() {
    let message = "This+model's+maximum+context+length+is+4096+tokens.";
    for worker in ["vllm", "vllm-native", "ollama", "text"] {
        let scene = scene(worker, &worker.replace('-', "_"), &[]).await;
        for stream in [false, true] {
            let script = format!("job=failed chunks=0 message={message}");
            let got = scene.chat(&script, json!({"stream": stream})).await;
            assert_eq!(got.status, 400, "{worker} {stream}: {got:?}");
            let error = got.error();
            assert_eq!(error["code"], "context_length_exceeded", "{worker}");
            assert_eq!(error["type"], "invalid_request_error", "{worker}");
            let words = message.replace('+', " ");
            assert!(error["message"].as_str().unwrap().contains(&words));
        }
        for row in scene.ground.rows(2).await {
            assert_eq!(row.outcome.as_deref(), Some("client_error"), "{row:?}");
        }
    }
}

#[tokio::test]
async fn b05_a_job_that_never_ends_has_answered_when_its_answer_is_finished() {
    let scene = scene("vllm", "vllm", &[]).await;
    let got = scene.stream("say=one+two+three hang=done").await;
    assert_eq!(got.streamed_text(), "one two three");
    assert_eq!(got.events().last(), Some(&"[DONE]"));
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    // Nobody waits for what is left of it.
    cancelled(&scene).await;
}

#[tokio::test]
async fn jobs_still_running_at_the_end_of_the_program_are_cancelled() {
    let mut scene = scene("text", "text", &[("GRACE_SECONDS", "0.2")]).await;
    let script = "say=one+two+three hang=stream hang_after=1";
    let mut streamed = begun(&scene, script, "one").await;
    let mut whole = scene.caller().await;
    let body = chat("say=ok queue_polls=100000", &json!({})).to_string();
    whole.ask(CHAT, "", &body).await;
    until("two jobs", async || {
        (asked(&scene, "/run") == 2).then_some(())
    })
    .await;
    scene.gateway.signal("-TERM");
    assert_eq!(scene.gateway.ended().await, Some(0));
    assert_eq!(scene.sim.cancelled().len(), 2);
    let response = streamed.response().await;
    assert!(response.text().contains("gateway_stopping"), "{response:?}");
    assert_eq!(whole.response().await.status, 503);
}
