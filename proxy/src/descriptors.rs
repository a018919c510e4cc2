//! How many files and connections the process may have open, and how many of them are for
//! callers.
//!
//! Whoever begins the process often leaves it a thousand and allows many more; the rest is
//! taken. A call needs two connections, its caller's and its endpoint's: callers get half, so
//! that those who are let in can be served.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Those of the store, the log, the threads and the other sockets, and some over.
const OWN: u64 = 64;
/// Callers are let in however few there are.
const FEWEST: u64 = 8;

/// Takes as many as the process may have.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(why) = setrlimit(Resource::Nofile, most) {
        tracing::debug!(error = %why, "the limit of open files stays as it is");
    }
}

/// How many connections of callers may be open at once.
pub(crate) fn for_callers() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let half = (limit.saturating_sub(OWN) / 2).max(FEWEST);
    usize::try_from(half).unwrap_or(usize::MAX)
}
