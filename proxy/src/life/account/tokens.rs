//! The tokens of a call, as its record has them.

use store::{CallRecord, Outcome};
use wire::usage::{Usage, estimate_tokens};

use super::Account;

impl Account {
    /// Declared usage, or an estimate where tokens were spent that nobody counted.
    pub(super) fn count_tokens(&self, record: &mut CallRecord) {
        let answered = record.outcome == Outcome::Success || self.answer_bytes > 0;
        let usage = match self.usage {
            // What a provider declares before the end does not count what it has sent.
            Some(usage)
                if record.outcome != Outcome::Success
                    && usage.completion_tokens < estimate_tokens(self.answer_bytes) =>
            {
                record.estimated = true;
                let completion_tokens = estimate_tokens(self.answer_bytes);
                Usage {
                    completion_tokens,
                    total_tokens: usage.prompt_tokens + completion_tokens,
                    // Of what it had counted, not of what it has sent.
                    cost: None,
                    ..usage
                }
            }
            Some(usage) => usage,
            None if answered && self.reached_upstream && record.kind.is_estimated() => {
                record.estimated = true;
                let prompt_tokens = self.prompt_tokens;
                let completion_tokens = estimate_tokens(self.answer_bytes);
                Usage {
                    prompt_tokens,
                    completion_tokens,
                    total_tokens: prompt_tokens + completion_tokens,
                    ..Usage::default()
                }
            }
            None => return sum_up(record),
        };
        match self.answering.and_then(|at| record.attempts.get_mut(at)) {
            Some(attempt) => attempt.usage = Some(usage),
            None => record.usage = usage,
        }
        sum_up(record);
    }
}

/// What all attempts together have spent.
fn sum_up(record: &mut CallRecord) {
    let spent = record.attempts.iter().filter_map(|attempt| attempt.usage);
    if let Some(sum) = spent.reduce(Usage::plus) {
        record.usage = sum;
    }
}
