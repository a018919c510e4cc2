//! The network between callers, gateway and endpoints loses packets, is slow, or is cut.
//!
//! The gateway is in a namespace of its own. One wire leads to its callers and one to its
//! endpoint; a second endpoint is at the other end of the callers' wire.

use std::time::Duration;

use serde_json::{Value, json};
use sim::{Options, Sim};

use super::elsewhere::{Elsewhere, Link};
use crate::caller::{Caller, Response};
use crate::process::Process;
use crate::scene::{Ground, MODEL, chat, provider_with, streamed_text};

const CHAT: &str = "/v1/chat/completions";
/// The virtual model that the second endpoint serves when the first does not.
const TWO: &str = "two";

/// A network and who is on it.
struct Net {
    gateway: Process,
    callers: Link,
    endpoint: Link,
    sim: Sim,
    second: Sim,
    ground: Ground,
    elsewhere: Elsewhere,
}

impl Net {
    /// With wires of that number and the next.
    async fn of(number: u8, env: &[(&str, &str)]) -> Self {
        let elsewhere = Elsewhere::new();
        let callers = Link::to(&elsewhere, number);
        let endpoint = Link::to(&elsewhere, number + 1);
        let at = async |link: &Link| {
            provider_with(Options {
                address: link.near.parse().unwrap(),
                patience: Duration::from_secs(60),
                ..Options::default()
            })
            .await
        };
        let sim = at(&endpoint).await;
        let second = at(&callers).await;
        let ground = Ground::new();
        let first = ground.endpoint(&sim, &json!({"name": "first"}));
        let other = ground.endpoint(&second, &json!({"name": "second"}));
        ground.model(MODEL, first, &json!({}));
        let other = ground.model("other", other, &json!({}));
        let routing = json!({"strategy": "backup", "targets": [{"virtual_model_id": other}]});
        ground.model(TWO, first, &json!({"routing": routing}));
        let gateway = elsewhere.gateway(ground.folder.path(), &callers.far, env);
        Self {
            gateway,
            callers,
            endpoint,
            sim,
            second,
            ground,
            elsewhere,
        }
    }

    async fn caller(&self) -> Caller {
        Caller::connect(self.gateway.address()).await
    }

    /// A chat of `model`, with a script for whoever has none.
    async fn chat(&self, model: &str, script: &str, stream: bool) -> Response {
        let body = chat(script, &json!({"model": model, "stream": stream}));
        self.caller().await.post(CHAT, &body.to_string()).await
    }
}

/// The text of a right answer.
fn text(response: &Response, stream: bool) -> String {
    assert!(response.status == 200 && response.complete, "{response:?}");
    if !stream {
        return response.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned();
    }
    let mut events = response.events();
    assert_eq!(events.pop().as_deref(), Some("[DONE]"), "{response:?}");
    let chunks: Vec<Value> = events
        .iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    streamed_text(&chunks)
}

/// One packet in ten is lost and each takes 20 ms: everything comes, and comes right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces: make test-faults"]
async fn lost_and_late_packets_change_no_answer() {
    const CALLS: usize = 40;
    let mut net = Net::of(10, &[]).await;
    for link in [&mut net.callers, &mut net.endpoint] {
        link.tell("loss 10");
        link.tell("delay 20");
    }
    let net = &net;
    let calls = (0..CALLS).map(async |number| {
        let stream = number % 2 == 0;
        let script = format!("chunks={}", 5 + number);
        let got = net.chat(MODEL, &script, stream).await;
        assert_eq!(text(&got, stream), "word ".repeat(5 + number));
    });
    futures_util::future::join_all(calls).await;
    for row in net.ground.rows(CALLS).await {
        assert_eq!(row.outcome.as_deref(), Some("success"), "{row:?}");
    }
}

