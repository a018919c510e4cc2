//! One GET to an endpoint, over a connection of its own.

use std::sync::Arc;

use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use wire::provider::UpstreamUrl;

use super::address::Address;
use super::{Pool, Timeouts, Wanted, peer_template};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    /// The name of the host leads nowhere.
    #[error("{0}")]
    Name(std::io::Error),
    /// No connection, or none that holds.
    #[error("{0}")]
    Connection(Box<pingora::Error>),
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct Get {
    address: Address,
    header: RequestHeader,
}

impl Get {
    /// To `url` with `headers`, over TLS as `endpoint` has it.
    ///
    /// # Errors
    /// A text for the operator: the CA file cannot be used, or the request not be sent.
    pub(super) fn new(
        endpoint: &store::Endpoint,
        url: &UpstreamUrl,
        timeouts: Timeouts,
        headers: &[(String, String)],
    ) -> Result<Self, String> {
        let template = peer_template(endpoint, url.base(), timeouts)?;
        let build = || {
            let count = headers.len() + 3;
            let path = url.path().as_bytes();
            let mut header = RequestHeader::build_no_case("GET", path, Some(count))?;
            header.insert_header("host", url.authority())?;
            header.insert_header("accept", "application/json")?;
            header.insert_header("accept-encoding", "identity")?;
            for (name, value) in headers {
                header.insert_header(name.clone(), value.as_str())?;
            }
            Ok::<_, Box<pingora::Error>>(header)
        };
        Ok(Self {
            address: Address::new(url.base().host(), url.base().port(), template),
            header: build().map_err(|err| format!("cannot be sent: {err}"))?,
        })
    }

    /// The status and the body, of which no more than about `most` bytes are read.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ask(&self, pool: &Pool, most: usize) -> Result<(u16, Vec<u8>), GetError> {
        let peers = self.address.peers().await.map_err(GetError::Name)?;
        let nowhere = std::io::Error::other("the host has no address");
        let mut last = Err(GetError::Name(nowhere));
        for peer in peers.iter() {
            let asked = self.ask_peer(pool, peer, most).await;
            last = asked.map_err(GetError::Connection);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn ask_peer(
        &self,
        pool: &Pool,
        peer: &Arc<HttpPeer>,
        most: usize,
    ) -> pingora::Result<(u16, Vec<u8>)> {
        let (mut session, _) = pool.get(peer, Wanted::Fresh, Bytes::new()).await?;
        session.set_read_timeout(peer.options.read_timeout);
        session
            .write_request_header(Box::new(self.header.clone()))
            .await?;
        session.finish_request_body().await?;
        let status = loop {
            session.read_response_header().await?;
            let header = session.response_header();
            let status = header.map_or(0, |header| header.status.as_u16());
            if !(100..200).contains(&status) {
                break status;
            }
        };
        let mut body = Vec::new();
        while body.len() < most
            && let Some(piece) = session.read_response_body().await?
        {
            body.extend_from_slice(&piece);
        }
        Ok((status, body))
    }
}
