//! Request bodies of every size and framing, and what happens to those that are too long
//! or that nobody wants to the end.

use std::fmt::Write as _;

use serde_json::json;
use sim::Options;

use crate::caller::{Caller, Response};
use crate::scene::{MODEL, Props, Scene};

const CHAT: &str = "/v1/chat/completions";
const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// How a body is sent.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    /// In HTTP chunks of so many bytes.
    Chunks(usize),
}

/// A chat of exactly `size` bytes in which every part differs from every other.
fn chat_of(size: usize) -> String {
    let head = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":""#);
    let tail = r#""}]}"#;
    let mut body = head;
    let mut number = 0_u64;
    while body.len() + tail.len() + 40 < size {
        number += 1;
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        write!(body, "{number} \u{1f642}\u{e9} {mixed:x}\\n").unwrap();
    }
    while body.len() + tail.len() < size {
        body.push('x');
    }
    body.push_str(tail);
    body
}

async fn head(caller: &mut Caller, framing: Framing, length: usize, more: &str) {
    let framed = match framing {
        Framing::Length => format!("content-length: {length}"),
        Framing::Chunks(_) => "transfer-encoding: chunked".to_owned(),
    };
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n{framed}\r\n{more}\r\n"
    );
    caller.send(head.as_bytes()).await;
}

