//! Ten thousand connections, and fewer descriptors than are wanted.

use std::fs;
use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use sim::Options;

use crate::caller::Caller;
use crate::crowd::until;
use crate::process::{Process, command, gateway_binary};
use crate::scene::{Ground, MODEL, Props, Scene, chat, provider_with};

const CHAT: &str = "/v1/chat/completions";

/// Ten thousand connections, or somewhat fewer where the limit of descriptors is lower than
/// both ends of as many calls need.
fn many() -> usize {
    const MANY: u64 = 10_000;
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, most).unwrap();
    let possible = limit
        .maximum
        .map_or(MANY, |limit| limit.saturating_sub(200) / 2);
    assert!(
        possible > MANY / 2,
        "raise the limit of open files (ulimit -Hn)"
    );
    usize::try_from(possible.min(MANY)).unwrap()
}

/// How many the process has open.
fn open(process: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.pid()))
        .unwrap()
        .count()
}

/// Opens `count` connections, some at a time.
async fn connect(gateway: &Process, count: usize) -> Vec<Caller> {
    let mut callers = Vec::with_capacity(count);
    while callers.len() < count {
        let more = (callers.len()..count).take(200);
        let more = more.map(|_| Caller::connect(gateway.address()));
        callers.extend(join_all(more).await);
    }
    callers
}

async fn quiet_scene() -> Scene {
    Scene::with(Props {
        options: Options {
            validate: false,
            record: 0,
            ..Options::default()
        },
        env: &[("CALLER_IDLE_SECONDS", "600")],
        ..Props::default()
    })
    .await
}

/// Idle connections, new ones and ones that have had an answer: others are served as
/// always, and what they take is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten thousand connections: make test-faults"]
async fn ten_thousand_idle_connections() {
    let many = many();
    let scene = quiet_scene().await;
    scene.chat("say=ok", json!({})).await;
    let (before, files) = (scene.gateway.resident(), open(&scene.gateway));
    let mut callers = connect(&scene.gateway, many).await;
    let body = chat("say=ok", &json!({})).to_string();
    for some in callers.chunks_mut(100).step_by(2) {
        let calls = some.iter_mut().map(|caller| caller.post(CHAT, &body));
        for response in join_all(calls).await {
            assert_eq!(response.status, 200, "{response:?}");
        }
    }
    let taken = open(&scene.gateway) - files;
    assert!(taken >= many, "{taken} descriptors");
    // At most as many connections to the endpoint besides as calls at once.
    assert!(taken <= many + 200, "{taken} descriptors");
    let each = scene.gateway.resident().saturating_sub(before) / many as u64;
    assert!(each < 64 * 1024, "{each} bytes for each connection");
    for number in 0..100 {
        let got = scene
            .chat("say=ok", json!({"stream": number % 2 == 0}))
            .await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    drop(callers);
    // They are gone when a call finds the descriptors given back.
    while open(&scene.gateway) > files + 300 {
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    }
}

/// Ten thousand streams at once, all of which end as they should.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten thousand streams: make test-faults"]
async fn ten_thousand_streams() {
    let many = many();
    let scene = quiet_scene().await;
    scene.stream("say=ok").await;
    let before = scene.gateway.resident();
    let body = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    let mut callers = connect(&scene.gateway, many).await;
    for some in callers.chunks_mut(200) {
        let begin = some.iter_mut().map(async |caller| {
            caller.ask(CHAT, "", &body).await;
            caller.sees("one ").await;
        });
        join_all(begin).await;
    }
    let each = scene.gateway.resident().saturating_sub(before) / many as u64;
    assert!(each < 128 * 1024, "{each} bytes for each stream");
    let got = scene.chat("say=ok", json!({})).await;
    assert_eq!(got.status, 200, "{got:?}");
    scene.sim.open_gate();
    for mut caller in callers {
        let response = caller.response().await;
        assert_eq!(response.events().last().unwrap(), "[DONE]");
    }
    let all = many as u64 + 2;
    until("a row for each call", async || {
        (scene.ground.store.count_calls().unwrap() == all).then_some(())
    })
    .await;
}

/// The gateway with at most so many descriptors.
fn limited(ground: &Ground, descriptors: u64) -> Process {
    let folder = ground.folder.path();
    let mut gateway = command(
        Path::new("prlimit"),
        folder,
        &[("CIRCUIT_FAILURE_THRESHOLD", "3")],
    );
    gateway
        .arg(format!("--nofile={descriptors}:{descriptors}"))
        .arg(gateway_binary());
    let log = folder.join("gateway.log");
    Process::start(gateway, "gateway listening on ", log)
}

/// Callers get half of the descriptors, because each call needs another one: who comes when
/// they are taken is told to come again, and who is there is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_there_is_room_for_are_turned_away() {
    const DESCRIPTORS: u64 = 264;
    const ROOM: usize = 100;
    let ground = Ground::new();
    let sim = provider_with(Options::default()).await;
    let endpoint = ground.endpoint(&sim, &json!({}));
    ground.model(MODEL, endpoint, &json!({}));
    let gateway = limited(&ground, DESCRIPTORS);
    let body = chat("say=ok", &json!({})).to_string();
    let held = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    let mut callers = Vec::new();
    for number in 0..ROOM {
        let mut caller = Caller::connect(gateway.address()).await;
        if number % 2 == 0 {
            assert_eq!(caller.post(CHAT, &body).await.status, 200, "{number}");
        } else {
            caller.ask(CHAT, "", &held).await;
            caller.sees("one ").await;
        }
        callers.push(caller);
    }
    for _ in 0..100 {
        let mut late = Caller::connect(gateway.address()).await;
        late.ask(CHAT, "", &body).await;
        let response = late.response().await;
        assert_eq!(response.status, 503, "{response:?}");
        assert_eq!(response.json()["error"]["code"], "too_many_connections");
        assert_eq!(response.header("retry-after"), Some("1"));
        assert!(late.closed().await);
    }
    for caller in callers.iter_mut().step_by(2) {
        assert_eq!(caller.post(CHAT, &body).await.status, 200);
    }
    let log = gateway.log();
    assert_eq!(log.matches("as there is room for").count(), 1, "{log}");
    assert!(!log.contains("Too many open files"), "{log}");
    sim.open_gate();
    for caller in callers.iter_mut().skip(1).step_by(2) {
        let response = caller.response().await;
        assert_eq!(response.events().last().unwrap(), "[DONE]");
    }
    // With those who leave there is room again.
    drop(callers);
    loop {
        let mut caller = Caller::connect(gateway.address()).await;
        let status = caller.post(CHAT, &body).await.status;
        if status == 200 {
            break;
        }
        assert_eq!(status, 503);
    }
}

