//! What the owner of limits has used, counted in memory: calls and tokens of the last
//! minute, calls under way, money of the running day and month.
//!
//! What always holds: a call is let through and counted in one step, with what it is
//! expected to use, and what it has used takes the place of that exactly once. It is let
//! through while anything is left of each limit, so that calls at once can go over one of
//! tokens or money by a single call at most, as far as each uses no more than expected.
//! Nothing here waits, reads a clock or writes: the time is an argument.

mod budget;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::{Limit, Limits};
use crate::zone::Zone;
use budget::Budget;
pub use budget::Period;
use window::Window;

/// What a call uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens of prompt and answer.
    pub tokens: u64,
    /// Nano-dollars.
    pub nanos: i64,
}

/// The limit that a call would go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Which one.
    pub limit: Limit,
    /// In how many milliseconds there is room again, at least 1; `None` when a call under
    /// way has to end for it.
    pub frees_in: Option<i64>,
}

/// How far one limit a minute is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The limit.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// In how many milliseconds all of it is left again; 0 when it is.
    pub reset: i64,
}

/// How far the limits a minute are used; `None` where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    /// Calls.
    pub requests: Option<Level>,
    /// Tokens.
    pub tokens: Option<Level>,
}

/// Money that had been spent before counting began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// The day.
    pub day: Period,
    /// Nano-dollars on it.
    pub on_day: i64,
    /// The month.
    pub month: Period,
    /// Nano-dollars in it.
    pub in_month: i64,
}

/// One owner's counters. Its lock is held for as long as it takes to add a few numbers.
#[derive(Debug)]
pub struct Meter {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    window: Window,
    in_flight: u64,
    day: Budget,
    month: Budget,
}

impl Counts {
    /// Brings all of it to `now`, in unix milliseconds.
    fn advance(&mut self, now: i64, zone: &Zone) {
        let second = now.div_euclid(1000);
        self.window.advance(second);
        self.day.roll(second, |at| Period::day(zone, at));
        self.month.roll(second, |at| Period::month(zone, at));
    }

    /// The limit that lets no call through; of several the one that lasts longest.
    fn over(&self, limits: &Limits, now: i64) -> Option<Over> {
        let after = |at: i64| Some(at.saturating_mul(1000).saturating_sub(now).max(1));
        let over = |limit, frees_in| Some(Over { limit, frees_in });
        if let Some(most) = limits
            .cost_per_month
            .filter(|most| self.month.nanos >= *most)
        {
            return over(Limit::Month(most), after(self.month.period.until));
        }
        if let Some(most) = limits.cost_per_day.filter(|most| self.day.nanos >= *most) {
            return over(Limit::Day(most), after(self.day.period.until));
        }
        let requests = &self.window.requests;
        if let Some(most) = limits
            .requests_per_minute
            .filter(|most| requests.sum >= *most)
        {
            return over(
                Limit::Requests(most),
                after(self.window.below(requests, most)),
            );
        }
        let tokens = &self.window.tokens;
        if let Some(most) = limits.tokens_per_minute.filter(|most| tokens.sum >= *most) {
            return over(Limit::Tokens(most), after(self.window.below(tokens, most)));
        }
        let most = limits.parallel.filter(|most| self.in_flight >= *most)?;
        over(Limit::Parallel(most), None)
    }
}

impl Meter {
    /// Counters that begin with the money spent `before`.
    #[must_use]
    pub fn new(before: &Before) -> Self {
        Self {
            counts: Mutex::new(Counts {
                window: Window::default(),
                in_flight: 0,
                day: Budget::new(before.day, before.on_day),
                month: Budget::new(before.month, before.in_month),
            }),
        }
    }

    /// Counters of somebody who has spent nothing, at `now` in unix seconds.
    #[must_use]
    pub fn unused(now: i64, zone: &Zone) -> Self {
        Self::new(&Before {
            day: Period::day(zone, now),
            on_day: 0,
            month: Period::month(zone, now),
            in_month: 0,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Numbers stay numbers, whoever failed while it held the lock.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call through that is expected to use `need`, at `now` in unix milliseconds,
    /// and counts it.
    ///
    /// # Errors
    /// The limit that is used up; then nothing is counted.
    pub fn reserve(
        self: &Arc<Self>,
        limits: &Limits,
        need: Spent,
        now: i64,
        zone: &Zone,
    ) -> Result<Hold, Over> {
        let mut counts = self.counts();
        counts.advance(now, zone);
        if let Some(over) = counts.over(limits, now) {
            return Err(over);
        }
        let second = counts.window.add(need.tokens);
        counts.in_flight += 1;
        counts.day.add(need.nanos);
        counts.month.add(need.nanos);
        let (day, month) = (counts.day.period.from, counts.month.period.from);
        drop(counts);
        Ok(Hold {
            meter: Some(Arc::clone(self)),
            need,
            second,
            day,
            month,
        })
    }

    /// The limit that would let no call through at `now`, in unix milliseconds.
    pub fn over(&self, limits: &Limits, now: i64, zone: &Zone) -> Option<Over> {
        if limits.is_none() {
            return None;
        }
        let mut counts = self.counts();
        counts.advance(now, zone);
        counts.over(limits, now)
    }

    /// How far the limits a minute are used at `now`, in unix milliseconds.
    pub fn levels(&self, limits: &Limits, now: i64) -> Levels {
        let mut counts = self.counts();
        counts.window.advance(now.div_euclid(1000));
        let window = &counts.window;
        let level = |limit: Option<u64>, series: &window::Series| {
            limit.map(|limit| Level {
                limit,
                remaining: limit.saturating_sub(series.sum),
                reset: match window.empty_at(series) {
                    Some(at) => at.saturating_mul(1000).saturating_sub(now).max(1),
                    None => 0,
                },
            })
        };
        Levels {
            requests: level(limits.requests_per_minute, &window.requests),
            tokens: level(limits.tokens_per_minute, &window.tokens),
        }
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u64 {
        self.counts().in_flight
    }

    /// Nano-dollars of the day and of the month that were running when it was used last,
    /// those of calls under way as they are expected.
    pub fn money(&self) -> (i64, i64) {
        let counts = self.counts();
        (counts.day.nanos, counts.month.nanos)
    }
}

/// A call that was let through. Dropped unsettled it has used nothing, but was a call.
#[derive(Debug)]
#[must_use = "a call that is dropped has ended"]
pub struct Hold {
    /// `None` once it is settled.
    meter: Option<Arc<Meter>>,
    need: Spent,
    /// When it was counted.
    second: i64,
    /// When its day and its month began.
    day: i64,
    month: i64,
}

impl Hold {
    /// The call has ended and used `spent`.
    pub fn settle(mut self, spent: Spent) {
        self.end(spent, true);
    }

    /// There was no call.
    pub fn cancel(mut self) {
        self.end(Spent::default(), false);
    }

    fn end(&mut self, spent: Spent, was_call: bool) {
        let Some(meter) = self.meter.take() else {
            return;
        };
        let mut counts = meter.counts();
        counts.in_flight = counts.in_flight.saturating_sub(1);
        counts
            .window
            .correct(self.second, self.need.tokens, spent.tokens, was_call);
        let more = spent.nanos.saturating_sub(self.need.nanos);
        counts.day.correct(self.day, more);
        counts.month.correct(self.month, more);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(Spent::default(), true);
    }
}

#[cfg(test)]
mod tests;
