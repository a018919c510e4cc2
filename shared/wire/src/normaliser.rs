//! Tool calls that a model wrote as text, made into calls of the tools offered.
//!
//! From the outside in: [`Machine`] takes the text of an answer piece by piece; at places
//! where one of the [`Patterns`] begins a reader (`read`) says what follows; readers of
//! JSON, of Python and of marked-up values give a [`Value`]; the tool's [`Schema`] has
//! the last word on the arguments.

mod alias;
mod answer;
mod builtin;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a table that cannot be read fails the test"
)]
pub(crate) mod cases;
mod escaped;
mod json;
#[cfg(any(test, feature = "laws"))]
pub mod laws;
mod machine;
mod mend;
mod native;
mod number;
mod pattern;
mod patterns;
mod python;
mod quoted;
mod read;
mod row;
mod scan;
mod schema;
mod shown;
mod tally;
mod tools;
mod trial;
mod value;
mod verdict;

pub use alias::Alias;
pub use answer::{Manner, Normaliser};
pub use builtin::{BUILTINS, Builtin};
pub use machine::{HOLD, Machine, Piece, Rules, Seen, Thoughts};
pub use mend::{Mended, Mender};
pub use native::Native;
pub(crate) use native::{CallMender, was_done};
pub use pattern::{Form, LONGEST_REGEX, NameFrom, Pattern, PatternError, Strength, check};
pub use patterns::Patterns;
pub use schema::Schema;
pub use shown::{Reveal, Shown};
pub use tally::Tally;
pub use tools::{Tool, Tools};
pub use trial::{Field, Match, Near, Outcome, Sample, Trial, trial};
pub use value::Value;
pub use verdict::{Called, Reason};
