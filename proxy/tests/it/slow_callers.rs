//! Callers that send slowly or nothing: each has its connection for a bounded time, and
//! nobody else notices.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::caller::Caller;
use crate::process::PATIENCE;
use crate::scene::{MODEL, Scene, chat};

const CHAT: &str = "/v1/chat/completions";

/// Sends `piece` again and again until the gateway has had enough; what it says then is
/// left to be read.
async fn dribble(caller: &mut Caller, piece: &str) {
    let since = Instant::now();
    while !caller.has_more(Duration::from_millis(50)).await {
        assert!(since.elapsed() < PATIENCE, "the gateway takes it for ever");
        if !caller.try_send(piece.as_bytes()).await {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let scene = Scene::env(&[("CALLER_IDLE_SECONDS", "1")]).await;
    let whole = chat("say=ok", &json!({})).to_string();
    let streamed = chat("say=ok", &json!({"stream": true})).to_string();
    for before in [
        &[][..],
        &[&whole],
        &[&streamed],
        &[&whole, &streamed, &whole],
    ] {
        let mut caller = scene.caller().await;
        for body in before {
            let response = caller.post(CHAT, body).await;
            assert_eq!(response.header("connection"), Some("keep-alive"));
        }
        assert!(caller.closed().await);
        assert_eq!(caller.unread(), "");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let scene = Scene::env(&[("CALLER_IDLE_SECONDS", "1")]).await;
    let ok = chat("say=ok", &json!({})).to_string();
    for (beginning, piece) in [
        ("", "G"),
        ("\r\n", "\r\n"),
        ("POST /v1/chat/completions HTTP/1.1\r\n", "x"),
        ("POST /v1/chat/completions HTTP/1.1\r\n", "x: y\r\n"),
    ] {
        for is_reused in [false, true] {
            let mut caller = scene.caller().await;
            if is_reused {
                assert_eq!(caller.post(CHAT, &ok).await.status, 200);
            }
            caller.send(beginning.as_bytes()).await;
            dribble(&mut caller, piece).await;
            assert!(caller.closed().await);
        }
    }
}

/// The limit is of the head: a call takes as long as it takes.
#[tokio::test]
async fn a_call_outlasts_the_time_for_its_head() {
    let scene = Scene::env(&[("CALLER_IDLE_SECONDS", "1")]).await;
    let mut callers = Vec::new();
    for (script, stream) in [("gate=header", false), ("gate=stream", true)] {
        let mut caller = scene.caller().await;
        let body = chat(&format!("say=one+two {script}"), &json!({"stream": stream}));
        caller.ask(CHAT, "", &body.to_string()).await;
        callers.push(caller);
    }
    scene.sim.wait_for_requests(2).await.unwrap();
    // A connection that was opened later is given up: so much time has passed.
    assert!(scene.caller().await.closed().await);
    scene.sim.open_gate();
    for mut caller in callers {
        let response = caller.response().await;
        assert!(
            response.complete && response.text().contains("two"),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_a_408() {
    let scene = Scene::env(&[("TIMEOUT", "1")]).await;
    let form = "--b\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\n";
    let mut calls = 0;
    for (path, kind, beginning, piece) in [
        (CHAT, "application/json", "{\"model\":\"", ""),
        (CHAT, "application/json", "{\"model\":\"", "m"),
        ("/v1/messages", "application/json", "{", " "),
        (
            "/v1/audio/transcriptions",
            "multipart/form-data; boundary=b",
            form,
            "",
        ),
    ] {
        for framing in ["content-length: 1000000", "transfer-encoding: chunked"] {
            let is_chunked = framing.ends_with("chunked");
            let framed = |piece: &str| match piece.len() {
                0 => String::new(),
                length if is_chunked => format!("{length:x}\r\n{piece}\r\n"),
                _ => piece.to_owned(),
            };
            let mut caller = scene.caller().await;
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: {kind}\r\n{framing}\r\n\r\n"
            );
            caller.send(head.as_bytes()).await;
            caller.send(framed(beginning).as_bytes()).await;
            dribble(&mut caller, &framed(piece)).await;
            let response = caller.response().await;
            assert_eq!(response.status, 408, "{path}: {response:?}");
            let text = response.text();
            assert!(text.contains("did not come in time"), "{path}: {text}");
            assert_eq!(response.header("connection"), Some("close"), "{path}");
            assert!(caller.closed().await);
            calls += 1;
        }
    }
    for row in scene.ground.rows(calls).await {
        let outcome = row.outcome.as_deref();
        assert_eq!(
            (outcome, row.status),
            (Some("client_error"), Some(408)),
            "{row:?}"
        );
    }
    assert_eq!(scene.sim.served().requests, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_slow_callers_keep_nobody_waiting() {
    const SLOW: usize = 400;
    let scene = Scene::start().await;
    let before = scene.gateway.resident();
    let mut slow = Vec::new();
    for number in 0..SLOW {
        let mut caller = scene.caller().await;
        let sent = match number % 3 {
            0 => "",
            1 => "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx",
            _ => {
                "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1000000\r\n\r\n{"
            }
        };
        caller.send(sent.as_bytes()).await;
        slow.push(caller);
    }
    for number in 0..20 {
        let stream = number % 2 == 0;
        let got = scene
            .chat("say=ok", json!({"model": MODEL, "stream": stream}))
            .await;
        assert!(got.status == 200 && got.body.contains("ok"), "{got:?}");
    }
    let each = scene.gateway.resident().saturating_sub(before) / SLOW as u64;
    assert!(each < 128 * 1024, "{each} bytes for each of them");
}
