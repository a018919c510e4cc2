//! Limits on the road of a call: what it is expected to use, and what its caller is told
//! when one is used up.

use std::fmt;
use std::sync::Arc;

use wire::provider::Call;
use wire::usage::Usage;

use super::plan::listed;
use crate::limits::Limit;
use crate::meter::{Over, Spent};
use crate::money::{Cost, Price, Prices};
use crate::snapshot::Snapshot;
use crate::virtual_model::VirtualModel;

/// Tokens of an answer that are reckoned with when neither the caller nor the virtual model
/// says how long it may become.
pub const USUAL_ANSWER: u64 = 1000;

/// Most tokens of an answer that are reckoned with: who asks for more than any model gives
/// must not keep others out.
const LONGEST_ANSWER: u64 = 1_000_000;

/// Seconds after which to come again where a call under way has to end first.
const SOON: u64 = 1;

/// Who has a limit, with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// A caller's key, by its label.
    Key(&'a str),
    /// A virtual model.
    Model(&'a str),
    /// An endpoint.
    Endpoint(&'a str),
}

impl fmt::Display for Whose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(label) => write!(f, "The API key '{label}'"),
            Self::Model(name) => write!(f, "The model '{name}'"),
            Self::Endpoint(name) => write!(f, "The endpoint '{name}'"),
        }
    }
}

/// Why a candidate is kept out: a limit of its endpoint, or its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// It is its endpoint's and not its own.
    pub of_endpoint: bool,
    /// Which limit.
    pub over: Over,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.of_endpoint {
            "its endpoint"
        } else {
            "the virtual model"
        };
        write!(f, "{whose} has used up its limit of {}", self.over.limit)
    }
}

/// What a caller is told of `over`.
pub(super) fn message(whose: Whose<'_>, over: &Over) -> String {
    let limit = over.limit;
    match (limit, over.frees_in) {
        (Limit::Day(_) | Limit::Month(_), _) => format!(
            "{whose} has used up its budget of {limit}. The next one begins in {}.",
            in_words(wait(over))
        ),
        (Limit::Requests(_) | Limit::Tokens(_) | Limit::Parallel(_), Some(_)) => format!(
            "{whose} has reached its limit of {limit}. There is room again in {}.",
            in_words(wait(over))
        ),
        (Limit::Requests(_) | Limit::Tokens(_) | Limit::Parallel(_), None) => format!(
            "{whose} has reached its limit of {limit}. There is room again when one of them ends."
        ),
    }
}

/// Whole seconds after which to come again.
pub(super) fn wait(over: &Over) -> u64 {
    over.frees_in.map_or(SOON, |millis| {
        u64::try_from(millis).unwrap_or(0).div_ceil(1000).max(1)
    })
}

fn in_words(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The tokens that a call is expected to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Of the prompt, estimated.
    pub prompt: u64,
    /// Of the answer, all choices together.
    pub answer: u64,
}

impl Expected {
    /// Of a `call` to `model` with so many tokens of `prompt`, for so many `choices` of at
    /// most `max_tokens`, as far as its caller says how many.
    pub fn of(
        model: &VirtualModel,
        call: Call,
        prompt: u64,
        max_tokens: Option<u64>,
        choices: u64,
    ) -> Self {
        let usual = model.max_tokens.map_or(USUAL_ANSWER, u64::from);
        let one = max_tokens.unwrap_or(usual);
        let answer = match call {
            // What is passed on is counted by what its answer tells.
            Call::Embeddings | Call::Models | Call::Passed(_) => 0,
            Call::Chat | Call::Completions => one.saturating_mul(choices.max(1)),
        };
        Self {
            prompt,
            answer: answer.min(LONGEST_ANSWER),
        }
    }

    /// That at `prices`; what has none costs nothing.
    pub fn at(&self, prices: &Prices) -> Spent {
        let tokens = self.prompt.saturating_add(self.answer);
        let usage = Usage {
            prompt_tokens: self.prompt,
            completion_tokens: self.answer,
            total_tokens: tokens,
            ..Usage::default()
        };
        spent(&usage, prices)
    }
}

/// What `usage` counts as at `prices`; what has none costs nothing.
pub fn spent(usage: &Usage, prices: &Prices) -> Spent {
    Spent {
        tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        nanos: Cost::of(usage, prices).known(),
    }
}

/// Of each price the highest that a call to `model` may come to, whoever serves it.
pub fn dearest(snapshot: &Snapshot, model: &Arc<VirtualModel>) -> Prices {
    let all = listed(snapshot, model);
    let lists = all.iter().map(|(model, _)| model.prices().list());
    let highest = |known: [Option<Price>; 6], list: [Option<Price>; 6]| {
        std::array::from_fn(|at| known[at].max(list[at]))
    };
    Prices::from_list(lists.fold([None; 6], highest))
}

#[cfg(test)]
mod tests {
    use wire::provider::Call;

    use super::{Expected, Whose, in_words, message, wait};
    use crate::limits::Limit;
    use crate::meter::Over;
    use crate::money::{Price, Prices};
    use crate::route::ai_queue::passed_on;
    use crate::virtual_model::VirtualModel;

    #[test]
    fn the_caller_learns_which_limit_whose_and_until_when() {
        let over = |limit, frees_in| Over { limit, frees_in };
        let requests = over(Limit::Requests(3), Some(41_001));
        assert_eq!(
            message(Whose::Key("laptop"), &requests),
            "The API key 'laptop' has reached its limit of 3 requests per minute. There is \
             room again in 42 s."
        );
        let parallel = over(Limit::Parallel(2), None);
        assert_eq!(
            message(Whose::Endpoint("home"), &parallel),
            "The endpoint 'home' has reached its limit of 2 requests at a time. There is room \
             again when one of them ends."
        );
        assert_eq!(wait(&parallel), 1);
        let day = over(Limit::Day(500_000_000), Some(3 * 3_600_000));
        assert_eq!(
            message(Whose::Model("m"), &day),
            "The model 'm' has used up its budget of $0.5 per day. The next one begins in \
             3 h 0 min."
        );
        assert_eq!(wait(&day), 10_800);
        assert_eq!(in_words(119), "119 s");
        assert_eq!(in_words(121), "3 min");
        assert_eq!(in_words(200_000), "2 days 7 h");
    }

    #[test]
    fn a_call_is_expected_to_use_what_it_may() {
        let model = passed_on("m");
        let of = |model: &VirtualModel, call, max, choices| {
            let expected = Expected::of(model, call, 1001, max, choices);
            (expected.prompt, expected.answer)
        };
        assert_eq!(of(&model, Call::Chat, None, 1), (1001, 1000));
        assert_eq!(of(&model, Call::Chat, Some(7), 3), (1001, 21));
        assert_eq!(of(&model, Call::Chat, Some(u64::MAX), 3), (1001, 1_000_000));
        assert_eq!(of(&model, Call::Embeddings, Some(7), 1), (1001, 0));
        let short = VirtualModel {
            max_tokens: Some(50),
            ..model
        };
        assert_eq!(of(&short, Call::Completions, None, 1), (1001, 50));
        let expected = Expected {
            prompt: 10,
            answer: 5,
        };
        let prices = Prices {
            output: Some(Price(3000)),
            ..Prices::default()
        };
        let spent = expected.at(&prices);
        assert_eq!((spent.tokens, spent.nanos), (15, 15));
    }
}
