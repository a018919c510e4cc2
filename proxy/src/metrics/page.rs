//! `GET /metrics`, on a port of its own: whoever reaches it may read it.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use prometheus::TextEncoder;
use store::Redaction;

use super::{families, state};
use crate::gateway::Gateway;

/// The text format of Prometheus, which every scraper reads.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers whoever asks for the numbers.
pub(crate) struct Page {
    gateway: Arc<Gateway>,
    redaction: Arc<Redaction>,
}

impl Page {
    pub(crate) fn new(gateway: Arc<Gateway>, redaction: Arc<Redaction>) -> Self {
        Self { gateway, redaction }
    }

    fn text(&self) -> Result<String, prometheus::Error> {
        let mut all = families::of_calls(self.gateway.ledger.metrics());
        all.extend(state::of(&self.gateway));
        let text = TextEncoder::new().encode_to_string(&all)?;
        // Names are the operator's; a key may have got into one.
        Ok(self.redaction.text(&text).into_owned())
    }
}

#[async_trait]
impl ServeHttp for Page {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let header = session.req_header();
        let is_read = matches!(header.method, Method::GET | Method::HEAD);
        let is_head = header.method == Method::HEAD;
        let (status, text) = match header.uri.path() {
            "/metrics" if is_read => match self.text() {
                Ok(text) => (StatusCode::OK, text),
                Err(error) => {
                    tracing::error!(%error, "the metrics cannot be written");
                    let said = "The metrics cannot be written; the log says why.\n";
                    (StatusCode::INTERNAL_SERVER_ERROR, said.to_owned())
                }
            },
            "/metrics" => {
                let said = "/metrics is read with GET.\n";
                (StatusCode::METHOD_NOT_ALLOWED, said.to_owned())
            }
            _ => (
                StatusCode::NOT_FOUND,
                "The numbers are under /metrics.\n".to_owned(),
            ),
        };
        let length = HeaderValue::from(text.len());
        let body = if is_head {
            Vec::new()
        } else {
            text.into_bytes()
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, TEXT);
        headers.insert(CONTENT_LENGTH, length);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
