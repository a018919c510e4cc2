//! What the gateway would do with a request, found without sending anything: the road
//! from the caller's body to the upstream requests, walked with the gateway's own steps.
//!
//! Pure: the store's rows, the settings and the time come in as arguments. What only a
//! running gateway knows is named in [`Explanation::not_known`]. Secrets are not masked
//! here.

mod road;
mod unknown;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wire::hub::Note;
use wire::inbound::CallerDialect;
use wire::outbound::Context;

use super::plan::{Chosen, SkipReason};
use super::{QueueIdentity, Refused, ReplyForm};
use crate::circuit::CircuitRow;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::snapshot::Snapshot;
use crate::spent_money::SpentMoney;
use crate::virtual_model::VirtualModel;
use road::Road;
pub use unknown::Unknown;

/// The process settings that shape a request.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What an AI queue is told.
    pub queue: QueueIdentity,
    /// Where names go that no virtual model has.
    pub queue_url: Option<String>,
    /// How long a call may take.
    pub timeout: Duration,
    /// Longest body in bytes.
    pub max_body: usize,
}

impl Settings {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self {
            queue: QueueIdentity::new(config),
            queue_url: config.use_ai_queue.then(|| config.ai_queue_url.clone()),
            timeout: config.timeout,
            max_body: usize::try_from(config.max_body_bytes).unwrap_or(usize::MAX),
        }
    }
}

/// A call that a caller could make.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What the caller speaks.
    pub dialect: CallerDialect,
    /// The caller's headers; names in lower case.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a Bytes,
}

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What would become of a call.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// The model that the caller names.
    pub asked: Option<String>,
    /// The virtual model that answers to it.
    pub model: Option<Arc<VirtualModel>>,
    /// Nobody has the name, and the AI queue takes it.
    pub through_queue: bool,
    /// What the caller is to receive.
    pub form: Option<ReplyForm>,
    /// To be tried one after the other.
    pub candidates: Vec<Explained>,
    /// Not to be tried.
    pub skipped: Vec<PassedOver>,
    /// Every circuit is open; the one candidate is tried all the same.
    pub last_resort: bool,
    /// What the caller is told, when nothing at all would be sent.
    pub refused: Option<Refused>,
    /// What the answer depends on besides, which only the gateway knows.
    pub not_known: Vec<Unknown>,
}

/// A candidate that would be tried.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The virtual model.
    pub model: Arc<VirtualModel>,
    /// Its endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Its circuit as saved; `None` for a closed one.
    pub circuit: Option<CircuitRow>,
    /// Why it stands where it does.
    pub chosen: Chosen,
    /// What it would be sent.
    ///
    /// # Errors
    /// Inside: why it cannot be sent the request.
    pub prepared: Result<Prepared, Refused>,
}

/// A candidate that would not be tried.
#[derive(Debug, Clone)]
pub struct PassedOver {
    /// The virtual model.
    pub model: Arc<VirtualModel>,
    /// Its endpoint, if that can be used.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Its circuit as saved; `None` for a closed one.
    pub circuit: Option<CircuitRow>,
    /// Why.
    pub reason: SkipReason,
}

/// What a candidate would be sent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The requests: one, or one for each prompt where an upstream takes one at a time.
    pub requests: Vec<Sendable>,
    /// The request that follows when a job's worker does not know the form of the first.
    pub fallback: Option<Sendable>,
    /// Whether the upstream is asked for a stream.
    pub streams: bool,
    /// Whether the answer is written anew from another dialect's, instead of edited.
    pub translated: bool,
    /// What the upstream gets otherwise than the caller sent it.
    pub notes: Vec<Note>,
    /// What an Ollama server is asked for.
    pub context: Option<Context>,
}

/// A request as it would go over the wire, without the call's own `x-request-id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sendable {
    /// The whole address.
    pub url: String,
    /// In the order in which they go, each name once and in lower case. Values as
    /// bytes: a caller's may be no UTF-8.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Byte for byte.
    pub body: Bytes,
}

/// Explains the call `asked` at the time `now`, in unix milliseconds, with the money that had
/// been `spent` by then.
pub fn explain(
    snapshot: &Snapshot,
    circuits: &[CircuitRow],
    spent: &SpentMoney,
    settings: &Settings,
    asked: &Asked<'_>,
    now: i64,
) -> Explanation {
    let mut explanation = Explanation::default();
    let road = Road {
        snapshot,
        circuits,
        spent,
        settings,
        asked,
        now,
    };
    if let Err(refused) = road.walk(&mut explanation) {
        explanation.refused = Some(refused);
    }
    explanation.not_known = unknown::of(&explanation, asked);
    explanation
}

impl Explanation {
    /// What the caller is told when no candidate can be sent the request.
    fn told(&self) -> Option<Refused> {
        let mut first = None;
        for candidate in &self.candidates {
            match &candidate.prepared {
                Ok(_) => return None,
                Err(refused) if !refused.next => return Some(refused.clone()),
                Err(refused) => {
                    first.get_or_insert(refused);
                }
            }
        }
        first.cloned()
    }
}