/// The system gives no descriptor at all for a while: nobody new is served, nothing turns
/// in circles, no endpoint is blamed, and afterwards all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_it_waits_and_goes_on() {
    let scene = Scene::start().await;
    let set = |limit: &str| {
        let pid = scene.gateway.pid().to_string();
        let done = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--nofile={limit}")])
            .status()
            .unwrap();
        assert!(done.success());
    };
    let body = chat("say=ok", &json!({})).to_string();
    let mut here = scene.caller().await;
    assert_eq!(here.post(CHAT, &body).await.status, 200);
    // A call that holds the one connection to the endpoint.
    let mut holds = scene.caller().await;
    let held = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    holds.ask(CHAT, "", &held).await;
    holds.sees("one ").await;
    set("3:");
    let mut waits = scene.caller().await;
    waits.ask(CHAT, "", &body).await;
    let log = scene.gateway.logged("Too many open files").await;
    let failures = |log: &str| log.matches("Accept() failed").count();
    let (began, before) = (std::time::Instant::now(), failures(&log));
    for _ in 0..10 {
        let refused = here.post(CHAT, &body).await;
        assert!(matches!(refused.status, 502 | 503), "{refused:?}");
    }
    // One more a second, and not as many as a thread can.
    let since = began.elapsed().as_secs() as usize;
    let more = failures(&scene.gateway.log()) - before;
    assert!(more <= since + 3, "{more} in {since} s");
    set("4096:");
    assert_eq!(waits.response().await.status, 200);
    assert_eq!(
        here.post(CHAT, &body).await.status,
        200,
        "the endpoint is blamed"
    );
    scene.sim.open_gate();
    assert_eq!(holds.response().await.events().last().unwrap(), "[DONE]");
}
