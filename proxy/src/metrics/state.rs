//! What is not counted call by call, but read off the parts of the gateway when somebody
//! asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

use super::families::{Family, number};
use crate::gateway::Gateway;
use crate::upstream::Upstream;

/// The states of a circuit.
const STATES: [&str; 3] = ["closed", "half_open", "open"];

/// Everything at this moment.
pub(super) fn of(gateway: &Gateway) -> Vec<MetricFamily> {
    let mut families: Vec<Family> = Vec::new();
    configuration(gateway, &mut families);
    calls(gateway, &mut families);
    endpoints(gateway, &mut families);
    ledger(gateway, &mut families);
    cache(gateway, &mut families);
    telemetry(gateway, &mut families);
    let mut all: Vec<_> = families.into_iter().filter_map(Family::done).collect();
    all.extend(ProcessCollector::for_self().collect());
    all
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn configuration(gateway: &Gateway, families: &mut Vec<Family>) {
    let live = gateway.current.live();
    let mut build = Family::gauge("build_info", "The version of the gateway; always 1.");
    build.add(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    families.push(build);
    let revision = u64::try_from(live.snapshot.revision).unwrap_or(0);
    let mut add = |name, help, value| families.push(Family::gauge(name, help).of(value));
    add(
        "configuration_revision",
        "The revision of the store that is in use.",
        number(revision),
    );
    add(
        "configuration_problems",
        "Rows and values of the configuration that are not as they should be.",
        number(live.problems.len() as u64),
    );
    add(
        "configuration_refused",
        "1 while a newer revision is not used, because rows of it are unusable.",
        flag(gateway.current.refused().is_some()),
    );
    add(
        "store_readable",
        "1 while the store can be read.",
        flag(gateway.current.trouble().is_none()),
    );
}

fn calls(gateway: &Gateway, families: &mut Vec<Family>) {
    let mut add = |name, help, value| families.push(Family::gauge(name, help).of(value));
    add(
        "requests_in_flight",
        "Calls that have begun and not ended.",
        number(gateway.ledger.counts().open()),
    );
    add(
        "streams_open",
        "Answers that are being passed on as they come.",
        number(gateway.ledger.metrics().streams.load(Ordering::Relaxed)),
    );
}

/// By endpoint and model: two endpoints of one name are one to whoever looks at names.
#[derive(Default)]
struct Standings {
    in_flight: u64,
    /// The worst of them.
    state: usize,
}

fn endpoints(gateway: &Gateway, families: &mut Vec<Family>) {
    let live = gateway.current.live();
    let mut healthy: BTreeMap<&str, bool> = BTreeMap::new();
    let mut standings: BTreeMap<(&str, String), Standings> = BTreeMap::new();
    for upstream in live.upstreams.iter().chain(live.queue()) {
        let upstream: &Upstream = upstream;
        let name = upstream.endpoint.name.as_str();
        if let Some(is) = upstream.state.healthy() {
            let known = healthy.entry(name).or_insert(true);
            *known &= is;
        }
        for standing in upstream.standings() {
            let key = (name, standing.model.clone());
            let known = standings.entry(key).or_default();
            known.in_flight += u64::from(standing.in_flight());
            let state = STATES.iter().position(|state| *state == standing.state());
            known.state = known.state.max(state.unwrap_or(0));
        }
    }
    let mut health = Family::gauge(
        "endpoint_healthy",
        "1 when the last health check of an endpoint was good, 0 when it was not.",
    );
    for (endpoint, is) in healthy {
        health.add(&[("endpoint", endpoint)], flag(is));
    }
    let mut in_flight = Family::gauge(
        "endpoint_requests_in_flight",
        "Requests that a model at an endpoint is working on.",
    );
    let mut circuit = Family::gauge(
        "circuit_state",
        "1 for the state in which the circuit of a model at an endpoint is, 0 for the others.",
    );
    for ((endpoint, model), standing) in &standings {
        let pair = [("endpoint", *endpoint), ("upstream_model", model.as_str())];
        in_flight.add(&pair, number(standing.in_flight));
        let [of_endpoint, of_model] = pair;
        for (at, state) in STATES.into_iter().enumerate() {
            let labels = [of_endpoint, of_model, ("state", state)];
            circuit.add(&labels, flag(at == standing.state));
        }
    }
    families.extend([health, in_flight, circuit]);
}

fn ledger(gateway: &Gateway, families: &mut Vec<Family>) {
    let counts = gateway.ledger.counts();
    let spool = gateway.ledger.spool();
    let read = |count: &AtomicU64| number(count.load(Ordering::Relaxed));
    let is = |state: &AtomicBool| flag(state.load(Ordering::Relaxed));
    let mut records = Family::counter(
        "usage_records_total",
        "Usage records by what became of them.",
    );
    for (result, count) in [
        ("written", &counts.written),
        ("lost", &counts.lost),
        ("refused", &counts.refused),
        ("recovered", &counts.recovered),
    ] {
        records.add(&[("result", result)], read(count));
    }
    families.push(records);
    families.push(
        Family::counter(
            "unlogged_requests_total",
            "Calls without a line in the access log, which was not written as fast as they ended.",
        )
        .of(read(&counts.unlogged)),
    );
    families.push(
        Family::counter(
            "usage_write_failures_total",
            "How often the store did not take usage records at once.",
        )
        .of(read(&counts.failures)),
    );
    let mut add = |name, help, value| families.push(Family::gauge(name, help).of(value));
    add(
        "ledger_queue_records",
        "Ended calls that wait for the thread that writes the access log.",
        number(counts.waiting()),
    );
    add(
        "usage_spool_records",
        "Usage records that are not in the store yet.",
        number(counts.unwritten()),
    );
    add(
        "usage_spool_bytes",
        "Bytes of usage records that wait on disk for the store.",
        number(spool.held()),
    );
    add(
        "usage_spool_limit_bytes",
        "The most that they may take (SPOOL_MAX_MB).",
        number(spool.limit()),
    );
    add(
        "usage_spool_age_seconds",
        "For how long the oldest usage record has been waiting; 0 while none is held up.",
        counts.behind().as_secs_f64(),
    );
    add(
        "usage_spool_failing",
        "1 while usage records cannot be written into the spool.",
        is(&counts.spool_fails),
    );
    add(
        "usage_store_failing",
        "1 while the store does not take usage records.",
        is(&counts.store_fails),
    );
}

fn cache(gateway: &Gateway, families: &mut Vec<Family>) {
    let (answers, bytes) = gateway.answers.held();
    let mut add = |name, help, value| families.push(Family::gauge(name, help).of(value));
    add(
        "cache_answers",
        "Answers that are kept to be given again.",
        number(answers as u64),
    );
    add("cache_bytes", "Bytes of them.", number(bytes));
    add(
        "cache_limit_bytes",
        "The most that they may take (CACHE_MAX_MB).",
        number(gateway.answers.limit()),
    );
    add(
        "cache_requests_waiting",
        "Calls that wait for the answer to an identical one.",
        number(gateway.flights.waiting() as u64),
    );
}

fn telemetry(gateway: &Gateway, families: &mut Vec<Family>) {
    let Some(tracing) = gateway.ledger.tracing() else {
        return;
    };
    let sent = tracing.sent();
    let read = |count: &AtomicU64| number(count.load(Ordering::Relaxed));
    let mut spans = Family::counter(
        "otel_spans_total",
        "Spans for the collector, by what became of them.",
    );
    for (result, count) in [("sent", &sent.spans), ("dropped", &sent.dropped)] {
        spans.add(&[("result", result)], read(count));
    }
    families.push(spans);
    let failures = Family::counter(
        "otel_request_failures_total",
        "Requests to the collector that came to nothing.",
    );
    families.push(failures.of(read(&sent.failures)));
}
