//! Real coding assistants over the gateway: each edits a file with its own tools, once
//! through calls that the model gives as such and once through calls that it writes as
//! text. Run by `make test-assistants`, which installs them and names where in
//! `ASSISTANTS`; without them nothing here can run, so every test is ignored by default.
//!
//! The model is `sim`, which guesses from the names of tools and parameters what to do
//! with them. What clients without an assistant's loop do is in `it` and `clients`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod assistant;
#[expect(dead_code, reason = "the tests over simulated providers use the rest")]
#[path = "../it/caller.rs"]
mod caller;
#[expect(dead_code, reason = "the tests over simulated providers use the rest")]
#[path = "../it/process.rs"]
mod process;
#[expect(dead_code, reason = "the tests over simulated providers use the rest")]
#[path = "../it/scene.rs"]
mod scene;
mod work;

use assistant::Assistant;
use work::{Calls, edits_a_file};

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn claude_code() {
    for calls in [Calls::Native, Calls::Written] {
        edits_a_file(Assistant::ClaudeCode, calls).await;
    }
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn codex() {
    for calls in [Calls::Native, Calls::Written] {
        edits_a_file(Assistant::Codex, calls).await;
    }
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn opencode() {
    for calls in [Calls::Native, Calls::Written] {
        edits_a_file(Assistant::OpenCode, calls).await;
    }
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn qwen_code() {
    for calls in [Calls::Native, Calls::Written] {
        edits_a_file(Assistant::QwenCode, calls).await;
    }
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn pi() {
    for calls in [Calls::Native, Calls::Written] {
        edits_a_file(Assistant::Pi, calls).await;
    }
}

/// It offers no tools: its models write what is to be changed in a form of its own.
#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn aider() {
    edits_a_file(Assistant::Aider, Calls::Native).await;
}
