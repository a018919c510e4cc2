//! The health check of an endpoint: one GET without a key.

use std::sync::Arc;

use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use serde_json::Value;
use wire::provider::UpstreamUrl;

use super::address::Address;
use super::{Pool, Timeouts, Wanted, peer_template};

/// Most bytes of an answer that are looked at.
const MOST: usize = 64 * 1024;

/// Where and how an endpoint's health is looked up.
#[derive(Debug)]
pub(super) struct Check {
    address: Address,
    header: RequestHeader,
}

impl Check {
    /// At `url`, over TLS as `endpoint` has it.
    ///
    /// # Errors
    /// A text for the operator: the CA file cannot be used, or the URL not be sent.
    pub(super) fn new(
        endpoint: &store::Endpoint,
        url: &UpstreamUrl,
        timeouts: Timeouts,
    ) -> Result<Self, String> {
        let template = peer_template(endpoint, url.base(), timeouts)?;
        let build = || {
            let mut header = RequestHeader::build_no_case("GET", url.path().as_bytes(), Some(4))?;
            header.insert_header("host", url.authority())?;
            header.insert_header("accept", "application/json")?;
            header.insert_header("accept-encoding", "identity")?;
            Ok::<_, Box<pingora::Error>>(header)
        };
        Ok(Self {
            address: Address::new(url.base().host(), url.base().port(), template),
            header: build().map_err(|err| format!("its health check URL cannot be sent: {err}"))?,
        })
    }

    /// Asks once, over a connection of its own.
    ///
    /// # Errors
    /// Why the endpoint is not healthy.
    pub(super) async fn ask(&self, pool: &Pool) -> Result<(), String> {
        let peers = self.address.peers().await.map_err(|err| err.to_string())?;
        let mut last = Err("the host has no address".to_owned());
        for peer in peers.iter() {
            last = self
                .ask_peer(pool, peer)
                .await
                .map_err(|err| err.to_string());
            if last.is_ok() {
                break;
            }
        }
        let (status, body) = last?;
        judge(status, &body)
    }

    async fn ask_peer(&self, pool: &Pool, peer: &Arc<HttpPeer>) -> pingora::Result<(u16, Vec<u8>)> {
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
        while body.len() < MOST
            && let Some(piece) = session.read_response_body().await?
        {
            body.extend_from_slice(&piece);
        }
        Ok((status, body))
    }
}

/// Whether an answer says that its sender is well: a success, unless its JSON says
/// otherwise.
fn judge(status: u16, body: &[u8]) -> Result<(), String> {
    if !(200..300).contains(&status) {
        return Err(format!("it answered with HTTP {status}"));
    }
    let Ok(Value::Object(said)) = serde_json::from_slice(body) else {
        return Ok(());
    };
    if said.get("healthy") == Some(&Value::Bool(false)) {
        return Err("it says that it is not healthy".to_owned());
    }
    let word = said.get("status").and_then(Value::as_str).unwrap_or("");
    let word = word.to_ascii_lowercase();
    if matches!(word.as_str(), "error" | "down" | "unhealthy") {
        return Err(format!("it says that its status is {word}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged_by_status_and_words() {
        for (status, body, well) in [
            (200, "", true),
            (204, "", true),
            (200, "ok", true),
            (200, r#"{"status":"ok"}"#, true),
            (200, r#"{"status":true}"#, true),
            (200, r#"{"healthy":true}"#, true),
            (200, r#"{"healthy":false}"#, false),
            (200, r#"{"status":"DOWN"}"#, false),
            (200, r#"{"status":"unhealthy"}"#, false),
            (200, r#"{"status":"error"}"#, false),
            (503, r#"{"status":"ok"}"#, false),
            (404, "", false),
            (301, "", false),
        ] {
            assert_eq!(
                judge(status, body.as_bytes()).is_ok(),
                well,
                "{status} {body}"
            );
        }
    }
}
