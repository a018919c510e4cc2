//! The end of the program: calls in flight end first, and every row is written.

use serde_json::json;

use crate::caller::Caller;
use crate::scene::{Scene, chat};

const CHAT: &str = "/v1/chat/completions";

/// A stream that has begun and waits for the gate.
async fn begun(scene: &Scene, script: &str) -> Caller {
    let mut caller = scene.caller().await;
    let body = chat(&format!("say=one+two {script}"), &json!({"stream": true}));
    caller.ask(CHAT, "", &body.to_string()).await;
    caller.sees("one ").await;
    caller
}

#[tokio::test]
async fn rows_that_wait_are_written() {
    let mut scene = Scene::start().await;
    for _ in 0..30 {
        scene.chat("say=ok", json!({})).await;
    }
    assert_eq!(scene.gateway.stop().await, Some(0));
    assert_eq!(scene.ground.store.count_calls().unwrap(), 30);
}

#[tokio::test]
async fn calls_in_flight_end_before() {
    for signal in ["-TERM", "-INT"] {
        let mut scene = Scene::start().await;
        let mut streamed = begun(&scene, "gate=stream").await;
        let mut whole = scene.caller().await;
        let body = chat("say=three gate=header", &json!({})).to_string();
        whole.ask(CHAT, "", &body).await;
        scene.sim.wait_for_requests(2).await.unwrap();
        scene.gateway.signal(signal);
        scene.gateway.logged("stopping").await;
        scene.sim.open_gate();
        let response = streamed.response().await;
        assert!(response.complete, "{signal}: {response:?}");
        assert_eq!(response.events().last().unwrap(), "[DONE]", "{signal}");
        let response = whole.response().await;
        assert!(
            response.complete && response.text().contains("three"),
            "{signal}"
        );
        assert_eq!(scene.gateway.ended().await, Some(0), "{signal}");
        for row in scene.ground.rows(2).await {
            assert_eq!(row.outcome.as_deref(), Some("success"), "{signal}: {row:?}");
        }
    }
}

#[tokio::test]
async fn a_second_signal_waits_for_nothing() {
    let mut scene = Scene::start().await;
    let mut caller = begun(&scene, "hang=stream").await;
    scene.gateway.signal("-TERM");
    scene.gateway.logged("stopping").await;
    scene.gateway.signal("-TERM");
    assert_eq!(scene.gateway.ended().await, Some(0));
    let response = caller.response().await;
    assert!(
        !response.text().contains("[DONE]"),
        "a false end: {response:?}"
    );
    let row = scene.ground.row().await;
    assert_ne!(row.outcome.as_deref(), Some("success"), "{row:?}");
}

#[tokio::test]
async fn a_connection_that_is_merely_open_is_not_waited_for() {
    let mut scene = Scene::start().await;
    let mut caller = scene.caller().await;
    let body = chat("say=ok", &json!({})).to_string();
    assert_eq!(caller.post(CHAT, &body).await.status, 200);
    scene.gateway.signal("-TERM");
    assert_eq!(scene.gateway.ended().await, Some(0));
    assert!(caller.closed().await);
    assert_eq!(caller.unread(), "");
}
