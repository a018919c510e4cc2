//! The thread that takes the spool over into the store, writes the access log, and keeps
//! the store within its limits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use store::{CallRecord, Capture, Drained, PatternCount, SpoolReader, Store, StoreError};

use super::{Counts, Limits, Place, QUEUE, Queued};
use crate::access_log::AccessLog;
use crate::telemetry::Telemetry;

/// Records from memory that are written in one transaction.
const BATCH: usize = 1024;
/// How long the first record waits for more.
const GATHER: Duration = Duration::from_millis(100);
/// How long to wait before a store that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often spools are looked for that a program has left behind.
const ADOPT: Duration = Duration::from_secs(30);
/// How often it is looked whether single calls have to go.
const TRIM: Duration = Duration::from_secs(60);
/// The same while there are more of them.
const TRIM_ON: Duration = Duration::from_millis(200);

/// How far the clock may run ahead of the time that has passed, between two looks.
const AHEAD: Duration = Duration::from_secs(3600);
/// How long a clock that was put forward is doubted: calls of a day that has not come would
/// be found too old, and cannot be brought back.
const DOUBT: Duration = Duration::from_secs(86_400);

/// What is kept of single calls.
#[derive(Debug)]
pub(super) struct Keep {
    limits: Limits,
    next: Instant,
    /// When the clock was looked at, and what it said.
    seen: (Instant, SystemTime),
}

impl Keep {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: Instant::now(),
            seen: (Instant::now(), SystemTime::now()),
        }
    }

    /// Whether the clock has been put forward since this was asked last.
    fn doubts(&mut self) -> bool {
        let now = (Instant::now(), SystemTime::now());
        let (at, told) = std::mem::replace(&mut self.seen, now);
        let passed = now.0.saturating_duration_since(at);
        now.1
            .duration_since(told)
            .is_ok_and(|told| told > passed + AHEAD)
    }
}

/// The thread's side.
pub(super) struct Drain {
    store: Store,
    log: AccessLog,
    /// `None` once it is finished.
    reader: Option<SpoolReader>,
    counts: Arc<Counts>,
    /// Logged, not in the spool, and not yet written.
    waiting: VecDeque<CallRecord>,
    /// Counts of tool patterns that are not in the store yet.
    patterns: Vec<PatternCount>,
    /// Bodies that are not in the store yet.
    captures: Vec<Capture>,
    keep: Keep,
    telemetry: Option<Telemetry>,
    adopted: Option<Instant>,
    retry: Option<Instant>,
}

impl Drain {
    pub(super) fn new(
        store: Store,
        log: AccessLog,
        reader: SpoolReader,
        counts: Arc<Counts>,
        keep: Keep,
        telemetry: Option<Telemetry>,
    ) -> Self {
        Self {
            store,
            log,
            reader: Some(reader),
            counts,
            waiting: VecDeque::new(),
            patterns: Vec::new(),
            captures: Vec::new(),
            keep,
            telemetry,
            adopted: None,
            retry: None,
        }
    }

    /// Takes over what is there at the start, before anything is counted on top of it.
    pub(super) fn take_over(&mut self) {
        self.adopt();
        self.write_when_due();
    }

