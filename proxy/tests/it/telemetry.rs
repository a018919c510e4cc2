//! Traces and metrics as a collector gets them.

mod collector;

use std::time::Instant;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use reqwest::Method;
use serde_json::json;
use sim::{Flavor, Options};

use crate::crowd::until;
use crate::jobs;
use crate::metrics::Place;
use crate::process::PATIENCE;
use crate::scene::{MODEL, Props, Scene, answer, chat};
use collector::{Attributes, Collector, attributes};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn scene(collector: &Collector, more: &[(&str, &str)]) -> Scene {
    let mut env = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "x-tenant=a%20b,authorization=Bearer%20collectors-key",
        ),
        ("OTEL_SERVICE_NAME", "the gateway"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    env.extend(more);
    Scene::with(Props {
        options: Options {
            flavor: Flavor::Vllm,
            ..Options::default()
        },
        env: &env,
        ..Props::default()
    })
    .await
}

/// Waits for so many spans; the calls' first.
async fn spans(collector: &Collector, count: usize) -> Vec<(Span, Attributes)> {
    let mut spans = until("spans", async || {
        collector.look(|taken| (taken.spans.len() >= count).then(|| taken.spans.clone()))
    })
    .await;
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans.sort_by_key(|span| span.kind != SpanKind::Server as i32);
    let both = |span: Span| {
        let attributes = attributes(&span.attributes);
        (span, attributes)
    };
    spans.into_iter().map(both).collect()
}

#[tokio::test]
async fn a_call_is_a_span_in_its_callers_trace_and_each_attempt_one_below() {
    let collector = Collector::start().await;
    let scene = scene(&collector, &[]).await;
    let request = scene
        .request(Method::POST, "/v1/chat/completions")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .header("tracestate", "vendor=value")
        .header("x-request-id", "req-of-the-caller")
        .json(&chat("say=one+two usage=cached", &json!({})));
    let got = answer(request).await;
    assert_eq!(got.status, 200, "{got:?}");
    let spans = spans(&collector, 2).await;
    let [(call, of_call), (attempt, of_attempt)] = &spans[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(hex(&call.trace_id), TRACE);
    assert_eq!(hex(&call.parent_span_id), PARENT);
    assert_eq!(call.trace_state, "vendor=value");
    assert_eq!(call.name, format!("chat {MODEL}"));
    assert_eq!(attempt.trace_id, call.trace_id);
    assert_eq!(attempt.parent_span_id, call.span_id);
    assert_eq!(attempt.kind, SpanKind::Client as i32);
    assert_eq!(attempt.name, "chat sim-model");
    assert!(call.start_time_unix_nano <= attempt.start_time_unix_nano);
    assert!(attempt.end_time_unix_nano <= call.end_time_unix_nano);
    assert!(attempt.start_time_unix_nano < attempt.end_time_unix_nano);

    let row = scene.ground.row().await;
    let (prompt, completion) = (
        row.prompt_tokens.to_string(),
        row.completion_tokens.to_string(),
    );
    for (span, name, value) in [
        (of_call, "gen_ai.operation.name", "chat"),
        (of_call, "gen_ai.request.model", MODEL),
        (of_call, "gen_ai.response.model", "sim-model"),
        (of_call, "gen_ai.usage.input_tokens", prompt.as_str()),
        (of_call, "gen_ai.usage.output_tokens", completion.as_str()),
        (of_call, "http.route", "/v1/chat/completions"),
        (of_call, "http.response.status_code", "200"),
        (of_call, "serverless_proxy.request_id", "req-of-the-caller"),
        (of_call, "serverless_proxy.outcome", "success"),
        (of_attempt, "gen_ai.operation.name", "chat"),
        (of_attempt, "gen_ai.provider.name", "vllm"),
        (of_attempt, "gen_ai.request.model", "sim-model"),
        (of_attempt, "gen_ai.usage.input_tokens", prompt.as_str()),
        (of_attempt, "server.address", "127.0.0.1"),
        (of_attempt, "serverless_proxy.endpoint", "to-vllm"),
    ] {
        assert_eq!(
            span.get(name).map(String::as_str),
            Some(value),
            "{name}: {span:#?}"
        );
    }
    assert!(of_call.contains_key("gen_ai.usage.cache_read.input_tokens"));
    assert!(!of_call.contains_key("error.type"));

    // The endpoint was told of its attempt's span.
    let told = scene.sim.last_request().unwrap();
    let header = |name: &str| told.headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("traceparent"),
        format!("00-{TRACE}-{}-01", hex(&attempt.span_id))
    );
    assert_eq!(header("tracestate"), "vendor=value");
    collector.look(|taken| {
        let (path, headers) = &taken.requests[0];
        assert!(path.starts_with("/v1/"), "{path}");
        assert_eq!(headers["x-tenant"], "a b");
        assert_eq!(headers["authorization"], "Bearer collectors-key");
        for resource in &taken.resources {
            assert_eq!(resource["service.name"], "the gateway");
        }
    });
    assert!(!scene.gateway.log().contains("collectors-key"));
}

