//! Identical calls at once: one is made, the others wait for its answer.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::crowd::until;
use crate::scene::{Answer, Props, Scene, answer, chat};

const CHAT: &str = "/v1/chat/completions";

async fn joining() -> Scene {
    Scene::model(json!({"join_calls": true})).await
}

/// A call that goes on by itself.
fn spawn(scene: &Scene, body: &Value) -> JoinHandle<Answer> {
    let request = scene.request(Method::POST, CHAT).json(body);
    tokio::spawn(answer(request))
}

/// Waits until so many calls wait for another one's answer.
async fn waiting(scene: &Scene, count: u64) {
    until("calls that wait", async || {
        let health = answer(scene.request(Method::GET, "/health")).await.json();
        (health["cache"]["calls_waiting"] == count).then_some(())
    })
    .await;
}

/// The calls' answers, with how often each is `x-cache`.
async fn all(calls: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut got = Vec::new();
    for call in calls {
        got.push(call.await.unwrap());
    }
    got
}

fn count(got: &[Answer], how: &str) -> usize {
    got.iter().filter(|a| a.header("x-cache") == how).count()
}

#[tokio::test]
async fn one_call_is_made_for_all_and_the_others_cost_nothing() {
    let scene = joining().await;
    let body = chat("gate=header say=shared", &json!({}));
    let mut calls = vec![spawn(&scene, &body)];
    scene.sim.wait_for_requests(1).await.unwrap();
    calls.extend((0..4).map(|_| spawn(&scene, &body)));
    waiting(&scene, 4).await;
    scene.sim.open_gate();
    let got = all(calls).await;
    for answer in &got {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body, got[0].body);
    }
    assert_eq!((count(&got, "JOINED"), count(&got, "")), (4, 1));
    assert_eq!(scene.sim.served().received, 1);
    let rows = scene.ground.rows(5).await;
    let hits: Vec<_> = rows.iter().filter(|row| row.cache_hit == 1).collect();
    assert_eq!(hits.len(), 4, "{rows:?}");
    for row in hits {
        assert_eq!((row.total_tokens, row.attempt_count), (0, 0), "{row:?}");
    }
    // It is over: what comes later is made anew, nothing was kept.
    let later = scene.post(CHAT, &body).await;
    assert_eq!(later.header("x-cache"), "");
    assert_eq!(scene.sim.served().received, 2);
}

#[tokio::test]
async fn with_the_cache_on_the_answer_is_kept_as_well() {
    let scene = Scene::model(json!({"join_calls": true, "cache_enabled": true})).await;
    let body = chat("gate=header say=shared", &json!({}));
    let first = spawn(&scene, &body);
    scene.sim.wait_for_requests(1).await.unwrap();
    let second = spawn(&scene, &body);
    waiting(&scene, 1).await;
    scene.sim.open_gate();
    let got = all(vec![first, second]).await;
    assert_eq!((count(&got, "MISS"), count(&got, "JOINED")), (1, 1));
    let third = scene.post(CHAT, &body).await;
    assert_eq!(third.header("x-cache"), "HIT");
    assert_eq!(third.body, got[0].body);
}

#[tokio::test]
async fn without_the_switch_each_call_is_made() {
    let scene = Scene::start().await;
    let body = chat("gate=header say=own", &json!({}));
    let calls = (0..3).map(|_| spawn(&scene, &body)).collect();
    scene.sim.wait_for_requests(3).await.unwrap();
    scene.sim.open_gate();
    assert_eq!(count(&all(calls).await, "JOINED"), 0);
}

#[tokio::test]
async fn what_is_not_identical_does_not_wait() {
    let scene = joining().await;
    let body = |seed: u8| chat("gate=header say=own", &json!({"seed": seed}));
    let stream = chat("gate=header say=own", &json!({"seed": 1, "stream": true}));
    let anew = |value: &str| {
        let request = scene.request(Method::POST, CHAT).json(&body(1));
        tokio::spawn(answer(request.header("cache-control", value)))
    };
    let calls = vec![
        spawn(&scene, &body(1)),
        spawn(&scene, &body(2)),
        spawn(&scene, &stream),
        anew("no-store"),
        anew("no-cache"),
    ];
    scene.sim.wait_for_requests(5).await.unwrap();
    scene.sim.open_gate();
    assert_eq!(count(&all(calls).await, "JOINED"), 0);
}

