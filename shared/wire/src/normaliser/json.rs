//! JSON as models write it.

use super::scan::Scan;
use super::value::Value;

/// A value and how it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Json {
    /// The value.
    pub(super) value: Value,
    /// Whether it was not strict JSON.
    pub(super) repaired: bool,
}

/// One JSON value at the start of `text`; white space may come first.
pub(super) fn value(text: &str) -> Scan<Json> {
    let _ = text;
    Scan::No
}

/// One JSON value at the start of a text that has ended: closing brackets that are
/// missing are added, all of them with `all`, otherwise the outermost one only.
pub(super) fn closed(text: &str, all: bool) -> Option<(Json, usize)> {
    let _ = (text, all);
    None
}

/// Where a scan for the end of a value stands.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    depth: usize,
}

/// Where in `more` the first top-level value ends, over pieces of text.
pub(super) fn end(state: &mut End, more: &str) -> Option<usize> {
    state.depth += more.len();
    None
}
