//! More than anybody needs: heads, bodies and framing without end, from callers and from
//! upstreams, and compressed ones. All of it is refused, and none of it fills memory.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::caller::{Caller, Response};
use crate::process::Process;
use crate::raw::{After, RawUpstream};
use crate::scene::{Ground, KEY, MODEL, Scene, chat};

const CHAT: &str = "/v1/chat/completions";
const POST: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n";
const MIB: u64 = 1024 * 1024;
/// Bytes after which an end should have come.
const ENOUGH: usize = 200 * 1024 * 1024;

/// Sends `beginning` and then `piece` until nothing more is taken; gives the answer, if
/// there is one.
async fn without_end(scene: &Scene, beginning: &str, piece: &str) -> Option<Response> {
    let mut caller = scene.caller().await;
    caller.send(beginning.as_bytes()).await;
    let mut sent = 0;
    while caller.try_send(piece.as_bytes()).await {
        sent += piece.len();
        assert!(sent < ENOUGH, "it is taken without end");
    }
    let response = caller.try_response().await;
    assert!(caller.closed().await);
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_bodies_without_end_are_refused() {
    let scene = Scene::env(&[("MAX_BODY_MB", "1")]).await;
    scene.chat("say=ok", json!({})).await;
    let before = scene.gateway.resident();
    let kib = "x".repeat(1024);
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65536));
    let chunked = format!("{POST}transfer-encoding: chunked\r\n\r\n");
    let wrong = format!("{chunked}5;");
    let trailers = format!("{chunked}0\r\n");
    let cases = [
        ("fields", POST, "x: y\r\n", 400),
        ("a field", POST, &*kib, 400),
        ("a path", "POST /", &*kib, 400),
        ("a method", "", &*kib, 400),
        ("empty lines", "", "\r\n", 400),
        ("a body in chunks", &*chunked, &*chunk, 413),
        ("a chunk's extension", &*wrong, &*kib, 400),
        ("trailers", &*trailers, "x: y\r\n", 400),
    ];
    let mut most = 0;
    for (name, beginning, piece, status) in cases {
        let piece = piece.repeat(65536 / piece.len().min(65536));
        let response = without_end(&scene, beginning, &piece).await;
        // What is closed on bytes that nobody reads is reset, and the answer may be lost.
        let seen = response.map_or(status, |response| response.status);
        assert_eq!(seen, status, "{name}");
        most = most.max(scene.gateway.resident());
    }
    let grown = most.saturating_sub(before) / MIB;
    assert!(grown < 32, "{grown} MiB for refusals");
    let got = scene.chat("say=ok", json!({})).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(scene.sim.served().requests, 2);
}

#[tokio::test]
async fn more_fields_than_anybody_sends_are_refused() {
    let scene = Scene::start().await;
    let body = chat("say=ok", &json!({})).to_string();
    for (count, status) in [(200, 200), (300, 400)] {
        let mut caller = scene.caller().await;
        let fields: String = (0..count).map(|n| format!("x-{n}: y\r\n")).collect();
        caller.ask(CHAT, &fields, &body).await;
        let response = caller.response().await;
        assert_eq!(response.status, status, "{count}: {response:?}");
    }
    assert_eq!(scene.sim.served().requests, 1);
}

/// So many MiB of spaces, compressed.
fn compressed(mib: u64) -> Vec<u8> {
    let script = format!("head -c {} /dev/zero | tr '\\0' ' ' | gzip -9", mib * MIB);
    let output = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!((output.stdout.len() as u64) < mib * 4096);
    output.stdout
}

/// The gateway before an upstream that answers everything with `reply`.
async fn before(reply: Vec<u8>, after: After) -> (RawUpstream, Ground, Process) {
    let upstream = RawUpstream::of(move |_| (reply.clone(), after)).await;
    let ground = Ground::new();
    let fields = json!({"name": "raw", "url": upstream.url, "api_key": KEY});
    let endpoint = ground.endpoint_from(&fields);
    ground.model(MODEL, endpoint, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    (upstream, ground, gateway)
}

/// Calls, whole and streamed, and says by how many MiB that made the gateway grow.
async fn call(gateway: &Process, judge: impl Fn(&Response)) -> u64 {
    let before = gateway.resident();
    let mut most = before;
    for stream in [false, true] {
        let body = chat("", &json!({"stream": stream})).to_string();
        let response = Caller::connect(gateway.address())
            .await
            .post(CHAT, &body)
            .await;
        most = most.max(gateway.resident());
        assert!(response.complete, "{response:?}");
        judge(&response);
    }
    (most - before) / MIB
}

fn is_an_error(response: &Response) {
    let told: Value = match response.status {
        200 => serde_json::from_str(response.events().last().unwrap()).unwrap(),
        502 => response.json(),
        _ => panic!("{response:?}"),
    };
    assert!(told["error"]["message"].is_string(), "{told}");
    assert!(response.body.len() < 16 * 1024, "the bomb goes on");
}

/// Nobody asks an upstream to compress, and nothing it compresses is opened.
#[tokio::test]
async fn a_compressed_answer_is_not_opened() {
    let bomb = compressed(256);
    for kind in ["application/json", "text/event-stream"] {
        for encoding in ["gzip", "br", "deflate", "zstd"] {
            let mut reply = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-encoding: {encoding}\r\n\
                 content-length: {}\r\n\r\n",
                bomb.len()
            )
            .into_bytes();
            reply.extend_from_slice(&bomb);
            let (upstream, ground, gateway) = before(reply, After::Keep).await;
            let grown = call(&gateway, is_an_error).await;
            assert!(grown < 32, "{kind} {encoding}: {grown} MiB");
            for request in upstream.requests() {
                let asks = request.contains("accept-encoding: identity\r\n");
                assert!(asks, "{request}");
            }
            for row in ground.rows(2).await {
                assert_ne!(row.outcome.as_deref(), Some("success"), "{row:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_without_end_is_let_go() {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":\"";
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"a\":\"";
    let chunk = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n5;";
    let field = "HTTP/1.1 200 OK\r\nx: ";
    let fields = "HTTP/1.1 200 OK\r\n";
    let early = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let long = |piece: &str| &*piece.repeat(65536 / piece.len()).leak();
    let x = long("x");
    for (name, reply, piece, most) in [
        ("an answer", json, x, 600),
        ("an event", events, x, 100),
        ("a chunk's extension", chunk, x, 32),
        ("a field", field, x, 32),
        ("fields", fields, long("x: y\r\n"), 32),
        ("early answers", early, long(early), 32),
    ] {
        let (_upstream, _ground, gateway) =
            before(reply.as_bytes().to_vec(), After::Endless(piece)).await;
        let grown = call(&gateway, is_an_error).await;
        assert!(grown < most, "{name}: {grown} MiB");
    }
}
