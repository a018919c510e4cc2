//! How an endpoint has been doing, for `/health`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;

/// What a health check found. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) at: i64,
    /// Since when it has been the same.
    pub(crate) since: i64,
    /// Why the endpoint is not well.
    pub(crate) fault: Option<String>,
}

/// Counters of one endpoint since the gateway started or the endpoint changed.
#[derive(Debug, Default)]
pub(crate) struct State {
    calls: AtomicU64,
    failures: AtomicU64,
    failures_in_a_row: AtomicU64,
    last_success: AtomicI64,
    last_failure: AtomicI64,
    last_error: ArcSwapOption<String>,
    /// What the last health check found.
    check: ArcSwapOption<Checked>,
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

    /// What the health check found. Says whether that is new; a first success is not.
    pub(crate) fn checked(&self, answer: &Result<(), String>) -> bool {
        let at = now();
        let healthy = answer.is_ok();
        let before = self.check.load();
        let was_healthy = before.as_ref().map(|before| before.fault.is_none());
        let since = before
            .as_ref()
            .filter(|_| was_healthy == Some(healthy))
            .map_or(at, |before| before.since);
        self.check.store(Some(Arc::new(Checked {
            at,
            since,
            fault: answer.clone().err(),
        })));
        was_healthy.unwrap_or(true) != healthy
    }

    /// What the last health check found.
    pub(crate) fn last_check(&self) -> Option<Arc<Checked>> {
        self.check.load_full()
    }

    /// Whether the last health check found it well; `None` before there was one.
    pub(crate) fn healthy(&self) -> Option<bool> {
        let check = self.check.load();
        check.as_ref().map(|check| check.fault.is_none())
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
