//! Times of an endpoint's own take the place of those of the settings, at that endpoint
//! alone. Where a test needs a time to pass, that of the settings is longer than any client
//! waits.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::crowd::{Crowd, Member, until};
use crate::scene::{Props, Scene};

/// Longer than anything here is waited for.
const LONG: [(&str, &str); 3] = [
    ("TIMEOUT", "3600"),
    ("CONNECT_TIMEOUT", "3600"),
    ("FIRST_BYTE_TIMEOUT", "3600"),
];

async fn scene(times: Value, env: &[(&str, &str)]) -> Scene {
    Scene::with(Props {
        endpoint: times,
        env,
        ..Props::default()
    })
    .await
}

#[tokio::test]
async fn a_shorter_time_of_its_own_ends_a_call() {
    let scene = scene(json!({"timeout_seconds": 1}), &LONG).await;
    for (script, stream) in [
        ("hang=header", false),
        ("hang=header", true),
        ("hang=stream", false),
    ] {
        let got = scene.chat(script, json!({"stream": stream})).await;
        assert_eq!(got.status, 504, "{script} {stream}: {got:?}");
        assert_eq!(got.error()["code"], "upstream_timeout");
    }
    let got = scene.stream("chunks=5 hang=stream hang_after=2").await;
    let events = got.events();
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "upstream_timeout", "{events:?}");
    assert_eq!(got.body.matches("word ").count(), 2);
}

#[tokio::test]
async fn a_longer_time_of_its_own_lets_a_call_go_on() {
    let short = [("TIMEOUT", "0.3"), ("FIRST_BYTE_TIMEOUT", "0.3")];
    let scene = scene(json!({"timeout_seconds": 3600}), &short).await;
    let got = scene.stream("chunks=3 gap_ms=900").await;
    assert_eq!(got.streamed_text(), "word ".repeat(3));
    let got = scene.chat("chunks=3 gap_ms=900", json!({})).await;
    assert_eq!(got.status, 200, "{got:?}");
}

#[tokio::test]
async fn the_time_to_begin_is_the_candidates_own() {
    let hasty = Member::usual().endpoint(json!({"first_byte_timeout_seconds": 0.5}));
    let members = vec![hasty, Member::usual()];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &LONG).await;
    crowd.script(0, "hang=header");
    for stream in [false, true] {
        assert_eq!(crowd.served_by(json!({"stream": stream})).await, 1);
    }
    assert_eq!(crowd.received(), [2, 2]);
}

#[tokio::test]
async fn the_time_to_connect_is_the_endpoints_own() {
    // A listener whose queue is full: the system drops every further connection.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "the queue is never full");
    }
    let hole = json!({"url": format!("http://{address}"), "connect_timeout_seconds": 0.5});
    let members = vec![Member::usual().endpoint(hole), Member::usual()];
    let crowd = Crowd::with(members, json!({"strategy": "backup"}), &LONG).await;
    assert_eq!(crowd.served_by(json!({})).await, 1);
}

#[tokio::test]
async fn a_running_gateway_follows_a_change_of_them() {
    let scene = scene(json!({"timeout_seconds": 0.5}), &LONG).await;
    let got = scene.chat("chunks=2 gap_ms=1500", json!({})).await;
    assert_eq!(got.status, 504, "{got:?}");
    let none = json!({"timeout_seconds": null});
    scene.ground.change_endpoint(scene.endpoint, &none);
    until("the time of the settings", async || {
        let got = scene.chat("chunks=2 gap_ms=1500", json!({})).await;
        (got.status == 200).then_some(())
    })
    .await;
}
