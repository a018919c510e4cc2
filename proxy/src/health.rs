//! `GET /health`: what a monitor and an operator at night need to see. It carries
//! names and counters only: no address, no key, no message of an upstream.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::gateway::Gateway;

/// What strangers are told: the first word of [`report`].
pub(crate) fn brief(gateway: &Gateway) -> Value {
    json!({"status": report(gateway)["status"]})
}

/// The status: 503 once no new call is served, 200 otherwise.
pub(crate) fn status(gateway: &Gateway) -> u16 {
    if gateway.phase.is_draining() {
        503
    } else {
        200
    }
}

/// The body. `ok` when everything works; `degraded` when calls are served but something needs
/// the operator; `draining` when the gateway has been told to stop.
pub(crate) fn report(gateway: &Gateway) -> Value {
    let live = gateway.current.live();
    let trouble = gateway.current.trouble();
    let counts = gateway.ledger.counts();
    let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    let lost = count(&counts.lost);
    let spool = gateway.ledger.spool();
    let spool_fails = counts.spool_fails.load(Ordering::Relaxed);
    let store_fails = counts.store_fails.load(Ordering::Relaxed);
    let refused_rows = count(&counts.refused);
    let refused = gateway.current.refused();
    let (answers, answer_bytes) = gateway.answers.held();
    let degraded = trouble.is_some()
        || refused.is_some()
        || lost > 0
        || refused_rows > 0
        || spool_fails
        || store_fails
        || !live.problems.is_empty();
    let word = if gateway.phase.is_draining() {
        "draining"
    } else if degraded {
        "degraded"
    } else {
        "ok"
    };
    let endpoints: Vec<Value> = live
        .snapshot
        .endpoints
        .iter()
        .map(|endpoint| {
            let upstream = live.upstreams.iter().find(|u| u.endpoint.id == endpoint.id);
            let mut entry = upstream.map_or_else(
                || json!({"state": "misconfigured"}),
                |upstream| upstream.state.report(),
            );
            let standings = upstream
                .map(|upstream| upstream.standings())
                .unwrap_or_default();
            let circuits: Vec<_> = standings.iter().filter_map(|s| s.report()).collect();
            entry["circuits"] = json!(circuits);
            entry["id"] = json!(endpoint.id);
            entry["name"] = json!(endpoint.name);
            entry["type"] = json!(endpoint.provider.id());
            entry["enabled"] = json!(endpoint.enabled);
            entry
        })
        .collect();
    json!({
        "status": word,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": gateway.started.elapsed().as_secs(),
        "store": {
            "state": if trouble.is_some() { "unreadable" } else { "ok" },
            "revision": live.snapshot.revision,
            "refused_revision": refused.as_ref().map(|refused| refused.revision),
            "refused_for": refused.as_ref().map(|refused| &refused.rows),
        },
        "open_calls": counts.open(),
        "usage": {
            "queued": count(&counts.queued),
            "written": count(&counts.written),
            "recovered": count(&counts.recovered),
            "refused": refused_rows,
            "lost": lost,
            "unlogged": count(&counts.unlogged),
            "write_failures": count(&counts.failures),
            "store_takes_records": !store_fails,
            "spool": {
                "state": if spool_fails { "failing" } else { "ok" },
                "bytes": spool.held(),
                "limit_bytes": spool.limit(),
            },
        },
        "cache": {
            "answers": answers,
            "bytes": answer_bytes,
            "limit_bytes": gateway.answers.limit(),
            "calls_waiting": gateway.flights.waiting(),
        },
        "configuration_problems": live.problems.len(),
        "models": live.snapshot.offered().len(),
        "endpoints": endpoints,
        "ai_queue": live.queue().map(|queue| queue.state.report()),
    })
}
