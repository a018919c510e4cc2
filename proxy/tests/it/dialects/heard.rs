//! An answer in nobody's words, to be compared.

use serde_json::Value;

/// What a complete answer says.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) stop: Stop,
    /// Tokens, where the dialect always tells them.
    pub(crate) prompt: Option<u64>,
    pub(crate) answer: Option<u64>,
}

/// A tool call.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// Why an answer ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Calls,
    Other(String),
}

/// What a broken answer says.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) text: String,
    /// The error's own words.
    pub(crate) message: String,
}
