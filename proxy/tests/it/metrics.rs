//! `/metrics` of the real program: what calls have come to, held against what the provider
//! served and what the usage rows say, read as strictly as Prometheus reads it.

mod documented;
mod exposition;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use sim::{Flavor, Options};
use store::{CallRow, VirtualModelDraft};

use crate::crowd::until;
use crate::keys::{FACING, key};
use crate::scene::{Answer, MODEL, Props, Scene, answer, chat, client};
use exposition::Exposition;

/// An address that no other test's gateway serves its numbers on: one of this machine's own
/// for each test process, and a port for each gateway of it.
pub(crate) struct Place {
    ip: String,
    port: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(9000);
        let [_, a, b, c] = std::process::id().to_be_bytes();
        Self {
            ip: format!("127.{}.{b}.{}", 64 + (a & 0x3f), c.max(1)),
            port: NEXT.fetch_add(1, Ordering::Relaxed).to_string(),
        }
    }

    pub(crate) fn env(&self) -> [(&str, &str); 2] {
        [("METRICS_BIND", &self.ip), ("METRICS_PORT", &self.port)]
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.ip, self.port)
    }

    /// What is told now, read strictly.
    pub(crate) async fn read(&self) -> Exposition {
        let got = answer(client().get(self.url("/metrics"))).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(
            got.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        Exposition::read(&got.body)
    }
}

/// A scene whose numbers can be read.
async fn scene(place: &Place, props: Props<'_>) -> Scene {
    let env: Vec<_> = props.env.iter().copied().chain(place.env()).collect();
    Scene::with(Props { env: &env, ..props }).await
}

const NAME: &str = "serverless_proxy_";

fn of(name: &str) -> String {
    format!("{NAME}{name}")
}

/// What Prometheus's own checker says, where it is installed.
fn promtool(text: &str) {
    let Ok(mut child) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let text = crate::process::text(&said);
    assert!(said.status.success() && text.trim().is_empty(), "{text}");
}

async fn messages(scene: &Scene, script: &str, stream: bool) -> Answer {
    let said = format!("hi [[sim: {script}]]");
    let body = json!({
        "model": MODEL, "max_tokens": 100, "stream": stream,
        "messages": [{"role": "user", "content": said}],
    });
    scene.post("/v1/messages", &body).await
}

/// The sum of a column.
fn sum(rows: &[CallRow], of: impl Fn(&CallRow) -> i64) -> f64 {
    rows.iter().map(of).sum::<i64>() as f64
}

