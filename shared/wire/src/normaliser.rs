//! Tool calls that a model wrote as text, made into calls of the tools offered.
#![expect(
    dead_code,
    reason = "the readers are here before the engine that asks them"
)]

mod json;
mod python;
mod scan;
mod schema;
mod tools;
mod value;

pub use schema::Schema;
pub use tools::{Tool, Tools};
pub use value::Value;
