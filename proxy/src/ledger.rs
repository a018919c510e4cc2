//! Finished calls on their way into the store.
//!
//! A call costs the request path one write into the spool, before the last byte of its
//! reply leaves, and one push into a bounded queue: for the access log, and so that most
//! records need not be read from the spool again. From then on it survives the end of the
//! program at any moment. A thread of its own takes the spool over into the store and writes
//! the log. While the store is locked, full or read-only the spool grows, up to its limit;
//! where the spool itself cannot be written, records wait in memory. What is lost beyond that
//! is counted, logged and told by `/health`.

mod drain;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use http::HeaderMap;
use store::{CallRecord, Capture, LateTimes, Redaction, Spool, SpoolError, Store, Written};

use crate::access_log::{AccessLog, Entry};
use crate::live;
use crate::metrics::Metrics;
use crate::telemetry::{Telemetry, Trace, Tracing};
use drain::{Drain, Keep};

/// Entries that may wait in the queue, and records that may wait in memory. At a kilobyte
/// each at most this bounds both at 64 MB.
const QUEUE: usize = 32 * 1024;

/// Bytes of captured bodies that may wait; beyond, calls go without.
const CAPTURED: u64 = 16 * 1024 * 1024;

/// The request path's side.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    spool: Arc<Spool>,
    queue: SyncSender<Queued>,
    counts: Arc<Counts>,
    metrics: Arc<Metrics>,
    redaction: Arc<Redaction>,
    /// `None` where no traces are made.
    tracing: Option<Tracing>,
}

/// An entry in the queue.
#[derive(Debug)]
struct Queued {
    entry: Entry,
    place: Place,
}

/// Where a closed record is besides memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the spool.
    Spool(Written),
    /// Nowhere: the spool has not taken it.
    Memory,
}

/// What happened to records so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Handed over by calls that have ended, and not lost.
    pub(crate) queued: AtomicU64,
    /// In the store.
    pub(crate) written: AtomicU64,
    /// Lost because neither spool nor memory had room, or the store did not take them at
    /// the end.
    pub(crate) lost: AtomicU64,
    /// Put aside because the store does not take what is in them.
    pub(crate) refused: AtomicU64,
    /// Taken over from spools that an earlier program had left.
    pub(crate) recovered: AtomicU64,
    /// In the store or the spool, but with no line in the access log.
    pub(crate) unlogged: AtomicU64,
    /// Entries that went into the queue, and that were taken out of it.
    entered: AtomicU64,
    taken: AtomicU64,
    /// Since when records wait that the store should have, in unix milliseconds; 0 while
    /// none is held up.
    behind: AtomicI64,
    /// Bytes of captured bodies that wait.
    captured: AtomicU64,
    /// How often the store did not take records at once.
    pub(crate) failures: AtomicU64,
    /// Whether the last record could not be written into the spool.
    pub(crate) spool_fails: AtomicBool,
    /// Whether the store did not take the last records.
    pub(crate) store_fails: AtomicBool,
}

impl Counts {
    /// Takes room for captured bodies; whether there was some.
    fn has_room(&self, capture: Option<&Capture>) -> bool {
        let size = capture.map_or(0, Capture::size);
        let held = self.captured.fetch_add(size, Ordering::Relaxed);
        let fits = held.saturating_add(size) <= CAPTURED;
        if !fits {
            self.captured.fetch_sub(size, Ordering::Relaxed);
        }
        fits
    }

    /// Gives the room of captured bodies back.
    fn release(&self, capture: Option<&Capture>) {
        let size = capture.map_or(0, Capture::size);
        self.captured.fetch_sub(size, Ordering::Relaxed);
    }

    /// Entries in the queue.
    pub(crate) fn waiting(&self) -> u64 {
        let taken = self.taken.load(Ordering::Relaxed);
        self.entered.load(Ordering::Relaxed).saturating_sub(taken)
    }

    /// Records that are not in the store yet.
    pub(crate) fn unwritten(&self) -> u64 {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let done = read(&self.written) + read(&self.refused);
        (read(&self.queued) + read(&self.recovered)).saturating_sub(done)
    }

    /// For how long the oldest record has been held up.
    pub(crate) fn behind(&self) -> Duration {
        match self.behind.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(u64::try_from(live::now() - since).unwrap_or(0)),
        }
    }

    /// Whether the store has all that it should have by now.
    fn is_behind(&self, is: bool) {
        if !is {
            self.behind.store(0, Ordering::Relaxed);
        } else if self.behind.load(Ordering::Relaxed) == 0 {
            self.behind.store(live::now(), Ordering::Relaxed);
        }
    }

    /// Calls that have begun and not ended.
    pub(crate) fn open(&self) -> u64 {
        let ended = self.ended.load(Ordering::Relaxed);
        self.begun.load(Ordering::Relaxed).saturating_sub(ended)
    }
}

/// Ends the writer and waits until everything is written.
#[derive(Debug)]
pub(crate) struct Writer {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the spool.
    pub(crate) spool: u64,
    /// Days of single calls; `None` for ever.
    pub(crate) days: Option<u32>,
    /// Bytes of the store beyond which the oldest single calls go.
    pub(crate) store: u64,
}

