//! What stands in a spool.

use crate::call::{CallRecord, LateTimes};

/// The content of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spooled {
    /// A finished call.
    Call(Box<CallRecord>),
    /// What has become known of one that stands before.
    Times(LateTimes),
}

impl Spooled {
    /// Reads the JSON text of either. They are told apart by their first field.
    pub(super) fn read(json: &[u8]) -> serde_json::Result<Self> {
        if json.starts_with(br#"{"times_of":"#) {
            serde_json::from_slice(json).map(Self::Times)
        } else {
            serde_json::from_slice(json).map(|call| Self::Call(Box::new(call)))
        }
    }

    /// The JSON text that it is read from.
    pub(super) fn text(&self) -> String {
        // Texts and numbers can always be written.
        match self {
            Self::Call(call) => serde_json::to_string(call),
            Self::Times(times) => serde_json::to_string(times),
        }
        .unwrap_or_default()
    }

    /// Whether it is a call.
    pub(super) fn is_call(&self) -> bool {
        match self {
            Self::Call(_) => true,
            Self::Times(_) => false,
        }
    }
}

impl From<CallRecord> for Spooled {
    fn from(call: CallRecord) -> Self {
        Self::Call(Box::new(call))
    }
}
