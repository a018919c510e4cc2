//! Upgrades: one process after the other on one socket, while calls go on.

mod load;
mod managed;

use std::process::Command;

use serde_json::{Value, json};

use crate::caller::Caller;
use crate::process::{PATIENCE, Process, command, gateway_binary, text};
use crate::scene::{Ground, Scene, chat};
use load::Load;

const CHAT: &str = "/v1/chat/completions";

/// The command of the next process over the store of `ground`.
fn next(ground: &Ground, env: &[(&str, &str)]) -> Command {
    let mut next = command(gateway_binary(), ground.folder.path(), env);
    next.arg("--upgrade");
    next
}

/// Takes over from the gateway over `ground`; `number` tells the logs apart.
fn upgrade(ground: &Ground, number: usize, env: &[(&str, &str)]) -> Process {
    let log = ground.folder.path().join(format!("gateway-{number}.log"));
    Process::start(next(ground, env), "gateway listening on ", log)
}

/// A stream that has begun and waits for the gate.
async fn begun(scene: &Scene) -> Caller {
    let mut caller = scene.caller().await;
    let body = chat("say=one+two gate=stream", &json!({"stream": true}));
    caller.ask(CHAT, "", &body.to_string()).await;
    caller.sees("one ").await;
    caller
}

/// Runs a process that takes over to its end, which comes before it does.
fn fails(ground: &Ground, env: &[(&str, &str)]) -> String {
    let mut next = next(ground, env);
    let mut timeout = command(std::path::Path::new("timeout"), ground.folder.path(), env);
    timeout
        .arg(PATIENCE.as_secs().to_string())
        .arg(next.get_program())
        .args(next.get_args());
    next = timeout;
    let output = next.output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// Nothing fails and nothing is cut, and each call has one row. Of everything there is a
/// little, so that it takes seconds; `make test-upgrade` does it with much.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_through_upgrades() {
    Load {
        upgrades: 3,
        streams: 20,
        callers: 6,
        pause_ms: 20,
        between: 60,
    }
    .run()
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute of both cores: make test-upgrade"]
async fn hundreds_of_streams_go_on_through_ten_upgrades() {
    Load {
        upgrades: 10,
        streams: 200,
        callers: 50,
        pause_ms: 100,
        between: 1500,
    }
    .run()
    .await;
}

/// A connection that the old process still has is served, and told that it closes; what
/// comes new is the other's. When that one has ended nobody listens, although the old one
/// is still there for its stream.
#[tokio::test]
async fn connections_of_before_are_served_to_their_end() {
    let mut scene = Scene::start().await;
    let address = scene.gateway.address();
    let mut idle = scene.caller().await;
    let mut streamed = begun(&scene).await;
    let body = chat("say=ok", &json!({})).to_string();
    let before = idle.post(CHAT, &body).await;
    assert_eq!(
        (before.status, before.header("connection")),
        (200, Some("keep-alive"))
    );

    let mut next = upgrade(&scene.ground, 1, &[]);
    assert_eq!(next.address(), address);
    scene.gateway.logged("another process has taken over").await;
    let last = idle.post(CHAT, &body).await;
    assert_eq!(
        (last.status, last.header("connection")),
        (200, Some("close"))
    );
    assert!(idle.closed().await);
    // Whoever asks a connection of before is told of the service, which is well.
    let mut new = scene.caller().await;
    let health = new.plain("GET", "/health").await;
    assert_eq!(health.json()["open_calls"], 0, "{health:?}");

    assert_eq!(next.stop().await, Some(0));
    let refused = tokio::net::TcpStream::connect(address).await;
    assert!(refused.is_err(), "somebody listens");

    scene.sim.open_gate();
    let response = streamed.response().await;
    assert_eq!(response.events().last().unwrap(), "[DONE]", "{response:?}");
    // Its connection was promised to stay, and does for one more call.
    let more = streamed.post(CHAT, &body).await;
    assert_eq!(
        (more.status, more.header("connection")),
        (200, Some("close"))
    );
    assert_eq!(scene.gateway.ended().await, Some(0));
    let rows = scene.ground.rows(4).await;
    assert!(
        rows.iter()
            .all(|row| row.outcome.as_deref() == Some("success"))
    );
}

/// What runs goes on when the next one cannot take its place.
#[tokio::test]
async fn a_process_that_cannot_start_changes_nothing() {
    let scene = Scene::start().await;
    let port = scene.gateway.address().port().to_string();
    let socket = scene.ground.folder.path().join("gateway-0.sock");
    let socket = socket.to_str().unwrap();
    for (env, words) in [
        (
            vec![("API_BIND", "127.0.0.2")],
            "an upgrade keeps the address",
        ),
        (
            vec![("API_PORT", "1"), ("UPGRADE_SOCKET", socket)],
            "an upgrade keeps the address",
        ),
        (
            vec![("API_PORT", &*port)],
            "no gateway that could be taken over",
        ),
        (vec![("TIMEOUT", "never")], "TIMEOUT"),
    ] {
        let said = fails(&scene.ground, &env);
        assert!(said.contains(words), "{env:?}: {said}");
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    }
    let _next = upgrade(&scene.ground, 1, &[]);
    // The client's connection is the last thing that the old one has.
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    let mut gateway = scene.gateway;
    assert_eq!(gateway.ended().await, Some(0));
}

/// What is neither of this version nor of any is told nothing, and harms nothing.
#[tokio::test]
async fn strangers_at_the_door_get_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let scene = Scene::start().await;
    let path = scene.ground.folder.path().join("gateway-0.sock");
    for words in ["", "take over 2\n", "GET / HTTP/1.1\r\n\r\n"] {
        let mut door = tokio::net::UnixStream::connect(&path).await.unwrap();
        door.write_all(words.as_bytes()).await.unwrap();
        door.shutdown().await.unwrap();
        let mut told = String::new();
        let read = door.read_to_string(&mut told).await;
        assert!(read.is_err() || told.is_empty(), "{words:?}: {told}");
    }
    // One that gets the socket and ends has not taken over.
    let mut door = tokio::net::UnixStream::connect(&path).await.unwrap();
    door.write_all(b"take over 1\n").await.unwrap();
    let mut told = vec![0; 1024];
    let length = door.read(&mut told).await.unwrap();
    let offer: Value = serde_json::from_slice(&told[..length]).unwrap();
    assert_eq!(offer["version"], env!("CARGO_PKG_VERSION"));
    drop(door);
    scene.gateway.logged("has not; this one goes on").await;
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
}

/// After an upgrade the old process is told to end, as a service manager tells all of a
/// service: its calls get the time that calls get.
#[tokio::test]
async fn a_process_of_before_can_be_told_to_end() {
    let mut scene = Scene::env(&[("GRACE_SECONDS", "0.2")]).await;
    let mut streamed = begun(&scene).await;
    let next = upgrade(&scene.ground, 1, &[]);
    scene.gateway.signal("-TERM");
    let response = streamed.response().await;
    assert!(response.text().contains("gateway_stopping"), "{response:?}");
    assert_eq!(scene.gateway.ended().await, Some(0));
    assert!(next.log().lines().all(|line| !line.contains("stopping")));
}

/// And without being told, after its time.
#[tokio::test]
async fn a_process_of_before_has_its_time() {
    let mut scene = Scene::env(&[("UPGRADE_GRACE_SECONDS", "0.5")]).await;
    let mut streamed = begun(&scene).await;
    let _next = upgrade(&scene.ground, 1, &[]);
    let response = streamed.response().await;
    assert!(response.text().contains("gateway_stopping"), "{response:?}");
    assert_eq!(scene.gateway.ended().await, Some(0));
}