#[tokio::test]
async fn failures_and_streams_are_spans_too_and_all_are_metrics() {
    let collector = Collector::start().await;
    let scene = scene(&collector, &[]).await;
    assert_eq!(scene.chat("status=500", json!({})).await.status, 502);
    assert_eq!(scene.stream("say=ok chunks=3").await.status, 200);
    let unknown = json!({"model": "made-up", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(
        scene.post("/v1/chat/completions", &unknown).await.status,
        404
    );
    let spans = spans(&collector, 5).await;
    let with = |name: &str, value: &str| {
        let has = |(_, of): &&(Span, Attributes)| of.get(name).is_some_and(|known| known == value);
        spans.iter().filter(has).collect::<Vec<_>>()
    };
    let failed = with("error.type", "upstream_failed");
    assert_eq!(failed.len(), 2, "the call and its attempt: {spans:#?}");
    for (span, _) in failed {
        assert_eq!(span.status.as_ref().unwrap().code, StatusCode::Error as i32);
    }
    let [(refused, _)] = with("gen_ai.request.model", "made-up")[..] else {
        panic!("{spans:#?}");
    };
    assert_ne!(
        refused.status.as_ref().map_or(0, |status| status.code),
        StatusCode::Error as i32
    );
    // Each call without a caller's trace has its own.
    let mut traces: Vec<_> = spans.iter().map(|(span, _)| hex(&span.trace_id)).collect();
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 3);

    let rows = scene.ground.rows(3).await;
    let tokens = rows.iter().map(|row| row.prompt_tokens).sum::<i64>() as f64;
    let points = until("the metrics", async || {
        collector.look(|taken| {
            let durations = taken.metrics.get("gen_ai.client.operation.duration")?;
            let count = durations.iter().map(|(_, count, _)| count).sum::<u64>();
            (count == 3).then(|| taken.metrics.clone())
        })
    })
    .await;
    let input = |(of, _, _): &&(Attributes, u64, f64)| of["gen_ai.token.type"] == "input";
    let counted = points["gen_ai.client.token.usage"].iter().filter(input);
    assert_eq!(counted.map(|(_, _, sum)| sum).sum::<f64>(), tokens);
    assert!(points.contains_key("gen_ai.server.time_to_first_token"));
    let durations = &points["gen_ai.client.operation.duration"];
    assert!(
        durations
            .iter()
            .any(|(of, _, _)| of.get("error.type").is_some())
    );
    assert!(
        durations
            .iter()
            .any(|(of, _, _)| of["gen_ai.request.model"] == "(unknown)")
    );
}

#[tokio::test]
async fn what_is_not_sampled_is_no_span_but_is_told_on() {
    let collector = Collector::start().await;
    let scene = scene(
        &collector,
        &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")],
    )
    .await;
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    let request = scene
        .request(Method::POST, "/v1/chat/completions")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .json(&chat("say=ok", &json!({})));
    assert_eq!(answer(request).await.status, 200);
    let spans = spans(&collector, 2).await;
    assert_eq!(hex(&spans[0].0.trace_id), TRACE);
    let of = |request: &sim::RecordedRequest| {
        let told = request.headers["traceparent"].to_str();
        told.unwrap().to_owned()
    };
    let told: Vec<_> = scene.sim.requests().iter().map(of).collect();
    assert!(
        told[0].ends_with("-00") && told[1].ends_with("-01"),
        "{told:?}"
    );
}

#[tokio::test]
async fn every_request_about_a_job_is_in_the_trace() {
    let collector = Collector::start().await;
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    let scene = jobs::scene("text", "text", &env).await;
    let request = scene
        .request(Method::POST, "/v1/chat/completions")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .json(&chat("say=one+two", &json!({"stream": true})));
    assert_eq!(answer(request).await.status, 200);
    let spans = spans(&collector, 2).await;
    let attempt = format!("00-{TRACE}-{}-01", hex(&spans[1].0.span_id));
    let requests = scene.sim.requests();
    let of_the_job = requests.iter().filter(|r| r.path.contains("/v2/text/"));
    let told: Vec<_> = of_the_job
        .map(|request| request.headers["traceparent"].to_str().unwrap())
        .collect();
    assert!(told.len() > 1, "submitted and followed: {requests:?}");
    assert!(told.iter().all(|told| *told == attempt), "{told:?}");
}

#[tokio::test]
async fn a_collector_that_takes_nothing_holds_up_no_call() {
    let collector = Collector::start().await;
    collector.answer_with(400);
    let place = Place::new();
    let mut scene = scene(&collector, &place.env()).await;
    for _ in 0..5 {
        assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    }
    let spans = "serverless_proxy_otel_spans_total";
    until("lost spans", async || {
        let numbers = place.read().await;
        (numbers.sum(spans, &[("result", "dropped")]) == 10.0).then_some(())
    })
    .await;
    assert_eq!(place.read().await.sum(spans, &[("result", "sent")]), 0.0);
    let log = scene.gateway.logged("OTEL_EXPORTER_OTLP_ENDPOINT").await;
    assert!(log.contains("400"), "{log}");
    let since = Instant::now();
    assert_eq!(scene.gateway.stop().await, Some(0));
    assert!(since.elapsed() < PATIENCE);
}

#[tokio::test]
async fn the_last_spans_are_sent_at_the_end() {
    let collector = Collector::start().await;
    let mut scene = scene(&collector, &[("OTEL_METRICS_EXPORTER", "none")]).await;
    assert_eq!(scene.chat("say=ok", json!({})).await.status, 200);
    assert_eq!(scene.gateway.stop().await, Some(0));
    collector.look(|taken| {
        assert_eq!(taken.spans.len(), 2);
        assert!(taken.metrics.is_empty());
    });
}

#[tokio::test]
async fn without_a_collector_nothing_is_told_on() {
    let scene = Scene::start().await;
    let request = scene
        .request(Method::POST, "/v1/chat/completions")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .json(&chat("say=ok", &json!({})));
    assert_eq!(answer(request).await.status, 200);
    let told = scene.sim.last_request().unwrap();
    assert!(!told.headers.contains_key("traceparent"), "{told:?}");
}
