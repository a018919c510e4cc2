//! Upstreams that refuse, fail, hang, answer nonsense or are not there: the caller gets
//! one true answer in the shape of the API, and the row tells who is to blame.

use std::net::TcpListener;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, Options};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::nowhere::Nowhere;
use crate::process::Process;
use crate::scene::{Ground, KEY, MODEL, Props, Scene, answer, chat, client};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn an_upstreams_refusal_keeps_status_and_words() {
    for flavor in Flavor::OPENAI_FORMAT {
        let scene = Scene::of(flavor).await;
        let mut calls = 0;
        for status in [400, 402, 403, 404, 409, 413, 422, 429] {
            for stream in [false, true] {
                // A 403 is about the gateway's key, unless it says otherwise.
                let script = format!("status={status} message=flagged+because+of+this");
                let got = scene.chat(&script, json!({"stream": stream})).await;
                calls += 1;
                if flavor == Flavor::Queue && stream {
                    continue;
                }
                assert_eq!(got.status, status, "{flavor:?}: {got:?}");
                let error = got.error();
                let message = error["message"].as_str().unwrap();
                // A queue answers in plain text.
                assert!(
                    message.contains("because of this") || flavor == Flavor::Queue,
                    "{flavor:?}: {error}"
                );
                assert!(got.header("content-type").starts_with("application/json"));
            }
        }
        for row in scene.ground.rows(calls).await {
            assert!(row.status.unwrap() >= 400, "{row:?}");
            assert_ne!(row.outcome.as_deref(), Some("success"), "{row:?}");
            assert_eq!(row.total_tokens, 0, "{row:?}");
        }
    }
}

#[tokio::test]
async fn an_upstreams_code_and_type_are_kept() {
    let scene = Scene::start().await;
    let got = scene
        .chat(
            "status=400 code=context_length_exceeded type=invalid_request_error",
            json!({}),
        )
        .await;
    let error = got.error();
    assert_eq!(error["code"], "context_length_exceeded");
    assert_eq!(error["type"], "invalid_request_error");
    let got = scene.chat("", json!({"temperature": 3})).await;
    assert_eq!(
        (got.status.as_u16(), &got.error()["param"]),
        (400, &json!("temperature"))
    );
}

