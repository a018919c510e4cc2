//! The Pingora service that answers on the numbers' own port.
//!
//! In an upgrade the port goes with the callers: the gateway of before lets it go when it
//! hands over, and this one tries until it has it.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening;
use store::config::Config;
use store::config::process::{self, Problems};

use super::Page;
use crate::phase::Phase;

/// Between two tries to get the port.
const TRY: Duration = Duration::from_millis(100);

/// The port, before there is anything to tell.
pub(crate) struct Scraped {
    address: SocketAddr,
    /// `None` while another process may have it.
    socket: Option<TcpListener>,
    phase: Phase,
}

/// The port and what is told there.
pub(crate) struct Telling {
    scraped: Scraped,
    service: listening::Service<Page>,
}

impl Scraped {
    /// Takes the port of the settings, if there is to be one; after an `upgrade` only once
    /// it serves.
    ///
    /// # Errors
    /// Why it cannot, and what to do.
    pub(crate) fn claim(
        config: &Config,
        upgrade: bool,
        phase: &Phase,
    ) -> Result<Option<Self>, Problems> {
        let Some(address) = config.metrics_address() else {
            return Ok(None);
        };
        let socket = if upgrade {
            None
        } else {
            let bound = TcpListener::bind(address);
            let refused = |err| vec![process::cannot_serve_metrics(address, &err)];
            Some(bound.map_err(refused)?)
        };
        Ok(Some(Self {
            address,
            socket,
            phase: phase.clone(),
        }))
    }

    /// Tells what is on `page`.
    pub(crate) fn telling(self, page: Page) -> Telling {
        let mut service = listening::Service::new("metrics".to_owned(), page);
        service.add_tcp(&self.address.to_string());
        Telling {
            scraped: self,
            service,
        }
    }

    /// The port's socket; waited for until the server ends.
    async fn socket(&mut self, shutdown: &mut ShutdownWatch) -> Option<TcpListener> {
        if let Some(socket) = self.socket.take() {
            return Some(socket);
        }
        loop {
            if let Ok(socket) = TcpListener::bind(self.address) {
                return Some(socket);
            }
            tokio::select! {
                () = tokio::time::sleep(TRY) => {}
                _ = shutdown.changed() => return None,
            }
        }
    }
}

#[async_trait]
impl Service for Telling {
    async fn start_service(
        &mut self,
        _fds: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let address = self.scraped.address;
        let Some(socket) = self.scraped.socket(&mut shutdown).await else {
            return;
        };
        if let Err(error) = socket.set_nonblocking(true) {
            tracing::error!(%error, "the metrics cannot be served at http://{address}");
            return;
        }
        tracing::info!("metrics at http://{address}/metrics");
        let mut fds = Fds::new();
        fds.add(address.to_string(), socket.into_raw_fd());
        let fds = Arc::new(fds.into());
        let closed = self.scraped.phase.closed();
        Service::start_service(&mut self.service, Some(fds), closed, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        "metrics"
    }

    fn threads(&self) -> Option<usize> {
        Some(1)
    }
}
