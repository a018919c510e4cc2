//! One endpoint as the request path uses it: where to connect, how it has been
//! doing.
//!
//! Built when the configuration changes, never on the request path. It outlives a
//! configuration change that does not touch its endpoint, and with it what is
//! known of the endpoint's state.

mod address;
mod certificates;
mod corked;
mod pool;
mod state;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::ALPN;
use pingora::upstreams::peer::{HttpPeer, PeerOptions};
use store::Endpoint;
use wire::provider::{BaseUrl, Provider};
use wire::redact::scrub;

use address::Address;
pub(crate) use pool::{Pool, Wanted};
pub(crate) use state::State;

/// How long an unused connection to an upstream is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Calls at once on one HTTP/2 connection, unless the upstream allows fewer.
const H2_STREAMS: usize = 100;

/// Times that hold for every connection to every upstream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For the TCP connection and the TLS handshake together.
    pub(crate) connect: Duration,
    /// Longest silence while writing or reading.
    pub(crate) silence: Duration,
}

/// An endpoint with everything prepared.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) provider: &'static Provider,
    pub(crate) base: BaseUrl,
    pub(crate) state: State,
    address: Address,
}

impl Upstream {
    /// Prepares `endpoint`.
    ///
    /// # Errors
    /// A text for the operator: the URL cannot be called or the CA file not used.
    pub(crate) fn new(endpoint: &Arc<Endpoint>, timeouts: Timeouts) -> Result<Self, String> {
        let base = BaseUrl::parse(&endpoint.url).map_err(|why| format!("its URL {why}"))?;
        let template = peer_template(endpoint, &base, timeouts)?;
        Ok(Self {
            endpoint: Arc::clone(endpoint),
            provider: endpoint.provider.provider(),
            address: Address::new(base.host(), base.port(), template),
            base,
            state: State::default(),
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

    /// An upstream's words as a caller may read them: no key, no address.
    pub(crate) fn scrub_for_caller(&self, words: &str) -> String {
        let host = self.base.host();
        let authority = format!("{host}:{}", self.base.port());
        let mut secrets = self.keys();
        secrets.extend([authority.as_str(), host]);
        scrub(words, &secrets)
    }

    /// The same words as the log may hold them: no key.
    pub(crate) fn scrub_for_log(&self, words: &str) -> String {
        scrub(words, &self.keys())
    }

    /// The key, and header values that may be keys.
    fn keys(&self) -> Vec<&str> {
        let key = self.endpoint.api_key.as_ref().map(|key| key.expose());
        let headers = self.endpoint.custom_headers.iter();
        key.into_iter()
            .chain(headers.map(|(_, value)| value.as_str()))
            .collect()
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
