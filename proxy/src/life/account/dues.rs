//! What limits keep for a call until it ends: settled exactly once, however it ends.

use store::route::spent;
use store::{Attempt, Hold, Prices, Spent};
use wire::usage::Usage;

/// At most two limits' owners each have a part.
type Holds = [Option<Hold>; 2];

/// One call's.
#[derive(Debug, Default)]
pub(in super::super) struct Dues {
    /// The key's and the named virtual model's.
    whole: Holds,
    /// Of each attempt, in the order of the record's.
    attempts: Vec<Due>,
}

/// One attempt's.
#[derive(Debug)]
struct Due {
    /// What tokens cost there.
    prices: Prices,
    /// The endpoint's and, where it took over, its virtual model's.
    holds: Holds,
}

impl Due {
    fn spent(&self, usage: Option<Usage>) -> Spent {
        usage.map_or_else(Spent::default, |usage| spent(&usage, &self.prices))
    }
}

fn settle(holds: &mut Holds, spent: Spent) {
    for hold in holds.iter_mut().filter_map(Option::take) {
        hold.settle(spent);
    }
}

impl Dues {
    /// The call was let through.
    pub(in super::super) fn admitted(&mut self, holds: Holds) {
        self.whole = holds;
    }

    /// An attempt was let through.
    pub(super) fn attempt(&mut self, prices: Prices, holds: Holds) {
        self.attempts.reserve_exact(1);
        self.attempts.push(Due { prices, holds });
    }

    /// The last attempt was none.
    pub(super) fn not_asked(&mut self) {
        let holds = self.attempts.pop().map(|due| due.holds);
        for hold in holds.into_iter().flatten().flatten() {
            hold.cancel();
        }
    }

    /// The last attempt is over and has spent `usage`.
    pub(super) fn ended(&mut self, usage: Option<Usage>) {
        if let Some(due) = self.attempts.last_mut() {
            let spent = due.spent(usage);
            settle(&mut due.holds, spent);
        }
    }

    /// The call is over.
    pub(super) fn settle(&mut self, attempts: &[Attempt]) {
        let mut whole = Spent::default();
        for (due, attempt) in self.attempts.iter_mut().zip(attempts) {
            let spent = due.spent(attempt.usage);
            settle(&mut due.holds, spent);
            whole.tokens = whole.tokens.saturating_add(spent.tokens);
            whole.nanos = whole.nanos.saturating_add(spent.nanos);
        }
        settle(&mut self.whole, whole);
    }
}
