//! Requests to the collector, on a thread of their own: the exporters wait for them without
//! a runtime. They go over Pingora's client, as all that the gateway sends, each over a
//! connection of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, header};
use opentelemetry_http::{HttpClient, HttpError};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use tokio::runtime::{Builder, Runtime};

use super::Sent;

/// Longest time of one request.
const TIME: Duration = Duration::from_secs(5);

/// Most bytes of an answer that are read: a collector has little to say.
const MOST: usize = 64 * 1024;

/// Sends requests and counts those that come to nothing.
pub(super) struct Post {
    connector: Arc<Connector>,
    runtime: Runtime,
    sent: Arc<Sent>,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl Post {
    /// Starts its thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(sent: Arc<Sent>) -> Result<Self, HttpError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()?;
        Ok(Self {
            connector: Arc::new(Connector::new(None)),
            runtime,
            sent,
        })
    }

    fn failed(&self, why: &dyn std::fmt::Display) {
        let failures = self.sent.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures.is_power_of_two() {
            tracing::warn!(failures, error = %why, "the collector (OTEL_EXPORTER_OTLP_ENDPOINT) does not take traces or metrics");
        }
    }
}

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let connector = Arc::clone(&self.connector);
        let work = async move { tokio::time::timeout(TIME, send(&connector, request)).await };
        let done = match self.runtime.spawn(work).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(format!("it takes longer than {TIME:?}").into()),
            Err(error) => Err(error.into()),
        };
        match &done {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => self.failed(&response.status()),
            Err(error) => self.failed(error),
        }
        done
    }
}

async fn send(
    connector: &Connector,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = request.into_parts();
    let host = parts.uri.host().unwrap_or_default();
    let tls = parts.uri.scheme_str() == Some("https");
    let port = parts.uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = tokio::net::lookup_host((bare, port)).await?.next();
    let address = address.ok_or_else(|| format!("{host} has no address"))?;
    let mut peer = HttpPeer::new(address, tls, bare.to_owned());
    peer.options.alpn = ALPN::H1;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut header = RequestHeader::build(parts.method, path.as_bytes(), None)?;
    let authority = parts.uri.authority().map_or(host, |whole| whole.as_str());
    header.insert_header(header::HOST, authority)?;
    header.insert_header(header::CONTENT_LENGTH, body.len())?;
    // One a second at most: a kept one that turns out closed would lose what it was for.
    header.insert_header(header::CONNECTION, "close")?;
    let agent = concat!("serverless-proxy/", env!("CARGO_PKG_VERSION"));
    header.insert_header(header::USER_AGENT, agent)?;
    for (name, value) in &parts.headers {
        header.insert_header(name.clone(), value.clone())?;
    }
    let (mut session, _) = connector.get_http_session(&peer).await?;
    session.write_request_header(Box::new(header)).await?;
    session.write_request_body(body, true).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let mut response = Response::new(Bytes::new());
    if let Some(told) = session.response_header() {
        *response.status_mut() = told.status;
        *response.headers_mut() = told.headers.clone();
    }
    let mut read = 0;
    while let Some(piece) = session.read_response_body().await? {
        read += piece.len();
        if read > MOST {
            break;
        }
    }
    // What it says of what it has taken is not looked at.
    Ok(response)
}
