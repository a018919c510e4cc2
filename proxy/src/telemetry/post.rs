//! Requests to the collector, on a thread of their own: the exporters wait for them without
//! a runtime.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::{Builder, Runtime};

use super::Sent;

/// Longest time of one request.
const TIME: Duration = Duration::from_secs(5);

/// Sends requests and counts those that come to nothing.
#[derive(Debug)]
pub(super) struct Post {
    client: reqwest::Client,
    runtime: Runtime,
    sent: Arc<Sent>,
}

impl Post {
    /// Starts its thread.
    ///
    /// # Errors
    /// When it cannot be started, or there is no TLS.
    pub(super) fn start(sent: Arc<Sent>) -> Result<Self, HttpError> {
        // Who was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(TIME)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("serverless-proxy/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()?;
        Ok(Self {
            client,
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
        let client = self.client.clone();
        let work = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            // What a collector says in its body of what it has taken is not looked at.
            Ok::<_, reqwest::Error>(response)
        });
        let done = match work.await {
            Ok(done) => done.map_err(HttpError::from),
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
