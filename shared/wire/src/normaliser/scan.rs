//! What a reader says about the start of a text that may not be complete yet.

/// The outcome of reading one thing at the start of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scan<T> {
    /// It is there; the number is the bytes that it takes.
    Done(T, usize),
    /// The text ended too early: with more text it could still be one.
    More,
    /// It is not one, whatever follows.
    No,
}
