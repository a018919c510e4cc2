//! How an endpoint has been doing, for `/health`.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;

const UNKNOWN: u8 = 0;
const GOOD: u8 = 1;
const BAD: u8 = 2;

/// Counters of one endpoint since the gateway started or the endpoint changed.
#[derive(Debug, Default)]
pub(crate) struct State {
    calls: AtomicU64,
    failures: AtomicU64,
    failures_in_a_row: AtomicU64,
    last_success: AtomicI64,
    last_failure: AtomicI64,
    last_error: ArcSwapOption<String>,
    /// The health check: 0 unknown, 1 good, 2 bad.
    health: AtomicU8,
}

impl State {
    /// The endpoint answered; a refusal of the caller's request is an answer.
    pub(crate) fn succeeded(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        self.last_success.store(now(), Ordering::Relaxed);
    }

    /// The endpoint failed; `code` is the public code of the fault.
    pub(crate) fn failed(&self, code: &str) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.failures_in_a_row.fetch_add(1, Ordering::Relaxed);
        self.last_failure.store(now(), Ordering::Relaxed);
        self.last_error.store(Some(code.to_owned().into()));
    }

    /// What the health check found. Says whether that is new.
    pub(crate) fn checked(&self, healthy: bool) -> bool {
        let now = if healthy { GOOD } else { BAD };
        let before = self.health.swap(now, Ordering::Relaxed);
        before != now && !(before == UNKNOWN && healthy)
    }

    /// What the last health check found; `None` before there was one.
    pub(crate) fn healthy(&self) -> Option<bool> {
        match self.health.load(Ordering::Relaxed) {
            GOOD => Some(true),
            BAD => Some(false),
            _ => None,
        }
    }

    /// The state as `/health` shows it.
    pub(crate) fn report(&self) -> serde_json::Value {
        let time = |at: &AtomicI64| Some(at.load(Ordering::Relaxed)).filter(|t| *t > 0);
        let in_a_row = self.failures_in_a_row.load(Ordering::Relaxed);
        let calls = self.calls.load(Ordering::Relaxed);
        serde_json::json!({
            "state": match (calls, in_a_row) {
                (0, _) => "unused",
                (_, 0) => "ok",
                _ => "failing",
            },
            "calls": calls,
            "failures": self.failures.load(Ordering::Relaxed),
            "failures_in_a_row": in_a_row,
            "last_success": time(&self.last_success),
            "last_failure": time(&self.last_failure),
            "last_error": self.last_error.load().as_deref(),
            "health_check": self.healthy().map(|is| if is { "ok" } else { "failing" }),
        })
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
