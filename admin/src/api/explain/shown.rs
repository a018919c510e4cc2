//! An explanation as it leaves: secrets masked, long bodies cut.

use serde::Serialize;
use store::route::explain::{Explained, Explanation, PassedOver, Sendable, Settings};
use store::route::plan::Circuit as State;
use store::route::{Refused, secrets};
use store::{CircuitRow, Endpoint, MASK, Secret, VirtualModel, is_secret_name};
use wire::hub::{Change, Note};

/// Longest body that is shown whole, in bytes.
const LONGEST: usize = 64 * 1024;

#[derive(Serialize)]
pub(crate) struct Shown {
    pub(crate) path: String,
    /// The model that the caller names.
    pub(crate) asked_model: Option<String>,
    pub(crate) virtual_model: Option<Named>,
    pub(crate) strategy: Option<&'static str>,
    /// Nobody has the name, and the AI queue takes it.
    pub(crate) ai_queue: bool,
    pub(crate) reply: Option<Reply>,
    /// What the caller is told when nothing would be sent.
    pub(crate) refusal: Option<Refusal>,
    /// Every circuit is open and one candidate is tried all the same.
    pub(crate) last_resort: bool,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) not_known: Vec<NotKnown>,
}

#[derive(Serialize)]
pub(crate) struct Named {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// The form of the caller's answer.
#[derive(Serialize)]
pub(crate) struct Reply {
    pub(crate) stream: bool,
    pub(crate) usage: bool,
}

#[derive(Serialize)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Candidate {
    #[serde(flatten)]
    pub(crate) who: Who,
    /// Why it stands where it does.
    pub(crate) why: String,
    /// Whether the upstream is asked for a stream.
    pub(crate) stream: Option<bool>,
    /// `edited` when the answer is in the caller's dialect already, else `translated`.
    pub(crate) answer: Option<&'static str>,
    /// The context that an Ollama server is asked for, and the tokens that the prompt
    /// is taken for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) num_ctx: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_prompt_tokens: Option<u64>,
    pub(crate) requests: Vec<Request>,
    /// What follows when a RunPod worker does not know the form of the first request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fallback: Option<Request>,
    pub(crate) notes: Vec<Changed>,
    /// Why it cannot be sent the request.
    pub(crate) refusal: Option<Refusal>,
}

#[derive(Serialize)]
pub(crate) struct Skipped {
    #[serde(flatten)]
    pub(crate) who: Who,
    pub(crate) reason: &'static str,
    pub(crate) why: String,
}

/// A virtual model on its endpoint.
#[derive(Serialize)]
pub(crate) struct Who {
    pub(crate) virtual_model_id: i64,
    pub(crate) virtual_model: String,
    pub(crate) endpoint_id: i64,
    pub(crate) endpoint: Option<String>,
    pub(crate) endpoint_type: Option<&'static str>,
    pub(crate) actual_model: String,
    pub(crate) circuit: Circuit,
}

#[derive(Serialize)]
pub(crate) struct Circuit {
    pub(crate) state: &'static str,
    #[serde(flatten)]
    pub(crate) saved: Option<Saved>,
}

#[derive(Serialize)]
pub(crate) struct Saved {
    pub(crate) opened_at: i64,
    pub(crate) open_until: i64,
    pub(crate) failures: u32,
    pub(crate) last_error: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: String,
    /// Length of the whole body.
    pub(crate) body_bytes: usize,
    /// Only its beginning is shown.
    pub(crate) body_cut: bool,
}

#[derive(Serialize)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Serialize)]
pub(crate) struct Changed {
    pub(crate) field: String,
    pub(crate) change: &'static str,
    pub(crate) why: &'static str,
}

#[derive(Serialize)]
pub(crate) struct NotKnown {
    pub(crate) what: &'static str,
    pub(crate) why: String,
}

impl Shown {
    /// What of `explanation` may be seen, at `now` in unix milliseconds.
    pub(super) fn of(
        path: String,
        explanation: &Explanation,
        settings: &Settings,
        now: i64,
    ) -> Self {
        let model = explanation.model.as_ref();
        let unknown = explanation.not_known.iter();
        Self {
            path,
            asked_model: explanation.asked.clone(),
            virtual_model: model
                .filter(|_| !explanation.through_queue)
                .map(|model| Named {
                    id: model.id,
                    name: model.name.clone(),
                }),
            strategy: model.map(|model| model.routing.strategy.id()),
            ai_queue: explanation.through_queue,
            reply: explanation.form.map(|form| Reply {
                stream: form.stream,
                usage: form.usage,
            }),
            refusal: explanation.refused.as_ref().map(Refusal::of),
            last_resort: explanation.last_resort,
            candidates: explanation
                .candidates
                .iter()
                .map(|candidate| Candidate::of(candidate, settings, now))
                .collect(),
            skipped: explanation
                .skipped
                .iter()
                .map(|skipped| Skipped::of(skipped, now))
                .collect(),
            not_known: unknown
                .map(|unknown| NotKnown {
                    what: unknown.id(),
                    why: unknown.to_string(),
                })
                .collect(),
        }
    }
}

