//! For how many days the audit is kept, which a running admin app follows. What the
//! environment says holds to the end of the process.

use super::value::{Days, Parse};

/// Days; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditDays {
    /// What the environment says.
    pub environment: Option<Option<u32>>,
    /// What holds when nothing is said.
    pub default: Option<u32>,
}

impl AuditDays {
    /// What holds with the text that is stored; one that makes no sense is none.
    pub fn with(self, stored: Option<&str>) -> Option<u32> {
        let stored = stored.and_then(|text| Days::parse(text.trim()));
        self.environment
            .or(stored.map(|days| days.0))
            .unwrap_or(self.default)
    }
}
