//! Finished calls on their way into the store.
//!
//! A call costs the request path one push into a bounded queue; a thread of its
//! own writes batches, and the access log with them. A full queue never delays a
//! request: the loss is counted and logged. Rows survive a store that is locked or
//! full for a while: the batch is kept and tried again until it is written, and the
//! log goes on meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use store::{CallRecord, PatternCount, Store, StoreError};

use crate::access_log::{AccessLog, Entry};

/// Records that may wait, twice: in the queue and, logged, for the store. At a
/// kilobyte each at most this bounds both at 64 MB.
const QUEUE: usize = 32 * 1024;
/// Records written in one transaction.
const BATCH: usize = 1024;
/// How long the first record of a batch waits for more.
const GATHER: Duration = Duration::from_millis(100);
/// How long to wait before a failed batch is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The request path's side.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    queue: SyncSender<Entry>,
    counts: Arc<Counts>,
}

/// What happened to records so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Pushed into the queue.
    pub(crate) queued: AtomicU64,
    /// In the store.
    pub(crate) written: AtomicU64,
    /// Lost because the queue was full, or the store did not take them at the end.
    pub(crate) lost: AtomicU64,
    /// Batches that could not be written at once.
    pub(crate) failures: AtomicU64,
}

impl Counts {
    /// Calls that have begun and not ended.
    pub(crate) fn open(&self) -> u64 {
        let ended = self.ended.load(Ordering::Relaxed);
        self.begun.load(Ordering::Relaxed).saturating_sub(ended)
    }
}

/// Ends the writer and waits until everything queued is written.
#[derive(Debug)]
pub(crate) struct Writer {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Ledger {
    /// Starts the writer thread over `store` and `log`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(store: Store, log: AccessLog) -> std::io::Result<(Self, Writer)> {
        let (queue, entries) = sync_channel(QUEUE);
        let (stop, stopped) = sync_channel(1);
        let counts = Arc::new(Counts::default());
        let own = Arc::clone(&counts);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || write_all(&store, log, &entries, &stopped, &own))?;
        Ok((Self { queue, counts }, Writer { stop, thread }))
    }

    /// A call begins; [`Self::push`] ends it.
    pub(crate) fn begin(&self) {
        self.counts.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Queues one call. Never waits.
    pub(crate) fn push(&self, entry: Entry) {
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send(entry) {
            Ok(()) => {
                self.counts.queued.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Full(entry) | TrySendError::Disconnected(entry)) => {
                let lost = self.counts.lost.fetch_add(1, Ordering::Relaxed) + 1;
                // Each doubling, so that a long outage does not fill the log.
                if lost.is_power_of_two() {
                    tracing::error!(
                        lost,
                        request_id = %entry.record.request_id,
                        "usage record lost: the queue to the store is full; see the store errors before this line"
                    );
                }
            }
        }
    }

    /// The counters, for `/health`.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Writer {
    /// Writes what is queued and ends. Call it after the last request.
    pub(crate) fn finish(self) {
        // A writer that has drained its queue after the last sender went is done.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the ledger thread failed; queued usage records are lost");
        }
    }
}

/// The writer thread's side.
struct Drain<'a> {
    store: &'a Store,
    log: AccessLog,
    entries: &'a Receiver<Entry>,
    stopped: &'a Receiver<()>,
    counts: &'a Counts,
    /// Logged and not yet written.
    waiting: VecDeque<CallRecord>,
    /// Counts of tool patterns that are not in the store yet.
    patterns: Vec<PatternCount>,
    stopping: bool,
}

fn write_all(
    store: &Store,
    log: AccessLog,
    entries: &Receiver<Entry>,
    stopped: &Receiver<()>,
    counts: &Counts,
) {
    let mut drain = Drain {
        store,
        log,
        entries,
        stopped,
        counts,
        waiting: VecDeque::new(),
        patterns: Vec::new(),
        stopping: false,
    };
    while !drain.stopping {
        match entries.recv_timeout(GATHER) {
            Ok(entry) => {
                drain.take(entry);
                // Records that come together are written together.
                std::thread::park_timeout(GATHER);
            }
            Err(RecvTimeoutError::Timeout) => drain.look_whether_to_stop(),
            Err(RecvTimeoutError::Disconnected) => drain.stopping = true,
        }
        drain.take_all();
        while !drain.waiting.is_empty() {
            drain.write();
        }
        drain.write_patterns();
    }
}

impl Drain<'_> {
    fn look_whether_to_stop(&mut self) {
        self.stopping |= self.stopped.try_recv().is_ok();
    }

    fn take(&mut self, entry: Entry) {
        self.log.add(&entry);
        if self.patterns.len() < QUEUE {
            self.patterns.extend(entry.patterns);
        }
        self.waiting.push_back(entry.record);
    }

    /// Empties the queue, as long as there is room: the access log goes on while
    /// the store does not take rows.
    fn take_all(&mut self) {
        while self.waiting.len() < QUEUE
            && let Ok(entry) = self.entries.try_recv()
        {
            self.take(entry);
        }
        self.log.flush();
    }

    /// Writes one batch, however long the store needs. Once the program stops, one
    /// failure is the end.
    fn write(&mut self) {
        let size = self.waiting.len().min(BATCH);
        let batch: Vec<CallRecord> = self.waiting.drain(..size).collect();
        while let Err(err) = self.store.record_calls(&batch) {
            let failures = self.counts.failures.fetch_add(1, Ordering::Relaxed) + 1;
            self.look_whether_to_stop();
            if self.stopping {
                self.lose(batch.len() + self.waiting.len(), &err);
                return self.waiting.clear();
            }
            if failures.is_power_of_two() {
                tracing::error!(records = size, error = %err, "usage records cannot be written; they wait and are tried again");
            }
            if matches!(err, StoreError::Sqlite { .. }) {
                return self.write_singly(&batch);
            }
            std::thread::park_timeout(RETRY);
            self.take_all();
        }
        self.counts
            .written
            .fetch_add(size as u64, Ordering::Relaxed);
    }

    /// Counts are added up in the store; those that it does not take wait.
    fn write_patterns(&mut self) {
        if self.patterns.is_empty() {
            return;
        }
        match self.store.count_tool_patterns(&self.patterns) {
            Ok(()) => self.patterns.clear(),
            Err(err) => {
                tracing::warn!(counts = self.patterns.len(), error = %err, "counts of tool patterns cannot be written; they wait and are tried again");
            }
        }
    }

    /// One row that the store refuses for what is in it must not hold up the others.
    fn write_singly(&self, batch: &[CallRecord]) {
        for record in batch {
            match self.store.record_calls(std::slice::from_ref(record)) {
                Ok(()) => drop(self.counts.written.fetch_add(1, Ordering::Relaxed)),
                Err(err) => self.lose(1, &err),
            }
        }
    }

    fn lose(&self, records: usize, err: &StoreError) {
        self.counts
            .lost
            .fetch_add(records as u64, Ordering::Relaxed);
        tracing::error!(records, error = %err, "usage records lost: the store does not take them");
    }
}
