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
mod connections;
mod cuts;
mod end_to_end;
mod forms;
mod hangups;
mod models;
mod process;
mod providers;
mod refusals;
mod requests;
mod scene;
mod tap;
mod upstream_faults;
