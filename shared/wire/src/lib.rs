//! Wire formats and vendors of the gateway.
//!
//! Everything here is pure: bytes in, values or bytes out. Nothing in this crate
//! opens a socket, reads a clock or knows a runtime, so that the gateway, the
//! admin app and the tests share one understanding of every format.
//!
//! Two axes that never mix: a [`dialect`] is a wire format, a [`provider`] is a
//! vendor (base URL, paths, authentication, which dialect for which call).

pub mod canonical;
pub mod code;
pub mod dialect;
pub mod edit;
pub mod form;
pub mod hub;
pub mod inbound;
pub mod ndjson;
pub mod normaliser;
mod object;
pub mod outbound;
pub mod provider;
pub mod redact;
#[cfg(test)]
mod splits;
pub mod sse;
pub mod translation;
pub mod usage;
