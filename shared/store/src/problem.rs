//! Something doubtful found in the store: named, explained, and never fatal by itself.

use std::fmt;

use serde::Serialize;

/// One row or value that is wrong or doubtful, while the rest keeps working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it is about, as an operator would name it: `endpoint 3 "local"`.
    pub subject: String,
    /// What is wrong, what follows from it, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem with `subject`.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}
