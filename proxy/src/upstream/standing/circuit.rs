//! The circuit of one model at one endpoint.
//!
//! Failures in a row within the window reach the threshold: open for the cooldown.
//! Then one call goes as a probe; its success closes the circuit, its failure opens it
//! for another cooldown. An upstream that asks to be left alone for some time opens it
//! for that time at once. A success forgets the failures before it: a busy endpoint
//! that fails now and then is not shut out.
//!
//! Times are the clock's, because circuits outlive the program, and a clock may be put back:
//! what would have ended long ago by then is not waited for a second time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::config::Config;
use store::route::plan::Circuit as State;
use store::{CircuitRow, Routing};

/// When a circuit opens and for how long. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) threshold: u32,
    pub(crate) window: i64,
    pub(crate) cooldown: i64,
}

impl Limits {
    /// As configured for all.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            threshold: config.circuit_failure_threshold,
            window: millis(config.circuit_failure_window),
            cooldown: millis(config.circuit_cooldown),
        }
    }

    /// For failures that are looked for only `every` so often: the window holds as
    /// many rounds as there must be failures.
    pub(crate) fn for_checks(self, every: Duration) -> Self {
        let rounds = millis(every).saturating_mul(i64::from(self.threshold) + 1);
        Self {
            window: self.window.max(rounds),
            ..self
        }
    }

    /// With what one virtual model has of its own.
    pub(crate) fn with(self, routing: &Routing) -> Self {
        Self {
            threshold: routing.failure_threshold.unwrap_or(self.threshold),
            cooldown: routing
                .cooldown
                .map_or(self.cooldown, |s| i64::from(s) * 1000),
            ..self
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// How far a clock may be put back, in milliseconds, and what was to end is still waited for.
const BACK: i64 = 60_000;

/// How a call came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The circuit was closed, or did not matter.
    Plain,
    /// As the one that decides.
    Probe,
}

/// Times are unix milliseconds.
#[derive(Debug)]
pub(super) struct Circuit {
    /// 0 while closed.
    until: AtomicI64,
    opened_at: AtomicI64,
    /// When `until` was said.
    since: AtomicI64,
    /// Until when the upstream has asked to be left alone; not saved.
    asked: AtomicI64,
    probing: AtomicBool,
    /// A failure without a success since counts until then.
    failing_until: AtomicI64,
    /// When it was.
    failed_at: AtomicI64,
    /// Whether `record` has anything to forget; read on every success.
    troubled: AtomicBool,
    record: Mutex<Record>,
}

/// What only failures touch.
#[derive(Debug, Default)]
struct Record {
    /// When the failures in a row were, newest last.
    failures: VecDeque<i64>,
    last_error: Option<String>,
    /// What opened it.
    opened_by: Option<String>,
    /// Not saved since it changed.
    changed: bool,
    /// Open when it was last saved.
    saved_open: bool,
}

/// Failures kept; no threshold is above it.
const MOST: usize = 1000;

impl Circuit {
    pub(super) fn new(saved: Option<&CircuitRow>) -> Self {
        let record = Record {
            last_error: saved.and_then(|row| row.last_error.clone()),
            opened_by: saved.and_then(|row| row.last_error.clone()),
            saved_open: saved.is_some(),
            ..Record::default()
        };
        Self {
            until: AtomicI64::new(saved.map_or(0, |row| row.open_until.saturating_mul(1000))),
            opened_at: AtomicI64::new(saved.map_or(0, |row| row.opened_at.saturating_mul(1000))),
            since: AtomicI64::new(saved.map_or(0, |row| row.opened_at.saturating_mul(1000))),
            asked: AtomicI64::new(0),
            probing: AtomicBool::new(false),
            failing_until: AtomicI64::new(0),
            failed_at: AtomicI64::new(0),
            troubled: AtomicBool::new(saved.is_some()),
            record: Mutex::new(record),
        }
    }

    pub(super) fn state(&self, now: i64) -> State {
        match self.until.load(Ordering::Acquire) {
            0 => State::Closed,
            until if self.is_over(until, now) && !self.probing.load(Ordering::Acquire) => {
                State::HalfOpen
            }
            until => State::Open {
                opened_at: self.opened_at.load(Ordering::Relaxed),
                until: until.max(now),
            },
        }
    }

    fn is_over(&self, until: i64, now: i64) -> bool {
        now >= until || self.was_put_back(now)
    }

    /// Whether the clock shows less than it did when the circuit was opened.
    fn was_put_back(&self, now: i64) -> bool {
        is_before(now, &self.since)
    }

    /// Whether the upstream has asked to be left alone at this time.
    pub(super) fn is_to_be_left(&self, now: i64) -> bool {
        now < self.asked.load(Ordering::Relaxed) && !self.was_put_back(now)
    }

    /// Whether it has failed within the window and not succeeded since.
    pub(super) fn is_failing(&self, now: i64) -> bool {
        now < self.failing_until.load(Ordering::Relaxed) && !is_before(now, &self.failed_at)
    }

    /// Lets a call through, or not.
    pub(super) fn enter(&self, now: i64, whatever: bool) -> Option<Entry> {
        let until = self.until.load(Ordering::Acquire);
        if until == 0 {
            return Some(Entry::Plain);
        }
        if (self.is_over(until, now) || whatever) && !self.probing.swap(true, Ordering::AcqRel) {
            return Some(Entry::Probe);
        }
        whatever.then_some(Entry::Plain)
    }

    /// A call went without a verdict.
    pub(super) fn left(&self, entry: Entry) {
        if entry == Entry::Probe {
            self.probing.store(false, Ordering::Release);
        }
    }

    /// Says whether the circuit was open.
    pub(super) fn succeeded(&self, entry: Entry) -> bool {
        self.left(entry);
        if !self.troubled.load(Ordering::Acquire) {
            return false;
        }
        let mut record = self.record();
        // A call that began before the circuit opened says nothing about now.
        if self.until.load(Ordering::Acquire) != 0 && entry == Entry::Plain {
            return false;
        }
        self.troubled.store(false, Ordering::Release);
        self.failing_until.store(0, Ordering::Relaxed);
        record.failures.clear();
        self.asked.store(0, Ordering::Relaxed);
        let was_open = self.until.swap(0, Ordering::AcqRel) != 0;
        record.changed |= was_open;
        was_open
    }

    /// Says until when the circuit is open, if this failure opened it.
    pub(super) fn failed(
        &self,
        entry: Entry,
        now: i64,
        why: &str,
        hold: Option<i64>,
        limits: &Limits,
    ) -> Option<i64> {
        let was_probe = entry == Entry::Probe;
        let mut record = self.record();
        self.left(entry);
        self.troubled.store(true, Ordering::Release);
        let counts = now.saturating_add(limits.window);
        self.failing_until.store(counts, Ordering::Relaxed);
        self.failed_at.store(now, Ordering::Relaxed);
        record.last_error = Some(why.to_owned());
        record.failures.retain(|at| *at <= now.saturating_add(BACK));
        record.failures.push_back(now);
        while record.failures.len() > MOST
            || record
                .failures
                .front()
                .is_some_and(|at| *at < now - limits.window)
        {
            record.failures.pop_front();
        }
        if let Some(time) = hold {
            self.asked
                .store(now.saturating_add(time), Ordering::Relaxed);
        }
        let until = match self.until.load(Ordering::Acquire) {
            until if until != 0 && self.was_put_back(now) => now,
            until => until,
        };
        let many = record.failures.len() >= limits.threshold.max(1) as usize;
        let cooldown = if many || was_probe {
            limits.cooldown
        } else {
            0
        };
        let open_for = hold.unwrap_or(0).max(cooldown);
        let opens = now.saturating_add(open_for);
        if opens <= until || open_for <= 0 {
            return None;
        }
        self.since.store(now, Ordering::Relaxed);
        self.until.store(opens, Ordering::Release);
        if until == 0 || was_probe {
            self.opened_at.store(now, Ordering::Relaxed);
            record.opened_by = Some(why.to_owned());
        }
        record.changed = true;
        // What only stays open longer is saved, but no news.
        (now >= until).then_some(opens)
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.record().last_error.clone()
    }

    /// Closes the circuit if `why` is what opened it; says whether it did.
    pub(super) fn close_after(&self, why: &str) -> bool {
        let because = self.record().opened_by.as_deref() == Some(why);
        because && self.succeeded(Entry::Probe)
    }

    pub(super) fn is_saved_open(&self) -> bool {
        self.record().saved_open
    }

    /// The row has been written.
    pub(super) fn saved(&self, row: &CircuitRow) {
        self.record().saved_open = row.opened_at != 0;
    }

    /// The row has not been written.
    pub(super) fn unsaved(&self) {
        self.record().changed = true;
    }

    /// The row as it is to be saved, told once; `opened_at` is 0 once closed.
    pub(super) fn to_save(&self, endpoint_id: i64, model: &str) -> Option<CircuitRow> {
        let mut record = self.record();
        if !std::mem::take(&mut record.changed) {
            return None;
        }
        let until = self.until.load(Ordering::Acquire);
        Some(CircuitRow {
            endpoint_id,
            model: model.to_owned(),
            opened_at: match until {
                0 => 0,
                _ => self.opened_at.load(Ordering::Relaxed) / 1000,
            },
            // Rounded up: what is open stays so for its time.
            open_until: until / 1000 + 1,
            failures: u32::try_from(record.failures.len()).unwrap_or(u32::MAX),
            last_error: record.last_error.clone(),
        })
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the clock shows less than it did at `then`.
fn is_before(now: i64, then: &AtomicI64) -> bool {
    now < then.load(Ordering::Relaxed).saturating_sub(BACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        threshold: 3,
        window: 1000,
        cooldown: 500,
    };

    fn fail(circuit: &Circuit, now: i64) -> Option<i64> {
        circuit.failed(Entry::Plain, now, "upstream_failed", None, &LIMITS)
    }

    #[test]
    fn failures_in_a_row_within_the_window_open_it() {
        let circuit = Circuit::new(None);
        assert_eq!(fail(&circuit, 1), None);
        assert_eq!(fail(&circuit, 2), None);
        assert!(!circuit.succeeded(Entry::Plain), "it was not open");
        assert_eq!(fail(&circuit, 3), None, "the success forgot the others");
        assert_eq!(fail(&circuit, 4), None);
        assert_eq!(fail(&circuit, 1100), None, "two are out of the window");
        assert_eq!(fail(&circuit, 1101), None);
        assert_eq!(fail(&circuit, 1102), Some(1602));
        assert_eq!(circuit.enter(1200, false), None);
        assert_eq!(
            circuit.state(1200),
            State::Open {
                opened_at: 1102,
                until: 1602
            }
        );
    }

    #[test]
    fn it_is_failing_until_a_success_or_the_window_is_over() {
        let circuit = Circuit::new(None);
        assert!(!circuit.is_failing(1));
        fail(&circuit, 1);
        assert!(circuit.is_failing(1000));
        assert!(!circuit.is_failing(1001));
        fail(&circuit, 1002);
        circuit.succeeded(Entry::Plain);
        assert!(!circuit.is_failing(1003));
    }

    #[test]
    fn one_probe_decides() {
        let circuit = Circuit::new(None);
        for now in 0..3 {
            fail(&circuit, now);
        }
        assert_eq!(circuit.state(600), State::HalfOpen);
        assert_eq!(circuit.enter(600, false), Some(Entry::Probe));
        assert_eq!(circuit.enter(600, false), None, "only one");
        circuit.left(Entry::Probe);
        assert_eq!(circuit.enter(600, false), Some(Entry::Probe));
        let again = circuit.failed(Entry::Probe, 700, "upstream_failed", None, &LIMITS);
        assert_eq!(again, Some(1200), "open again");
        assert!(!circuit.succeeded(Entry::Plain), "a late success of before");
        assert_eq!(circuit.enter(800, false), None);
        assert_eq!(circuit.enter(1300, false), Some(Entry::Probe));
        assert!(circuit.succeeded(Entry::Probe));
        assert_eq!(circuit.state(1300), State::Closed);
        assert_eq!(circuit.enter(1300, false), Some(Entry::Plain));
    }

    #[test]
    fn an_upstream_that_asks_for_time_gets_it() {
        let circuit = Circuit::new(None);
        let opened = circuit.failed(Entry::Plain, 10, "rate_limit", Some(5000), &LIMITS);
        assert_eq!(opened, Some(5010));
        assert_eq!(circuit.enter(20, false), None);
        assert!(circuit.is_to_be_left(5009) && !circuit.is_to_be_left(5010));
        assert_eq!(circuit.enter(20, true), Some(Entry::Probe), "a last resort");
        assert_eq!(circuit.enter(20, true), Some(Entry::Plain));
        assert!(circuit.succeeded(Entry::Probe));
        assert!(!circuit.is_to_be_left(30), "it is well again");
    }

    #[test]
    fn a_longer_time_to_be_left_alone_is_saved_though_it_is_no_news() {
        let circuit = Circuit::new(None);
        let asked = |now, time| {
            let hold = Some(time);
            circuit.failed(Entry::Plain, now, "rate_limit", hold, &LIMITS)
        };
        assert_eq!(asked(1000, 5000), Some(6000), "news");
        assert!(circuit.to_save(1, "m").is_some());
        assert_eq!(
            asked(2000, 1000),
            None,
            "it is left alone for longer already"
        );
        assert!(circuit.to_save(1, "m").is_none());
        assert_eq!(asked(3000, 9000), None, "no news");
        let times = |row: &CircuitRow| (row.opened_at, row.open_until);
        let row = circuit.to_save(1, "m");
        assert_eq!(row.as_ref().map(times), Some((1, 13)));
        let again = Circuit::new(row.as_ref());
        assert!(matches!(again.state(11_999), State::Open { .. }));
        // A probe that fails opens it anew, which is news and is saved.
        assert_eq!(circuit.enter(12_000, false), Some(Entry::Probe));
        let anew = circuit.failed(Entry::Probe, 12_000, "upstream_failed", None, &LIMITS);
        assert_eq!(anew, Some(12_500));
        let row = circuit.to_save(1, "m");
        assert_eq!(row.as_ref().map(times), Some((12, 13)));
    }

    /// A machine whose clock was a year ahead when the endpoint failed.
    #[test]
    fn a_clock_that_is_put_back_locks_no_endpoint_out() {
        const YEAR: i64 = 365 * 86_400_000;
        let circuit = Circuit::new(None);
        for now in YEAR..YEAR + 2 {
            fail(&circuit, now);
        }
        let hold = Some(5000);
        let opened = circuit.failed(Entry::Plain, YEAR + 2, "rate_limit", hold, &LIMITS);
        assert_eq!(opened, Some(YEAR + 5002));
        let row = circuit.to_save(1, "m");
        // A little is waited for.
        assert_eq!(circuit.enter(YEAR - BACK / 2, false), None);
        for circuit in [&circuit, &Circuit::new(row.as_ref())] {
            assert_eq!(circuit.state(1), State::HalfOpen);
            assert!(!circuit.is_to_be_left(1) && !circuit.is_failing(1));
            assert_eq!(circuit.enter(1, false), Some(Entry::Probe));
            let again = circuit.failed(Entry::Probe, 10, "upstream_failed", None, &LIMITS);
            assert_eq!(again, Some(510), "from the clock as it is now");
            assert_eq!(circuit.enter(20, false), None);
            assert_eq!(circuit.enter(510, false), Some(Entry::Probe));
            assert!(circuit.succeeded(Entry::Probe));
        }
        // And what failed in the year that never was counts no more.
        let circuit = Circuit::new(None);
        for now in [YEAR, YEAR + 1, 600] {
            assert_eq!(fail(&circuit, now), None);
        }
    }

    #[test]
    fn what_changed_is_saved_once() {
        let circuit = Circuit::new(None);
        assert!(circuit.to_save(1, "m").is_none());
        for now in 5000..5003 {
            fail(&circuit, now);
        }
        let row = circuit.to_save(1, "m");
        assert!(
            row.as_ref()
                .is_some_and(|row| row.open_until == 6 && row.failures == 3)
        );
        assert!(circuit.to_save(1, "m").is_none());
        assert!(!circuit.is_saved_open(), "only told so far");
        circuit.unsaved();
        assert_eq!(circuit.to_save(1, "m"), row);
        row.iter().for_each(|row| circuit.saved(row));
        assert!(circuit.is_saved_open());
        let again = Circuit::new(row.as_ref());
        assert!(matches!(again.state(5999), State::Open { until: 6000, .. }));
        assert!(again.succeeded(Entry::Probe));
        assert!(again.to_save(1, "m").is_some_and(|row| row.opened_at == 0));
    }
}
