//! Connections on both sides: kept, reused, closed by the other end, and the request id
//! that goes with a call from one side to the other.

use reqwest::Method;
use serde_json::json;

use crate::scene::{MODEL, Scene, answer, chat};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_pooled_connection_that_the_upstream_closed_costs_no_call() {
    let scene = Scene::start().await;
    for script in ["close=after", "close=next"] {
        for number in 0..6 {
            for stream in [false, true] {
                let script = format!("say=ok {script}");
                let got = scene.chat(&script, json!({"stream": stream})).await;
                assert_eq!(got.status, 200, "{script} {number} {stream}: {got:?}");
                assert!(got.body.contains("ok"), "{got:?}");
            }
        }
    }
    for row in scene.ground.rows(24).await {
        assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    }
}

#[tokio::test]
async fn many_pooled_connections_closed_at_once_cost_no_call() {
    let scene = Scene::start().await;
    // Opened together, so that there are many; each is reset at its next request.
    let together = |script: &'static str| {
        let calls = (0..12).map(|_| {
            let request = scene
                .request(Method::POST, CHAT)
                .json(&chat(script, &json!({})));
            tokio::spawn(answer(request))
        });
        calls.collect::<Vec<_>>()
    };
    let first = together("say=ok close=next gate=header");
    scene.sim.wait_for_requests(12).await.unwrap();
    scene.sim.open_gate();
    for call in first {
        assert_eq!(call.await.unwrap().status, 200);
    }
    for call in together("say=ok") {
        let got = call.await.unwrap();
        assert_eq!(got.status, 200, "{got:?}");
    }
}

#[tokio::test]
async fn upstream_connections_are_reused() {
    let scene = Scene::start().await;
    for number in 0..10 {
        let got = scene
            .chat("say=ok", json!({"stream": number % 2 == 0}))
            .await;
        assert_eq!(got.status, 200);
        // The connection is given back behind the answer.
        scene.ground.rows(number + 1).await;
    }
    let used = scene.sim.served().connections;
    assert!(
        used <= 4,
        "{used} connections for 10 calls one after the other"
    );
}

#[tokio::test]
async fn a_request_is_not_sent_twice_when_it_may_have_been_taken() {
    let scene = Scene::start().await;
    // On a fresh connection the upstream took the request and then hung up.
    let got = scene.chat("cut=status", json!({})).await;
    assert_eq!(got.status, 502);
    assert_eq!(scene.sim.served().received, 1);
}

#[tokio::test]
async fn informational_responses_are_not_the_answer() {
    let scene = Scene::start().await;
    for script in ["informational=1", "informational=3"] {
        for stream in [false, true] {
            let body = chat(&format!("say=ok {script}"), &json!({"stream": stream}));
            let mut caller = scene.caller().await;
            let response = caller.post(CHAT, &body.to_string()).await;
            assert_eq!(response.status, 200, "{script}: {response:?}");
            assert!(response.complete && response.text().contains("ok"));
        }
    }
}

