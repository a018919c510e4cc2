//! What a usage report is asked for and what it says.

use crate::call::CallKind;
use crate::totals::Totals;
use crate::zone::Zone;

/// What a report groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The virtual model that the caller named.
    Model,
    /// The endpoint where the tokens were spent.
    Endpoint,
    /// The caller's key.
    Key,
    /// The day of the configured time zone.
    Day,
    /// The hour of the configured time zone.
    Hour,
}

/// Which calls a report is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Calls that began from this second on.
    pub from: i64,
    /// And not after this second.
    pub to: i64,
    /// Only those of this virtual model.
    pub virtual_model: Option<String>,
    /// Only those of this endpoint.
    pub endpoint_id: Option<i64>,
    /// Only those of this key.
    pub key_id: Option<i64>,
    /// Only embeddings, or only what is none.
    pub embeddings: Option<bool>,
}

impl UsageQuery {
    /// All calls from one second to another, both included.
    #[must_use]
    pub fn between(from: i64, to: i64) -> Self {
        Self {
            from,
            to,
            ..Self::default()
        }
    }

    pub(crate) fn end(&self) -> i64 {
        self.to.saturating_add(1)
    }
}

/// Which single calls are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// Calls that began from this second on.
    pub from: i64,
    /// And not after this second.
    pub to: i64,
    /// Only those of this virtual model.
    pub virtual_model: Option<String>,
    /// Only those that ended at this endpoint.
    pub endpoint_id: Option<i64>,
    /// Only those of this key.
    pub key_id: Option<i64>,
    /// Only those that ended so ([`crate::Outcome::as_str`]).
    pub outcome: Option<String>,
    /// Only the one of this request id.
    pub request_id: Option<String>,
    /// Only those that were answered with this status.
    pub status: Option<u16>,
}

/// Behind which calls a page begins: of each usage table when the last one began, and its
/// id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCursor {
    pub(crate) request: Option<(i64, i64)>,
    pub(crate) embedding: Option<(i64, i64)>,
}

impl CallCursor {
    /// The cursor as a text for the next page's address.
    #[must_use]
    pub fn to_text(&self) -> String {
        let part =
            |at: Option<(i64, i64)>| at.map_or(String::new(), |(at, id)| format!("{at}.{id}"));
        format!("{}_{}", part(self.request), part(self.embedding))
    }

    /// The cursor of such a text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        fn part(text: &str) -> Option<Option<(i64, i64)>> {
            if text.is_empty() {
                return Some(None);
            }
            let (at, id) = text.split_once('.')?;
            Some(Some((at.parse().ok()?, id.parse().ok()?)))
        }
        let (request, embedding) = text.split_once('_')?;
        Some(Self {
            request: part(request)?,
            embedding: part(embedding)?,
        })
    }
}

/// What the calls of one line of a report have in common; `None` where it is not grouped
/// by that.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// When the day began, unix seconds.
    pub day: Option<i64>,
    /// When the hour began, unix seconds.
    pub hour: Option<i64>,
    /// The virtual model.
    pub virtual_model: Option<String>,
    /// The endpoint's id, 0 for none, and its name.
    pub endpoint: Option<(i64, String)>,
    /// The key's id, 0 for none, and its label.
    pub key: Option<(i64, String)>,
}

/// A report.
#[derive(Debug, Clone)]
pub struct UsageReport {
    /// Each line, in the order of its label.
    pub lines: Vec<(Label, Totals)>,
    /// The time zone of its days and hours.
    pub zone: Zone,
    /// Whether the range begins and ends exactly where it was asked to: of hours whose
    /// single calls are no longer kept it has all or none.
    pub exact: bool,
}

impl UsageReport {
    /// All lines together.
    #[must_use]
    pub fn whole(&self) -> Totals {
        let mut whole = Totals::default();
        for (_, totals) in &self.lines {
            whole.join(totals);
        }
        whole
    }
}

/// Ids and names of what calls can be asked for by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Endpoints.
    pub endpoints: Vec<(i64, String)>,
    /// Virtual models.
    pub models: Vec<(i64, String)>,
    /// Labels of keys.
    pub keys: Vec<(i64, String)>,
}

/// What the usage page shows of a range. What cost most comes first.
#[derive(Debug, Clone)]
pub struct UsageView {
    /// Everything together.
    pub whole: Totals,
    /// Each hour or day of the range and when it began, in order, also those without calls.
    pub spans: Vec<(i64, Totals)>,
    /// By virtual model; how times are spread is in `whole` and `spans` alone.
    pub models: Vec<(String, Totals)>,
    /// By endpoint: its id, 0 for none, and its name.
    pub endpoints: Vec<((i64, String), Totals)>,
    /// By key: its id, 0 for none, and its label.
    pub keys: Vec<((i64, String), Totals)>,
    /// The time zone of hours and days.
    pub zone: Zone,
    /// When the first span begins, unix seconds.
    pub from: i64,
    /// When the last one ends.
    pub to: i64,
}

/// What a new price makes of one virtual model's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repriced {
    /// The virtual model that was called.
    pub virtual_model: String,
    /// Calls in the range.
    pub calls: u64,
    /// Calls whose cost changes.
    pub changed: u64,
    /// Nano-dollars now, as far as priced.
    pub cost_nanos: i64,
    /// Nano-dollars afterwards, as far as priced.
    pub new_cost_nanos: i64,
    /// Calls with an unknown price now.
    pub unpriced: u64,
    /// Calls with an unknown price afterwards.
    pub new_unpriced: u64,
}

/// What re-pricing a range would do, or has done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Repricing {
    /// By virtual model.
    pub models: Vec<Repriced>,
    /// Says which state of things this was computed from. To apply it, send it back: if
    /// calls or prices have changed meanwhile, nothing is applied.
    pub token: String,
    /// Whether it was applied.
    pub applied: bool,
    /// Calls that began before this second are kept as sums only and cannot be re-priced.
    pub kept_from: i64,
}

/// What one step of trimming did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Rows that went.
    pub rows: u64,
    /// Whether there is more to trim.
    pub more: bool,
}

pub(crate) fn is_embedding(kind: CallKind) -> bool {
    match kind {
        CallKind::Embedding => true,
        CallKind::Chat
        | CallKind::Completion
        | CallKind::Image
        | CallKind::Speech
        | CallKind::Transcription
        | CallKind::Translation
        | CallKind::Moderation
        | CallKind::Rerank => false,
    }
}
