//! The end of the program: calls in flight get a moment to finish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::closing::Closing;
use crate::ledger::Ledger;

/// Longest wait for calls in flight after SIGTERM or SIGINT.
const PATIENCE: Duration = Duration::from_secs(10);
/// The last part of it, in which jobs that are still followed are cancelled.
const CANCELLING: Duration = Duration::from_secs(2);
/// How often the open calls are counted meanwhile.
const EVERY: Duration = Duration::from_millis(20);

/// Waits for a signal, then for the open calls. A second signal ends the wait.
pub(crate) struct Stop {
    ledger: Ledger,
    stopping: Arc<AtomicBool>,
    closing: Closing,
}

impl Stop {
    /// Sets `stopping` when the signal has come: no new calls from then on.
    pub(crate) fn new(ledger: Ledger, stopping: Arc<AtomicBool>, closing: Closing) -> Self {
        Self {
            ledger,
            stopping,
            closing,
        }
    }

    /// Whether there is something to wait for.
    fn waits(&self) -> bool {
        self.ledger.counts().open() > 0 || self.closing.under_way() > 0
    }

    async fn drain(&self, term: &mut Signal, interrupt: &mut Signal) {
        self.stopping.store(true, Ordering::Release);
        let until = Instant::now() + PATIENCE;
        let open = self.ledger.counts().open();
        tracing::info!(open, "stopping; calls in flight may take {PATIENCE:?} more");
        while self.waits() && Instant::now() < until {
            if until.duration_since(Instant::now()) <= CANCELLING {
                self.closing.tell();
            }
            tokio::select! {
                () = sleep(EVERY) => {}
                _ = term.recv() => return,
                _ = interrupt.recv() => return,
            }
        }
    }
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let signals = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
            signal(SignalKind::quit()),
        );
        let (Ok(mut term), Ok(mut interrupt), Ok(mut quit)) = signals else {
            tracing::error!("signals cannot be waited for; the program ends only by SIGKILL");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => return ShutdownSignal::GracefulUpgrade,
        }
        self.drain(&mut term, &mut interrupt).await;
        ShutdownSignal::GracefulTerminate
    }
}
