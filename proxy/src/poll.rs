//! Health checks: every endpoint that has a place for them is asked from time to
//! time, and its circuits learn of it.
//!
//! What is asked and how often follows the configuration: each round looks at the current
//! one, and a new one is looked at when it comes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use pingora::connectors::ConnectorOptions;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use store::config::{Config, HealthCheckInterval};
use tokio::time::Instant;

use crate::live::watch::Current;
use crate::phase::Phase;
use crate::upstream::{Limits, Pool, Upstream};

/// How long one answer may take.
const TIME: Duration = Duration::from_secs(5);

/// Asks all endpoints, round after round.
pub(crate) struct Poller {
    current: Arc<Current>,
    pool: Pool,
    interval: HealthCheckInterval,
    limits: Limits,
    phase: Phase,
}

impl Poller {
    /// Asks as often as the settings say, until another process does in this one's place.
    pub(crate) fn new(
        current: Arc<Current>,
        options: &ConnectorOptions,
        config: &Config,
        phase: Phase,
    ) -> Self {
        Self {
            current,
            // Of its own: it runs on threads of its own.
            pool: Pool::new(options),
            interval: config.health_check_interval,
            limits: Limits::new(config),
            phase,
        }
    }

    /// The time between two rounds now; `None` while there are none.
    fn every(&self) -> Option<Duration> {
        let live = self.current.live();
        self.interval.with(live.snapshot.health_check_interval)
    }

    async fn round(&self, every: Duration) {
        let live = self.current.live();
        let limits = self.limits.for_checks(every);
        let asked = live.upstreams.iter().filter(|up| up.endpoint.enabled);
        join_all(asked.map(|upstream| self.ask(upstream, &limits))).await;
    }

    async fn ask(&self, upstream: &Upstream, limits: &Limits) {
        let answer = pingora::time::timeout(TIME, upstream.check(&self.pool)).await;
        let answer = match answer {
            Ok(None) => return,
            Ok(Some(answer)) => answer,
            Err(_) => Err(format!("it did not answer within {} s", TIME.as_secs())),
        };
        let changed = upstream.state.checked(answer.is_ok());
        if let Err(why) = &answer
            && changed
        {
            tracing::warn!(endpoint = %upstream.endpoint.name, reason = %why, "the health check fails");
        } else if changed {
            tracing::info!(endpoint = %upstream.endpoint.name, "the health check succeeds");
        }
        for standing in upstream.standings() {
            standing.checked(answer.is_ok(), limits);
        }
    }
}

#[async_trait]
impl BackgroundService for Poller {
    async fn start(&self, _shutdown: ShutdownWatch) {
        let mut closed = self.phase.closed();
        let mut last: Option<Instant> = None;
        loop {
            let changed = self.current.changed();
            let every = self.every();
            let now = Instant::now();
            let wait = every.map(|every| {
                let due = last.map_or(now, |last| last + every);
                due.saturating_duration_since(now)
            });
            if let Some(every) = every
                && wait == Some(Duration::ZERO)
            {
                self.round(every).await;
                last = Some(Instant::now());
                continue;
            }
            let due = async {
                match wait {
                    Some(wait) => pingora::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = closed.changed() => return,
                () = changed => {}
                () = due => {}
            }
        }
    }
}
