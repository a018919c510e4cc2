//! What a call costs, from its token counts and the virtual model's prices.
//!
//! Dollars as `f64`, never rounded. The parts are the original's: `estimate` leaves cached
//! tokens out, `cached` has them, and their sum is the whole.

use crate::call::{CallKind, CallRecord};

/// Tokens one price is for.
const PER: f64 = 1_000_000.0;

/// Dollars per million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Prices {
    /// Prompt tokens; 0 when not set.
    pub(crate) input: Option<f64>,
    /// Completion tokens; the input price when not set.
    pub(crate) output: Option<f64>,
    /// Cached prompt tokens, read or written; the input price when not set.
    pub(crate) input_cached: Option<f64>,
}

/// Dollars of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    /// Uncached prompt and completion.
    pub(crate) estimate: f64,
    /// The whole prompt at the input price.
    pub(crate) input: f64,
    /// The completion.
    pub(crate) output: f64,
    /// Cached prompt tokens.
    pub(crate) cached: f64,
}

impl Cost {
    /// The cost of `call`.
    pub(crate) fn of(call: &CallRecord, prices: Prices) -> Self {
        let price_in = prices.input.unwrap_or(0.0);
        let price_out = prices.output.unwrap_or(price_in);
        let price_cached = prices.input_cached.unwrap_or(price_in);
        let input = dollars(call.prompt_tokens, price_in);
        let output = dollars(call.completion_tokens, price_out);
        if call.kind == CallKind::Embedding {
            return Self {
                estimate: input + output,
                input,
                output,
                cached: 0.0,
            };
        }
        let cached = call
            .cached_input_tokens
            .saturating_add(call.cache_creation_tokens);
        let uncached = call.prompt_tokens.saturating_sub(cached);
        Self {
            estimate: dollars(uncached, price_in) + output,
            input,
            output,
            cached: dollars(cached, price_cached),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53 tokens, far beyond any call"
)]
fn dollars(tokens: u64, price: f64) -> f64 {
    tokens as f64 * price / PER
}

#[cfg(test)]
mod tests {
    use super::{Cost, Prices};
    use crate::call::{CallKind, CallRecord, Outcome};

    fn call(kind: CallKind, [prompt, completion, read, written]: [u64; 4]) -> CallRecord {
        CallRecord {
            kind,
            request_id: "r".to_owned(),
            virtual_model: "m".to_owned(),
            endpoint_id: None,
            endpoint_name: None,
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: 0,
            cached_input_tokens: read,
            cache_creation_tokens: written,
            estimated: false,
            status: 200,
            outcome: Outcome::Success,
            stream: false,
            latency_ms: 0,
            ttft_ms: None,
            error_code: None,
            started_at: 0,
            attempts: Vec::new(),
            queue_ms: None,
            execution_ms: None,
        }
    }

    fn prices(input: f64, output: Option<f64>, cached: Option<f64>) -> Prices {
        Prices {
            input: Some(input),
            output,
            input_cached: cached,
        }
    }

    #[track_caller]
    fn assert_cost(cost: Cost, [estimate, input, output, cached]: [f64; 4]) {
        let expected = Cost {
            estimate,
            input,
            output,
            cached,
        };
        for (got, want) in [
            (cost.estimate, expected.estimate),
            (cost.input, expected.input),
            (cost.output, expected.output),
            (cost.cached, expected.cached),
        ] {
            assert!((got - want).abs() < 1e-15, "{cost:?} is not {expected:?}");
        }
    }

    #[test]
    fn splits_cached_from_uncached() {
        let tokens = [1000, 200, 300, 100];
        let cost = Cost::of(
            &call(CallKind::Chat, tokens),
            prices(3.0, Some(15.0), Some(0.3)),
        );
        assert_cost(cost, [0.0048, 0.003, 0.003, 0.00012]);
    }

    #[test]
    fn unset_prices_fall_back_and_zero_is_a_price() {
        let tokens = [1000, 200, 500, 0];
        let unset = Cost::of(&call(CallKind::Chat, tokens), prices(2.0, None, None));
        assert_cost(unset, [0.0014, 0.002, 0.0004, 0.001]);
        let free = Cost::of(
            &call(CallKind::Chat, tokens),
            prices(2.0, Some(0.0), Some(0.0)),
        );
        assert_cost(free, [0.001, 0.002, 0.0, 0.0]);
        let none = Cost::of(&call(CallKind::Chat, tokens), Prices::default());
        assert_cost(none, [0.0; 4]);
    }

    #[test]
    fn more_cached_than_prompt_costs_no_negative_rest() {
        let cost = Cost::of(
            &call(CallKind::Completion, [10, 0, 40, 0]),
            prices(1.0, None, Some(0.5)),
        );
        assert_cost(cost, [0.0, 0.00001, 0.0, 0.00002]);
    }

    #[test]
    fn one_token_is_not_rounded_away() {
        let cost = Cost::of(
            &call(CallKind::Embedding, [1, 0, 0, 0]),
            prices(0.02, None, None),
        );
        assert_cost(cost, [0.000_000_02, 0.000_000_02, 0.0, 0.0]);
    }
}
