//! Connections to upstreams, shared by all calls.
//!
//! Plain HTTP goes over Pingora's transport pool with [`Corked`] between it and
//! the HTTP/1.1 session; TLS goes over Pingora's HTTP connector, which speaks
//! HTTP/2 where the upstream does.

use bytes::Bytes;
use futures_util::future::FutureExt;
use pingora::connectors::http::Connector;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::http::v1::client::HttpSession as Http1Session;
use pingora::upstreams::peer::{HttpPeer, Peer};

use super::IDLE;
use super::corked::Corked;

/// Which connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One from the pool, if there is one.
    Any,
    /// A new one.
    Fresh,
}

/// Both pools.
pub(crate) struct Pool {
    plain: TransportConnector,
    tls: Connector,
}

impl Pool {
    pub(crate) fn new(options: &ConnectorOptions) -> Self {
        Self {
            plain: TransportConnector::new(Some(options.clone())),
            tls: Connector::new(Some(options.clone())),
        }
    }

    /// A connection to `peer`, and whether it has been used before. A plain one adds
    /// `lines` to the head of the request.
    ///
    /// # Errors
    /// When a new one is needed and cannot be made.
    pub(crate) async fn get(
        &self,
        peer: &HttpPeer,
        wanted: Wanted,
        lines: Bytes,
    ) -> pingora::Result<(HttpSession, bool)> {
        // Boxed, because connecting takes much room and is rare.
        if peer.is_tls() {
            return Box::pin(self.get_tls(peer, wanted)).await;
        }
        let kept = match wanted {
            Wanted::Any => self.plain.reused_stream(peer).await,
            Wanted::Fresh => None,
        };
        let (stream, reused) = match kept {
            Some(stream) => (stream, true),
            None => (Box::pin(self.plain.new_stream(peer)).await?, false),
        };
        let corked = Box::new(Corked::new(stream, lines));
        let session = Http1Session::new_with_options(corked, peer);
        Ok((HttpSession::H1(session), reused))
    }

    /// Over HTTP/2 a fresh connection is one that Pingora has not found broken.
    async fn get_tls(
        &self,
        peer: &HttpPeer,
        wanted: Wanted,
    ) -> pingora::Result<(HttpSession, bool)> {
        loop {
            let (session, reused) = self.tls.get_http_session(peer).await?;
            let is_h1 = matches!(session, HttpSession::H1(_));
            if !(wanted == Wanted::Fresh && reused && is_h1) {
                return Ok((session, reused));
            }
        }
    }

    /// Gives a connection back after the whole response has been read.
    pub(crate) async fn release(&self, session: Box<HttpSession>, peer: &HttpPeer) {
        let session = *session;
        if peer.is_tls() {
            let released = self.tls.release_http_session(session, peer, Some(IDLE));
            Box::pin(released).await;
        } else if let HttpSession::H1(h1) = session {
            self.release_plain(h1, peer);
        }
    }

    fn release_plain(&self, mut h1: Http1Session, peer: &HttpPeer) {
        h1.respect_keepalive();
        // Ready at once when the connection stays open; otherwise it is dropped,
        // which closes it.
        let Some(Some(stream)) = h1.reuse().now_or_never() else {
            return;
        };
        if let Ok(corked) = stream.into_any().downcast::<Corked>() {
            let stream = corked.into_inner();
            self.plain
                .release_stream(stream, peer.reuse_hash(), Some(IDLE));
        }
    }
}
