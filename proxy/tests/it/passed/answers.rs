//! Answers as they come: sound, events, and both cut off.

use serde_json::json;
use sim::Flavor;

use super::{GENERATIONS, SPEECH, TRANSCRIPTIONS, file, form, part, row, scene};
use crate::crowd::Crowd;
use crate::scene::{MODEL, Scene};

/// Says something, as the simulator's script says.
fn say(script: &str) -> String {
    let input = format!("hi [[sim: {script}]]");
    json!({"model": MODEL, "input": input, "voice": "alloy"}).to_string()
}

#[tokio::test]
async fn sound_goes_through_byte_for_byte() {
    for script in ["", "chunked", "chunks=40 chunk_bytes=50000"] {
        let scene = scene(Flavor::OpenAi).await;
        let mut caller = scene.caller().await;
        let got = caller.post(SPEECH, &say(script)).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.header("content-type"), Some("audio/mpeg"));
        assert!(got.complete);
        let length = got.header("content-length");
        assert_eq!(length.is_none(), script == "chunked", "{}", got.head);
        let (pieces, size) = if script.contains("40") {
            (40, 50_000)
        } else {
            (3, 1000)
        };
        let sound: Vec<u8> = (0..pieces).flat_map(|n| vec![0xff - n; size]).collect();
        assert!(got.body == sound);
        // The connection goes on.
        assert_eq!(caller.post(SPEECH, &say("")).await.status, 200);
        let rows = scene.ground.rows(2).await;
        assert_eq!(rows[0].request_type, "speech");
        assert_eq!((rows[0].stream, rows[0].total_tokens), (0, 0));
    }
}

#[tokio::test]
async fn the_first_bytes_do_not_wait_for_the_last() {
    let scene = scene(Flavor::OpenAi).await;
    let mut caller = scene.caller().await;
    caller
        .ask(SPEECH, "", &say("gate=stream chunks=2 chunk_bytes=10"))
        .await;
    let head = caller.head().await.unwrap();
    assert_eq!(head.status, 200);
    while caller.unread().is_empty() {
        assert!(caller.more().await);
    }
    assert_eq!(caller.discard(), [0xff; 10]);
    scene.sim.open_gate();
    while caller.unread().is_empty() {
        assert!(caller.more().await);
    }
    assert_eq!(caller.discard(), [0xfe; 10]);
}

#[tokio::test]
async fn events_go_through_as_they_are() {
    let scene = scene(Flavor::OpenAi).await;
    let body = form(&[
        file("file", b"abc"),
        part("stream", "true"),
        part("model", MODEL),
    ]);
    let got = scene.send_form(TRANSCRIPTIONS, body).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert!(got.header("content-type").starts_with("text/event-stream"));
    assert_eq!(got.header("x-accel-buffering"), "no");
    let chunks = got.chunks();
    assert_eq!(chunks[0]["type"], "transcript.text.delta");
    assert_eq!(chunks[1]["usage"]["total_tokens"], 59);
    let row = row(&scene, "transcription").await;
    assert_eq!(
        (row.stream, row.prompt_tokens, row.completion_tokens),
        (1, 14, 45)
    );
    let picture = json!({"model": MODEL, "prompt": "a", "stream": true});
    let got = scene.post(GENERATIONS, &picture).await;
    assert_eq!(got.chunks()[1]["type"], "image_generation.completed");
    let rows = scene.ground.rows(2).await;
    assert_eq!((rows[1].stream, rows[1].total_tokens), (1, 1106));
}

#[tokio::test]
async fn a_text_is_no_json_and_passes_too() {
    let scene = scene(Flavor::OpenAi).await;
    let body = form(&[
        part("model", MODEL),
        part("response_format", "text"),
        file("file", b"a"),
    ]);
    let got = scene.send_form(TRANSCRIPTIONS, body).await;
    assert_eq!(got.body, "heard it\n");
    assert_eq!(got.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn what_is_cut_off_is_not_completed() {
    let scene = scene(Flavor::OpenAi).await;
    for script in ["cut=between", "cut=between chunked"] {
        let mut caller = scene.caller().await;
        let got = caller.post(SPEECH, &say(script)).await;
        assert_eq!((got.status, got.complete), (200, false), "{script}");
        assert_eq!(got.body, [0xff; 1000], "nothing is put in");
    }
    // In a stream of events it can be told.
    let picture = json!({"model": MODEL, "prompt": "a [[sim: cut=between]]", "stream": true});
    let got = scene.post(GENERATIONS, &picture).await;
    let events = got.events();
    assert!(
        events.last().unwrap().contains("upstream_connection_lost"),
        "{got:?}"
    );
    for row in scene.ground.rows(3).await {
        assert_eq!(row.outcome.as_deref(), Some("truncated"), "{row:?}");
        assert_eq!(row.error_code.as_deref(), Some("upstream_connection_lost"));
    }
}

#[tokio::test]
async fn who_fails_before_the_first_byte_is_passed_over() {
    for script in [
        "status=429",
        "cut=status",
        "cut=header",
        "cut=between cut_after=0",
    ] {
        let crowd = Crowd::of(2, json!({"strategy": "backup"}), &[]).await;
        crowd.script(0, script);
        let body = json!({"model": MODEL, "input": "hi", "voice": "alloy"});
        let got = crowd.request(SPEECH, &body).send().await.unwrap();
        assert_eq!(got.status(), 200, "{script}");
        assert_eq!(got.headers()["x-gateway-attempts"], "2", "{script}");
        assert_eq!(got.bytes().await.unwrap().len(), 3000);
    }
}

#[tokio::test]
async fn a_caller_who_leaves_takes_its_upstream_along() {
    let scene = scene(Flavor::OpenAi).await;
    leaves(&scene, "hang=header", 1).await;
    leaves(&scene, "hang=stream", 2).await;
}

async fn leaves(scene: &Scene, script: &str, times: u64) {
    let mut caller = scene.caller().await;
    caller.ask(SPEECH, "", &say(script)).await;
    let served = scene
        .sim
        .wait_until(|served| served.received == times)
        .await;
    served.unwrap();
    if script == "hang=stream" {
        assert_eq!(caller.head().await.unwrap().status, 200);
    }
    drop(caller);
    scene.sim.wait_for_cancelled(times).await.unwrap();
    let rows = scene.ground.rows(usize::try_from(times).unwrap()).await;
    let row = rows.last().unwrap();
    assert_eq!(row.outcome.as_deref(), Some("client_cancelled"), "{row:?}");
}