impl Ledger {
    /// Starts the thread that writes into `store` and `log`. What programs that have ended
    /// had left in their spools is in the store then, if that takes it.
    ///
    /// # Errors
    /// When the spool's folder cannot be used or the thread cannot be started.
    pub(crate) fn start(
        store: Store,
        log: AccessLog,
        limits: Limits,
        telemetry: Option<Telemetry>,
    ) -> std::io::Result<(Self, Writer)> {
        let (spool, reader) = Spool::open(&Spool::folder_of(store.path()), limits.spool)?;
        let (queue, entries) = sync_channel(QUEUE);
        let (stop, stopped) = sync_channel(1);
        let counts = Arc::new(Counts::default());
        let redaction = Arc::clone(log.redaction());
        let tracing = telemetry.as_ref().map(Telemetry::tracing);
        let own = Arc::clone(&counts);
        let keep = Keep::new(limits);
        let mut drain = Drain::new(store, log, reader, own, keep, telemetry);
        drain.take_over();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || drain.run(&entries, &stopped))?;
        let ledger = Self {
            spool,
            queue,
            counts,
            metrics: Arc::default(),
            redaction,
            tracing,
        };
        Ok((ledger, Writer { stop, thread }))
    }

    /// The trace of a call that came with these headers, where traces are made.
    pub(crate) fn trace(&self, headers: &HeaderMap) -> Option<Arc<Trace>> {
        self.tracing.as_ref().map(|tracing| tracing.begin(headers))
    }

    /// Who makes traces, where somebody does.
    pub(crate) fn tracing(&self) -> Option<&Tracing> {
        self.tracing.as_ref()
    }

    /// A call begins; [`Self::push`] ends it.
    pub(crate) fn begin(&self) {
        self.counts.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes secrets out of what others have put into a record: a caller that names a model
    /// by its key, an upstream that makes one its error's code.
    pub(crate) fn redact(&self, record: &mut CallRecord) {
        let hide = |text: &mut String| {
            if let Cow::Owned(hidden) = self.redaction.text(text) {
                *text = hidden;
            }
        };
        if record.virtual_model_id.is_none() {
            hide(&mut record.virtual_model);
        }
        let codes = record.attempts.iter_mut();
        let codes = codes.filter_map(|attempt| attempt.code.as_mut());
        let others = record.client.iter_mut().chain(&mut record.error_code);
        others.chain(codes).for_each(hide);
    }

    /// Makes sure of a record. Where the spool does not take it, the record waits in memory
    /// from [`Self::push`] on.
    pub(crate) fn spool_record(&self, record: &CallRecord) -> Place {
        let written = self.spool.write(record);
        self.look(&written);
        written.map_or(Place::Memory, Place::Spool)
    }

    /// Adds what has become known of a record that is in the spool.
    pub(crate) fn amend(&self, times: &LateTimes) {
        if !self.look(&self.spool.amend(times)) {
            tracing::warn!(
                request_id = %times.request_id,
                "the times of a job are not in its usage row: the spool does not take them"
            );
        }
    }

    /// Looks at what came of a write into the spool; whether it is there.
    fn look<T>(&self, spooled: &Result<T, SpoolError>) -> bool {
        let counts = &self.counts;
        if let Err(error) = spooled
            && !counts.spool_fails.swap(true, Ordering::Relaxed)
        {
            tracing::error!(%error, "usage records cannot be spooled; they wait in memory, where the end of this program would lose them");
        } else if spooled.is_ok() && counts.spool_fails.load(Ordering::Relaxed) {
            counts.spool_fails.store(false, Ordering::Relaxed);
            tracing::info!("usage records are spooled again");
        }
        spooled.is_ok()
    }

    /// Ends a call whose record is in this place. Never waits for the store or a disk.
    pub(crate) fn push(&self, mut entry: Entry, place: Place) {
        let counts = &self.counts;
        if !counts.has_room(entry.capture.as_deref()) {
            entry.capture = None;
        }
        let sent = self.queue.try_send(Queued { entry, place });
        if let Err(TrySendError::Full(unsent) | TrySendError::Disconnected(unsent)) = &sent {
            counts.release(unsent.entry.capture.as_deref());
        }
        match sent {
            Ok(()) => {
                counts.entered.fetch_add(1, Ordering::Relaxed);
                counts.queued.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
                if place != Place::Memory =>
            {
                counts.queued.fetch_add(1, Ordering::Relaxed);
                let unlogged = counts.unlogged.fetch_add(1, Ordering::Relaxed) + 1;
                if unlogged.is_power_of_two() {
                    tracing::warn!(
                        unlogged,
                        "calls without a line in the access log: the log is not written as fast as calls end"
                    );
                }
            }
            Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) => {
                let count = counts.lost.fetch_add(1, Ordering::Relaxed) + 1;
                // Each doubling, so that a long outage does not fill the log.
                if count.is_power_of_two() {
                    tracing::error!(
                        lost = count,
                        request_id = %lost.entry.record.request_id,
                        "usage record lost: neither the spool nor memory has room; see the errors before this line"
                    );
                }
            }
        }
        // Whoever waits for open calls may end the program now.
        counts.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters, for `/health`.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The numbers that closed records are counted in.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The spool, for `/health`.
    pub(crate) fn spool(&self) -> &Spool {
        &self.spool
    }
}

impl Writer {
    /// Writes what there is and ends. Call it after the last request.
    pub(crate) fn finish(self) {
        // A writer that has drained its queue after the last sender went is done.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the ledger thread failed; usage records stay in the spool");
        }
    }
}
