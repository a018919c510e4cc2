//! What the gateway and the admin app share: domain types, the SQLite store that keeps
//! them, and the process settings.
//!
//! What always holds: a value of a domain type can be used as it is; secrets are never
//! printed; a failed write changes nothing. Network, HTTP and pages are not here.

mod admin_role;
mod admin_session;
mod admin_user;
mod audit;
mod call;
mod capture;
mod circuit;
mod client;
mod columns;
pub mod config;
pub mod configuration;
mod custom_headers;
mod endpoint;
mod error;
mod field_errors;
mod form_key;
mod gateway_status;
mod health_check;
mod histogram;
mod inbound_key;
mod input;
mod limits;
mod link_local;
mod masked_url;
mod meter;
mod migrations;
mod money;
mod network;
mod pattern_count;
mod pattern_export;
mod pattern_import;
mod pattern_trial;
mod price_list;
mod problem;
mod redaction;
mod report;
pub mod route;
mod secret;
mod setting;
mod snapshot;
mod spent_money;
mod spool;
mod store;
mod tool_alias;
mod tool_pattern;
mod totals;
pub mod transfer;
mod vault;
mod virtual_model;
mod zone;

pub use admin_role::AdminRole;
pub use admin_session::{AdminSession, Login, Origin};
pub use admin_user::{AdminUserRow, NewAdminUser, Password};
pub use audit::{Actor, AuditKind, AuditQuery, AuditRow};
pub use call::{Attempt, CacheUse, CallKey, CallKind, CallRecord, CallRow, LateTimes, Outcome};
pub use capture::{Capture, CaptureRow};
pub use circuit::CircuitRow;
pub use client::{ClientRow, client_name};
pub use custom_headers::{CustomHeaders, is_secret_name};
pub use endpoint::{
    DeniedBetas, Endpoint, EndpointDraft, EndpointRow, EndpointTimes, EndpointTimesRow,
};
pub use error::StoreError;
pub use field_errors::FieldErrors;
pub use form_key::FormKey;
pub use gateway_status::GatewayStatus;
pub use health_check::HealthCheckRow;
pub use histogram::Histogram;
pub use inbound_key::{
    InboundKey, InboundKeyDraft, InboundKeyRow, InboundKeys, KeyUse, NewInboundKey,
};
pub use limits::{Limit, Limits, LimitsRow};
pub use link_local::{is_link_local, names_link_local};
pub use masked_url::masked_url;
pub use meter::{Before, Hold, Level, Levels, Meter, Over, Period, Spent};
pub use money::{Cost, NANOS, Price, Prices, dollars};
pub use network::{Networks, caller_address};
pub use pattern_count::{PatternCount, PatternTotals};
pub use pattern_export::{ExportedAlias, ExportedPattern, PatternExport};
pub use pattern_import::{ImportCounts, ImportMode, ImportReport, PatternImport};
pub use pattern_trial::{PatternTrial, RefusedPattern, TrialRules};
pub use price_list::{Fit, Suggestion, suggestions};
pub use problem::Problem;
pub use redaction::{Redacted, Redaction};
pub use report::{
    By, CallCursor, CallQuery, Label, Names, Repriced, Repricing, Trimmed, UsageQuery, UsageReport,
    UsageView,
};
pub use secret::{MASK, Secret};
pub use setting::{
    AUDIT_DAYS, DEFAULT_MODEL, DEPLOYMENT_MODE, HEALTH_CHECK_INTERVAL, PUBLIC_GATEWAY_URL,
    SettingsDraft, TRUSTED_INTERNAL_CIDRS, setting_keys,
};
pub use snapshot::Snapshot;
pub use spent_money::SpentMoney;
pub use spool::{Drained, Spool, SpoolError, SpoolReader, Spooled, Written};
pub use store::prices::DatedPrices;
pub use store::{BUSY_TIMEOUT, Facts, Rotation, Store};
pub use tool_alias::{ToolAlias, ToolAliasDraft, ToolAliasRow};
pub use tool_pattern::{ToolPattern, ToolPatternDraft, ToolPatternRow};
pub use totals::{Sum, Totals};
pub use vault::{KeySource, SecretKey};
pub use virtual_model::{
    Caching, CachingRow, ReasoningForm, Repair, RepairRow, RouteTarget, Routing, RoutingRow,
    Strategy, Thinking, VirtualModel, VirtualModelDraft, VirtualModelRow,
};
pub use zone::{DISPLAY_TIMEZONE, Zone};
