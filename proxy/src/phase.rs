//! How far the program's end has come, and what is still open.
//!
//! It serves; then either it is told to end, and refuses calls from then on, or another
//! process has taken over, and it serves the connections that it still has. Only whoever
//! ends the program moves it on ([`crate::stop`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::watch;

/// Shared by everyone who has to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// Whether no more connections are taken.
    closed: watch::Sender<bool>,
    handed_over: AtomicBool,
    draining: AtomicBool,
    /// Whether this process has ever taken a connection.
    has_accepted: AtomicBool,
    connections: AtomicUsize,
}

impl Phase {
    /// The program ends: no new calls.
    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether new calls are refused.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Another process serves in this one's place: no new connections here.
    pub(crate) fn hand_over(&self) {
        self.0.handed_over.store(true, Ordering::Release);
        self.close();
    }

    /// Whether another process serves in this one's place.
    pub(crate) fn has_handed_over(&self) -> bool {
        self.0.handed_over.load(Ordering::Acquire)
    }

    /// No more connections are taken.
    pub(crate) fn close(&self) {
        self.0.closed.send_replace(true);
    }

    /// Turns true when no more connections are taken; answers say then that their
    /// connection closes.
    pub(crate) fn closed(&self) -> watch::Receiver<bool> {
        self.0.closed.subscribe()
    }

    /// A caller's connection is open until the guard is dropped.
    pub(crate) fn enter(&self) -> Open {
        self.0.has_accepted.store(true, Ordering::Release);
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Whether this process has ever taken a connection: from then on it takes them all.
    pub(crate) fn has_accepted(&self) -> bool {
        self.0.has_accepted.load(Ordering::Acquire)
    }

    /// How many connections of callers are open.
    pub(crate) fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }
}

/// A caller's connection.
#[derive(Debug)]
pub(crate) struct Open(Phase);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
