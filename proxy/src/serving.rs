//! The Pingora service that accepts callers, on a socket that is given to it, until
//! [`Phase`] says so and not until the server ends.
//!
//! Meanwhile it shows that it lives: on the threads that serve calls, and on no others, a
//! counter moves, and who watches it ([`crate::ready`]) knows that those threads run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening;

use crate::listener::Listener;
use crate::phase::Phase;

/// A counter that moves while calls can be served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// How often it has beaten.
    pub(crate) fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    async fn beat_on(self, every: Duration) {
        loop {
            self.beat();
            tokio::time::sleep(every).await;
        }
    }
}

/// See the head of this file.
pub(crate) struct Serving {
    pub(crate) service: listening::Service<Listener>,
    pub(crate) fds: ListenFds,
    pub(crate) phase: Phase,
    pub(crate) pulse: Pulse,
    /// How often the pulse beats; `None` when nobody looks.
    pub(crate) every: Option<Duration>,
}

#[async_trait]
impl Service for Serving {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        _shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        if let Some(every) = self.every {
            tokio::spawn(self.pulse.clone().beat_on(every));
        }
        let (fds, closed) = (Arc::clone(&self.fds), self.phase.closed());
        Service::start_service(&mut self.service, Some(fds), closed, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        Service::name(&self.service)
    }
}
