//! The gateway as its callers see it: the real binary on a real socket, over a real
//! store, in front of simulated providers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod affinity;
mod anthropic;
mod bodies;
mod bombs;
mod cache;
mod caller;
mod captures;
mod chaos;
mod circuits;
mod clock;
mod commands;
mod configuration;
mod connections;
mod corpus;
mod crowd;
mod cuts;
mod dialects;
mod doctor;
mod end_to_end;
mod endpoint_times;
mod expect;
mod explain;
mod exposure;
mod failover;
mod fault_matrix;
mod faults;
mod forms;
mod hangups;
mod health;
mod hold;
mod jobs;
mod joins;
mod keys;
mod kills;
mod kinds;
mod ledger;
mod limits;
mod made_good;
mod memory;
mod metrics;
mod models;
mod nowhere;
mod ollama;
mod ollama_callers;
mod ollama_lifecycle;
mod openapi;
mod passed;
mod process;
mod program;
mod providers;
mod queue;
mod raw;
mod redaction;
mod refusals;
mod requests;
mod resets;
mod responses;
mod routing;
mod runpod;
mod scene;
mod secrets;
mod slow_callers;
mod smuggling;
mod stop;
mod store_faults;
mod tap;
mod telemetry;
mod tls;
mod tool_calls;
mod upgrades;
mod upstream_faults;