#[tokio::test]
async fn when_the_first_caller_hangs_up_the_next_call_is_made() {
    let scene = joining().await;
    let body = chat("gate=header say=next", &json!({}));
    let mut first = scene.caller().await;
    first.ask(CHAT, "", &body.to_string()).await;
    scene.sim.wait_for_requests(1).await.unwrap();
    let calls = vec![spawn(&scene, &body), spawn(&scene, &body)];
    waiting(&scene, 2).await;
    drop(first);
    scene.sim.wait_for_cancelled(1).await.unwrap();
    scene.sim.wait_for_requests(2).await.unwrap();
    waiting(&scene, 1).await;
    scene.sim.open_gate();
    let got = all(calls).await;
    assert!(got.iter().all(|answer| answer.status == 200), "{got:?}");
    assert_eq!((count(&got, "JOINED"), count(&got, "")), (1, 1));
    assert_eq!(scene.sim.served().received, 2);
}

#[tokio::test]
async fn a_waiting_caller_that_hangs_up_leaves_and_nobody_else_notices() {
    let scene = joining().await;
    let body = chat("gate=header say=on", &json!({}));
    let first = spawn(&scene, &body);
    scene.sim.wait_for_requests(1).await.unwrap();
    let mut second = scene.caller().await;
    second.ask(CHAT, "", &body.to_string()).await;
    waiting(&scene, 1).await;
    let third = spawn(&scene, &body);
    waiting(&scene, 2).await;
    drop(second);
    waiting(&scene, 1).await;
    scene.sim.open_gate();
    let got = all(vec![first, third]).await;
    assert_eq!((count(&got, ""), count(&got, "JOINED")), (1, 1));
    let rows = scene.ground.rows(3).await;
    let left = rows.iter().filter(|row| row.status == Some(499));
    assert_eq!(left.count(), 1, "{rows:?}");
    assert_eq!(scene.sim.served().received, 1);
}

#[tokio::test]
async fn when_the_first_fails_the_next_call_is_made() {
    let scene = joining().await;
    let body = chat("gate=header status=400", &json!({}));
    let mut calls = vec![spawn(&scene, &body)];
    scene.sim.wait_for_requests(1).await.unwrap();
    calls.extend((0..2).map(|_| spawn(&scene, &body)));
    waiting(&scene, 2).await;
    scene.sim.open_gate();
    let got = all(calls).await;
    assert!(got.iter().all(|answer| answer.status == 400), "{got:?}");
    assert_eq!(
        scene.sim.served().received,
        3,
        "each was made, none was given another's error"
    );
}

#[tokio::test]
async fn tool_calls_are_for_their_own_caller_alone() {
    let scene = joining().await;
    let tool = json!({"tools": [{"type": "function", "function": {
        "name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    }}]});
    let body = chat("gate=header tools=1", &tool);
    let mut calls = vec![spawn(&scene, &body)];
    scene.sim.wait_for_requests(1).await.unwrap();
    calls.extend((0..3).map(|_| spawn(&scene, &body)));
    waiting(&scene, 3).await;
    scene.sim.open_gate();
    let got = all(calls).await;
    assert_eq!(count(&got, "JOINED"), 0, "{got:?}");
    assert_eq!(scene.sim.served().received, 4);
}

#[tokio::test]
async fn nobody_waits_longer_than_its_own_time() {
    let scene = Scene::with(Props {
        model: json!({"join_calls": true}),
        env: &[("TIMEOUT", "1")],
        ..Props::default()
    })
    .await;
    let body = chat("hang=header", &json!({}));
    let first = spawn(&scene, &body);
    scene.sim.wait_for_requests(1).await.unwrap();
    let calls: Vec<_> = (0..3).map(|_| spawn(&scene, &body)).collect();
    for got in all(calls).await {
        assert_eq!(got.status, 504, "{got:?}");
        assert_eq!(got.error()["code"], "upstream_timeout");
    }
    assert_eq!(first.await.unwrap().status, 504);
}
