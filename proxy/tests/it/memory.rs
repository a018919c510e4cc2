//! What an open call costs: a stream is passed on, not kept.

use serde_json::json;
use sim::Options;

use crate::scene::{Props, Scene, chat};

const CHAT: &str = "/v1/chat/completions";
const MIB: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_any_length_needs_no_more_memory_than_a_short_one() {
    let scene = Scene::with(Props {
        options: Options {
            validate: false,
            record: 0,
            ..Options::default()
        },
        ..Props::default()
    })
    .await;
    scene.stream("chunks=10 chunk_bytes=20000").await;
    let before = scene.gateway.resident();
    let mut caller = scene.caller().await;
    let body = chat("chunks=6000 chunk_bytes=20000", &json!({"stream": true}));
    caller.ask(CHAT, "", &body.to_string()).await;
    let mut most = 0;
    let mut total = 0;
    // Read away piece by piece, so that the test itself keeps nothing either.
    loop {
        assert!(
            caller.more().await,
            "the stream broke off after {total} bytes"
        );
        let piece = caller.discard();
        total += piece.len();
        most = most.max(scene.gateway.resident());
        if piece.ends_with(b"0\r\n\r\n") {
            break;
        }
    }
    assert!(total > 120_000_000, "{total}");
    let grown = most.saturating_sub(before);
    assert!(grown < 24 * MIB, "{} MiB for one stream", grown / MIB);
    assert_eq!(scene.ground.rows(2).await[1].completion_tokens, 6000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_reads_slowly_slows_its_upstream_and_fills_no_memory() {
    let scene = Scene::start().await;
    scene.stream("chunks=10").await;
    let before = scene.gateway.resident();
    let mut callers = Vec::new();
    for _ in 0..3 {
        let mut caller = scene.caller().await;
        let body = chat("chunks=700 chunk_bytes=20000", &json!({"stream": true}));
        caller.ask(CHAT, "", &body.to_string()).await;
        caller.sees("word").await;
        callers.push(caller);
    }
    // Nobody reads on: the upstreams must be standing still.
    assert_eq!(scene.sim.served().open(), 3);
    let grown = scene.gateway.resident().saturating_sub(before);
    assert!(grown < 24 * MIB, "{} MiB for 3 streams", grown / MIB);
    for mut caller in callers {
        let response = caller.response().await;
        assert!(response.complete);
        assert_eq!(response.events().last().unwrap(), "[DONE]");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_open_streams_stay_small() {
    const STREAMS: u64 = 400;
    let scene = Scene::start().await;
    scene.stream("chunks=10").await;
    let before = scene.gateway.resident();
    let body = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    let mut callers = Vec::new();
    for _ in 0..STREAMS {
        let mut caller = scene.caller().await;
        caller.ask(CHAT, "", &body).await;
        caller.sees("one ").await;
        callers.push(caller);
    }
    let each = scene.gateway.resident().saturating_sub(before) / STREAMS;
    // The promise is 32 KiB in a release build; this one is not optimised.
    assert!(each < 128 * 1024, "{each} bytes for each stream");
    scene.sim.open_gate();
    for mut caller in callers {
        let response = caller.response().await;
        assert_eq!(response.events().last().unwrap(), "[DONE]");
    }
}
