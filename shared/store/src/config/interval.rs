//! How often the health of endpoints is looked at: the one process setting that a running
//! gateway follows. What the environment says holds to the end of the process.

use std::time::Duration;

use super::value::{OrZero, Parse};

/// The time between two looks at an endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthCheckInterval {
    /// What the environment says.
    pub environment: Option<Duration>,
    /// What holds when nothing is said.
    pub default: Duration,
}

impl HealthCheckInterval {
    /// What holds with `stored`, as a snapshot has it; `None` for never.
    pub fn with(self, stored: Option<Duration>) -> Option<Duration> {
        let time = self.environment.or(stored).unwrap_or(self.default);
        Some(time).filter(|time| !time.is_zero())
    }
}

/// A stored interval; 0 is never.
///
/// # Errors
/// What would be accepted.
pub(crate) fn stored_interval(text: &str) -> Result<Duration, &'static str> {
    OrZero::parse(text.trim())
        .map(|time| time.0)
        .ok_or(OrZero::ACCEPTED)
}
