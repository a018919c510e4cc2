//! Health checks: every endpoint that has a place for them is asked from time to
//! time, and its circuits learn of it.
//!
//! What is asked follows the configuration: each round looks at the current one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use pingora::connectors::ConnectorOptions;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::live::watch::Current;
use crate::upstream::{Limits, Pool, Upstream};

/// How long one answer may take.
const TIME: Duration = Duration::from_secs(5);

/// Asks all endpoints, round after round.
pub(crate) struct Poller {
    current: Arc<Current>,
    pool: Pool,
    every: Duration,
    limits: Limits,
}

impl Poller {
    /// Asks `every` so often.
    pub(crate) fn new(
        current: Arc<Current>,
        options: &ConnectorOptions,
        every: Duration,
        limits: Limits,
    ) -> Self {
        Self {
            current,
            // Of its own: it runs on threads of its own.
            pool: Pool::new(options),
            every,
            limits: limits.for_checks(every),
        }
    }

    async fn round(&self) {
        let live = self.current.live();
        let asked = live.upstreams.iter().filter(|up| up.endpoint.enabled);
        join_all(asked.map(|upstream| self.ask(upstream))).await;
    }

    async fn ask(&self, upstream: &Upstream) {
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
            standing.checked(answer.is_ok(), &self.limits);
        }
    }
}

#[async_trait]
impl BackgroundService for Poller {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        loop {
            self.round().await;
            tokio::select! {
                _ = shutdown.changed() => return,
                () = pingora::time::sleep(self.every) => {}
            }
        }
    }
}
