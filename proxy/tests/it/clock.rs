//! A clock that jumps, forwards and back, while the gateway runs and between two runs. What
//! takes the time as it passes is not touched by it (`CLOCK_MONOTONIC`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::Process;
use crate::scene::{Scene, chat};

/// The library that tells a program another time.
fn library() -> PathBuf {
    std::fs::read_dir("/usr/lib")
        .unwrap()
        .map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .expect("this test needs Debian's package libfaketime")
}

fn set(clock: &Path, to: &str) {
    // In one step: the program looks at any time.
    let new = clock.with_extension("new");
    std::fs::write(&new, to).unwrap();
    std::fs::rename(&new, clock).unwrap();
}

async fn circuits(scene: &Scene) -> Value {
    let health = scene.caller().await.plain("GET", "/health").await.json();
    health["endpoints"][0]["circuits"].clone()
}

#[tokio::test]
async fn calls_go_on_when_the_clock_jumps() {
    let folder = tempfile::TempDir::new().unwrap();
    let clock = folder.path().join("clock");
    set(&clock, "+0");
    let library = library();
    let env = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        // A start far ahead finds what is here too old, and rightly so.
        ("USAGE_DAYS", "0"),
    ];
    let mut scene = Scene::env(&env).await;
    let mut expected = 0;
    for jump in ["+400d", "-400d", "+0", "-1d", "+1d"] {
        // A stream through it.
        let mut streamed = scene.caller().await;
        let body = chat("say=one+two gate=stream", &json!({"stream": true}));
        streamed
            .ask("/v1/chat/completions", "", &body.to_string())
            .await;
        streamed.sees("one ").await;
        set(&clock, jump);
        scene.sim.open_gate();
        let response = streamed.response().await;
        assert_eq!(response.events().last().unwrap(), "[DONE]", "{jump}");
        scene.sim.close_gate();
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200, "{jump}");

        // What had failed before is not left alone until the time of before comes again.
        for _ in 0..3 {
            scene.chat("status=500", json!({})).await;
        }
        assert_eq!(circuits(&scene).await[0]["state"], "open", "{jump}");
        set(&clock, "-800d");
        assert_eq!(circuits(&scene).await[0]["state"], "half_open", "{jump}");
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200, "{jump}");
        assert_eq!(circuits(&scene).await, json!([]), "{jump}");

        // And a start at that time.
        expected += 6;
        scene.ground.rows(expected).await;
        assert_eq!(scene.gateway.stop().await, Some(0), "{jump}");
        set(&clock, jump);
        scene.gateway = Process::gateway(scene.ground.folder.path(), &env).await;
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200, "{jump}");
        expected += 1;
    }
    scene.ground.rows(expected).await;
}
