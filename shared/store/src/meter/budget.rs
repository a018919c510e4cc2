//! Money of the running day or month.

use crate::zone::Zone;

/// How far a clock may be put back before a budget begins anew with it, in seconds.
const BACK: i64 = 2 * 86_400;

/// A day or a month, in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first second.
    pub from: i64,
    /// The first second after it.
    pub until: i64,
}

impl Period {
    /// The day of a moment.
    #[must_use]
    pub fn day(zone: &Zone, at: i64) -> Self {
        Self {
            from: zone.day(at),
            until: zone.next_day(at),
        }
    }

    /// The month of a moment.
    #[must_use]
    pub fn month(zone: &Zone, at: i64) -> Self {
        Self {
            from: zone.month(at),
            until: zone.next_month(at),
        }
    }
}

/// What was spent in one.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) period: Period,
    /// Nano-dollars, those of calls under way as they are expected.
    pub(super) nanos: i64,
}

impl Budget {
    pub(super) fn new(period: Period, nanos: i64) -> Self {
        Self { period, nanos }
    }

    /// Goes on to the period of `now` when its own is over. What is under way then belongs
    /// to the one in which it began.
    pub(super) fn roll(&mut self, now: i64, of: impl Fn(i64) -> Period) {
        if now >= self.period.until || now < self.period.from.saturating_sub(BACK) {
            *self = Self::new(of(now), 0);
        }
    }

    pub(super) fn add(&mut self, nanos: i64) {
        self.nanos = self.nanos.saturating_add(nanos);
    }

    /// A call that began in the period from `from` on has cost that much more.
    pub(super) fn correct(&mut self, from: i64, more: i64) {
        if from == self.period.from {
            self.nanos = self.nanos.saturating_add(more).max(0);
        }
    }
}
