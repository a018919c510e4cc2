//! Where the gateway sends traces and metrics by OpenTelemetry's protocol, if anywhere. The
//! variables are OpenTelemetry's own.

use std::time::Duration;

use super::Sources;
use super::value::{HttpUrl, Parse};
use crate::secret::Secret;

/// What is sent where.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// Base URL of the collector.
    pub endpoint: String,
    /// Headers of each request to it.
    pub headers: Vec<(String, Secret)>,
    /// What the gateway calls itself.
    pub service: String,
    /// Which calls become traces.
    pub sampler: Sampler,
    /// Whether traces are sent.
    pub traces: bool,
    /// Whether metrics are sent.
    pub metrics: bool,
    /// The time between two times that metrics are sent.
    pub interval: Duration,
}

/// Which calls become traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether the caller's own decision is followed, where there is one.
    pub follows_parent: bool,
    /// The part of all others, from 0 to 1.
    pub ratio: f64,
}

/// The samplers by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SamplerName {
    follows_parent: bool,
    /// `None` for a ratio.
    always: Option<bool>,
}

/// The one protocol that is spoken.
pub(super) struct Protocol;

/// Whether a signal is sent.
pub(super) struct Exporter(bool);

/// A part of a whole.
pub(super) struct Ratio(f64);

/// Milliseconds.
pub(super) struct Millis(Duration);

/// Names and values of headers.
pub(super) struct HeaderList(Vec<(String, Secret)>);

impl Parse for SamplerName {
    const ACCEPTED: &'static str = "always_on, always_off, traceidratio, parentbased_always_on, \
        parentbased_always_off or parentbased_traceidratio";

    fn parse(text: &str) -> Option<Self> {
        let own = text.strip_prefix("parentbased_");
        let always = match own.unwrap_or(text) {
            "always_on" => Some(true),
            "always_off" => Some(false),
            "traceidratio" => None,
            _ => return None,
        };
        Some(Self {
            follows_parent: own.is_some(),
            always,
        })
    }
}

impl Parse for Protocol {
    const ACCEPTED: &'static str = "http/protobuf, the one protocol that is spoken";

    fn parse(text: &str) -> Option<Self> {
        (text == "http/protobuf").then_some(Self)
    }
}

impl Parse for Exporter {
    const ACCEPTED: &'static str = "otlp or none";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "otlp" => Some(Self(true)),
            "none" => Some(Self(false)),
            _ => None,
        }
    }
}

impl Parse for Ratio {
    const ACCEPTED: &'static str = "a number from 0 to 1";

    fn parse(text: &str) -> Option<Self> {
        let ratio: f64 = text.parse().ok()?;
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio))
    }
}

impl Parse for Millis {
    const ACCEPTED: &'static str = "a number of milliseconds from 100 to 3600000";

    fn parse(text: &str) -> Option<Self> {
        let millis: u64 = text.parse().ok()?;
        let is_sane = (100..=3_600_000).contains(&millis);
        is_sane.then(|| Self(Duration::from_millis(millis)))
    }
}

impl Parse for HeaderList {
    const ACCEPTED: &'static str = "headers such as name=value,other=value, with values \
        percent-encoded";

    fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        let read = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            let name = name.trim();
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return None;
            }
            // Only percents are decoded: a plus is a plus.
            let value = value.trim().replace('+', "%2B").replace('&', "%26");
            let pair = format!("v={value}");
            let (_, value) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
            let is_value = value
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_graphic());
            is_value.then(|| (name.to_ascii_lowercase(), Secret::new(value)))
        };
        pairs.map(read).collect::<Option<Vec<_>>>().map(Self)
    }
}

impl Sources<'_> {
    /// Every setting of what is sent; the outer `None` after a problem was noted.
    pub(super) fn telemetry(&mut self) -> Option<Option<Telemetry>> {
        let endpoint = self.optional::<HttpUrl>("OTEL_EXPORTER_OTLP_ENDPOINT");
        let _protocol = self.required::<Protocol>("OTEL_EXPORTER_OTLP_PROTOCOL");
        let headers = self.optional::<HeaderList>("OTEL_EXPORTER_OTLP_HEADERS");
        let service = self.required("OTEL_SERVICE_NAME")?;
        let traces = self.required::<Exporter>("OTEL_TRACES_EXPORTER")?;
        let metrics = self.required::<Exporter>("OTEL_METRICS_EXPORTER")?;
        let sampler = self.required::<SamplerName>("OTEL_TRACES_SAMPLER")?;
        let ratio = self.required::<Ratio>("OTEL_TRACES_SAMPLER_ARG")?;
        let interval = self.required::<Millis>("OTEL_METRIC_EXPORT_INTERVAL")?;
        let ratio = match sampler.always {
            Some(true) => 1.0,
            Some(false) => 0.0,
            None => ratio.0,
        };
        Some(endpoint.map(|endpoint| Telemetry {
            endpoint: endpoint.0,
            headers: headers.map_or_else(Vec::new, |list| list.0),
            service,
            sampler: Sampler {
                follows_parent: sampler.follows_parent,
                ratio,
            },
            traces: traces.0,
            metrics: metrics.0,
            interval: interval.0,
        }))
    }
}
