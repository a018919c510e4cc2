//! Tool calls that a model wrote as text, made into calls of the tools offered.
#![cfg_attr(
    not(any(test, feature = "laws")),
    expect(
        dead_code,
        unused_imports,
        reason = "the readers are here before the engine that asks them"
    )
)]

mod alias;
mod builtin;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a table that cannot be read fails the test"
)]
mod cases;
mod json;
#[cfg(any(test, feature = "laws"))]
pub mod laws;
mod mend;
mod native;
mod number;
mod pattern;
mod python;
mod quoted;
mod row;
mod scan;
mod schema;
mod tools;
mod value;

pub use alias::Alias;
pub use builtin::{BUILTINS, Builtin};
pub use mend::{Mended, Mender};
pub use native::Native;
pub(crate) use native::{CallMender, was_done};
pub use pattern::{Form, LONGEST_REGEX, NameFrom, Pattern, PatternError, Strength, check};
pub use schema::Schema;
pub use tools::{Tool, Tools};
pub use value::Value;
