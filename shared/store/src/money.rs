//! Money in whole numbers: prices in pico-dollars a token, amounts in nano-dollars.
//!
//! A pico-dollar a token is a micro-dollar per million tokens, finer than any list price.
//! Each part of a call is rounded once, to the nearest nano-dollar; sums are exact.

use serde::{Deserialize, Serialize};
use wire::usage::Usage;

/// Nano-dollars in a dollar.
pub const NANOS: i64 = 1_000_000_000;

/// A price in pico-dollars a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Price(pub u64);

impl Price {
    /// The price of so many dollars per million tokens, to the nearest micro-dollar;
    /// `None` for what is no price: negative, not finite, or over a million dollars.
    #[must_use]
    pub fn of_dollars(dollars: f64) -> Option<Self> {
        if !(0.0..=1e6).contains(&dollars) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 10^12, where f64 is exact"
        )]
        Some(Self((dollars * 1e6).round() as u64))
    }

    /// Dollars per million tokens, for display.
    #[must_use]
    pub fn dollars(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 10^12")]
        let micros = self.0 as f64;
        micros / 1e6
    }

    /// What so many tokens cost, in nano-dollars.
    #[must_use]
    pub fn times(self, tokens: u64) -> i64 {
        let picos = u128::from(self.0) * u128::from(tokens);
        i64::try_from((picos + 500) / 1000).unwrap_or(i64::MAX)
    }
}

/// The prices of a virtual model; `None` is unknown, zero is free.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// Prompt tokens that are neither read from nor written to a cache.
    pub input: Option<Price>,
    /// Completion tokens.
    pub output: Option<Price>,
    /// Prompt tokens read from the provider's cache.
    pub cached_input: Option<Price>,
    /// Completion tokens read from the provider's cache.
    pub cached_output: Option<Price>,
    /// Prompt tokens written to the provider's cache, for five minutes.
    pub cache_write: Option<Price>,
    /// Prompt tokens written to the provider's cache, for an hour.
    pub cache_write_1h: Option<Price>,
}

impl Prices {
    /// The prices in the order of the fields.
    #[must_use]
    pub fn list(&self) -> [Option<Price>; 6] {
        [
            self.input,
            self.output,
            self.cached_input,
            self.cached_output,
            self.cache_write,
            self.cache_write_1h,
        ]
    }

    /// The prices from a list in that order.
    #[must_use]
    pub fn from_list(list: [Option<Price>; 6]) -> Self {
        let [
            input,
            output,
            cached_input,
            cached_output,
            cache_write,
            cache_write_1h,
        ] = list;
        Self {
            input,
            output,
            cached_input,
            cached_output,
            cache_write,
            cache_write_1h,
        }
    }
}

/// What tokens cost, by parts, in nano-dollars. A part is `None` when it has tokens and
/// their price is unknown, and 0 when it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Uncached prompt tokens.
    pub input: Option<i64>,
    /// Completion tokens.
    pub output: Option<i64>,
    /// Tokens read from the provider's cache.
    pub cached: Option<i64>,
    /// Tokens written to the provider's cache.
    pub cache_write: Option<i64>,
}

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self {
        input: Some(0),
        output: Some(0),
        cached: Some(0),
        cache_write: Some(0),
    };

    /// What `usage` costs at `prices`.
    #[must_use]
    pub fn of(usage: &Usage, prices: &Prices) -> Self {
        let read = usage.cached_tokens.min(usage.prompt_tokens);
        let written = usage.cache_write_tokens.min(usage.prompt_tokens - read);
        let hour = usage.cache_write_1h_tokens.min(written);
        let uncached = usage.prompt_tokens - read - written;
        let replayed = usage.cached_completion_tokens.min(usage.completion_tokens);
        Self {
            input: part(uncached, prices.input),
            output: part(usage.completion_tokens - replayed, prices.output),
            cached: sum(
                part(read, prices.cached_input),
                part(replayed, prices.cached_output),
            ),
            cache_write: sum(
                part(written - hour, prices.cache_write),
                part(hour, prices.cache_write_1h),
            ),
        }
    }

    /// The whole; `None` when a part of it is unknown.
    #[must_use]
    pub fn total(&self) -> Option<i64> {
        self.parts().into_iter().try_fold(0_i64, |total, part| {
            part.map(|part| total.saturating_add(part))
        })
    }

    /// The sum of what is known.
    #[must_use]
    pub fn known(&self) -> i64 {
        let parts = self.parts().into_iter().flatten();
        parts.fold(0, i64::saturating_add)
    }

    /// Input, output, cached and cache write.
    #[must_use]
    pub fn parts(&self) -> [Option<i64>; 4] {
        [self.input, self.output, self.cached, self.cache_write]
    }

    /// Both, part by part.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: sum(self.input, other.input),
            output: sum(self.output, other.output),
            cached: sum(self.cached, other.cached),
            cache_write: sum(self.cache_write, other.cache_write),
        }
    }
}

