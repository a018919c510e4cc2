//! Wire formats of model calls, one module a format.
//!
//! A body that goes from one server to another of the same dialect is edited, not
//! re-encoded: see [`crate::edit`]. Between two dialects it goes through
//! [`crate::hub`].

pub mod anthropic;
pub mod ollama;
pub mod openai;
pub mod responses;
pub mod runpod;
