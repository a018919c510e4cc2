//! Tool calls that a model wrote as text, made into calls of the tools offered.

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the readers are here before the engine that asks them"
    )
)]
mod json;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the readers are here before the engine that asks them"
    )
)]
mod python;
#[expect(
    dead_code,
    reason = "the readers are here before the engine that asks them"
)]
mod scan;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the readers are here before the engine that asks them"
    )
)]
mod schema;
mod tools;
mod value;

pub use schema::Schema;
pub use tools::{Tool, Tools};
pub use value::Value;
