//! What time it is, for pages and answers.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds.
pub(crate) fn seconds() -> i64 {
    millis() / 1000
}

/// Unix milliseconds.
pub(crate) fn millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| {
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    })
}
