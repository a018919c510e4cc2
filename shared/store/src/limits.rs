//! Limits of a caller's key, a virtual model or an endpoint: how many calls and tokens a
//! minute, how many at once, how much money a day and a month.
//!
//! How calls are counted against them is [`crate::Meter`].

use rusqlite::types::Value as Sql;
use serde::Serialize;

use crate::columns::Columns;
use crate::input::Input;
use crate::money::{NANOS, dollars};

/// The columns, which are the fields of the admin API too.
const REQUESTS: &str = "limit_requests_per_minute";
const TOKENS: &str = "limit_tokens_per_minute";
const PARALLEL: &str = "limit_parallel";
const DAY: &str = "limit_cost_per_day";
const MONTH: &str = "limit_cost_per_month";

/// The largest whole number.
const MOST: i64 = 1_000_000_000;
/// The smallest amount, in dollars.
const LEAST_COST: f64 = 0.000_001;
/// The largest amount, in dollars.
const MOST_COST: f64 = 1_000_000_000.0;

/// What one owner may use; `None` is without limit. Numbers are at least 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls that may begin within a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens, prompts and answers together, within a minute.
    pub tokens_per_minute: Option<u64>,
    /// Calls under way at once.
    pub parallel: Option<u64>,
    /// Nano-dollars for the calls that begin on one day.
    pub cost_per_day: Option<i64>,
    /// Nano-dollars for the calls that begin in one month.
    pub cost_per_month: Option<i64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The limits of a row, as the admin API shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LimitsRow {
    /// Calls a minute; `None` is without limit, here as below.
    pub limit_requests_per_minute: Option<i64>,
    /// Tokens a minute.
    pub limit_tokens_per_minute: Option<i64>,
    /// Calls at once.
    pub limit_parallel: Option<i64>,
    /// Dollars a day.
    pub limit_cost_per_day: Option<f64>,
    /// Dollars a month.
    pub limit_cost_per_month: Option<f64>,
}

impl LimitsRow {
    /// Reads the columns. A limit that makes no sense is a fault of the row: it must not
    /// become none.
    pub(crate) fn read(columns: &mut Columns<'_, '_>) -> Self {
        let row = Self {
            limit_requests_per_minute: columns.whole(REQUESTS),
            limit_tokens_per_minute: columns.whole(TOKENS),
            limit_parallel: columns.whole(PARALLEL),
            limit_cost_per_day: columns.real(DAY),
            limit_cost_per_month: columns.real(MONTH),
        };
        for (name, value) in row.wholes() {
            if value.is_some_and(|value| !(1..=MOST).contains(&value)) {
                let why = format!("{name} is not from 1 to {MOST}; set it anew");
                columns.faults.push(why);
            }
        }
        for (name, value) in row.costs() {
            if value.is_some_and(|value| !(LEAST_COST..=MOST_COST).contains(&value)) {
                let why = format!("{name} is not from {LEAST_COST} to {MOST_COST}; set it anew");
                columns.faults.push(why);
            }
        }
        row
    }

    fn wholes(&self) -> [(&'static str, Option<i64>); 3] {
        [
            (REQUESTS, self.limit_requests_per_minute),
            (TOKENS, self.limit_tokens_per_minute),
            (PARALLEL, self.limit_parallel),
        ]
    }

    fn costs(&self) -> [(&'static str, Option<f64>); 2] {
        [
            (DAY, self.limit_cost_per_day),
            (MONTH, self.limit_cost_per_month),
        ]
    }

    /// The limits of a row without faults.
    pub(crate) fn judge(&self) -> Limits {
        let whole = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        Limits {
            requests_per_minute: whole(self.limit_requests_per_minute),
            tokens_per_minute: whole(self.limit_tokens_per_minute),
            parallel: whole(self.limit_parallel),
            cost_per_day: self.limit_cost_per_day.map(nanos),
            cost_per_month: self.limit_cost_per_month.map(nanos),
        }
    }
}

/// Limits that are to be changed: `None` keeps one, an inner `None` takes it away.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct LimitsDraft {
    requests_per_minute: Option<Option<i64>>,
    tokens_per_minute: Option<Option<i64>>,
    parallel: Option<Option<i64>>,
    cost_per_day: Option<Option<f64>>,
    cost_per_month: Option<Option<f64>>,
}

impl LimitsDraft {
    /// Takes the fields of `input`.
    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        Self {
            requests_per_minute: input.whole(REQUESTS, 1, MOST),
            tokens_per_minute: input.whole(TOKENS, 1, MOST),
            parallel: input.whole(PARALLEL, 1, MOST),
            cost_per_day: input.real(DAY, LEAST_COST, MOST_COST),
            cost_per_month: input.real(MONTH, LEAST_COST, MOST_COST),
        }
    }

    /// The columns that change and what they become.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&'static str, Sql)> {
        let whole = |name, value: Option<Option<i64>>| Some((name, Sql::from(value?)));
        let real = |name, value: Option<Option<f64>>| Some((name, Sql::from(value?)));
        [
            whole(REQUESTS, self.requests_per_minute),
            whole(TOKENS, self.tokens_per_minute),
            whole(PARALLEL, self.parallel),
            real(DAY, self.cost_per_day),
            real(MONTH, self.cost_per_month),
        ]
        .into_iter()
        .flatten()
    }
}

/// Dollars in nano-dollars, to the nearest.
fn nanos(amount: f64) -> i64 {
    #[expect(clippy::cast_precision_loss, reason = "10^9 is exact")]
    let nanos = (amount * NANOS as f64).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 10^18, checked when the row was read"
    )]
    let nanos = nanos as i64;
    nanos.max(1)
}

/// One of the limits, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Calls a minute.
    Requests(u64),
    /// Tokens a minute.
    Tokens(u64),
    /// Calls at once.
    Parallel(u64),
    /// Nano-dollars a day.
    Day(i64),
    /// Nano-dollars a month.
    Month(i64),
}

impl Limit {
    /// Whether it is one of money.
    pub fn is_budget(self) -> bool {
        match self {
            Self::Day(_) | Self::Month(_) => true,
            Self::Requests(_) | Self::Tokens(_) | Self::Parallel(_) => false,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Requests(1) => write!(f, "1 request per minute"),
            Self::Requests(most) => write!(f, "{most} requests per minute"),
            Self::Tokens(most) => write!(f, "{most} tokens per minute"),
            Self::Parallel(1) => write!(f, "1 request at a time"),
            Self::Parallel(most) => write!(f, "{most} requests at a time"),
            Self::Day(most) => write!(f, "${} per day", dollars(*most)),
            Self::Month(most) => write!(f, "${} per month", dollars(*most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Limit, LimitsRow, nanos};

    #[test]
    fn dollars_become_nano_dollars() {
        for (dollars, expected) in [
            (0.000_001, 1000),
            (0.1, 100_000_000),
            (12.34, 12_340_000_000),
            (1e9, 1_000_000_000_000_000_000),
        ] {
            assert_eq!(nanos(dollars), expected, "{dollars}");
        }
        assert!(LimitsRow::default().judge().is_none());
    }

    #[test]
    fn limits_are_told_with_their_unit() {
        for (limit, text) in [
            (Limit::Requests(3), "3 requests per minute"),
            (Limit::Tokens(900), "900 tokens per minute"),
            (Limit::Parallel(1), "1 request at a time"),
            (Limit::Day(2_500_000_000), "$2.5 per day"),
            (Limit::Month(50_000_000_000), "$50 per month"),
        ] {
            assert_eq!(limit.to_string(), text);
        }
    }
}
