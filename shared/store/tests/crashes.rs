//! What a panic leaves behind: a line that says where, without a secret.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap is a failed test, and this one is about panics"
)]

use std::process::Command;
use std::sync::Arc;

use store::Redaction;
use store::config::Config;

/// A secret of the settings, and what looks like one wherever it comes from.
const KEY: &str = "the-queue-is-ours-4711";
const SHAPE: &str = "sk-proj-Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OWFiY2RlZg";

#[test]
fn a_panic_is_told_without_secrets() {
    let crashed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "it_panics", "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&crashed.stderr);
    for told in [
        "asked with ***",
        "and ***, gone wrong",
        "crashes.rs:",
        "it_panics",
    ] {
        assert!(said.contains(told), "no {told:?}: {said}");
    }
    for secret in [KEY, SHAPE] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// The one that panics, in a process of its own.
#[test]
#[ignore = "run by the other one"]
#[should_panic(expected = "gone wrong")]
fn it_panics() {
    let queue = |name: &str| (name == "AI_QUEUE_API_KEY").then(|| KEY.to_owned());
    let redaction = Arc::new(Redaction::default());
    redaction.learn(&Config::load(&queue, None).unwrap());
    redaction.tell_panics();
    panic!("asked with {KEY} and {SHAPE}, gone wrong");
}
