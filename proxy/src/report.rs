//! What the gateway tells of itself in the store, every few seconds: the admin app never
//! asks it. A store that does not take it is no trouble of its own; others tell of that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use store::{GatewayStatus, HealthCheckRow, Store};

use crate::ledger::Ledger;
use crate::live;
use crate::live::watch::Current;

/// What is told, and of what.
pub(crate) struct Report {
    store: Store,
    current: Arc<Current>,
    ledger: Ledger,
    status: GatewayStatus,
    /// The health checks that were told last.
    told: Vec<HealthCheckRow>,
}

/// Ends the reports.
#[derive(Debug)]
pub(crate) struct Reporter {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Report {
    pub(crate) fn new(
        store: Store,
        current: Arc<Current>,
        ledger: Ledger,
        address: SocketAddr,
    ) -> Self {
        let status = GatewayStatus {
            id: format!("{:016x}", fastrand::u64(..)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: address.to_string(),
            started_at: now(),
            ..GatewayStatus::default()
        };
        Self {
            store,
            current,
            ledger,
            status,
            told: Vec::new(),
        }
    }

    /// Tells it now and from now on, on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(mut self) -> std::io::Result<Reporter> {
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("report".to_owned())
            .spawn(move || {
                let every = Duration::from_secs(GatewayStatus::EVERY);
                self.tell(None);
                while matches!(stopped.recv_timeout(every), Err(RecvTimeoutError::Timeout)) {
                    self.tell(None);
                }
                self.tell(Some(now()));
            })?;
        Ok(Reporter { stop, thread })
    }

    fn tell(&mut self, ended_at: Option<i64>) {
        self.status.seen_at = now();
        self.status.ended_at = ended_at;
        self.status.revision = self.current.live().snapshot.revision;
        self.status.troubles = self.troubles();
        if let Err(error) = self.store.report_gateway(&self.status) {
            tracing::debug!(%error, "the store does not take what the gateway tells of itself");
        }
        let checks = self.health_checks();
        if checks != self.told {
            let new = checks.iter().filter(|check| !self.told.contains(check));
            let new: Vec<_> = new.cloned().collect();
            match self.store.save_health_checks(&new) {
                Ok(()) => self.told = checks,
                Err(error) => {
                    tracing::debug!(%error, "the store does not take what health checks found");
                }
            }
        }
    }

    /// What the last look at each endpoint found.
    fn health_checks(&self) -> Vec<HealthCheckRow> {
        let live = self.current.live();
        let checks = live.upstreams.iter().filter_map(|upstream| {
            let found = upstream.state.last_check()?;
            Some(HealthCheckRow {
                endpoint_id: upstream.endpoint.id,
                checked_at: found.at,
                since: found.since,
                is_well: found.fault.is_none(),
                reason: found.fault.clone(),
            })
        });
        checks.collect()
    }

    /// What `/health` calls degraded, for people.
    fn troubles(&self) -> Vec<String> {
        let counts = self.ledger.counts();
        let mut troubles = Vec::new();
        if let Some(refused) = self.current.refused() {
            troubles.push(format!(
                "Revision {} of the configuration is not used; mend or delete {}.",
                refused.revision,
                refused.rows.join(", ")
            ));
        }
        let lost = counts.lost.load(Ordering::Relaxed);
        if lost > 0 {
            troubles.push(format!("{lost} usage records were lost; the log says why."));
        }
        let refused = counts.refused.load(Ordering::Relaxed);
        if refused > 0 {
            troubles.push(format!(
                "{refused} usage records could not be stored; they are in refused.jsonl in \
                 the spool's folder."
            ));
        }
        if counts.spool_fails.load(Ordering::Relaxed) {
            troubles.push("Usage records cannot be spooled; look at the disk.".to_owned());
        }
        troubles
    }
}

impl Reporter {
    /// Tells that the gateway has ended in order.
    pub(crate) fn finish(self) {
        // One that is no longer there has told its last.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the thread that reports had ended before its time");
        }
    }
}

/// Unix seconds.
fn now() -> i64 {
    live::now() / 1000
}