impl Refusal {
    fn of(refused: &Refused) -> Self {
        Self {
            status: refused.status,
            code: refused.code.as_str(),
            message: refused.message.clone(),
            param: refused.param.clone(),
        }
    }
}

impl Candidate {
    fn of(candidate: &Explained, settings: &Settings, now: i64) -> Self {
        let (model, endpoint) = (&candidate.model, &candidate.endpoint);
        let secrets = secrets(model, endpoint, &settings.queue);
        let prepared = candidate.prepared.as_ref().ok();
        let request = |sendable| Request::of(sendable, &secrets);
        let context = prepared.and_then(|prepared| prepared.context);
        let requests = prepared.iter().flat_map(|prepared| &prepared.requests);
        let notes = prepared.iter().flat_map(|prepared| &prepared.notes);
        let fallback = prepared.and_then(|prepared| prepared.fallback.as_ref());
        Self {
            who: Who::of(model, Some(endpoint), candidate.circuit.as_ref(), now),
            why: candidate.chosen.to_string(),
            stream: prepared.map(|prepared| prepared.streams),
            answer: prepared.map(|prepared| {
                if prepared.translated {
                    "translated"
                } else {
                    "edited"
                }
            }),
            num_ctx: context.map(|context| context.num_ctx),
            estimated_prompt_tokens: context.map(|context| context.prompt_tokens),
            requests: requests.map(request).collect(),
            fallback: fallback.map(request),
            notes: notes.map(Changed::of).collect(),
            refusal: candidate.prepared.as_ref().err().map(Refusal::of),
        }
    }
}

impl Skipped {
    fn of(skipped: &PassedOver, now: i64) -> Self {
        let endpoint = skipped.endpoint.as_deref();
        Self {
            who: Who::of(&skipped.model, endpoint, skipped.circuit.as_ref(), now),
            reason: skipped.reason.id(),
            why: skipped.reason.to_string(),
        }
    }
}

impl Who {
    fn of(
        model: &VirtualModel,
        endpoint: Option<&Endpoint>,
        circuit: Option<&CircuitRow>,
        now: i64,
    ) -> Self {
        Self {
            virtual_model_id: model.id,
            virtual_model: model.name.clone(),
            endpoint_id: model.endpoint_id,
            endpoint: endpoint.map(|endpoint| endpoint.name.clone()),
            endpoint_type: endpoint.map(|endpoint| endpoint.provider.id()),
            actual_model: model.actual_model.clone(),
            circuit: Circuit::of(circuit, now),
        }
    }
}

impl Circuit {
    fn of(row: Option<&CircuitRow>, now: i64) -> Self {
        Self {
            state: match State::saved(row, now) {
                State::Closed => "closed",
                State::Open { .. } => "open",
                State::HalfOpen => "half_open",
            },
            saved: row.map(|row| Saved {
                opened_at: row.opened_at,
                open_until: row.open_until,
                failures: row.failures,
                last_error: row.last_error.clone(),
            }),
        }
    }
}

impl Request {
    fn of(sendable: &Sendable, secrets: &[String]) -> Self {
        let whole = &sendable.body;
        let mut end = whole.len().min(LONGEST);
        // Not in the middle of a character.
        while end < whole.len() && whole[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        Self {
            method: "POST",
            url: sendable.url.clone(),
            headers: sendable
                .headers
                .iter()
                .map(|(name, value)| Header {
                    name: name.clone(),
                    value: header_value(name, value, secrets),
                })
                .collect(),
            body: String::from_utf8_lossy(&whole[..end]).into_owned(),
            body_bytes: whole.len(),
            body_cut: end < whole.len(),
        }
    }
}

/// The value of a header, masked when its name tells of a secret, and without any other
/// secret in it.
fn header_value(name: &str, value: &[u8], secrets: &[String]) -> String {
    let value = String::from_utf8_lossy(value).into_owned();
    if is_secret_name(name) {
        return Secret::new(value).masked();
    }
    let long = secrets.iter().filter(|secret| secret.len() >= SHORTEST);
    long.fold(value, |value, secret| value.replace(secret.as_str(), MASK))
}

/// Shorter texts occur by chance.
const SHORTEST: usize = 4;

impl Changed {
    fn of(note: &Note) -> Self {
        Self {
            field: note.field.clone(),
            change: match note.change {
                Change::Dropped => "dropped",
                Change::Adapted => "adapted",
            },
            why: note.why,
        }
    }
}
