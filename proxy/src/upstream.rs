//! One endpoint as the request path uses it: where to connect, how it has been
//! doing.
//!
//! Built when the configuration changes, never on the request path. It outlives a
//! configuration change that does not touch its endpoint, and with it what is
//! known of the endpoint's state.

mod address;
mod certificates;
mod check;
mod corked;
mod get;
mod listing;
mod pool;
mod standing;
mod state;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pingora::protocols::{ALPN, TcpKeepalive};
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use store::config::Config;
use store::route::plan::saved_circuit;
use store::{CircuitRow, Endpoint};
use wire::provider::{BaseUrl, ProviderKind};

use address::Address;
use check::Check;
pub(crate) use listing::{Listing, Trouble, listing};
pub(crate) use pool::{Pool, Wanted};
pub(crate) use standing::{Limits, Pass, Standing};
pub(crate) use state::State;

/// How long an unused connection to an upstream is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Calls at once on one HTTP/2 connection, unless the upstream allows fewer.
const H2_STREAMS: usize = 100;

/// How often an idle connection is asked whether it still stands.
const ALIVE: Duration = Duration::from_secs(15);

/// How many times longer than any other endpoint a queue may take.
const QUEUE: u32 = 4;

/// Bytes of one HTTP/2 stream that may wait here for their caller.
const H2_STREAM_WINDOW: u32 = 256 * 1024;

/// Times of calls: of the settings, or as they hold at one endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For the TCP connection and the TLS handshake together.
    pub(crate) connect: Duration,
    /// Longest silence while writing or reading.
    pub(crate) silence: Duration,
    /// Longest wait for an answer's beginning while another candidate is left.
    pub(crate) first_byte: Duration,
    /// How long a stream's status waits for the first meaningful event.
    pub(crate) hold: Duration,
    /// Longest silence towards the caller of a stream.
    pub(crate) keep_alive: Duration,
    /// Longest time that an upstream may ask a call to wait.
    pub(crate) retry_after: Duration,
}

impl Timeouts {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            connect: config.connect_timeout,
            silence: config.timeout,
            first_byte: config.first_byte_timeout,
            hold: config.hold,
            keep_alive: config.keep_alive,
            retry_after: config.retry_after_limit,
        }
    }

    /// As they hold at `endpoint`, which may have times of its own. To wait is what a queue
    /// is for.
    pub(crate) fn at(self, endpoint: &Endpoint) -> Self {
        let own = endpoint.times;
        let is_queue = endpoint.provider == ProviderKind::Queue;
        let usual = if is_queue {
            self.silence.saturating_mul(QUEUE)
        } else {
            self.silence
        };
        let silence = own.whole.unwrap_or(usual);
        let first_byte = if is_queue { silence } else { self.first_byte };
        Self {
            connect: own.connect.unwrap_or(self.connect),
            silence,
            first_byte: own.first_byte.unwrap_or(first_byte),
            ..self
        }
    }
}

/// An endpoint with everything prepared.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) base: BaseUrl,
    pub(crate) state: Arc<State>,
    /// Longest silence while an answer is read.
    pub(crate) silence: Duration,
    address: Address,
    check: Option<Check>,
    /// By the model's name; only looked into when a configuration is built.
    standings: Mutex<HashMap<String, Arc<Standing>>>,
}

impl Upstream {
    /// Prepares `endpoint`.
    ///
    /// # Errors
    /// A text for the operator: the URL cannot be called or the CA file not used.
    pub(crate) fn new(endpoint: &Arc<Endpoint>, timeouts: Timeouts) -> Result<Self, String> {
        let timeouts = timeouts.at(endpoint);
        let base = BaseUrl::parse(&endpoint.url).map_err(|why| format!("its URL {why}"))?;
        let template = peer_template(endpoint, &base, timeouts)?;
        let check = endpoint
            .health_check()
            .map(|url| Check::new(endpoint, &url, timeouts))
            .transpose()?;
        Ok(Self {
            endpoint: Arc::clone(endpoint),
            address: Address::new(base.host(), base.port(), template),
            base,
            check,
            state: Arc::default(),
            silence: timeouts.silence,
            standings: Mutex::default(),
        })
    }

    /// The addresses to try, in order; a host name is looked up at most twice a
    /// minute.
    ///
    /// # Errors
    /// When the host name does not resolve and no earlier answer is known.
    pub(crate) async fn peers(&self) -> Result<Arc<[Arc<HttpPeer>]>, std::io::Error> {
        self.address.peers().await
    }

    /// Asks the endpoint how it is; `None` when it has no health check.
    ///
    /// # Errors
    /// Inside: why it is not healthy.
    pub(crate) async fn check(&self, pool: &Pool) -> Option<Result<(), String>> {
        Some(self.check.as_ref()?.ask(pool).await)
    }

    /// How `model` is doing here; `saved` are the circuits of before the start.
    pub(crate) fn standing(&self, model: &str, saved: &[CircuitRow]) -> Arc<Standing> {
        let mut standings = self
            .standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = standings.entry(model.to_owned()).or_insert_with(|| {
            let row = saved_circuit(saved, &self.endpoint, model);
            Arc::new(Standing::new(&self.endpoint, model, &self.state, row))
        });
        Arc::clone(known)
    }

    /// A standing that nobody else looks at, for what is no call of a model.
    pub(crate) fn unseen_standing(&self) -> Arc<Standing> {
        Arc::new(Standing::new(&self.endpoint, "", &self.state, None))
    }

    /// How every model called here is doing.
    pub(crate) fn standings(&self) -> Vec<Arc<Standing>> {
        let standings = self
            .standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        standings.values().cloned().collect()
    }

    /// Texts that tell where the upstream is.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let host = self.base.host();
        let mut texts = vec![format!("{host}:{}", self.base.port()), host.to_owned()];
        texts.extend(self.address.known());
        texts
    }
}

/// A peer with everything but its address.
fn peer_template(
    endpoint: &Endpoint,
    base: &BaseUrl,
    timeouts: Timeouts,
) -> Result<HttpPeer, String> {
    let sni = if base.is_https() {
        base.host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned()
    } else {
        String::new()
    };
    let mut peer = HttpPeer::new((Ipv4Addr::UNSPECIFIED, base.port()), base.is_https(), sni);
    // Connections are shared only among calls to the same endpoint, so that its
    // CA file and its insecure switch hold for its own connections alone.
    peer.group_key = endpoint.id.unsigned_abs();
    let mut options = PeerOptions::new();
    options.connection_timeout = Some(timeouts.connect);
    options.total_connection_timeout = Some(timeouts.connect);
    options.read_timeout = Some(timeouts.silence);
    options.write_timeout = Some(timeouts.silence);
    options.idle_timeout = Some(IDLE);
    options.max_h2_streams = H2_STREAMS;
    // What one caller does not read must not use up a shared connection's window.
    options.h2_stream_window_size = Some(H2_STREAM_WINDOW);
    // A connection that a firewall has dropped is found before a call waits on it.
    options.h2_ping_interval = Some(ALIVE);
    options.tcp_keepalive = Some(TcpKeepalive {
        idle: ALIVE,
        interval: ALIVE,
        count: 3,
        user_timeout: Duration::ZERO,
    });
    options.alpn = if base.is_https() {
        ALPN::H2H1
    } else {
        ALPN::H1
    };
    options.verify_cert = !endpoint.tls_insecure;
    options.verify_hostname = !endpoint.tls_insecure;
    if let Some(file) = endpoint.ca_file.as_deref().filter(|_| base.is_https()) {
        options.ca = Some(certificates::read(file)?);
    }
    peer.options = options;
    Ok(peer)
}
