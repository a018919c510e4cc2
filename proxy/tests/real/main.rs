//! The gateway in front of a genuine llama.cpp server, as each endpoint type that such a
//! server can be. Run by `make test-real`, which builds the server and names it in
//! `LLAMA_SERVER`, the folder of its models in `LLAMA_MODELS`, and a Python that has the
//! official client in `LLAMA_PYTHON`; without them nothing here can run, so every test is
//! ignored by default.
//!
//! What a simulated provider shows better (faults, other vendors, load) is in `it`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, reason = "the tests over simulated providers use the rest")]
#[path = "../it/caller.rs"]
mod caller;
mod cancelled;
mod chat;
mod client;
mod embeddings;
mod llama;
mod lost;
#[expect(dead_code, reason = "the tests over simulated providers use the rest")]
#[path = "../it/process.rs"]
mod process;
mod refused;
#[expect(dead_code, reason = "the tests over simulated providers use the rest")]
#[path = "../it/scene.rs"]
mod scene;
mod schema;
mod stage;
mod thoughts;
mod tools;
