//! The last minute, second by second.
//!
//! A call counts until the second in which it was made lies a minute back: from sixty to
//! sixty-one seconds, so that no sixty seconds ever see more than they may.

/// The running second and the sixty before it.
const SLOTS: i64 = 61;
const ROOM: usize = 61;

/// Something that is counted by the second.
#[derive(Debug)]
pub(super) struct Series {
    by_second: [u64; ROOM],
    /// All of it.
    pub(super) sum: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            by_second: [0; ROOM],
            sum: 0,
        }
    }
}

impl Series {
    fn at(&mut self, second: i64) -> &mut u64 {
        &mut self.by_second[place(second)]
    }

    fn get(&self, second: i64) -> u64 {
        self.by_second[place(second)]
    }

    fn add(&mut self, second: i64, amount: u64) {
        let slot = self.at(second);
        let before = *slot;
        *slot = slot.saturating_add(amount);
        self.sum = self.sum.saturating_add(*self.at(second) - before);
    }

    fn take(&mut self, second: i64, amount: u64) {
        let slot = self.at(second);
        let taken = amount.min(*slot);
        *slot -= taken;
        self.sum = self.sum.saturating_sub(taken);
    }

    fn forget(&mut self, second: i64) {
        let gone = std::mem::take(self.at(second));
        self.sum = self.sum.saturating_sub(gone);
    }
}

fn place(second: i64) -> usize {
    usize::try_from(second.rem_euclid(SLOTS)).unwrap_or(0)
}

/// Calls and tokens of the last minute.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The running second, in unix seconds.
    head: i64,
    pub(super) requests: Series,
    pub(super) tokens: Series,
}

impl Window {
    /// Goes on to the second `now`. A clock that was put back a little is waited for; one
    /// that was put back by more begins anew.
    pub(super) fn advance(&mut self, now: i64) {
        let ahead = now.saturating_sub(self.head);
        if ahead == 0 || (-SLOTS < ahead && ahead < 0) {
            return;
        }
        if (1..SLOTS).contains(&ahead) {
            for second in self.head + 1..=now {
                self.requests.forget(second);
                self.tokens.forget(second);
            }
            self.head = now;
        } else {
            *self = Self {
                head: now,
                ..Self::default()
            };
        }
    }

    /// Counts a call in the running second, which is given.
    pub(super) fn add(&mut self, tokens: u64) -> i64 {
        self.requests.add(self.head, 1);
        self.tokens.add(self.head, tokens);
        self.head
    }

    /// Of a call that was counted in `second` with `expected` tokens others have become
    /// known, or that it was none.
    pub(super) fn correct(&mut self, second: i64, expected: u64, spent: u64, was_call: bool) {
        if !self.holds(second) {
            return;
        }
        if !was_call {
            self.requests.take(second, 1);
        }
        if spent >= expected {
            self.tokens.add(second, spent - expected);
        } else {
            self.tokens.take(second, expected - spent);
        }
    }

    fn holds(&self, second: i64) -> bool {
        (self.head.saturating_sub(SLOTS - 1)..=self.head).contains(&second)
    }

    /// From which second on less than `most` is left of `series`, if nothing comes.
    pub(super) fn below(&self, series: &Series, most: u64) -> i64 {
        let mut sum = series.sum;
        for second in self.head - (SLOTS - 1)..=self.head {
            sum = sum.saturating_sub(series.get(second));
            if sum < most {
                return second + SLOTS;
            }
        }
        self.head + SLOTS
    }

    /// From which second on nothing is left of `series`; `None` when nothing is now.
    pub(super) fn empty_at(&self, series: &Series) -> Option<i64> {
        if series.sum == 0 {
            return None;
        }
        let seconds = self.head - (SLOTS - 1)..=self.head;
        let newest = seconds.rev().find(|second| series.get(*second) > 0);
        newest.map(|second| second + SLOTS)
    }
}
