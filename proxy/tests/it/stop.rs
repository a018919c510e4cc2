//! The end of the program: calls in flight end first, and every row is written.

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::scene::{MODEL, Scene, chat, with};

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

/// How the streams of callers of each dialect end, and what a new call is told, of a gateway
/// that has been told to stop.
#[tokio::test]
async fn what_is_left_is_told_in_the_dialect_of_its_caller() {
    let body = |fields: Value| with(chat("say=one+two hang=stream", &json!({})), &fields);
    for (path, body, status, error_event, error) in [
        (
            CHAT,
            body(json!({"stream": true})),
            503,
            "data: {\"error\":",
            "/error/code",
        ),
        (
            "/v1/messages",
            body(json!({"stream": true, "max_tokens": 9})),
            529,
            "event: error\ndata: {\"type\":\"error\",\"error\":",
            "/error/type",
        ),
        ("/api/chat", body(json!({})), 503, "{\"error\":", "/error"),
        (
            "/v1/responses",
            with(
                json!({"model": MODEL, "stream": true}),
                &json!({"input": "hi [[sim: say=one+two hang=stream]]"}),
            ),
            503,
            "event: response.failed\n",
            "/error/code",
        ),
    ] {
        let mut scene = Scene::env(&[("GRACE_SECONDS", "2")]).await;
        let mut streamed = scene.caller().await;
        streamed.ask(path, "", &body.to_string()).await;
        streamed.sees("one").await;
        let mut kept = scene.caller().await;
        assert_eq!(kept.plain("GET", "/health").await.json()["status"], "ok");
        scene.gateway.signal("-TERM");
        scene.gateway.logged("stopping").await;

        // Both who is here already and who comes now are told to come again.
        for mut caller in [kept, scene.caller().await] {
            let refused = caller.post(path, &body.to_string()).await;
            assert_eq!(refused.status, status, "{path}: {refused:?}");
            assert_eq!(refused.header("retry-after"), Some("1"), "{path}");
            assert_eq!(refused.header("connection"), Some("close"), "{path}");
            assert!(
                refused.json().pointer(error).is_some(),
                "{path}: {refused:?}"
            );
        }
        let health = scene.caller().await.plain("GET", "/health").await;
        assert_eq!(health.status, 503, "{path}");
        assert_eq!(health.json()["status"], "draining", "{path}");

        let response = streamed.response().await;
        assert!(response.complete, "{path}: {response:?}");
        let text = response.text();
        let (_, last) = text
            .split_once(error_event)
            .unwrap_or_else(|| panic!("{path}: {text}"));
        assert!(
            last.contains("being stopped or restarted"),
            "{path}: {text}"
        );
        assert!(!last.contains("[DONE]"), "{path}: a false end: {text}");
        assert_eq!(scene.gateway.ended().await, Some(0), "{path}");
        let rows = scene.ground.rows(1).await;
        assert_eq!(
            rows[0].error_code.as_deref(),
            Some("gateway_stopping"),
            "{path}"
        );
        // What the caller has had of it is counted.
        assert!(rows[0].completion_tokens > 0, "{path}: {rows:?}");
    }
}

/// Whoever has no answer yet gets one, and whoever is still sending is heard no longer.
#[tokio::test]
async fn whole_calls_that_take_longer_are_told_too() {
    let mut scene = Scene::env(&[("GRACE_SECONDS", "0.3")]).await;
    let mut whole = scene.caller().await;
    let body = chat("say=one hang=header", &json!({})).to_string();
    whole.ask(CHAT, "", &body).await;
    let mut sending = scene.caller().await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-length: 100\r\n\r\n{{");
    sending.send(head.as_bytes()).await;
    scene.sim.wait_for_requests(1).await.unwrap();
    scene.gateway.signal("-TERM");
    for caller in [&mut whole, &mut sending] {
        let response = caller.response().await;
        assert_eq!(response.status, 503, "{response:?}");
        assert_eq!(response.json()["error"]["code"], "gateway_stopping");
    }
    assert_eq!(scene.gateway.ended().await, Some(0));
    scene.ground.rows(2).await;
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
