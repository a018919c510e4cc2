//! A caller that leaves frees the server, whose only slot is then for the next.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::process::{LOOK, PATIENCE};
use crate::stage::{CHAT, Stage, TYPES, asking};

/// How long the server may go on for a caller that has left a stream.
const SOON: Duration = Duration::from_secs(1);

/// How often the server looks for the caller of a call that is not streamed.
const SERVERS_LOOK: Duration = Duration::from_secs(1);

/// Answers of the model end only with the context, after most of a minute.
const ARGUMENTS: [&str; 2] = ["--ctx-size", "32768"];

#[tokio::test]
#[ignore = "wants a llama.cpp server: make test-real"]
async fn the_slot_is_free_within_a_second_of_the_caller_leaving() {
    let stage = Stage::started("markov-loop", &ARGUMENTS).await;
    let mut calls = 0;
    for kind in TYPES {
        for stream in [true, false] {
            let mut caller = stage.caller().await;
            let body = asking(kind, &json!({"stream": stream})).to_string();
            caller.ask(CHAT, "", &body).await;
            if stream {
                caller.sees("tock").await;
            }
            calls += 1;
            until(|| stage.llama.begun() == calls).await;
            assert_eq!(stage.llama.slot().await["is_processing"], true, "{kind}");
            assert_eq!(stage.llama.ended(), calls - 1, "{kind}, stream {stream}");

            drop(caller);
            let since = Instant::now();
            until(|| stage.llama.ended() == calls).await;
            let took = since.elapsed();
            let limit = if stream { SOON } else { SOON + SERVERS_LOOK };
            assert!(
                took <= limit,
                "{kind}, stream {stream}: freed after {took:?}"
            );
            assert_eq!(stage.llama.slot().await["is_processing"], false, "{kind}");
            let row = stage.row(calls).await;
            let outcome = row.outcome.as_deref();
            assert_eq!(outcome, Some("client_cancelled"), "{kind}: {row:?}");
        }
    }
}

/// Waits until it is so.
async fn until(so: impl Fn() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < PATIENCE, "it does not come to it");
        tokio::time::sleep(LOOK).await;
    }
}
