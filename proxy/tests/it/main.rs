//! The gateway as its callers see it: the real binary on a real socket, over a real
//! store, in front of simulated providers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bodies;
mod caller;
mod configuration;
mod connections;
mod cuts;
mod end_to_end;
mod forms;
mod hangups;
mod ledger;
mod memory;
mod models;
mod process;
mod program;
mod providers;
mod refusals;
mod requests;
mod scene;
mod stop;
mod store_faults;
mod tap;
mod tls;
mod upstream_faults;
