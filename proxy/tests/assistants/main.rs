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
use serde_json::json;
use sim::Flavor;
use work::{Calls, edits_a_file, edits_a_file_over, is_told_of_a_full_context};

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

/// Each over a provider of its own dialect, to which what it says goes as it is.
#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn claude_code_over_its_own_dialect() {
    for calls in [Calls::Native, Calls::Written] {
        let flavor = Flavor::Anthropic;
        edits_a_file_over(Assistant::ClaudeCode, calls, flavor, &json!({})).await;
    }
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn codex_over_its_own_dialect() {
    for calls in [Calls::Native, Calls::Written] {
        let endpoint = json!({"responses": "yes"});
        edits_a_file_over(Assistant::Codex, calls, Flavor::OpenAi, &endpoint).await;
    }
}

/// Who does not recognise the error asks again and again.
#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn claude_code_is_told_of_a_full_context() {
    is_told_of_a_full_context(Assistant::ClaudeCode, 1, "Prompt is too long").await;
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn codex_is_told_of_a_full_context() {
    is_told_of_a_full_context(Assistant::Codex, 1, "ran out of room").await;
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn pi_is_told_of_a_full_context() {
    is_told_of_a_full_context(Assistant::Pi, 2, "maximum context length").await;
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn qwen_code_is_told_of_a_full_context() {
    // One more is a conversation about what to remember.
    is_told_of_a_full_context(Assistant::QwenCode, 2, "maximum context length").await;
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn opencode_is_told_of_a_full_context() {
    // Each of its tries has a title beside it.
    is_told_of_a_full_context(Assistant::OpenCode, 8, "maximum context length").await;
}

#[tokio::test]
#[ignore = "wants coding assistants: make test-assistants"]
async fn cline() {
    for calls in [Calls::Native, Calls::Written] {
        edits_a_file(Assistant::Cline, calls).await;
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
