//! Traces and metrics by OpenTelemetry's protocol, for whoever collects them; off unless a
//! collector is named.
//!
//! A call costs the request path the making of two or three ids ([`trace`]). Spans are made
//! of its record once that is closed, by the thread that writes the access log, and sent by
//! a thread of their own behind a bounded queue; what finds no room there is counted and
//! lost. Names and attributes are those of the conventions for generative AI.

mod meters;
mod post;
mod spans;
mod trace;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::HeaderMap;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use store::config;

use crate::access_log::Entry;
use meters::Meters;
use post::Post;
pub(crate) use trace::{Trace, Traced, TracedAttempt};

/// Calls whose spans may wait.
const QUEUE: usize = 2048;
/// Spans that are sent together.
const BATCH: usize = 512;
/// How long the first one waits for more.
const GATHER: Duration = Duration::from_secs(1);

/// What becomes of spans and requests.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Spans that were sent and taken.
    pub(crate) spans: AtomicU64,
    /// Spans that found no room, or were not taken.
    pub(crate) dropped: AtomicU64,
    /// Requests to the collector that came to nothing.
    pub(crate) failures: AtomicU64,
}

/// The request path's side.
#[derive(Clone, Debug)]
pub(crate) struct Tracing {
    sampler: config::Sampler,
    sent: Arc<Sent>,
}

/// The side of the thread that has closed records. Nothing is taken any more once it is
/// dropped.
#[derive(Debug)]
pub(crate) struct Telemetry {
    tracing: Tracing,
    spans: Option<SyncSender<Vec<SpanData>>>,
    meters: Option<Meters>,
}

/// Ends it and sends what there is.
#[derive(Debug)]
pub(crate) struct Exports {
    thread: Option<JoinHandle<()>>,
    provider: Option<SdkMeterProvider>,
    // Ends last: the requests of the other two run on it.
    _post: Arc<Post>,
}

impl Telemetry {
    /// Starts what `settings` say.
    ///
    /// # Errors
    /// Why it cannot be started, for the operator.
    pub(crate) fn start(settings: &config::Telemetry) -> Result<(Self, Exports), String> {
        let failed = |error: String| format!("OpenTelemetry cannot be started: {error}");
        let sent = Arc::new(Sent::default());
        let post = Post::start(Arc::clone(&sent)).map_err(|error| failed(error.to_string()))?;
        let post = Arc::new(post);
        let resource = Resource::builder_empty()
            .with_service_name(settings.service.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let headers: HashMap<_, _> = settings
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect();
        let at = |signal: &str| format!("{}/v1/{signal}", settings.endpoint);
        let mut spans = None;
        let mut thread = None;
        if settings.traces {
            let mut exporter = SpanExporter::builder()
                .with_http()
                .with_shared_http_client(Arc::clone(&post) as _)
                .with_endpoint(at("traces"))
                .with_headers(headers.clone())
                .build()
                .map_err(|error| failed(error.to_string()))?;
            exporter.set_resource(&resource);
            let (sender, queued) = sync_channel(QUEUE);
            let own = Arc::clone(&sent);
            let started = std::thread::Builder::new()
                .name("traces".to_owned())
                .spawn(move || send(&exporter, &queued, &own));
            thread = Some(started.map_err(|error| failed(error.to_string()))?);
            spans = Some(sender);
        }
        let provider = if settings.metrics {
            let exporter = MetricExporter::builder()
                .with_http()
                .with_shared_http_client(Arc::clone(&post) as _)
                .with_endpoint(at("metrics"))
                .with_headers(headers)
                .build()
                .map_err(|error| failed(error.to_string()))?;
            let reader = PeriodicReader::builder(exporter).with_interval(settings.interval);
            let provider = SdkMeterProvider::builder()
                .with_reader(reader.build())
                .with_resource(resource);
            Some(provider.build())
        } else {
            None
        };
        let telemetry = Self {
            tracing: Tracing {
                sampler: settings.sampler,
                sent,
            },
            spans,
            meters: provider.as_ref().map(Meters::of),
        };
        let exports = Exports {
            thread,
            provider,
            _post: post,
        };
        Ok((telemetry, exports))
    }

    /// The request path's side.
    pub(crate) fn tracing(&self) -> Tracing {
        self.tracing.clone()
    }

    /// Takes a closed call.
    pub(crate) fn take(&self, entry: &Entry) {
        let Some(traced) = &entry.traced else { return };
        if let Some(meters) = &self.meters {
            meters.count(&entry.record, traced);
        }
        let Some(queue) = self.spans.as_ref().filter(|_| traced.trace.is_sampled()) else {
            return;
        };
        let spans = spans::of(entry, traced);
        let count = spans.len() as u64;
        if queue.try_send(spans).is_err() {
            self.tracing.sent.lose(count);
        }
    }
}

impl Tracing {
    /// The trace of a call that came with these headers.
    pub(crate) fn begin(&self, headers: &HeaderMap) -> Arc<Trace> {
        Arc::new(Trace::begin(headers, self.sampler))
    }

    /// What has become of what was to be sent.
    pub(crate) fn sent(&self) -> &Sent {
        &self.sent
    }
}

impl Sent {
    fn lose(&self, count: u64) {
        let before = self.dropped.fetch_add(count, Ordering::Relaxed);
        if before.leading_zeros() != (before + count).leading_zeros() {
            tracing::warn!(
                dropped = before + count,
                "spans are lost: the collector (OTEL_EXPORTER_OTLP_ENDPOINT) does not take them as fast as calls end"
            );
        }
    }
}

impl Exports {
    /// Sends the last of everything. Call it once the [`Telemetry`] is dropped.
    pub(crate) fn finish(self) {
        if let Some(thread) = self.thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that sends traces had ended before its time");
        }
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last metrics were not sent");
        }
    }
}

/// Sends spans until the last sender is gone.
fn send(exporter: &SpanExporter, queued: &Receiver<Vec<SpanData>>, sent: &Sent) {
    let mut ends = false;
    while !ends {
        let Ok(mut batch) = queued.recv() else {
            return;
        };
        let until = Instant::now() + GATHER;
        while batch.len() < BATCH {
            let left = until.saturating_duration_since(Instant::now());
            match queued.recv_timeout(left) {
                Ok(more) => batch.extend(more),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    ends = true;
                    break;
                }
            }
        }
        let count = batch.len() as u64;
        match futures_executor::block_on(exporter.export(batch)) {
            Ok(()) => drop(sent.spans.fetch_add(count, Ordering::Relaxed)),
            Err(_) => sent.lose(count),
        }
    }
}