/// The body as it goes over the wire.
fn framed(framing: Framing, body: &[u8]) -> Vec<u8> {
    let Framing::Chunks(size) = framing else {
        return body.to_vec();
    };
    let mut wire = Vec::with_capacity(body.len() + body.len() / 8);
    for chunk in body.chunks(size) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

async fn send(caller: &mut Caller, framing: Framing, body: &[u8]) -> Response {
    head(caller, framing, body.len(), "").await;
    // A refusal may come before everything is sent.
    caller.try_send(&framed(framing, body)).await;
    caller.response().await
}

/// A scene whose provider only records: it has not to understand 20 MB.
async fn recording(env: &[(&str, &str)]) -> Scene {
    let options = Options {
        validate: false,
        record: 1,
        ..Options::default()
    };
    Scene::with(Props {
        options,
        env,
        ..Props::default()
    })
    .await
}

fn arrived_as(scene: &Scene, body: &str) {
    let expected = body.replacen(MODEL, "sim-model", 1);
    let arrived = scene.sim.last_request().unwrap();
    assert_eq!(
        arrived.headers["content-length"],
        expected.len().to_string()
    );
    assert!(!arrived.headers.contains_key("transfer-encoding"));
    assert!(!arrived.headers.contains_key("expect"));
    // Not `assert_eq!`: 20 MB are no message.
    assert!(arrived.body == expected.as_bytes(), "the body was changed");
}

async fn sizes(sizes: &[usize], framings: &[Framing]) {
    let scene = recording(&[]).await;
    let mut calls = 0;
    // One connection for all of them: what is left of one body spoils the next.
    let mut caller = scene.caller().await;
    for &size in sizes {
        let body = chat_of(size);
        assert_eq!(body.len(), size);
        for &framing in framings {
            let response = send(&mut caller, framing, body.as_bytes()).await;
            assert_eq!(response.status, 200, "{size} {framing:?}: {response:?}");
            arrived_as(&scene, &body);
            calls += 1;
        }
    }
    for row in scene.ground.rows(calls).await {
        assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    }
}

#[tokio::test]
async fn bodies_around_the_buffers_sizes_arrive_whole() {
    let around = [
        100,
        4 * KIB - 1,
        4 * KIB,
        4 * KIB + 1,
        32 * KIB,
        64 * KIB,
        64 * KIB + 1,
        256 * KIB + 1,
        MIB,
    ];
    let framings = [
        Framing::Length,
        Framing::Chunks(7),
        Framing::Chunks(4 * KIB),
        Framing::Chunks(64 * KIB),
        Framing::Chunks(64 * KIB + 1),
        Framing::Chunks(usize::MAX >> 1),
    ];
    sizes(&around, &framings).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_arrive_whole() {
    sizes(
        &[20 * MIB],
        &[
            Framing::Length,
            Framing::Chunks(64 * KIB),
            Framing::Chunks(20 * MIB),
        ],
    )
    .await;
}

#[tokio::test]
async fn ten_bytes_are_a_body_too() {
    let scene = recording(&[]).await;
    scene.ground.settings(&json!({"default_model": MODEL}));
    scene.gateway.logged("new configuration in use").await;
    for framing in [Framing::Length, Framing::Chunks(1)] {
        let body = b"{\"seed\":1}";
        assert_eq!(body.len(), 10);
        let mut caller = scene.caller().await;
        let framed_as = match framing {
            Framing::Length => "content-length: 10",
            Framing::Chunks(_) => "transfer-encoding: chunked",
        };
        let head = format!("POST /v1/completions HTTP/1.1\r\nhost: gateway\r\n{framed_as}\r\n\r\n");
        caller.send(head.as_bytes()).await;
        for byte in framed(framing, body) {
            caller.send(&[byte]).await;
        }
        assert_eq!(caller.response().await.status, 200, "{framing:?}");
        let arrived = scene.sim.last_request().unwrap().body;
        let arrived: serde_json::Value = serde_json::from_slice(&arrived).unwrap();
        assert_eq!(arrived, json!({"seed": 1, "model": "sim-model"}));
    }
}

#[tokio::test]
async fn who_waits_for_100_continue_is_told_to_go_on() {
    let scene = recording(&[]).await;
    for size in [100, 64 * KIB, MIB] {
        let body = chat_of(size);
        for framing in [Framing::Length, Framing::Chunks(4 * KIB)] {
            let mut caller = scene.caller().await;
            head(&mut caller, framing, size, "expect: 100-continue\r\n").await;
            let interim = caller.response().await;
            assert_eq!(interim.status, 100, "{framing:?}");
            caller.send(&framed(framing, body.as_bytes())).await;
            let response = caller.response().await;
            assert_eq!(response.status, 200, "{size} {framing:?}");
            arrived_as(&scene, &body);
        }
    }
}

#[tokio::test]
async fn who_waits_with_too_much_is_refused_before_sending_it() {
    let scene = recording(&[("MAX_BODY_MB", "1")]).await;
    let mut caller = scene.caller().await;
    head(
        &mut caller,
        Framing::Length,
        2 * MIB,
        "expect: 100-continue\r\n",
    )
    .await;
    let refused = caller.response().await;
    assert_eq!(refused.status, 413);
    assert_eq!(refused.json()["error"]["code"], "request_too_large");
    assert_eq!(scene.sim.served().requests, 0);
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("client_error"));
}

#[tokio::test]
async fn the_limit_is_exact() {
    let scene = recording(&[("MAX_BODY_MB", "1")]).await;
    let framings = [
        Framing::Length,
        Framing::Chunks(10 * KIB),
        Framing::Chunks(4 * MIB),
    ];
    for framing in framings {
        let mut caller = scene.caller().await;
        let allowed = send(&mut caller, framing, chat_of(MIB).as_bytes()).await;
        assert_eq!(allowed.status, 200, "{framing:?}");
        for over in [1, MIB] {
            let mut caller = scene.caller().await;
            let refused = send(&mut caller, framing, chat_of(MIB + over).as_bytes()).await;
            assert_eq!(refused.status, 413, "{framing:?} {over}");
            let error = refused.json()["error"].clone();
            assert_eq!(error["type"], "invalid_request_error");
            assert!(
                error["message"].as_str().unwrap().contains("1 MB"),
                "{error}"
            );
            // Either the connection says that it ends, or it serves the next call.
            let ends = refused.header("connection") == Some("close");
            if ends {
                assert!(caller.closed().await);
            } else {
                let next = send(&mut caller, Framing::Length, chat_of(100).as_bytes()).await;
                assert_eq!(next.status, 200, "{framing:?} {over}: {next:?}");
            }
        }
    }
    let rows = scene.ground.store.recent_calls(1000).unwrap();
    let refused = rows.iter().filter(|row| row.status == Some(413));
    let outcomes: Vec<_> = refused.filter_map(|row| row.outcome.as_deref()).collect();
    assert!(
        outcomes.iter().all(|outcome| *outcome == "client_error"),
        "{outcomes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_answers_before_it_has_read_is_heard() {
    for drain in ["", " drain"] {
        let script = format!("early=413 message=too+long+for+me{drain}");
        let scene = Scene::with(Props {
            model: json!({"custom_headers": {"x-sim": script}}),
            ..Props::default()
        })
        .await;
        for size in [100, 64 * KIB + 1, MIB, 20 * MIB] {
            let mut caller = scene.caller().await;
            let response = send(&mut caller, Framing::Length, chat_of(size).as_bytes()).await;
            assert_eq!(response.status, 413, "{size}{drain}: {response:?}");
            let message = response.json()["error"]["message"].to_string();
            assert!(
                message.contains("too long for me"),
                "{size}{drain}: {message}"
            );
        }
        for row in scene.ground.rows(4).await {
            assert_eq!(row.status, Some(413), "{row:?}");
        }
    }
}

#[tokio::test]
async fn contradicting_lengths_are_refused() {
    let scene = recording(&[]).await;
    for fields in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "content-length: -5\r\n",
        "content-length: 5x\r\n",
        "transfer-encoding: chunked, gzip\r\n",
    ] {
        let mut caller = scene.caller().await;
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\n{fields}\r\n");
        caller.send(head.as_bytes()).await;
        caller
            .try_send(b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: gateway\r\n\r\n")
            .await;
        // Refused or hung up on; what follows must not be read as a request.
        if let Some(response) = caller.try_response().await {
            assert!(response.status >= 400, "{fields:?}: {response:?}");
            let second = caller.try_response().await;
            let smuggled = second.is_some_and(|second| second.status == 200);
            assert!(!smuggled, "{fields:?}: the body was read as a request");
        }
    }
    assert_eq!(scene.sim.served().requests, 0);
}
