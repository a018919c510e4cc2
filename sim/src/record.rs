//! What a simulator has seen: counters always, whole requests when recording is on.
//!
//! Waiting is done on a notification, never by polling: every change of a counter wakes
//! those who wait.

mod images;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, Method, Version};
pub use images::Image;
use tokio::sync::Notify;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Number of the connection it came on, from 1: shows reuse.
    pub connection: u64,
    /// HTTP version spoken.
    pub version: Version,
    /// Method.
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    /// Header fields, in lower case.
    pub headers: HeaderMap,
    /// Body, byte for byte.
    pub body: Bytes,
}

/// Counters of one simulator since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that have ended since.
    pub closed: u64,
    /// Requests whose header arrived.
    pub requests: u64,
    /// Requests whose body arrived whole; these are the ones kept.
    pub received: u64,
    /// Those of them that were POSTs: calls of a model, and no looks at what there is.
    pub posts: u64,
    /// Requests whose reply was played to its end, scripted cuts included.
    pub completed: u64,
    /// Requests whose caller hung up before that.
    pub cancelled: u64,
}

impl Served {
    /// Requests still being answered.
    pub fn open(&self) -> u64 {
        self.requests - self.completed - self.cancelled
    }

    /// Connections that are open.
    pub fn open_connections(&self) -> u64 {
        self.connections - self.closed
    }
}

/// The condition waited for did not come in time.
#[derive(Clone, Copy, Debug)]
pub struct WaitedTooLong {
    /// The counters at that moment.
    pub served: Served,
    /// How long was waited.
    pub patience: Duration,
}

impl fmt::Display for WaitedTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, patience } = self;
        write!(
            f,
            "not reached within {patience:?}; the simulator counts {served:?}"
        )
    }
}

impl std::error::Error for WaitedTooLong {}

#[derive(Default)]
pub(crate) struct Recorder {
    keep: usize,
    connections: AtomicU64,
    closed: AtomicU64,
    requests: AtomicU64,
    received: AtomicU64,
    posts: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
    kept: Mutex<VecDeque<RecordedRequest>>,
    changed: Notify,
}

impl Recorder {
    /// A recorder that keeps the last `keep` requests; 0 keeps none.
    pub(crate) fn new(keep: usize) -> Recorder {
        Recorder {
            keep,
            ..Recorder::default()
        }
    }

    /// Counts a connection; it counts as open until the result is dropped.
    pub(crate) fn connection(self: &Arc<Self>) -> Connected {
        let number = self.connections.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed.notify_waiters();
        Connected {
            recorder: Arc::clone(self),
            number,
        }
    }

    /// Counts a request; the result must be completed, else it counts as cancelled.
    pub(crate) fn open(self: &Arc<Self>) -> Open {
        self.requests.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
        Open {
            recorder: Arc::clone(self),
            done: false,
        }
    }

    pub(crate) fn keeps(&self) -> bool {
        self.keep > 0
    }

    /// Keeps a request that arrived whole.
    pub(crate) fn keep(&self, request: RecordedRequest) {
        let mut kept = self.kept();
        if kept.len() == self.keep {
            kept.pop_front();
        }
        kept.push_back(request);
    }

    /// Counts a request that arrived whole, after it was kept.
    pub(crate) fn received(&self, method: &Method) {
        if method == Method::POST {
            self.posts.fetch_add(1, Ordering::AcqRel);
        }
        self.received.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.kept().iter().cloned().collect()
    }

    pub(crate) fn forget(&self) {
        self.kept().clear();
    }

    pub(crate) fn served(&self) -> Served {
        // Ends before beginnings: a snapshot never shows more ended than begun.
        let completed = self.completed.load(Ordering::Acquire);
        let cancelled = self.cancelled.load(Ordering::Acquire);
        let received = self.received.load(Ordering::Acquire);
        let closed = self.closed.load(Ordering::Acquire);
        Served {
            connections: self.connections.load(Ordering::Acquire),
            closed,
            requests: self.requests.load(Ordering::Acquire),
            received,
            posts: self.posts.load(Ordering::Acquire),
            completed,
            cancelled,
        }
    }

    pub(crate) async fn until(
        &self,
        patience: Duration,
        mut reached: impl FnMut(&Served) -> bool,
    ) -> Result<Served, WaitedTooLong> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                let served = self.served();
                if reached(&served) {
                    return served;
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, wait)
            .await
            .map_err(|_| WaitedTooLong {
                served: self.served(),
                patience,
            })
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<RecordedRequest>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is open.
pub(crate) struct Connected {
    recorder: Arc<Recorder>,
    pub(crate) number: u64,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.recorder.closed.fetch_add(1, Ordering::AcqRel);
        self.recorder.changed.notify_waiters();
    }
}

/// A request being answered.
pub(crate) struct Open {
    recorder: Arc<Recorder>,
    done: bool,
}

impl Open {
    pub(crate) fn complete(&mut self) {
        if !self.done {
            self.done = true;
            self.recorder.completed.fetch_add(1, Ordering::AcqRel);
            self.recorder.changed.notify_waiters();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.done {
            self.recorder.cancelled.fetch_add(1, Ordering::AcqRel);
            self.recorder.changed.notify_waiters();
        }
    }
}
