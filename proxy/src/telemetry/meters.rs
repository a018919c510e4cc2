//! The metrics that the conventions for generative AI name, counted of closed calls.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use store::CallRecord;

use super::spans::operation;
use super::trace::Traced;

/// Upper bounds of times in seconds, as the conventions have them.
const SECONDS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

/// The same for a first token.
const FIRST: [f64; 16] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The same for tokens.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Stands for a name that no virtual model has.
const UNKNOWN: &str = "(unknown)";

/// Every instrument.
#[derive(Debug)]
pub(super) struct Meters {
    duration: Histogram<f64>,
    first_token: Histogram<f64>,
    tokens: Histogram<u64>,
}

impl Meters {
    pub(super) fn of(provider: &SdkMeterProvider) -> Self {
        let meter = provider.meter("serverless-proxy");
        let seconds = |name, help, bounds: &[f64]| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(help)
                .with_boundaries(bounds.to_vec())
                .build()
        };
        Self {
            duration: seconds(
                "gen_ai.client.operation.duration",
                "Time of a call, with all attempts.",
                &SECONDS,
            ),
            first_token: seconds(
                "gen_ai.server.time_to_first_token",
                "Time to the first token of the answer.",
                &FIRST,
            ),
            tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_description("Tokens of a call.")
                .with_boundaries(TOKENS.to_vec())
                .build(),
        }
    }

    /// Counts a closed call.
    pub(super) fn count(&self, record: &CallRecord, traced: &Traced) {
        // A name that callers make up is no attribute.
        let is_known = record.virtual_model_id.is_some();
        let model = if is_known {
            record.virtual_model.as_str()
        } else {
            UNKNOWN
        };
        let mut labels = vec![
            KeyValue::new("gen_ai.operation.name", operation(record.kind)),
            KeyValue::new("gen_ai.request.model", model.to_owned()),
        ];
        let answering = traced.answering.or(traced.attempts.len().checked_sub(1));
        if let Some(at) = answering {
            let provider = traced.attempts.get(at).map(|attempt| attempt.provider);
            labels.extend(provider.map(|name| KeyValue::new("gen_ai.provider.name", name)));
            let model = record.attempts.get(at).filter(|_| is_known);
            let model = model.map(|attempt| attempt.model.clone());
            labels.extend(model.map(|name| KeyValue::new("gen_ai.response.model", name)));
        }
        if let Some(millis) = record.ttft_ms {
            let time = std::time::Duration::from_millis(millis);
            self.first_token.record(time.as_secs_f64(), &labels);
        }
        let usage = &record.usage;
        for (kind, tokens) in [
            ("input", usage.prompt_tokens),
            ("output", usage.completion_tokens),
        ] {
            if tokens > 0 {
                labels.push(KeyValue::new("gen_ai.token.type", kind));
                self.tokens.record(tokens, &labels);
                labels.pop();
            }
        }
        if record.outcome.is_failure() {
            labels.push(KeyValue::new("error.type", record.outcome.as_str()));
        }
        self.duration.record(traced.took.as_secs_f64(), &labels);
    }
}
