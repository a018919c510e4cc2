//! A caller's request on its way to one candidate: edited where the candidate speaks
//! the caller's dialect, translated through [`crate::hub`] where it does not.
//!
//! Pure, so that the admin app can show what would be sent.

use bytes::Bytes;

use crate::dialect::openai::{self, BadRequest, Defaults, Request, StreamOptions};
use crate::edit::Segments;
use crate::hub::{Note, Refusal, ToolNames};
use crate::provider::{Call, Provider, Way};

/// A caller's request, read once.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'i> {
    /// What is wanted.
    pub call: Call,
    /// The body.
    pub body: &'i Bytes,
    /// What was read of it.
    pub request: &'i Request,
}

/// Where a request goes, and what holds there.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'c> {
    /// The vendor.
    pub provider: &'static Provider,
    /// How it takes the call.
    pub way: &'c Way,
    /// The upstream's model id.
    pub model: &'c str,
    /// The same as a JSON string.
    pub model_json: &'c Bytes,
    /// What the virtual model sets where the caller does not.
    pub defaults: &'c Defaults,
    /// The upstream is not to be asked for a stream.
    pub whole: bool,
}

/// A request as it goes out.
#[derive(Debug)]
pub struct Outbound {
    /// The body; several where the upstream takes only one prompt at a time.
    pub bodies: Vec<Segments>,
    /// How the answer becomes the caller's.
    pub answer: AnswerForm,
    /// What the upstream gets otherwise than the caller sent it.
    pub notes: Vec<Note>,
    /// The tools' names where the upstream has other ones.
    pub names: ToolNames,
}

/// How an answer becomes the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// It is in the caller's dialect and is edited.
    Edited,
}

/// Why a request is not sent to a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The request is wrong, whoever gets it.
    Bad(BadRequest),
    /// The candidate's dialect cannot say it; another's may.
    Refused(Refusal),
}

/// Writes the request for `candidate`.
///
/// # Errors
/// When the request is wrong, or its candidate's dialect cannot say it.
pub fn write(inbound: &Inbound<'_>, candidate: &Candidate<'_>) -> Result<Outbound, Unsaid> {
    Ok(Outbound {
        bodies: vec![edited(inbound, candidate)],
        answer: AnswerForm::Edited,
        notes: Vec::new(),
        names: ToolNames::default(),
    })
}

/// The caller's body with what the candidate needs changed.
fn edited(inbound: &Inbound<'_>, candidate: &Candidate<'_>) -> Segments {
    let provider = candidate.provider;
    let streams = inbound.request.stream && inbound.call != Call::Embeddings;
    let upstream_streams = streams && provider.streams && !candidate.whole;
    let stream_options = match (upstream_streams, streams) {
        (true, _) if provider.takes_stream_options => StreamOptions::AskUsage,
        (false, true) => StreamOptions::Remove,
        (true, _) | (false, false) => StreamOptions::Keep,
    };
    inbound.request.upstream_body(
        inbound.body,
        &openai::Target {
            model: candidate.model_json,
            stream: streams.then_some(upstream_streams),
            stream_options,
            defaults: candidate.defaults,
            only_max_tokens: provider.only_max_tokens,
            float_embeddings_only: provider.float_embeddings_only,
        },
    )
}