fn part(tokens: u64, price: Option<Price>) -> Option<i64> {
    if tokens == 0 {
        return Some(0);
    }
    price.map(|price| price.times(tokens))
}

fn sum(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    Some(a?.saturating_add(b?))
}

/// Nano-dollars as dollars, for display.
#[must_use]
pub fn dollars(nanos: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to nine million dollars"
    )]
    let nanos = nanos as f64;
    nanos / 1e9
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use wire::usage::Usage;

    use super::{Cost, Price, Prices};

    fn prices() -> Prices {
        let price = |dollars| Price::of_dollars(dollars);
        Prices {
            input: price(3.0),
            output: price(15.0),
            cached_input: price(0.3),
            cached_output: None,
            cache_write: price(3.75),
            cache_write_1h: price(6.0),
        }
    }

    fn usage() -> Usage {
        Usage {
            prompt_tokens: 1000,
            completion_tokens: 200,
            cached_tokens: 300,
            cache_write_tokens: 100,
            cache_write_1h_tokens: 40,
            ..Usage::default()
        }
    }

    #[test]
    fn each_part_has_its_price_and_the_whole_is_their_sum() {
        let cost = Cost::of(&usage(), &prices());
        assert_eq!(cost.input, Some(1_800_000));
        assert_eq!(cost.output, Some(3_000_000));
        assert_eq!(cost.cached, Some(90_000));
        assert_eq!(cost.cache_write, Some(60 * 3750 + 40 * 6000));
        assert_eq!(cost.total(), Some(cost.known()));
        assert_eq!(cost.known(), 1_800_000 + 3_000_000 + 90_000 + 465_000);
    }

    #[test]
    fn an_unknown_price_makes_the_whole_unknown_only_where_it_has_tokens() {
        let unknown = Prices {
            cache_write_1h: None,
            ..prices()
        };
        let cost = Cost::of(&usage(), &unknown);
        assert_eq!((cost.cache_write, cost.total()), (None, None));
        assert_eq!(cost.known(), 1_800_000 + 3_000_000 + 90_000);
        let without = Usage {
            cache_write_1h_tokens: 0,
            ..usage()
        };
        assert!(Cost::of(&without, &unknown).total().is_some());
        assert_eq!(
            Cost::of(&Usage::default(), &Prices::default()).total(),
            Some(0)
        );
    }

    #[test]
    fn free_is_known() {
        let free = Prices::from_list([Some(Price(0)); 6]);
        assert_eq!(Cost::of(&usage(), &free).total(), Some(0));
    }

    #[test]
    fn what_a_part_claims_beyond_the_prompt_is_not_charged() {
        let odd = Usage {
            prompt_tokens: 10,
            cached_tokens: 40,
            cache_write_tokens: 5,
            cache_write_1h_tokens: 9,
            ..Usage::default()
        };
        assert_eq!(Cost::of(&odd, &prices()).total(), Some(10 * 300));
    }

    #[test]
    fn small_prices_keep_their_digits_and_one_token_is_not_lost() {
        let price = Price::of_dollars(0.0145).unwrap();
        assert_eq!(price.0, 14_500);
        assert_eq!(price.times(1), 15);
        assert_eq!(price.times(1_000_000), 14_500_000);
        assert!((price.dollars() - 0.0145).abs() < 1e-12);
        for bad in [-0.1, f64::NAN, f64::INFINITY, 2e6] {
            assert_eq!(Price::of_dollars(bad), None, "{bad}");
        }
    }

    /// Over made-up usages and prices: parts add up, no token is charged twice, a higher
    /// price never costs less, and nothing overflows.
    #[test]
    fn laws_of_cost() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for _ in 0..20_000 {
            let size = [10, 1_000, 1_000_000, u64::MAX][usize::try_from(next() % 4).unwrap()];
            let usage = Usage {
                prompt_tokens: next() % size,
                completion_tokens: next() % size,
                cached_tokens: next() % size,
                cache_write_tokens: next() % size,
                cache_write_1h_tokens: next() % size,
                cached_completion_tokens: next() % size,
                ..Usage::default()
            };
            let mut one = || (!next().is_multiple_of(4)).then(|| Price(next() % 1_000_000_000));
            let prices = Prices::from_list(std::array::from_fn(|_| one()));
            let cost = Cost::of(&usage, &prices);
            assert!(cost.known() >= 0);
            assert_eq!(
                cost.total().is_some(),
                cost.parts().iter().all(Option::is_some)
            );
            if let Some(total) = cost.total() {
                assert_eq!(total, cost.known());
            }
            let flat = Prices::from_list([Some(Price(1000)); 6]);
            let tokens = u128::from(usage.prompt_tokens) + u128::from(usage.completion_tokens);
            if let Ok(tokens) = i64::try_from(tokens) {
                assert_eq!(Cost::of(&usage, &flat).total(), Some(tokens));
            }
            let dearer = prices.list().map(|p| p.map(|p| Price(p.0 + 1000)));
            assert!(Cost::of(&usage, &Prices::from_list(dearer)).known() >= cost.known());
        }
    }
}
