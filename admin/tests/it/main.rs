//! The admin app as its callers see it: the real binary on a real socket.
// Rows with all their columns are long for `json!`.
#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod audit;
mod browser;
mod circuits;
mod endpoint_pages;
mod endpoints;
mod explain;
mod external;
mod harness;
mod inbound_keys;
mod login;
mod ollama;
mod operation_pages;
mod pages;
mod people;
mod probe;
mod program;
mod secrets;
mod session;
mod settings;
mod store_faults;
mod tool_aliases;
mod tool_pattern_test;
mod tool_patterns;
mod upstream;
mod usage;
mod virtual_models;
