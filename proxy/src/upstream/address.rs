//! From a host name to peers that can be connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use pingora::protocols::l4::socket::SocketAddr as PeerAddr;
use pingora::upstreams::peer::HttpPeer;

/// How long an answer of the resolver is used.
const FRESH: Duration = Duration::from_secs(30);

/// A host and port, with the peers that they resolved to last.
#[derive(Debug)]
pub(super) struct Address {
    host: String,
    port: u16,
    template: HttpPeer,
    known: ArcSwapOption<Resolved>,
    refreshing: AtomicBool,
}

#[derive(Debug)]
struct Resolved {
    peers: Arc<[Arc<HttpPeer>]>,
    /// `None` for an address that needs no resolver.
    at: Option<Instant>,
}

/// Takes the mark back, also when the call that asks the resolver is given up.
struct Refreshing<'a>(&'a AtomicBool);

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Address {
    /// For `host` (a name, an IPv4 address or an IPv6 address in brackets).
    pub(super) fn new(host: &str, port: u16, template: HttpPeer) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = Self {
            host: bare.to_owned(),
            port,
            template,
            known: ArcSwapOption::empty(),
            refreshing: AtomicBool::new(false),
        };
        if let Ok(ip) = bare.parse::<IpAddr>() {
            address.learn([SocketAddr::new(ip, port)], None);
        }
        address
    }

    /// See [`super::Upstream::peers`]. While one call asks the resolver again, the
    /// others use what is known; a resolver that fails is asked again after a while.
    pub(super) async fn peers(&self) -> Result<Arc<[Arc<HttpPeer>]>, std::io::Error> {
        let known = self.known.load_full();
        if let Some(resolved) = &known
            && (resolved.at.is_none_or(|at| at.elapsed() < FRESH)
                || self.refreshing.swap(true, Ordering::AcqRel))
        {
            return Ok(Arc::clone(&resolved.peers));
        }
        let _done = Refreshing(&self.refreshing);
        let limit = self.template.options.connection_timeout.unwrap_or(FRESH);
        let lookup = tokio::net::lookup_host((self.host.as_str(), self.port));
        let failure = match pingora::time::timeout(limit, lookup).await {
            Ok(Ok(found)) => {
                let found: Vec<_> = found.collect();
                if !found.is_empty() {
                    return Ok(self.learn(found, Some(Instant::now())));
                }
                std::io::Error::other("the name has no address")
            }
            Ok(Err(err)) => err,
            Err(_) => std::io::Error::other("the resolver did not answer in time"),
        };
        let Some(resolved) = known else {
            return Err(failure);
        };
        tracing::warn!(host = %self.host, error = %failure, "the host name does not resolve any more; its last known address is used");
        let peers = Arc::clone(&resolved.peers);
        self.known.store(Some(Arc::new(Resolved {
            peers: Arc::clone(&peers),
            at: Some(Instant::now()),
        })));
        Ok(peers)
    }

    /// The addresses known so far, as text.
    pub(super) fn known(&self) -> Vec<String> {
        let known = self.known.load();
        let peers = known.iter().flat_map(|resolved| resolved.peers.iter());
        let addresses = peers.filter_map(|peer| peer._address.as_inet().copied());
        addresses
            .flat_map(|address| [address.to_string(), address.ip().to_string()])
            .collect()
    }

    fn learn(
        &self,
        found: impl IntoIterator<Item = SocketAddr>,
        at: Option<Instant>,
    ) -> Arc<[Arc<HttpPeer>]> {
        let peers: Arc<[Arc<HttpPeer>]> = found
            .into_iter()
            .map(|address| {
                let mut peer = self.template.clone();
                peer._address = PeerAddr::Inet(address);
                Arc::new(peer)
            })
            .collect();
        self.known.store(Some(Arc::new(Resolved {
            peers: Arc::clone(&peers),
            at,
        })));
        peers
    }
}
