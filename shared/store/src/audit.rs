//! The audit: who changed what and when, before and after, secrets masked.

use serde::Serialize;
use serde_json::{Map, Value};

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person's name.
    pub user: String,
    /// The person's address, if it is known.
    pub address: Option<String>,
}

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// An endpoint.
    Endpoint,
    /// A virtual model, with its routing.
    VirtualModel,
    /// A tool pattern.
    ToolPattern,
    /// A tool alias.
    ToolAlias,
    /// A caller's key.
    InboundKey,
    /// Stored settings.
    Settings,
    /// A person of the admin app.
    User,
    /// A dated price.
    Price,
    /// Circuits.
    Circuit,
    /// Costs of past calls.
    Usage,
}

impl AuditKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Endpoint,
        Self::VirtualModel,
        Self::ToolPattern,
        Self::ToolAlias,
        Self::InboundKey,
        Self::Settings,
        Self::User,
        Self::Price,
        Self::Circuit,
        Self::Usage,
    ];

    /// Its text in the store and in addresses.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::VirtualModel => "virtual_model",
            Self::ToolPattern => "tool_pattern",
            Self::ToolAlias => "tool_alias",
            Self::InboundKey => "inbound_key",
            Self::Settings => "settings",
            Self::User => "user",
            Self::Price => "price",
            Self::Circuit => "circuit",
            Self::Usage => "usage",
        }
    }

    /// The kind with this text.
    #[must_use]
    pub fn from_id(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == text)
    }

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::VirtualModel => "virtual model",
            Self::ToolPattern => "tool pattern",
            Self::ToolAlias => "tool alias",
            Self::InboundKey => "key",
            Self::Settings => "settings",
            Self::User => "user",
            Self::Price => "price",
            Self::Circuit => "circuit",
            Self::Usage => "costs",
        }
    }
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Of whom, exactly.
    pub user: Option<String>,
    /// Of which kind.
    pub kind: Option<AuditKind>,
    /// Of which row of that kind.
    pub row_id: Option<i64>,
    /// What the name or the action contains.
    pub text: Option<String>,
    /// Whether they come in the order in which they were made; else the newest is first.
    pub oldest_first: bool,
    /// At most so many.
    pub limit: usize,
    /// After so many others.
    pub offset: usize,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRow {
    /// The entry's id.
    pub id: i64,
    /// Unix seconds.
    pub at: i64,
    /// Who.
    pub user: String,
    /// From where.
    pub address: Option<String>,
    /// `created`, `changed`, `deleted`, or another word.
    pub action: String,
    /// What.
    pub kind: AuditKind,
    /// The row's id.
    pub row_id: Option<i64>,
    /// The row's name at the time.
    pub name: String,
    /// The fields that changed, as they were.
    pub before: Map<String, Value>,
    /// The fields that changed, as they became.
    pub after: Map<String, Value>,
    /// Whether it can be undone, as far as the entry itself says.
    pub can_undo: bool,
    /// The entry that undid it.
    pub undone_by: Option<i64>,
}
