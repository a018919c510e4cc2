//! A closed call as spans: one of the call, and below it one of each attempt, in the names
//! of the conventions for generative AI (version 1.39).

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use store::{Attempt, CacheUse, CallKind, Outcome};
use wire::usage::Usage;

use super::trace::{Trace, Traced, TracedAttempt};
use crate::access_log::Entry;

/// What the call is, in the conventions' words.
pub(super) fn operation(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Chat => "chat",
        CallKind::Completion => "text_completion",
        CallKind::Embedding => "embeddings",
        CallKind::Image | CallKind::Speech => "generate_content",
        CallKind::Transcription
        | CallKind::Translation
        | CallKind::Moderation
        | CallKind::Rerank => kind.as_str(),
    }
}

/// The call's span, and those of its attempts.
pub(super) fn of(entry: &Entry, traced: &Traced) -> Vec<SpanData> {
    let record = &entry.record;
    let mut spans = vec![call(entry, traced)];
    let both = traced.attempts.iter().zip(&record.attempts);
    for (n, (timed, attempt)) in both.enumerate() {
        let answers = traced.answering == Some(n);
        spans.push(self::attempt(entry, traced, timed, attempt, answers));
    }
    spans
}

fn call(entry: &Entry, traced: &Traced) -> SpanData {
    let (record, trace) = (&entry.record, &*traced.trace);
    let operation = operation(record.kind);
    let mut attributes = Attributes::default();
    attributes.text("gen_ai.operation.name", operation);
    attributes.text("gen_ai.request.model", record.virtual_model.clone());
    let answering = traced.answering.and_then(|at| record.attempts.get(at));
    if let Some(attempt) = answering {
        attributes.text("gen_ai.response.model", attempt.model.clone());
    }
    attributes.usage(&record.usage);
    attributes.text("http.request.method", "POST");
    attributes.text("http.route", record.route.clone().unwrap_or_default());
    attributes.number("http.response.status_code", u64::from(record.status));
    attributes.text("serverless_proxy.request_id", record.request_id.clone());
    attributes.text("serverless_proxy.outcome", record.outcome.as_str());
    attributes.number("serverless_proxy.attempts", record.attempts.len() as u64);
    if let Some(endpoint) = &record.endpoint_name {
        attributes.text("serverless_proxy.endpoint", endpoint.clone());
    }
    if let Some(label) = &record.key_label {
        attributes.text("serverless_proxy.key", label.clone());
    }
    if let Some(millis) = record.ttft_ms {
        attributes.number("serverless_proxy.time_to_first_token_ms", millis);
    }
    if let Some(cache) = record.cache {
        let hit = matches!(cache, CacheUse::Hit(_));
        attributes.add("serverless_proxy.cache_hit", hit);
    }
    let failed = record.outcome.is_failure();
    if failed {
        let code = record.error_code.clone();
        attributes.text(
            "error.type",
            code.unwrap_or_else(|| record.outcome.as_str().to_owned()),
        );
    }
    // Of a server's span, what the caller did wrong is no error.
    let blamed = failed && !matches!(record.outcome, Outcome::ClientError | Outcome::Refused);
    let parent = trace.parent.map(|span| (span, true));
    let name = named(operation, &record.virtual_model);
    let end = trace.begun + traced.took;
    let mut span = span(trace, trace.span, parent, name, (trace.begun, end));
    span.span_kind = SpanKind::Server;
    span.attributes = attributes.0;
    span.status = status(blamed, record.error_code.as_deref());
    span
}

fn attempt(
    entry: &Entry,
    traced: &Traced,
    timed: &TracedAttempt,
    attempt: &Attempt,
    answers: bool,
) -> SpanData {
    let (record, trace) = (&entry.record, &*traced.trace);
    let operation = operation(record.kind);
    let mut attributes = Attributes::default();
    attributes.text("gen_ai.operation.name", operation);
    attributes.text("gen_ai.provider.name", timed.provider);
    attributes.text("gen_ai.request.model", attempt.model.clone());
    if let Some(usage) = &attempt.usage {
        attributes.usage(usage);
    }
    attributes.text("server.address", timed.host.clone());
    attributes.number("server.port", u64::from(timed.port));
    attributes.text("serverless_proxy.endpoint", attempt.endpoint.clone());
    attributes.text(
        "serverless_proxy.virtual_model",
        attempt.virtual_model.clone(),
    );
    if attempt.status != 0 {
        attributes.number("http.response.status_code", u64::from(attempt.status));
    }
    // The attempt that the answer is from ends with it, and as it does.
    let ends = timed.took.filter(|_| !answers);
    let end = ends.map_or(traced.took, |took| timed.since + took);
    let failed = attempt.code.is_some() || (answers && record.outcome.is_failure());
    let code = attempt.code.clone().or_else(|| record.error_code.clone());
    let code = code.filter(|_| failed);
    if failed {
        let other = || record.outcome.as_str().to_owned();
        attributes.text("error.type", code.clone().unwrap_or_else(other));
    }
    let times = (
        trace.begun + timed.since,
        trace.begun + end.max(timed.since),
    );
    let parent = Some((trace.span, false));
    let mut span = span(
        trace,
        timed.span,
        parent,
        named(operation, &attempt.model),
        times,
    );
    span.span_kind = SpanKind::Client;
    span.attributes = attributes.0;
    span.status = status(failed, code.as_deref());
    span
}

fn named(operation: &str, model: &str) -> Cow<'static, str> {
    format!("{operation} {model}").trim_end().to_owned().into()
}

fn status(failed: bool, code: Option<&str>) -> Status {
    if failed {
        Status::error(code.unwrap_or_default().to_owned())
    } else {
        Status::Unset
    }
}

fn span(
    trace: &Trace,
    id: u64,
    parent: Option<(u64, bool)>,
    name: Cow<'static, str>,
    (start_time, end_time): (SystemTime, SystemTime),
) -> SpanData {
    let state = trace.state.as_ref().and_then(|state| state.to_str().ok());
    let state = state.and_then(|text| text.parse::<TraceState>().ok());
    let span_context = SpanContext::new(
        TraceId::from_bytes(trace.id.to_be_bytes()),
        SpanId::from_bytes(id.to_be_bytes()),
        TraceFlags::SAMPLED,
        false,
        state.unwrap_or_default(),
    );
    let of_parent = parent.map(|(span, _)| SpanId::from_bytes(span.to_be_bytes()));
    SpanData {
        span_context,
        parent_span_id: of_parent.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: parent.is_some_and(|(_, is_remote)| is_remote),
        span_kind: SpanKind::Internal,
        name,
        start_time,
        end_time: end_time.max(start_time + Duration::from_nanos(1)),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder("serverless-proxy")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    }
}

/// What is said of a span.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(name, value));
    }

    fn text(&mut self, name: &'static str, text: impl Into<Cow<'static, str>>) {
        let text: Cow<'static, str> = text.into();
        if !text.is_empty() {
            self.add(name, text.into_owned());
        }
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.add(name, i64::try_from(number).unwrap_or(i64::MAX));
    }

    fn usage(&mut self, usage: &Usage) {
        for (name, tokens) in [
            ("gen_ai.usage.input_tokens", usage.prompt_tokens),
            ("gen_ai.usage.output_tokens", usage.completion_tokens),
            ("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens),
            (
                "gen_ai.usage.cache_creation.input_tokens",
                usage.cache_write_tokens,
            ),
        ] {
            if tokens > 0 {
                self.number(name, tokens);
            }
        }
    }
}