#[tokio::test]
async fn calls_of_each_kind_are_counted_as_the_usage_rows_have_them() {
    let place = Place::new();
    let scene = scene(
        &place,
        Props {
            options: Options {
                flavor: Flavor::Vllm,
                ..Options::default()
            },
            model: json!({
                "cost_per_1m_tokens_in": 3.7,
                "cost_per_1m_tokens_out": 15.3,
                "cost_per_1m_tokens_in_cached": 0.31,
            }),
            ..Props::default()
        },
    )
    .await;
    let mut calls = 0_u32;
    let mut made = |got: &Answer, status: u16| {
        assert_eq!(got.status, status, "{got:?}");
        calls += 1;
    };
    made(
        &scene.chat("say=one+two usage=cached", json!({})).await,
        200,
    );
    made(&scene.stream("say=three chunks=5").await, 200);
    made(&scene.chat("status=500", json!({})).await, 502);
    made(&scene.chat("status=400", json!({})).await, 400);
    made(&messages(&scene, "say=ok", false).await, 200);
    made(&messages(&scene, "say=ok", true).await, 200);
    let completion = json!({"model": MODEL, "prompt": "hi [[sim: say=ok]]"});
    made(&scene.post("/v1/completions", &completion).await, 200);
    let vectors = json!({"model": MODEL, "input": ["a", "b"]});
    made(&scene.post("/v1/embeddings", &vectors).await, 200);
    let response = json!({"model": MODEL, "input": "hi [[sim: say=ok]]"});
    made(&scene.post("/v1/responses", &response).await, 200);
    let local = json!({
        "model": MODEL, "stream": false,
        "messages": [{"role": "user", "content": "hi [[sim: say=ok]]"}],
    });
    made(&scene.post("/api/chat", &local).await, 200);
    let unknown = json!({"model": "nobody", "messages": [{"role": "user", "content": "hi"}]});
    made(&scene.post("/v1/chat/completions", &unknown).await, 404);
    let cut = scene.stream("chunks=4 cut=between cut_after=2").await;
    made(&cut, 200);

    let rows = scene.ground.rows(calls as usize).await;
    let numbers = place.read().await;
    promtool(&numbers.text);

    // Each row is one call, of its outcome and class.
    let requests = of("requests_total");
    assert_eq!(numbers.sum(&requests, &[]), f64::from(calls));
    for row in &rows {
        let outcome = row.outcome.as_deref().unwrap();
        let class = format!("{}xx", row.status.unwrap() / 100);
        let same = |other: &&CallRow| {
            other.outcome.as_deref() == Some(outcome)
                && other.status.unwrap() / 100 == row.status.unwrap() / 100
        };
        let expected = rows.iter().filter(same).count() as f64;
        let labels = [("outcome", outcome), ("status", class.as_str())];
        assert_eq!(numbers.sum(&requests, &labels), expected, "{labels:?}");
    }
    for (dialect, count) in [
        ("openai_chat", 6.0),
        ("anthropic_messages", 2.0),
        ("openai_completions", 1.0),
        ("openai_embeddings", 1.0),
        ("openai_responses", 1.0),
        ("ollama_chat", 1.0),
    ] {
        assert_eq!(
            numbers.sum(&requests, &[("dialect", dialect)]),
            count,
            "{dialect}"
        );
    }
    assert_eq!(numbers.sum(&requests, &[("model", "(unknown)")]), 1.0);
    assert!(!numbers.text.contains("nobody"));

    // Tokens and money are those of the rows, to the last nano-dollar.
    for (kind, column) in [
        ("prompt", sum(&rows, |row| row.prompt_tokens)),
        ("completion", sum(&rows, |row| row.completion_tokens)),
    ] {
        assert!(column > 0.0);
        assert_eq!(
            numbers.sum(&of("tokens_total"), &[("kind", kind)]),
            column,
            "{kind}"
        );
    }
    let nanos = sum(&rows, |row| row.cost_nanos.unwrap_or(0));
    let dollars = numbers.sum(&of("cost_dollars_total"), &[("model", MODEL)]);
    assert!(nanos > 0.0);
    assert_eq!((dollars * 1e9).round(), nanos);

    // Times and attempts.
    let attempts = sum(&rows, |row| row.attempt_count);
    assert_eq!(numbers.sum(&of("attempts_total"), &[]), attempts);
    assert_eq!(scene.sim.served().received as f64, attempts);
    let truncated = [("outcome", "truncated")];
    assert_eq!(numbers.sum(&of("attempts_total"), &truncated), 1.0);
    assert_eq!(
        numbers.sum(&of("request_duration_seconds_count"), &[]),
        f64::from(calls)
    );
    let took = numbers.sum(&of("request_duration_seconds_sum"), &[]) * 1000.0;
    let least = sum(&rows, |row| row.response_time_ms);
    assert!(
        took >= least && took < least + f64::from(calls),
        "{took} {least}"
    );
    let first = rows.iter().filter(|row| row.ttft_ms.is_some()).count();
    let counted = numbers.sum(&of("time_to_first_token_seconds_count"), &[]);
    assert_eq!(counted, first as f64);
    let asked = rows.iter().filter(|row| row.upstream_ms.is_some()).count();
    assert_eq!(
        numbers.sum(&of("overhead_seconds_count"), &[]),
        asked as f64
    );

    // The state of things.
    until("everything written", async || {
        let numbers = place.read().await;
        let written = numbers.sum(&of("usage_records_total"), &[("result", "written")]);
        (written == f64::from(calls)
            && numbers.one(&of("usage_spool_records")) == 0.0
            && numbers.one(&of("ledger_queue_records")) == 0.0
            && numbers.one(&of("streams_open")) == 0.0
            && numbers.one(&of("requests_in_flight")) == 0.0)
            .then_some(())
    })
    .await;
    let closed = [("state", "closed"), ("upstream_model", "sim-model")];
    assert_eq!(numbers.sum(&of("circuit_state"), &closed), 1.0);
    assert!(numbers.one("process_resident_memory_bytes") > 1e6);
}

#[tokio::test]
async fn streams_are_open_while_they_last_and_no_counter_goes_back() {
    let place = Place::new();
    let scene = scene(&place, Props::default()).await;
    let mut caller = scene.caller().await;
    let held = chat("say=one+two gate=stream", &json!({"stream": true})).to_string();
    caller.ask("/v1/chat/completions", "", &held).await;
    let during = until("an open stream", async || {
        let numbers = place.read().await;
        (numbers.one(&of("streams_open")) == 1.0).then_some(numbers)
    })
    .await;
    assert_eq!(during.one(&of("requests_in_flight")), 1.0);
    assert_eq!(during.sum(&of("endpoint_requests_in_flight"), &[]), 1.0);
    scene.sim.open_gate();
    assert!(caller.response().await.complete);
    let after = until("the stream's end", async || {
        let numbers = place.read().await;
        (numbers.one(&of("streams_open")) == 0.0).then_some(numbers)
    })
    .await;
    during.is_followed_by(&after);

    // The virtual model goes; what was counted of it stays.
    let draft = VirtualModelDraft::for_update(&json!({"name": "renamed"})).unwrap();
    scene
        .ground
        .store
        .update_virtual_model(scene.model, &draft)
        .unwrap();
    until("the new name", async || {
        let body = json!({"model": "renamed", "messages": [{"role": "user", "content": "hi"}]});
        let got = scene.post("/v1/chat/completions", &body).await;
        (got.status == 200).then_some(())
    })
    .await;
    let renamed = place.read().await;
    after.is_followed_by(&renamed);
    assert_eq!(
        renamed.sum(&of("requests_total"), &[("model", "renamed")]),
        1.0
    );
}

