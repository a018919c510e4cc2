//! The simulator against raw sockets: every promise other tests lean on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod anthropic;
mod faults;
mod ollama;
mod peculiar;
mod program;
mod raw;
mod responses;
mod runpod;
mod tls;
mod vendors;