#[tokio::test]
async fn one_connection_serves_calls_of_every_kind() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    let good = chat("say=ok", &json!({})).to_string();
    let streamed = chat("say=ok", &json!({"stream": true})).to_string();
    let refused = chat("status=400", &json!({})).to_string();
    let cut = chat("chunks=3 cut=between", &json!({"stream": true})).to_string();
    let other = chat("", &json!({"model": "none"})).to_string();
    let embedding = json!({"model": MODEL, "input": "x"}).to_string();
    for round in 0..2 {
        for (path, body, status) in [
            (CHAT, good.as_str(), 200),
            (CHAT, &streamed, 200),
            (CHAT, "{", 400),
            (CHAT, &refused, 400),
            ("/v1/embeddings", &embedding, 200),
            (CHAT, &other, 404),
            (CHAT, &streamed, 200),
            (CHAT, &good, 200),
            (CHAT, &cut, 200),
        ] {
            let response = caller.post(path, body).await;
            assert_eq!(response.status, status, "{round} {path}: {response:?}");
            assert!(response.complete, "{round} {path}: {response:?}");
            assert_ne!(
                response.header("connection"),
                Some("close"),
                "{round} {path}: {response:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_taken_for_a_request() {
    let scene = Scene::start().await;
    let body = "GET /v1/models HTTP/1.1\r\nhost: gateway\r\n\r\n".repeat(2000);
    for (path, status) in [("/v1/nothing", 404), ("/v1/models", 405), ("/health", 405)] {
        let mut caller = scene.caller().await;
        let response = caller.post(path, &body).await;
        assert_eq!(response.status, status, "{path}: {response:?}");
        assert!(response.complete);
        if response.header("connection") == Some("close") {
            assert!(caller.closed().await);
            assert_eq!(caller.unread(), "", "{path}");
        } else {
            let next = caller.plain("HEAD", "/v1").await;
            assert_eq!(next.header("content-length"), Some("2"), "{path}: {next:?}");
        }
    }
}

#[tokio::test]
async fn a_caller_that_wants_its_connection_closed_gets_that() {
    let scene = Scene::start().await;
    for stream in [false, true] {
        let body = chat("say=ok", &json!({"stream": stream})).to_string();
        let mut caller = scene.caller().await;
        caller.ask(CHAT, "connection: close\r\n", &body).await;
        let response = caller.response().await;
        assert!(
            response.complete && response.text().contains("ok"),
            "{response:?}"
        );
        assert!(caller.closed().await);
    }
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order_or_not_called() {
    let scene = Scene::start().await;
    let mut caller = scene.caller().await;
    let request = |say: &str, stream: bool| {
        let body = chat(&format!("say={say}"), &json!({"stream": stream})).to_string();
        let length = body.len();
        format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let ahead = request("alpha", false) + &request("beta", true) + &request("gamma", false);
    caller.send(ahead.as_bytes()).await;
    let mut answered = 0;
    for word in ["alpha", "beta", "gamma"] {
        let Some(response) = caller.try_response().await else {
            break;
        };
        assert_eq!(response.status, 200, "{response:?}");
        assert!(
            response.complete && response.text().contains(word),
            "{word}: {response:?}"
        );
        answered += 1;
    }
    assert!(answered >= 1);
    scene.ground.rows(answered).await;
    assert_eq!(scene.sim.served().requests, answered as u64);
}

#[tokio::test]
async fn an_old_client_without_keep_alive_is_served() {
    let scene = Scene::start().await;
    for stream in [false, true] {
        let body = chat("say=ok", &json!({"stream": stream})).to_string();
        let length = body.len();
        let mut caller = scene.caller().await;
        let request = format!("POST {CHAT} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}");
        caller.send(request.as_bytes()).await;
        let response = caller.response().await;
        assert_eq!(response.status, 200, "{response:?}");
        // HTTP/1.0 has no chunks: the end of the connection is the end of the body.
        assert_eq!(response.header("transfer-encoding"), None, "{response:?}");
        let text = response.text();
        assert!(text.contains("ok"), "{text}");
        assert_eq!(text.ends_with("data: [DONE]\n\n"), stream, "{text}");
    }
}

#[tokio::test]
async fn a_request_id_goes_all_the_way() {
    let scene = Scene::start().await;
    let long = "x".repeat(300);
    let odd = "two words";
    for (sent, kept) in [
        (Some("trace-0815.a:b_c"), true),
        (Some(odd), false),
        (Some(long.as_str()), false),
        (None, false),
    ] {
        let mut ids = Vec::new();
        for script in ["say=ok", "status=500"] {
            let body = chat(script, &json!({"stream": true}));
            let mut request = scene.request(Method::POST, CHAT).json(&body);
            if let Some(sent) = sent {
                request = request.header("x-request-id", sent);
            }
            let got = answer(request).await;
            let id = got.header("x-request-id").to_owned();
            assert!(!id.is_empty() && id.len() < 200, "{got:?}");
            assert_eq!(sent == Some(id.as_str()), kept, "{sent:?}: {id}");
            let upstream = scene.sim.last_request().unwrap();
            assert_eq!(upstream.headers["x-request-id"], id);
            let line = scene.gateway.logged(&id).await;
            assert!(
                line.lines()
                    .any(|line| line.contains(&id) && line.contains("call"))
            );
            ids.push(id);
        }
        assert_eq!(ids[0] == ids[1], kept, "{ids:?}");
    }
    let rows = scene.ground.rows(8).await;
    let own: Vec<_> = rows
        .iter()
        .filter_map(|row| row.request_id.as_deref())
        .collect();
    assert_eq!(own.len(), 8);
    assert_eq!(
        own.iter().filter(|id| **id == "trace-0815.a:b_c").count(),
        2
    );
}

#[tokio::test]
async fn every_log_line_of_a_call_is_json_when_asked_for() {
    let scene = Scene::env(&[("LOG_FORMAT", "json")]).await;
    scene.chat("say=ok", json!({})).await;
    scene.chat("status=500", json!({})).await;
    scene.ground.rows(2).await;
    let log = scene.gateway.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let calls = lines.iter().filter(|line| line["outcome"].is_string());
    let statuses: Vec<_> = calls.map(|line| line["status"].clone()).collect();
    assert_eq!(statuses, [200, 502], "{log}");
}