#[tokio::test]
async fn made_up_names_and_keys_add_no_series() {
    let place = Place::new();
    let scene = scene(
        &place,
        Props {
            env: FACING,
            ..Props::default()
        },
    )
    .await;
    let good = key(&scene, &json!({"label": "good"}));
    let good = good.api_key.expose();
    crate::keys::answers(&scene, good, 200).await;
    let ask = async |name: &str, key: &str| {
        let body = json!({"model": name, "messages": []});
        let request = scene.request(Method::POST, "/v1/chat/completions");
        let got = answer(request.bearer_auth(key).json(&body)).await;
        assert!(got.status.is_client_error(), "{got:?}");
    };
    ask("made-up", good).await;
    ask("made-up", "spk_made-up").await;
    let before = place.read().await;
    for n in 0..200 {
        ask(&format!("made-up-{n}"), good).await;
        ask(MODEL, &format!("spk_made-up-{n}")).await;
    }
    let after = place.read().await;
    assert_eq!(before.series(), after.series());
    assert!(!after.text.contains("made-up"));
    let unknown = [("model", "(unknown)")];
    let more =
        after.sum(&of("requests_total"), &unknown) - before.sum(&of("requests_total"), &unknown);
    assert_eq!(more, 400.0);
}

#[tokio::test]
async fn odd_names_repairs_and_the_memory_of_answers_are_told() {
    let name = "odd \"name\" \\ of{a=\"b\"}\u{e4}";
    let place = Place::new();
    let scene = scene(
        &place,
        Props {
            options: Options {
                flavor: Flavor::Vllm,
                ..Options::default()
            },
            model: json!({"name": name, "cache_enabled": true}),
            endpoint: json!({"name": "end\\point \"1\""}),
            ..Props::default()
        },
    )
    .await;
    let call = r#"<tool_call>{"name": "glob", "arguments": {"pattern": "*.rs"}}</tool_call>"#;
    let tools = json!({"tools": [{"type": "function", "function": {
        "name": "glob",
        "parameters": {"type": "object", "properties": {"pattern": {"type": "string"}}},
    }}]});
    let said = |text: &str, tools: &Value| {
        let content = format!("{text}[[sim: tools=0 repeat=0]]");
        let messages = json!([{"role": "user", "content": content}]);
        let body = json!({"model": name, "messages": messages});
        crate::scene::with(body, tools)
    };
    for body in [
        said(call, &tools),
        said("hello", &json!({})),
        said("hello", &json!({})),
    ] {
        let got = scene.post("/v1/chat/completions", &body).await;
        assert_eq!(got.status, 200, "{got:?}");
    }
    let numbers = until("the pattern's count", async || {
        let numbers = place.read().await;
        let candidates = numbers.sum(&of("tool_call_candidates_total"), &[("result", "call")]);
        (candidates == 1.0).then_some(numbers)
    })
    .await;
    promtool(&numbers.text);
    let both = [("model", name), ("endpoint", "end\\point \"1\"")];
    assert_eq!(numbers.sum(&of("requests_total"), &both), 3.0);
    let lookups = of("cache_lookups_total");
    assert_eq!(
        numbers.sum(&lookups, &[("result", "hit"), ("model", name)]),
        1.0
    );
    assert_eq!(numbers.sum(&lookups, &[("result", "miss")]), 2.0);
    assert_eq!(numbers.one(&of("cache_answers")), 1.0);
    assert!(numbers.one(&of("cache_bytes")) > 0.0);
}

#[tokio::test]
async fn an_open_circuit_and_a_second_attempt_are_told() {
    let place = Place::new();
    let more = [("CIRCUIT_FAILURE_THRESHOLD", "1")];
    let scene = scene(
        &place,
        Props {
            env: &more,
            ..Props::default()
        },
    )
    .await;
    let got = scene.chat("status=500", json!({})).await;
    assert_eq!(got.status, 502);
    let numbers = place.read().await;
    let circuit = of("circuit_state");
    assert_eq!(numbers.sum(&circuit, &[("state", "open")]), 1.0);
    assert_eq!(numbers.sum(&circuit, &[("state", "closed")]), 0.0);
    let failed = [("outcome", "upstream_error")];
    assert_eq!(numbers.sum(&of("attempts_total"), &failed), 1.0);
}

#[tokio::test]
async fn only_the_numbers_are_there_and_only_when_wanted() {
    let place = Place::new();
    let scene = scene(&place, Props::default()).await;
    let other = answer(client().get(place.url("/health"))).await;
    assert_eq!(other.status, 404);
    let posted = answer(client().post(place.url("/metrics")).body("x")).await;
    assert_eq!(posted.status, 405);
    assert_eq!(posted.header("allow"), "GET, HEAD");
    let head = answer(client().head(place.url("/metrics"))).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    let at_the_api = scene.request(Method::GET, "/metrics");
    assert_eq!(answer(at_the_api).await.status, 404);
}

#[test]
fn a_taken_port_is_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let output = crate::process::run(folder.path(), &[("METRICS_PORT", &port)], &[]);
    let said = crate::process::text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for word in [port.as_str(), "METRICS_PORT", "in use"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
