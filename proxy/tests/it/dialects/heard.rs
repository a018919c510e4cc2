//! An answer in nobody's words, to be compared.

use serde_json::Value;

/// What a complete answer says.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) calls: Vec<Call>,
    pub(super) stop: Stop,
    /// Tokens, where the dialect always tells them.
    pub(super) prompt: Option<u64>,
    pub(super) answer: Option<u64>,
}

/// A tool call.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// Why an answer ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    End,
    Calls,
    Other(String),
}

/// What a broken answer says.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) text: String,
    /// The error's own words.
    pub(super) message: String,
}
