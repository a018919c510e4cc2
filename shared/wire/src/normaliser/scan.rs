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

/// Why a reader came to no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// See [`Scan::More`].
    More,
    /// See [`Scan::No`].
    No,
}

impl<T> Scan<T> {
    /// The same with another value.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Scan<U> {
        match self {
            Self::Done(thing, length) => Scan::Done(change(thing), length),
            Self::More => Scan::More,
            Self::No => Scan::No,
        }
    }

    /// What a reader found, and where it stood then.
    pub(super) fn of(found: Result<T, Stop>, at: usize) -> Self {
        match found {
            Ok(thing) => Self::Done(thing, at),
            Err(Stop::More) => Self::More,
            Err(Stop::No) => Self::No,
        }
    }
}

/// Brackets may be nested this deep; what is deeper is taken for no value.
pub(super) const DEEPEST: usize = 128;
