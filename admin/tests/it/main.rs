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
mod activity_page;
mod alias_pages;
mod audit;
mod axe;
mod browser;
mod chrome;
mod circuits;
mod connect_page;
mod endpoint_backends;
mod endpoint_pages;
mod endpoints;
mod exchange;
mod explain;
mod external;
mod faults;
mod forms;
mod gateway;
mod harness;
mod hostile;
mod inbound_keys;
mod keyboard;
mod login;
mod looks;
mod model_pages;
mod model_trials;
mod ollama;
mod openapi;
mod operation_pages;
mod overview_page;
mod pages;
mod pattern_pages;
mod people;
mod probe;
mod probe_times;
mod program;
mod routes;
mod secrets;
mod session;
mod settings;
mod store_faults;
mod tool_aliases;
mod tool_pattern_test;
mod tool_patterns;
mod upstream;
mod usage;
mod usage_page;
mod versions_of_forms;
mod virtual_models;
mod walk;
