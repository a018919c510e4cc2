//! The numbers in the form in which Prometheus reads them: one family for each name.

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::Metrics;
use super::series::Series;
use super::times::Times;

/// What every name begins with.
const PREFIX: &str = "serverless_proxy_";

const MODEL: &str = "model";
const ENDPOINT: &str = "endpoint";

/// One family while it is being filled.
pub(super) struct Family {
    name: String,
    help: &'static str,
    kind: MetricType,
    metrics: Vec<Metric>,
}

impl Family {
    /// Of numbers that only grow.
    pub(super) fn counter(name: &str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::COUNTER)
    }

    /// Of numbers that come and go.
    pub(super) fn gauge(name: &str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::GAUGE)
    }

    fn new(name: &str, help: &'static str, kind: MetricType) -> Self {
        Self {
            name: format!("{PREFIX}{name}"),
            help,
            kind,
            metrics: Vec::new(),
        }
    }

    /// With one more value.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let mut metric = labelled(labels);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    /// With one value and no labels.
    pub(super) fn of(mut self, value: f64) -> Self {
        self.add(&[], value);
        self
    }

    fn add_times(&mut self, labels: &[(&str, &str)], times: &Times) {
        let mut metric = labelled(labels);
        let mut histogram = Histogram::default();
        let mut buckets = Vec::new();
        for (bound, count) in times.cumulated() {
            histogram.set_sample_count(count);
            let mut bucket = Bucket::default();
            bucket.set_cumulative_count(count);
            bucket.set_upper_bound(bound.map_or(f64::INFINITY, seconds));
            buckets.push(bucket);
        }
        histogram.set_sample_sum(seconds(times.sum()));
        histogram.set_bucket(buckets);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }

    /// Whole; `None` where there is nothing in it.
    pub(super) fn done(self) -> Option<MetricFamily> {
        if self.metrics.is_empty() {
            return None;
        }
        let mut family = MetricFamily::default();
        family.set_name(self.name);
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(self.metrics);
        Some(family)
    }
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(labels.iter().map(pair).collect());
    metric
}

/// A whole number as Prometheus has numbers: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

fn seconds(micros: u64) -> f64 {
    number(micros) / 1e6
}

/// What is counted of calls.
pub(super) fn of_calls(metrics: &Metrics) -> Vec<MetricFamily> {
    let counter = Family::counter;
    let times = |name, help| Family::new(name, help, MetricType::HISTOGRAM);
    let mut requests = counter(
        "requests_total",
        "Calls that have ended, by what callers speak, the class of the status they got, and the outcome.",
    );
    let mut duration = times(
        "request_duration_seconds",
        "Time from the first byte of a call to its end.",
    );
    let mut first_token = times(
        "time_to_first_token_seconds",
        "Time from the first byte of a call to the first token of its answer.",
    );
    let mut overhead = times(
        "overhead_seconds",
        "Time of a call in which no endpoint was waited for.",
    );
    let mut attempts = counter(
        "attempts_total",
        "Requests to endpoints, by what came of them.",
    );
    let mut tokens = counter("tokens_total", "Tokens spent, by kind.");
    let mut parts = counter(
        "token_details_total",
        "Tokens that are among those of serverless_proxy_tokens_total, by kind.",
    );
    let mut cost = counter(
        "cost_dollars_total",
        "What the tokens cost, as far as prices are known.",
    );
    let mut unpriced = counter(
        "unpriced_attempts_total",
        "Requests to endpoints of whose cost a part is not known for want of a price.",
    );
    let mut lookups = counter(
        "cache_lookups_total",
        "Calls for which kept answers were looked through, by result.",
    );
    for (model, endpoint, series) in metrics.calls.all() {
        let series: &Series = &series;
        let pair = [(MODEL, &*model), (ENDPOINT, &*endpoint)];
        let [of_model, of_endpoint] = pair;
        for ([dialect, outcome, status], count) in series.requests() {
            let labels = [
                of_model,
                of_endpoint,
                ("dialect", dialect),
                ("status", status),
                ("outcome", outcome),
            ];
            requests.add(&labels, number(count));
        }
        for (outcome, count) in series.attempts() {
            attempts.add(
                &[of_model, of_endpoint, ("outcome", outcome)],
                number(count),
            );
        }
        for (kind, count) in series.tokens() {
            tokens.add(&[of_model, of_endpoint, ("kind", kind)], number(count));
        }
        for (kind, count) in series.parts() {
            parts.add(&[of_model, of_endpoint, ("kind", kind)], number(count));
        }
        for (result, count) in series.lookups() {
            lookups.add(&[of_model, of_endpoint, ("result", result)], number(count));
        }
        cost.add(&pair, number(series.cost()) / 1e9);
        unpriced.add(&pair, number(series.unpriced()));
        duration.add_times(&pair, &series.duration);
        first_token.add_times(&pair, &series.first_token);
        overhead.add_times(&pair, &series.overhead);
    }
    let mut candidates = counter(
        "tool_call_candidates_total",
        "Texts that a tool pattern took for a call: calls as they were, mended ones, and what stayed text.",
    );
    for (pattern, _, series) in metrics.patterns.all() {
        for (result, count) in series.results() {
            candidates.add(&[("pattern", &*pattern), ("result", result)], number(count));
        }
    }
    let families = [
        requests,
        duration,
        first_token,
        overhead,
        attempts,
        tokens,
        parts,
        cost,
        unpriced,
        lookups,
        candidates,
    ];
    families.into_iter().filter_map(Family::done).collect()
}
