//! Calls in Python's notation, as models write them.

use super::scan::Scan;
use super::value::Value;

/// `name(key=value, ...)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PyCall {
    /// The name as written, without a `.call` at its end.
    pub(super) name: String,
    /// The keyword arguments in their order, each key once.
    pub(super) arguments: Vec<(String, Value)>,
    /// The arguments without a key.
    pub(super) positional: Vec<Value>,
}

/// One call at the start of `text`; white space may come first.
pub(super) fn call(text: &str) -> Scan<PyCall> {
    let _ = text;
    Scan::No
}

/// One literal at the start of `text`; white space may come first.
pub(super) fn literal(text: &str) -> Scan<Value> {
    let _ = text;
    Scan::No
}

/// A list of calls, at least one, at the start of `text`.
pub(super) fn list(text: &str) -> Scan<Vec<PyCall>> {
    let _ = text;
    Scan::No
}

/// A list of calls that lacks nothing but its closing bracket, and is all of `text`.
pub(super) fn closed_list(text: &str) -> Option<Vec<PyCall>> {
    let _ = text;
    None
}
