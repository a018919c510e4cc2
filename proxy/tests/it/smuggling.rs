//! Requests that two readers may read in two ways (`proxy/tests/cases/smuggling.txt`): each
//! is refused or read in exactly one way, and the upstream sees exactly one call or none.
//! Both ends are raw sockets.

use serde_json::json;

use crate::caller::Caller;
use crate::process::Process;
use crate::raw::{After, RawUpstream};
use crate::scene::{Ground, KEY, MODEL};

const CASES: &str = include_str!("../cases/smuggling.txt");
const POST: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n";

/// What must become of a request.
enum Meant {
    Refused,
    One,
    Here(u16),
}

struct Case {
    name: &'static str,
    meant: Meant,
    bytes: Vec<u8>,
}

fn chat(word: &str) -> String {
    json!({"model": MODEL, "messages": [{"role": "user", "content": word}]}).to_string()
}

fn cases() -> Vec<Case> {
    let body = chat("meant");
    let evil = chat("smuggled");
    let evil = format!("{POST}content-length: {}\r\n\r\n{evil}", evil.len());
    let parts = [
        ("{POST}", POST.to_owned()),
        ("{TE}", format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
        ("{LEN}", body.len().to_string()),
        ("{HEX}", format!("{:x}", body.len())),
        ("{CHAT}", body),
        ("{EVIL}", evil),
    ];
    let block = |block: &'static str| {
        let mut lines = block.lines();
        let name = lines.next().unwrap();
        let meant = match lines.next().unwrap() {
            "refused" => Meant::Refused,
            "one" => Meant::One,
            here => Meant::Here(here.strip_prefix("here ").unwrap().parse().unwrap()),
        };
        let mut text = lines.collect::<String>();
        let escapes = [
            ("\\r", "\r"),
            ("\\n", "\n"),
            ("\\t", "\t"),
            ("\\0", "\0"),
            ("\\v", "\u{b}"),
            ("\\\\", "\\"),
        ];
        for (escape, byte) in escapes {
            text = text.replace(escape, byte);
        }
        for (name, part) in &parts {
            text = text.replace(name, part);
        }
        Case {
            name,
            meant,
            bytes: text.into_bytes(),
        }
    };
    let (_, blocks) = CASES.split_once("\n= ").unwrap();
    blocks.split("\n= ").map(block).collect()
}

/// An upstream that answers everything alike, and the gateway before it.
async fn between() -> (RawUpstream, Ground, Process) {
    let answer = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "sim-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
    .to_string();
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let upstream = RawUpstream::of(move |_| (reply.clone().into_bytes(), After::Keep)).await;
    let ground = Ground::new();
    let fields = json!({"name": "raw", "url": upstream.url, "api_key": KEY});
    let endpoint = ground.endpoint_from(&fields);
    ground.model(MODEL, endpoint, &json!({}));
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    (upstream, ground, gateway)
}

#[tokio::test]
async fn each_is_refused_or_read_in_one_way() {
    let (upstream, _ground, gateway) = between().await;
    let mut calls = 0;
    let mut wrong = Vec::new();
    for case in cases() {
        let seen = upstream.requests().len();
        let found = made_of(&gateway, &case).await;
        let requests = &upstream.requests()[seen..];
        if matches!(case.meant, Meant::One) {
            calls += 1;
        }
        if let Err(why) = found.and_then(|()| gone_up(&case, requests)) {
            wrong.push(format!("{}: {why}\n{requests:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(calls > 10, "the cases have not been read");
}

/// Whether the caller saw what it must, and nothing more.
async fn made_of(gateway: &Process, case: &Case) -> Result<(), String> {
    let mut caller = Caller::connect(gateway.address()).await;
    // It may have been refused before the end of it.
    caller.try_send(&case.bytes).await;
    let response = caller.try_response().await;
    let status = response.as_ref().map(|response| response.status);
    let is_meant = match (&case.meant, status) {
        (Meant::Refused, status) => {
            status.is_none_or(|status| (400..500).contains(&status) && status != 408)
        }
        (Meant::One, status) => status == Some(200),
        (Meant::Here(meant), status) => status == Some(*meant),
    };
    if !is_meant {
        return Err(format!("{response:?}"));
    }
    let closes = response.is_none_or(|response| response.header("connection") == Some("close"));
    if matches!(case.meant, Meant::Refused) && !closes {
        return Err("the connection is kept after a refusal".to_owned());
    }
    if closes {
        assert!(caller.closed().await);
        return match &*caller.unread() {
            "" => Ok(()),
            more => Err(format!("a second answer: {more}")),
        };
    }
    // The next answer is that of the next request, or there is none.
    caller
        .try_send(b"HEAD /v1 HTTP/1.1\r\nhost: gateway\r\n\r\n")
        .await;
    match caller.head().await {
        Some(next) if next.header("content-length") != Some("2") => {
            Err(format!("something before the next request: {next:?}"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether what went upstream is one call with the body that was meant, or nothing.
fn gone_up(case: &Case, requests: &[String]) -> Result<(), String> {
    let expected = chat("meant").replace(MODEL, "sim-model");
    match (&case.meant, requests) {
        (Meant::One, [request]) => {
            let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
            let lengths = head.to_ascii_lowercase().matches("content-length:").count();
            if body != expected || lengths != 1 || head.contains("elsewhere") {
                return Err("another call went upstream than was meant".to_owned());
            }
            Ok(())
        }
        (Meant::Refused | Meant::Here(_), []) => Ok(()),
        (Meant::One | Meant::Refused | Meant::Here(_), _) => {
            Err(format!("{} requests went upstream", requests.len()))
        }
    }
}

/// HTTP/2 is not spoken to callers: whoever begins with it is refused at once, and what
/// follows, be it ten thousand streams begun and reset or settings without end, is not read.
#[tokio::test]
async fn http2_is_refused_whatever_follows() {
    let (upstream, _ground, gateway) = between().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut reset = Vec::new();
    for stream in (1..20_000_u32).step_by(2) {
        let id = stream.to_be_bytes();
        // HEADERS with `:method: GET`, `:path: /`, `:scheme: http`, then RST_STREAM.
        reset.extend_from_slice(&[0, 0, 3, 1, 5]);
        reset.extend_from_slice(&id);
        reset.extend_from_slice(&[0x82, 0x84, 0x86, 0, 0, 4, 3, 0]);
        reset.extend_from_slice(&id);
        reset.extend_from_slice(&[0, 0, 0, 8]);
    }
    let mut continued = vec![0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    for _ in 0..10_000 {
        // CONTINUATION, never the last.
        continued.extend_from_slice(&[0, 0, 1, 9, 0, 0, 0, 0, 1, 0x84]);
    }
    for flood in [Vec::new(), reset, continued, settings.repeat(10_000)] {
        let mut caller = Caller::connect(gateway.address()).await;
        caller.send(preface).await;
        caller.try_send(&settings).await;
        caller.try_send(&flood).await;
        if let Some(response) = caller.try_response().await {
            assert_eq!(response.status, 400, "{response:?}");
            assert_eq!(response.header("connection"), Some("close"));
        }
        assert!(caller.closed().await);
        assert_eq!(caller.unread(), "");
    }
    // TLS is not spoken either.
    let mut caller = Caller::connect(gateway.address()).await;
    caller
        .send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n\r\n")
        .await;
    let response = caller.try_response().await;
    assert!(response.is_none_or(|response| response.status == 400));
    assert!(caller.closed().await);
    let mut caller = Caller::connect(gateway.address()).await;
    assert_eq!(caller.plain("GET", "/v1/models").await.status, 200);
    assert!(upstream.requests().is_empty());
}
