//! One line of a report as JSON.

use serde_json::{Map, Value, json};
use store::{Histogram, Sum, Totals, dollars};

/// All that a line says apart from what it is about. Money is in dollars, as far as prices
/// are known: `unpriced_requests` tells of how many calls they are not.
pub(super) fn line(totals: &Totals) -> Map<String, Value> {
    let sum = |sum| totals.get(sum);
    let requests = sum(Sum::Requests);
    let cached = sum(Sum::CostCached).saturating_add(sum(Sum::CostCacheWrite));
    let attempts = sum(Sum::CacheAttempts);
    let mut line = Map::new();
    for (name, value) in [
        ("requests", json!(requests)),
        ("request_count", json!(requests)),
        ("failed_requests", json!(sum(Sum::Failed))),
        ("cancelled_requests", json!(sum(Sum::Cancelled))),
        ("streamed_requests", json!(sum(Sum::Streamed))),
        ("estimated_requests", json!(sum(Sum::Estimated))),
        ("unpriced_requests", json!(sum(Sum::Unpriced))),
        ("prompt_tokens", json!(sum(Sum::Prompt))),
        ("completion_tokens", json!(sum(Sum::Completion))),
        ("total_tokens", json!(sum(Sum::Total))),
        ("cached_input_tokens", json!(sum(Sum::CachedInput))),
        ("cache_creation_tokens", json!(sum(Sum::CacheWrite))),
        ("cache_write_1h_tokens", json!(sum(Sum::CacheWrite1h))),
        ("reasoning_tokens", json!(sum(Sum::Reasoning))),
        ("cached_output_tokens", json!(sum(Sum::CachedOutput))),
        ("audio_input_tokens", json!(sum(Sum::AudioInput))),
        ("audio_output_tokens", json!(sum(Sum::AudioOutput))),
        ("image_input_tokens", json!(sum(Sum::ImageInput))),
        ("image_output_tokens", json!(sum(Sum::ImageOutput))),
        ("cost", json!(dollars(totals.cost()))),
        ("cost_nanos", json!(totals.cost())),
        ("cost_in", json!(dollars(sum(Sum::CostIn)))),
        ("cost_out", json!(dollars(sum(Sum::CostOut)))),
        ("cost_cached", json!(dollars(sum(Sum::CostCached)))),
        ("cost_cache_write", json!(dollars(sum(Sum::CostCacheWrite)))),
        (
            "cost_estimate",
            json!(dollars(sum(Sum::CostIn).saturating_add(sum(Sum::CostOut)))),
        ),
        ("cached_cost_estimate", json!(dollars(cached))),
        ("provider_cost", json!(dollars(sum(Sum::ProviderCost)))),
        (
            "cost_where_provider_told",
            json!(dollars(sum(Sum::BesideProvider))),
        ),
        ("disputed_requests", json!(sum(Sum::Disputed))),
        ("cache_attempts", json!(attempts)),
        ("cache_hits", json!(sum(Sum::CacheHits))),
        (
            "cache_hit_rate",
            json!(mean(sum(Sum::CacheHits), attempts, 4).unwrap_or(0.0)),
        ),
        ("cache_savings", json!(dollars(sum(Sum::Saved)))),
        (
            "avg_response_time_ms",
            json!(mean(sum(Sum::Latency), requests, 2).unwrap_or(0.0)),
        ),
        ("response_time_ms", spread(&totals.latency)),
        (
            "avg_ttft_ms",
            json!(mean(sum(Sum::Ttft), sum(Sum::TtftCount), 2)),
        ),
        ("ttft_ms", spread(&totals.ttft)),
        (
            "avg_upstream_ms",
            json!(mean(sum(Sum::Upstream), sum(Sum::UpstreamCount), 2)),
        ),
        (
            "tokens_per_second",
            json!(mean(
                sum(Sum::PacedTokens).saturating_mul(1000),
                sum(Sum::PacedMillis),
                2
            )),
        ),
    ] {
        line.insert(name.to_owned(), value);
    }
    line
}

/// Percentiles in milliseconds, off by 4 % at most.
fn spread(histogram: &Histogram) -> Value {
    json!({
        "p50": histogram.percentile(50),
        "p95": histogram.percentile(95),
        "p99": histogram.percentile(99),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a mean for display; exact up to 2^53"
)]
fn mean(sum: i64, count: i64, digits: i32) -> Option<f64> {
    (count > 0).then(|| rounded(sum as f64 / count as f64, digits))
}

/// To so many digits behind the point, for display.
pub(super) fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}