    /// Works until the last sender is gone or it is told to stop.
    pub(super) fn run(mut self, entries: &Receiver<Queued>, stopped: &Receiver<()>) {
        let mut stopping = false;
        while !stopping {
            match entries.recv_timeout(GATHER) {
                Ok(queued) => {
                    self.take(queued);
                    // Records that come together are written together.
                    std::thread::park_timeout(GATHER);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => stopping = true,
            }
            stopping |= stopped.try_recv().is_ok();
            while let Ok(queued) = entries.try_recv() {
                self.take(queued);
            }
            self.log.flush();
            self.adopt();
            self.write_when_due();
            self.trim();
        }
        self.finish();
    }

    fn take(&mut self, queued: Queued) {
        let Queued { entry, place } = queued;
        self.counts.taken.fetch_add(1, Ordering::Relaxed);
        self.log.add(&entry);
        if let Some(telemetry) = &self.telemetry {
            telemetry.take(&entry);
        }
        if self.patterns.len() < QUEUE {
            self.patterns.extend(entry.patterns);
        }
        self.captures.extend(entry.capture.map(|capture| *capture));
        match (place, &mut self.reader) {
            (Place::Spool(written), Some(reader)) => reader.hand(written, entry.record),
            (Place::Spool(_), None) => {}
            (Place::Memory, _) if self.waiting.len() < QUEUE => {
                self.waiting.push_back(*entry.record);
            }
            (Place::Memory, _) => self.lose(1, &"no room left in memory"),
        }
    }

    /// Takes over what programs have left that have ended.
    fn adopt(&mut self) {
        if self.adopted.is_some_and(|last| last.elapsed() < ADOPT) {
            return;
        }
        self.adopted = Some(Instant::now());
        let Some(reader) = &mut self.reader else {
            return;
        };
        match reader.adopt() {
            Ok(0) => {}
            Ok(files) => {
                tracing::info!(
                    files,
                    "usage records of a gateway that has ended are taken over"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "the usage spool's folder cannot be looked through");
            }
        }
        if let Err(error) = reader.forget_gone(&self.store) {
            tracing::debug!(%error, "spool files that are gone stay noted in the store");
        }
    }

    fn write_when_due(&mut self) {
        if self.retry.is_some_and(|at| Instant::now() < at) {
            return;
        }
        loop {
            match self.write() {
                Ok(more) => {
                    self.retry = None;
                    if self.counts.store_fails.swap(false, Ordering::Relaxed) {
                        tracing::info!("the store takes usage records again");
                    }
                    self.counts.is_behind(false);
                    if !more {
                        return;
                    }
                }
                Err(error) => {
                    self.retry = Some(Instant::now() + RETRY);
                    self.counts.store_fails.store(true, Ordering::Relaxed);
                    self.counts.is_behind(true);
                    let failures = self.counts.failures.fetch_add(1, Ordering::Relaxed) + 1;
                    if failures.is_power_of_two() {
                        tracing::error!(failures, %error, "usage records cannot be written; they wait and are tried again");
                    }
                    return;
                }
            }
        }
    }

    /// Writes some of what waits; whether there is more.
    fn write(&mut self) -> Result<bool, StoreError> {
        let mut more = false;
        if let Some(reader) = &mut self.reader {
            let done = reader.drain(&self.store)?;
            more |= done.more;
            self.count(&done);
        }
        if !self.waiting.is_empty() {
            let size = self.waiting.len().min(BATCH);
            let batch = &self.waiting.make_contiguous()[..size];
            match self.store.record_calls(batch) {
                Ok(()) => drop(
                    self.counts
                        .written
                        .fetch_add(size as u64, Ordering::Relaxed),
                ),
                Err(StoreError::Sqlite { .. }) => self.write_singly(size),
                Err(other) => return Err(other),
            }
            self.waiting.drain(..size);
            more |= !self.waiting.is_empty();
        }
        self.write_patterns()?;
        self.write_captures()?;
        Ok(more)
    }

    fn count(&self, done: &Drained) {
        let counts = &self.counts;
        counts.written.fetch_add(done.records, Ordering::Relaxed);
        let queued = counts.queued.load(Ordering::Relaxed);
        let written = counts.written.load(Ordering::Relaxed);
        // Of an earlier program are those that nobody here has handed over.
        if written > queued + counts.recovered.load(Ordering::Relaxed) {
            counts.recovered.store(written - queued, Ordering::Relaxed);
        }
        if done.refused > 0 {
            counts.refused.fetch_add(done.refused, Ordering::Relaxed);
            tracing::error!(
                records = done.refused,
                "usage records that the store does not take were put aside into refused.jsonl in the spool's folder"
            );
        }
        if done.torn > 0 {
            tracing::warn!(
                lines = done.torn,
                "torn lines in the usage spool were left out; their replies were not sent"
            );
        }
    }

    /// Bodies that the store does not take wait; how many may is bounded where they come in.
    fn write_captures(&mut self) -> Result<(), StoreError> {
        self.store.keep_captures(&self.captures)?;
        for capture in self.captures.drain(..) {
            self.counts.release(Some(&capture));
        }
        Ok(())
    }

    /// Counts are added up in the store; those that it does not take wait.
    fn write_patterns(&mut self) -> Result<(), StoreError> {
        if !self.patterns.is_empty() {
            self.store.count_tool_patterns(&self.patterns)?;
            self.patterns.clear();
        }
        Ok(())
    }

    /// One row that the store refuses for what is in it must not hold up the others.
    fn write_singly(&self, size: usize) {
        for record in self.waiting.iter().take(size) {
            match self.store.record_calls(std::slice::from_ref(record)) {
                Ok(()) => drop(self.counts.written.fetch_add(1, Ordering::Relaxed)),
                Err(error) => self.lose(1, &error),
            }
        }
    }

    /// Takes away single calls that are too old, or too many, in small steps.
    fn trim(&mut self) {
        if Instant::now() < self.keep.next {
            return;
        }
        if self.keep.doubts() {
            tracing::warn!(
                "the clock has been put forward; no usage row is taken for too old within a day"
            );
            self.keep.next = Instant::now() + DOUBT;
            return;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let limits = &self.keep.limits;
        let before = limits
            .days
            .map_or(i64::MIN, |days| now - i64::from(days) * 86_400);
        if let Err(error) = self.store.trim_captures(now) {
            tracing::debug!(%error, "expired bodies stay for now; they are no longer shown");
        }
        let pause = match self.store.trim_usage(before, limits.store) {
            Ok(step) if step.more => TRIM_ON,
            Ok(_) => TRIM,
            Err(error) => {
                tracing::debug!(%error, "old usage rows stay for now");
                TRIM
            }
        };
        self.keep.next = Instant::now() + pause;
    }

    /// The last of everything. Once the program stops, one failure is the end: what is in
    /// the spool stays there for the next start.
    fn finish(mut self) {
        self.log.flush();
        if let Some(reader) = self.reader.take() {
            match reader.finish(&self.store) {
                Ok(done) => self.count(&done),
                Err(error) => {
                    tracing::warn!(%error, "usage records stay in the spool until the next start");
                }
            }
        }
        while !self.waiting.is_empty() {
            if let Err(error) = self.write() {
                let left = self.waiting.len();
                self.lose(left as u64, &error);
                break;
            }
        }
        if let Err(error) = self.write_captures() {
            tracing::warn!(captures = self.captures.len(), %error, "captured bodies are lost");
        }
        if let Err(error) = self.write_patterns() {
            tracing::warn!(counts = self.patterns.len(), %error, "counts of tool patterns are lost");
        }
    }

    fn lose(&self, records: u64, error: &dyn std::fmt::Display) {
        self.counts.lost.fetch_add(records, Ordering::Relaxed);
        tracing::error!(records, %error, "usage records lost: the store does not take them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_put_forward_is_doubted_once() {
        let mut keep = Keep::new(Limits {
            spool: 0,
            days: Some(90),
            store: 0,
        });
        let day = Duration::from_secs(86_400);
        assert!(!keep.doubts());
        keep.seen.1 -= day;
        assert!(
            keep.doubts(),
            "it is a day ahead of the time that has passed"
        );
        assert!(!keep.doubts(), "and has not moved since");
        keep.seen.1 += day;
        assert!(!keep.doubts(), "put back, nothing looks older than it is");
    }
}