/// The endpoint's network is cut without a word: a call that has begun ends with an error,
/// one that has not goes to another, and with the network everything is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces: make test-faults"]
async fn an_endpoint_that_is_cut_off_is_a_timeout_or_another_is_asked() {
    let env = [
        ("TIMEOUT", "3"),
        ("FIRST_BYTE_TIMEOUT", "1"),
        ("CONNECT_TIMEOUT", "1"),
        ("CIRCUIT_FAILURE_THRESHOLD", "1000"),
    ];
    let mut net = Net::of(20, &env).await;
    // A connection that is kept, so that the next call goes out on it.
    assert_eq!(text(&net.chat(MODEL, "say=ok", false).await, false), "ok");
    let mut begun = net.caller().await;
    let body = chat("say=one+two gate=stream", &json!({"stream": true}));
    begun.ask(CHAT, "", &body.to_string()).await;
    begun.sees("one ").await;

    net.endpoint.tell("cut");
    let cut = begun.response().await;
    let last: Value = serde_json::from_str(&cut.events().pop().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "upstream_timeout", "{cut:?}");
    for stream in [false, true] {
        let got = net.chat(MODEL, "say=ok", stream).await;
        assert_eq!(got.status, 504, "{got:?}");
        assert_eq!(got.json()["error"]["code"], "upstream_timeout");
        let got = net.chat(TWO, "say=another", stream).await;
        assert_eq!(text(&got, stream), "another");
    }
    assert_eq!(net.second.served().received, 2);

    net.endpoint.tell("mend");
    for stream in [false, true] {
        let got = net.chat(MODEL, "say=ok", stream).await;
        assert_eq!(text(&got, stream), "ok");
    }
    let rows = net.ground.rows(8).await;
    let timeouts = rows
        .iter()
        .filter(|row| row.outcome.as_deref() == Some("timeout"));
    assert_eq!(timeouts.count(), 3, "{rows:#?}");
}

/// The interface goes down: there is no way to the endpoint, and that is known at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces: make test-faults"]
async fn a_network_that_is_down_is_known_at_once() {
    let env = [("CIRCUIT_FAILURE_THRESHOLD", "1000")];
    let net = Net::of(30, &env).await;
    net.elsewhere.set(&net.endpoint.name, "down");
    for stream in [false, true] {
        let got = net.chat(MODEL, "say=ok", stream).await;
        assert_eq!(got.status, 502, "{got:?}");
        assert_eq!(got.json()["error"]["code"], "upstream_unreachable");
        let got = net.chat(TWO, "say=another", stream).await;
        assert_eq!(text(&got, stream), "another");
    }
    net.elsewhere.set(&net.endpoint.name, "up");
    for stream in [false, true] {
        let got = net.chat(MODEL, "say=ok", stream).await;
        assert_eq!(text(&got, stream), "ok");
    }
    assert_eq!(
        (net.sim.served().received, net.second.served().received),
        (2, 2)
    );
}

/// A caller whose network is cut says nothing any more, not even that it is gone: its
/// stream is given up and the endpoint let go, and so is a connection that is idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and namespaces: make test-faults"]
async fn a_caller_that_is_cut_off_does_not_hold_its_endpoint() {
    let env = [("TIMEOUT", "4"), ("CALLER_IDLE_SECONDS", "2")];
    let mut net = Net::of(40, &env).await;
    let mut idle = net.caller().await;
    let ok = chat("say=ok", &json!({})).to_string();
    assert_eq!(idle.post(CHAT, &ok).await.status, 200);
    let mut streaming = net.caller().await;
    let body = chat("chunks=100000 gap_ms=50", &json!({"stream": true}));
    streaming.ask(CHAT, "", &body.to_string()).await;
    streaming.sees("word ").await;
    net.callers.tell("cut");
    net.sim.wait_for_cancelled(1).await.unwrap();
    let row = net.ground.rows(2).await.pop().unwrap();
    assert_eq!(row.outcome.as_deref(), Some("client_cancelled"), "{row:?}");
    net.callers.tell("mend");
    let got = net.chat(MODEL, "say=ok", true).await;
    assert_eq!(text(&got, true), "ok");
}