#[tokio::test]
async fn b31_a_refused_key_is_the_operators_business() {
    for flavor in Flavor::OPENAI_FORMAT {
        let options = Options {
            flavor,
            ..Options::default()
        };
        let scene = Scene::with(Props {
            options,
            endpoint: json!({"api_key": "sk-not-the-right-key"}),
            ..Props::default()
        })
        .await;
        let got = scene.chat("", json!({})).await;
        assert_eq!(got.status, 502, "{flavor:?}: {got:?}");
        assert_eq!(got.error()["code"], "upstream_auth_failed", "{flavor:?}");
        assert!(!got.body.contains("sk-not"), "{flavor:?}: {got:?}");
        let row = scene.ground.row().await;
        assert_eq!(row.outcome.as_deref(), Some("upstream_error"));
        let log = scene.gateway.logged("upstream_auth_failed").await;
        assert!(!log.contains("sk-not-the-right-key"), "{log}");
    }
    let scene = Scene::start().await;
    for status in [401, 403] {
        let got = scene.chat(&format!("status={status}"), json!({})).await;
        assert_eq!(got.status, 502, "{status}: {got:?}");
        assert_eq!(got.error()["code"], "upstream_auth_failed", "{status}");
    }
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back() {
    let scene = Scene::start().await;
    for stream in [false, true] {
        for after in ["7", "Wed,+21+Oct+2026+07:28:00+GMT"] {
            let script = format!("status=429 retry_after={after}");
            let got = scene.chat(&script, json!({"stream": stream})).await;
            assert_eq!(got.status, 429);
            assert_eq!(got.header("retry-after"), after.replace('+', " "));
            assert_eq!(got.error()["code"], "rate_limit_exceeded");
        }
    }
}

#[tokio::test]
async fn rate_limit_headers_reach_the_caller() {
    let scene = Scene::start().await;
    for stream in [false, true] {
        let got = scene.chat("", json!({"stream": stream})).await;
        assert_eq!(got.header("x-ratelimit-remaining-requests"), "9999");
        assert_ne!(got.header("x-request-id"), "req_sim");
    }
}

#[tokio::test]
async fn a_failing_upstream_is_a_bad_gateway() {
    let scene = Scene::start().await;
    let scripts = [
        ("status=500", 502),
        ("status=502 html", 502),
        ("status=503", 503),
        ("status=504", 504),
        ("status=529", 503),
        ("status=301", 502),
        (
            "status=302 header=location:http://127.0.0.1:1/elsewhere",
            502,
        ),
    ];
    for (script, status) in scripts {
        for stream in [false, true] {
            let got = scene.chat(script, json!({"stream": stream})).await;
            assert_eq!(got.status, status, "{script}: {got:?}");
            let kind = if status == 503 {
                "service_unavailable_error"
            } else {
                "server_error"
            };
            assert_eq!(got.error()["type"], kind, "{script}");
            assert!(!got.body.contains("<html"), "{script}: {got:?}");
            assert!(got.header("location").is_empty());
        }
    }
    for row in scene.ground.rows(2 * scripts.len()).await {
        assert_eq!(row.outcome.as_deref(), Some("upstream_error"), "{row:?}");
    }
}

#[tokio::test]
async fn an_overloaded_upstream_is_told_in_the_callers_dialect() {
    for flavor in [Flavor::Anthropic, Flavor::OpenAi] {
        let scene = Scene::of(flavor).await;
        let got = scene.chat("status=529 retry_after=7", json!({})).await;
        assert_eq!(got.status, 503, "{flavor:?}: {got:?}");
        assert_eq!(got.header("retry-after"), "7", "{flavor:?}");
        let row = scene.ground.row().await;
        assert_eq!(row.status, Some(529), "{flavor:?}: {row:?}");
        let id = row.request_id.as_deref().unwrap();
        let log = scene.gateway.logged(id).await;
        assert!(log.contains("status=529"), "{flavor:?}: {log}");
    }
}

#[tokio::test]
async fn nonsense_in_a_200_is_no_success() {
    for flavor in [
        Flavor::OpenAi,
        Flavor::Vllm,
        Flavor::DeepInfra,
        Flavor::Queue,
    ] {
        let scene = Scene::of(flavor).await;
        let scripts = [
            "bad_json",
            "empty=body",
            "error_after=0",
            "error_after=0 status=429",
        ];
        for script in scripts {
            let got = scene.chat(script, json!({})).await;
            assert!(got.status.as_u16() >= 400, "{flavor:?} {script}: {got:?}");
            got.error();
        }
        for row in scene.ground.rows(scripts.len()).await {
            assert_ne!(row.outcome.as_deref(), Some("success"), "{row:?}");
            assert!(row.status.unwrap() >= 400, "{row:?}");
        }
    }
}

/// Whoever is full or has had enough says so inside a success too.
#[tokio::test]
async fn an_error_inside_a_200_has_the_status_that_it_tells() {
    for (flavor, script, status, code) in [
        (Flavor::OpenAi, "status=429", 429, "rate_limit_exceeded"),
        (Flavor::OpenAi, "status=503", 503, "server_is_overloaded"),
        (Flavor::Anthropic, "status=429", 429, "rate_limit_exceeded"),
        (Flavor::Anthropic, "status=529", 503, "server_is_overloaded"),
        (Flavor::OpenAi, "status=500", 502, "upstream_stream_error"),
    ] {
        let scene = Scene::of(flavor).await;
        for stream in [false, true] {
            let script = format!("error_after=0 {script}");
            let got = scene.chat(&script, json!({"stream": stream})).await;
            assert_eq!(got.status, status, "{flavor:?} {script}: {got:?}");
            let told = &got.json()["error"]["code"];
            assert_eq!(told, code, "{flavor:?} {script}: {got:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_with_nothing_in_it_is_still_an_answer() {
    let scene = Scene::start().await;
    for script in ["empty=content", "empty=choices"] {
        let got = scene.chat(script, json!({})).await;
        assert_eq!(got.status, 200, "{script}: {got:?}");
        assert_eq!(got.json()["model"], MODEL);
    }
    let streamed = scene.stream("empty=content").await;
    assert_eq!(streamed.streamed_text(), "");
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_bad_gateway() {
    let ground = Ground::new();
    let nowhere = Nowhere::new();
    let address = nowhere.address();
    for (name, url) in [
        ("refused", format!("http://{address}")),
        ("unknown", "http://no-such-host.invalid".to_owned()),
        ("tls", format!("https://{address}")),
    ] {
        let fields = json!({"name": name, "url": url, "api_key": KEY});
        let endpoint = ground.endpoint_from(&fields);
        ground.model(name, endpoint, &json!({}));
    }
    let gateway = Process::gateway(ground.folder.path(), &[]).await;
    for name in ["refused", "unknown", "tls"] {
        for stream in [false, true] {
            let body = crate::scene::with(
                chat("", &json!({"model": name})),
                &json!({"stream": stream}),
            );
            let url = format!("{}{CHAT}", gateway.base);
            let got = answer(client().post(url).json(&body)).await;
            assert_eq!(got.status, 502, "{name}: {got:?}");
            assert_eq!(got.error()["code"], "upstream_unreachable", "{name}");
            for secret in [KEY, "127.0.0.1", "no-such-host", "os error"] {
                assert!(!got.body.contains(secret), "{name}: {}", got.body);
            }
        }
    }
    for row in ground.rows(6).await {
        assert_eq!(row.outcome.as_deref(), Some("upstream_error"), "{row:?}");
        assert_eq!((row.status, row.total_tokens), (Some(502), 0), "{row:?}");
        assert!(row.endpoint_id.is_some());
    }
}

#[tokio::test]
async fn an_upstream_that_accepts_and_says_nothing_is_a_timeout() {
    // A listener nobody accepts from: TCP connects, the handshake never comes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let ground = Ground::new();
    for scheme in ["http", "https"] {
        let fields = json!({"name": scheme, "url": format!("{scheme}://{address}")});
        let endpoint = ground.endpoint_from(&fields);
        ground.model(scheme, endpoint, &json!({}));
    }
    let env = [("TIMEOUT", "1"), ("CONNECT_TIMEOUT", "1")];
    let gateway = Process::gateway(ground.folder.path(), &env).await;
    for scheme in ["http", "https"] {
        let body = chat("", &json!({"model": scheme}));
        let url = format!("{}{CHAT}", gateway.base);
        let got = answer(client().post(url).json(&body)).await;
        assert_eq!(got.status, 504, "{scheme}: {got:?}");
        assert_eq!(got.error()["code"], "upstream_timeout");
    }
    for row in ground.rows(2).await {
        assert_eq!(row.outcome.as_deref(), Some("timeout"), "{row:?}");
        assert!(row.response_time_ms >= 900, "{row:?}");
    }
}

#[tokio::test]
async fn an_address_that_swallows_connections_is_a_timeout() {
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
    let ground = Ground::new();
    let fields = json!({"name": "hole", "url": format!("http://{address}")});
    let endpoint = ground.endpoint_from(&fields);
    ground.model(MODEL, endpoint, &json!({}));
    let env = [("TIMEOUT", "20"), ("CONNECT_TIMEOUT", "1")];
    let gateway = Process::gateway(ground.folder.path(), &env).await;
    let url = format!("{}{CHAT}", gateway.base);
    let got = answer(client().post(url).json(&chat("", &json!({})))).await;
    assert_eq!(got.status, 504, "{got:?}");
    assert_eq!(got.error()["code"], "upstream_timeout");
    let row = ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("timeout"));
    // It was CONNECT_TIMEOUT that ended it.
    assert!(row.response_time_ms < 15_000, "{row:?}");
}

#[tokio::test]
async fn a_hang_is_a_timeout_and_the_upstream_is_let_go() {
    let scene = Scene::env(&[("TIMEOUT", "1")]).await;
    for (number, (script, stream)) in [
        ("hang=header", false),
        ("hang=header", true),
        ("hang=stream", false),
        ("dribble=10 dribble_ms=300", false),
    ]
    .into_iter()
    .enumerate()
    {
        let got = scene.chat(script, json!({"stream": stream})).await;
        assert_eq!(got.status, 504, "{script} {stream}: {got:?}");
        assert_eq!(got.error()["code"], "upstream_timeout");
        scene
            .sim
            .wait_for_cancelled(number as u64 + 1)
            .await
            .unwrap();
    }
    for row in scene.ground.rows(4).await {
        assert_eq!(
            (row.outcome.as_deref(), row.status),
            (Some("timeout"), Some(504))
        );
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_ends_with_an_error() {
    let scene = Scene::env(&[("TIMEOUT", "1")]).await;
    let got = scene.stream("chunks=5 hang=stream hang_after=2").await;
    assert_eq!(got.status, 200);
    let events = got.events();
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "upstream_timeout", "{events:?}");
    assert!(!events.contains(&"[DONE]"));
    assert_eq!(got.body.matches("word ").count(), 2);
    scene.sim.wait_for_cancelled(1).await.unwrap();
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("timeout"));
    assert!(row.completion_tokens > 0, "{row:?}");
}

#[tokio::test]
async fn a_slow_stream_may_last_longer_than_any_silence() {
    let scene = Scene::env(&[("TIMEOUT", "1")]).await;
    let got = scene.stream("chunks=5 gap_ms=400").await;
    assert_eq!(got.streamed_text(), "word ".repeat(5));
    let row = scene.ground.row().await;
    assert_eq!(row.outcome.as_deref(), Some("success"));
    assert!(row.response_time_ms >= 2000 && row.ttft_ms.unwrap() < row.response_time_ms);
}

#[tokio::test]
async fn an_error_inside_a_stream_is_its_end() {
    for flavor in [
        Flavor::OpenAi,
        Flavor::Vllm,
        Flavor::Together,
        Flavor::DeepInfra,
        Flavor::OpenWebui,
    ] {
        let scene = Scene::of(flavor).await;
        let cases = [
            ("error_after=0", 0),
            ("error_after=2", 2),
            ("error_after=2 burst", 2),
        ];
        for (script, words) in cases {
            let script = format!("chunks=4 message=over+capacity {script}");
            let got = scene.stream(&script).await;
            assert!(!got.body.contains("[DONE]"), "{flavor:?}: {got:?}");
            assert!(got.body.contains("over capacity"), "{flavor:?}: {got:?}");
            assert_eq!(got.body.matches("word ").count(), words, "{flavor:?}");
            assert_eq!(got.body.matches("\"error\"").count(), 1, "{flavor:?}");
        }
        for row in scene.ground.rows(cases.len()).await {
            assert_eq!(
                row.outcome.as_deref(),
                Some("upstream_error"),
                "{flavor:?} {row:?}"
            );
        }
    }
}

#[tokio::test]
async fn neither_key_nor_address_leaves_the_gateway() {
    let scene = Scene::with(Props {
        options: Options::default(),
        endpoint: json!({"custom_headers": {"x-private": "of-the-endpoint-0815"}}),
        env: &[("RUST_LOG", "debug"), ("TIMEOUT", "1")],
        ..Props::default()
    })
    .await;
    let address = scene.sim.addr();
    let port = address.port().to_string();
    let words = format!(
        "message=key+{KEY}+at+{}/v1/x+({address})",
        scene.sim.base_url()
    );
    for script in [
        format!("status=400 {words}"),
        format!("status=401 {words}"),
        format!("status=404 {words} html"),
        format!("status=429 {words} code={KEY} type={KEY}"),
        format!("status=500 {words}"),
        format!("status=418 {words} header=x-served-by:{address} header=server:{KEY}"),
        format!("error_after=0 {words}"),
        format!("error_after=1 chunks=2 {words}"),
        format!("header=x-served-by:{address} header=set-cookie:{KEY}"),
        "cut=header".to_owned(),
        "cut=status rst".to_owned(),
        "bad_json".to_owned(),
        "hang=header".to_owned(),
    ] {
        for stream in [false, true] {
            let request = scene
                .request(Method::POST, CHAT)
                .bearer_auth("of-the-caller-2342")
                .json(&json!({
                    "model": MODEL,
                    "messages": [{"role": "user", "content": "hi"}],
                    "stream": stream,
                }));
            scene.sim.set_script(script.parse().unwrap());
            let got = answer(request).await;
            let shown = format!("{:?} {}", got.headers, got.body);
            for secret in [KEY, &port, "127.0.0.1", "of-the-endpoint-0815"] {
                assert!(!shown.contains(secret), "{script}: {shown}");
            }
        }
    }
    scene.ground.rows(26).await;
    let log = scene.gateway.log();
    assert!(
        log.contains("DEBUG"),
        "the log is not as talkative as it should be"
    );
    for secret in [KEY, "of-the-endpoint-0815", "of-the-caller-2342"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
