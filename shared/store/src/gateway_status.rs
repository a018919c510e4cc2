//! What a gateway tells of itself: the admin app never asks it.

/// A running gateway, or one that has run. Times are unix seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayStatus {
    /// Differs between two runs of the program.
    pub id: String,
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub address: String,
    /// When it started.
    pub started_at: i64,
    /// When it told this.
    pub seen_at: i64,
    /// When it ended in order.
    pub ended_at: Option<i64>,
    /// The revision of the configuration that it uses.
    pub revision: i64,
    /// What needs the operator, for people.
    pub troubles: Vec<String>,
}

impl GatewayStatus {
    /// Seconds between two reports.
    pub const EVERY: u64 = 5;

    /// Whether it is alive at `now`: it has told so within four times of telling.
    #[must_use]
    pub fn is_alive(&self, now: i64) -> bool {
        let late = i64::try_from(4 * Self::EVERY).unwrap_or(i64::MAX);
        self.ended_at.is_none() && self.seen_at.saturating_add(late) >= now
    }
}
