//! The circuit of one model at one endpoint, as it survives a restart.

/// A circuit that is open, or that was and has not seen a good answer since. Times are unix
/// seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitRow {
    /// The endpoint.
    pub endpoint_id: i64,
    /// The model's name at that endpoint.
    pub model: String,
    /// When it opened; 0 for one that is closed.
    pub opened_at: i64,
    /// Until when the endpoint is left alone; afterwards one call tries it.
    pub open_until: i64,
    /// Failures that opened it.
    pub failures: u32,
    /// The latest failure, for people.
    pub last_error: Option<String>,
}
