//! A virtual model on its endpoint, as a request is written for it.

use std::time::Duration;

use bytes::Bytes;
use wire::dialect::openai::{self, Defaults};
use wire::dialect::runpod::Policy;
use wire::hub::{Origin, Thinking};
use wire::outbound::{self, Candidate, Inbound, LocalModel, Outbound};
use wire::provider::{Call, ProviderKind, Way};

use super::Refused;
use crate::config::QueuePriority;
use crate::endpoint::Endpoint;
use crate::virtual_model::VirtualModel;

/// What the caller is to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyForm {
    /// A stream, whatever the upstream sends.
    pub stream: bool,
    /// Usage in the stream.
    pub usage: bool,
}

impl ReplyForm {
    /// What the caller of `model` is to receive, the virtual model that it named.
    pub fn of(model: &VirtualModel, inbound: &Inbound) -> Self {
        let streams = inbound.request.stream && inbound.call != Call::Embeddings;
        Self {
            stream: streams && !model.force_non_streaming,
            usage: inbound.request.wants_usage,
        }
    }
}

/// A candidate with everything that its configuration says about a request to it.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'d> {
    /// The virtual model.
    pub model: &'d VirtualModel,
    /// Its endpoint.
    pub endpoint: &'d Endpoint,
    /// How the endpoint takes the call.
    pub way: &'d Way,
    /// The upstream's model id as a JSON string.
    pub actual: &'d Bytes,
    /// What the virtual model sets where the caller does not.
    pub defaults: &'d Defaults,
}

/// What is known at this moment and shapes a request.
#[derive(Clone, Copy)]
pub struct Known<'k> {
    /// Of a model on an Ollama server.
    pub local: LocalModel,
    /// The signed thinking that led to the tool call of this id.
    pub recall: &'k dyn Fn(&str) -> Option<Vec<Thinking>>,
    /// Whether a proof of thinking is known to be of another upstream or model.
    pub is_foreign: &'k dyn Fn(&str) -> bool,
    /// Whether a caller of Anthropic's speaks a version that has sampling parameters.
    pub samples: bool,
    /// How long a call may take.
    pub timeout: Duration,
}

impl Destination<'_> {
    /// The request as it goes there.
    ///
    /// # Errors
    /// When it is wrong, or the endpoint's dialect cannot say it.
    pub fn outbound(
        &self,
        inbound: &Inbound,
        form: ReplyForm,
        known: &Known<'_>,
    ) -> Result<Outbound, Refused> {
        Ok(outbound::write(inbound, &self.candidate(form, known))?)
    }

    /// Who signs the reasoning of what comes from there.
    pub fn origin(&self) -> Origin {
        let endpoint = self.endpoint;
        Origin::of(endpoint.id, &endpoint.url, &self.model.actual_model)
    }

    /// The candidate that a request is written for.
    pub fn candidate<'c>(&'c self, form: ReplyForm, known: &'c Known<'c>) -> Candidate<'c> {
        let model = self.model;
        let whole = model.disable_streaming || !form.stream;
        Candidate {
            provider: self.endpoint.provider.provider(),
            way: self.way,
            model: &model.actual_model,
            model_json: self.actual,
            defaults: self.defaults,
            whole,
            repair_history: model.repair.history,
            auto_cache: model.auto_cache,
            inline_system: model.inline_system,
            origin: self.origin(),
            recall: known.recall,
            is_foreign: known.is_foreign,
            samples: known.samples,
            keep_alive: model.keep_alive.as_deref(),
            local: LocalModel {
                ceiling: model.num_ctx,
                ..known.local
            },
            worker: self.endpoint.worker_form,
            policy: Some(policy(known.timeout, whole)),
        }
    }
}

/// How many times the longest silence a stream may last as a job.
const STREAMS: u64 = 10;

/// A job is not to outlive the call that it was made for by much. `time` is all that a
/// whole answer has, but only the longest silence in a stream: a job that streams for
/// longer is none that has been forgotten.
fn policy(time: Duration, whole: bool) -> Policy {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4);
    let execution = millis.saturating_mul(if whole { 1 } else { STREAMS });
    Policy {
        execution_timeout: execution.clamp(5_000, 7 * 24 * 3_600_000),
        ttl: execution
            .saturating_add(millis)
            .clamp(10_000, 7 * 24 * 3_600_000),
    }
}

/// What a caller itself tells a queue.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'s> {
    /// Its header `x-priority`.
    pub priority: Option<&'s [u8]>,
    /// Its header `x-user-id`.
    pub user: Option<&'s [u8]>,
}

/// The headers of one call that replace what stands for all calls to `endpoint`: how
/// urgent it is to a queue, and whose it is.
///
/// # Errors
/// When the urgency is none of the queue's.
pub fn own_headers(
    endpoint: &Endpoint,
    said: &Said<'_>,
    body: &[u8],
) -> Result<Vec<(&'static str, Vec<u8>)>, Refused> {
    let mut own = Vec::new();
    if endpoint.provider != ProviderKind::Queue {
        return Ok(own);
    }
    if let Some(asked) = said.priority {
        let known = std::str::from_utf8(asked).ok();
        let Some(known) = known.and_then(QueuePriority::from_id) else {
            return Err(Refused::header(PRIORITY, "must be HIGH, NORMAL or LOW"));
        };
        own.push((PRIORITY, known.as_str().into()));
    }
    let user = said.user.map(<[u8]>::to_vec).or_else(|| {
        let user = openai::user(body)?;
        let is_plain = user.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        is_plain.then(|| user.into_bytes())
    });
    own.extend(user.map(|user| (USER, user)));
    Ok(own)
}

/// How urgent a queue is told a call is.
pub const PRIORITY: &str = "x-priority";
/// Whose call a queue is told it is.
pub const USER: &str = "x-user-id";

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known")
            .field("local", &self.local)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
