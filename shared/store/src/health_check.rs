//! What the gateway's last look at an endpoint's health found.

/// The last health check of an endpoint. Times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckRow {
    /// The endpoint.
    pub endpoint_id: i64,
    /// When it was asked.
    pub checked_at: i64,
    /// Since when the answer has been the same.
    pub since: i64,
    /// Whether it is well.
    pub is_well: bool,
    /// Why it is not, for people.
    pub reason: Option<String>,
}
