//! The end of the program: calls in flight get a while to finish, and what is left of them
//! is told.
//!
//! After a signal no new call is served, and whoever asks is told to come again. After an
//! upgrade nobody is turned away: new connections are the other process's, and those that
//! this one still has are served until each has ended, or been idle for as long as any may
//! be ([`crate::listener`]).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use store::config::{Config, ServiceManager};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::closing::Closing;
use crate::ledger::Ledger;
use crate::phase::Phase;
use crate::upgrade::Door;

/// Longest time for telling callers that their calls end, and for cancelling jobs.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often the open calls are counted meanwhile.
const EVERY: Duration = Duration::from_millis(20);

/// The same after an upgrade, when nobody waits.
const EVERY_OUTLIVED: Duration = Duration::from_millis(100);
/// What has been accepted last is among the connections by then.
const SETTLED: Duration = Duration::from_secs(1);

/// Waits for what ends the program, then for the open calls. A second signal ends the wait.
pub(crate) struct Stop {
    ledger: Ledger,
    phase: Phase,
    closing: Closing,
    grace: Duration,
    upgrade_grace: Duration,
    door: Option<Arc<Door>>,
    manager: Option<Arc<ServiceManager>>,
}

/// Why the wait for calls is over.
#[derive(Debug, PartialEq, Eq)]
enum Over {
    /// There are none.
    Done,
    /// They have had their time.
    Late,
    /// Somebody has sent another signal.
    Told,
}

impl Stop {
    pub(crate) fn new(
        config: &Config,
        ledger: Ledger,
        phase: Phase,
        closing: Closing,
        door: Option<Arc<Door>>,
        manager: Option<Arc<ServiceManager>>,
    ) -> Self {
        Self {
            ledger,
            phase,
            closing,
            grace: config.grace,
            upgrade_grace: config.upgrade_grace,
            door,
            manager,
        }
    }

    /// Whether there is something to wait for.
    fn waits(&self) -> bool {
        self.ledger.counts().open() > 0 || self.closing.under_way() > 0
    }

    async fn handed_over(&self) {
        match &self.door {
            Some(door) => door.handed_over().await,
            None => std::future::pending().await,
        }
    }

    /// After an upgrade.
    async fn outlive(&self, signals: &mut Signals) -> Over {
        let began = Instant::now();
        tracing::info!(
            open = self.ledger.counts().open(),
            connections = self.phase.connections(),
            "another process has taken over; what is open here ends here"
        );
        loop {
            tokio::select! {
                () = sleep(EVERY_OUTLIVED) => {}
                () = signals.next() => return Over::Told,
            }
            let now = Instant::now();
            let is_open = self.waits() || self.phase.connections() > 0;
            if !is_open && now - began >= SETTLED {
                return Over::Done;
            }
            if now - began >= self.upgrade_grace {
                return Over::Late;
            }
        }
    }

    /// After a signal.
    async fn drain(&self, signals: &mut Signals) -> Over {
        self.phase.drain();
        let grace = self.grace;
        if let Some(manager) = self
            .manager
            .as_ref()
            .filter(|_| !self.phase.has_handed_over())
        {
            let most = (grace + 2 * FAREWELL).as_micros();
            manager.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={most}"));
        }
        let open = self.ledger.counts().open();
        tracing::info!(open, "stopping; calls in flight may take {grace:?} more");
        self.wait(grace, signals).await
    }

    /// Tells everyone who still waits that this is the end.
    async fn farewell(&self, signals: &mut Signals) {
        let open = self.ledger.counts().open();
        tracing::warn!(open, "calls have taken longer than they may; they end now");
        self.closing.tell();
        self.wait(FAREWELL, signals).await;
    }

    async fn wait(&self, most: Duration, signals: &mut Signals) -> Over {
        let until = Instant::now() + most;
        while self.waits() {
            if Instant::now() >= until {
                return Over::Late;
            }
            tokio::select! {
                () = sleep(EVERY) => {}
                () = signals.next() => return Over::Told,
            }
        }
        Over::Done
    }
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let Ok(mut signals) = Signals::new() else {
            tracing::error!("signals cannot be waited for; the program ends only by SIGKILL");
            return std::future::pending().await;
        };
        let was_told = tokio::select! {
            () = signals.next() => true,
            () = self.handed_over() => false,
        };
        let mut over = if was_told {
            Over::Told
        } else {
            self.outlive(&mut signals).await
        };
        if over == Over::Told {
            over = self.drain(&mut signals).await;
        }
        if over == Over::Late {
            self.farewell(&mut signals).await;
        }
        self.phase.close();
        ShutdownSignal::GracefulTerminate
    }
}

/// The signals that end the program.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::quit())?,
        ]))
    }

    /// Completes when one has come.
    async fn next(&mut self) {
        let [term, interrupt, quit] = &mut self.0;
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    }
}
