//! What limits keep for a call until it ends: settled exactly once, however it ends.

use store::route::spent;
use store::{Attempt, Cost, Hold, Outcome, Prices, Spent};
use wire::usage::Usage;

use crate::metrics::Tried;

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
    /// How it ended, where that is not how the call did.
    outcome: Option<Outcome>,
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
        self.attempts.push(Due {
            prices,
            holds,
            outcome: None,
        });
    }

    /// The last attempt was none.
    pub(super) fn not_asked(&mut self) {
        let holds = self.attempts.pop().map(|due| due.holds);
        for hold in holds.into_iter().flatten().flatten() {
            hold.cancel();
        }
    }

    /// The last attempt came to nothing and has spent `usage`.
    pub(super) fn ended(&mut self, usage: Option<Usage>, outcome: Outcome) {
        if let Some(due) = self.attempts.last_mut() {
            due.outcome = Some(outcome);
            let spent = due.spent(usage);
            settle(&mut due.holds, spent);
        }
    }

    /// What became of each of the `attempts` of a call with that outcome.
    pub(super) fn tried<'d>(
        &'d self,
        attempts: &'d [Attempt],
        outcome: Outcome,
    ) -> impl Iterator<Item = Tried<'d>> {
        let both = self.attempts.iter().zip(attempts);
        both.map(move |(due, attempt)| Tried {
            endpoint: &attempt.endpoint,
            outcome: due.outcome.unwrap_or(outcome),
            usage: attempt.usage,
            cost: attempt.usage.map(|usage| Cost::of(&usage, &due.prices)),
        })
    }

    /// What all `attempts` cost in nano-dollars, as far as prices are known; `None` when no
    /// tokens are known of.
    pub(super) fn cost(&self, attempts: &[Attempt]) -> Option<i64> {
        let both = self.attempts.iter().zip(attempts);
        let costs = both.filter_map(|(due, attempt)| {
            let usage = attempt.usage?;
            Some(Cost::of(&usage, &due.prices).known())
        });
        costs.reduce(i64::saturating_add)
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
