//! What an explanation depends on and only a running gateway knows.

use std::fmt;

use wire::provider::{BaseUrl, Call, ProviderKind};

use super::{Asked, Explanation};
use crate::endpoint::Endpoint;
use crate::virtual_model::Strategy;

/// Something that the gateway knows besides what the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// Whose turn it is.
    Rotation,
    /// What the weights draw.
    Chance,
    /// How many calls are in flight where.
    Load,
    /// How fast the candidates have answered.
    Times,
    /// Who has served the conversation before.
    Affinity,
    /// What changed in circuits since the gateway saved them.
    Circuits,
    /// How far limits are used.
    Limits,
    /// What an Ollama server tells of its model.
    LocalModel,
    /// Signed reasoning that callers do not send back.
    Reasoning,
    /// Whether the gateway can read an endpoint's CA file; its name.
    Certificates(String),
    /// The id of the call.
    RequestId,
}

impl Unknown {
    /// For programs.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Chance => "chance",
            Self::Load => "load",
            Self::Times => "times",
            Self::Affinity => "affinity",
            Self::Circuits => "circuits",
            Self::Limits => "limits",
            Self::LocalModel => "local_model",
            Self::Reasoning => "reasoning",
            Self::Certificates(_) => "certificates",
            Self::RequestId => "request_id",
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rotation => {
                "whose turn it is: candidates that take turns are shown as for the first call"
            }
            Self::Chance => {
                "what the weights draw: the order shown is one of those that can come up"
            }
            Self::Load => "calls in flight: the candidates are shown as if none had any",
            Self::Times => {
                "times to the first token: the candidates are shown as if none had been called"
            }
            Self::Affinity => {
                "who has served this conversation before: that candidate would come first"
            }
            Self::Circuits => {
                "what changed in the circuits within the last second, and whether a half-open one is being tried by another call"
            }
            Self::Limits => {
                "how far limits of requests, tokens and parallel requests are used, and those of the caller's key: they are shown as if nothing had been used, and budgets as far as calls are in the store"
            }
            Self::LocalModel => {
                "what the Ollama server says of its model: num_ctx is found from the request and the virtual model alone, and thinking and tools are asked for as the caller did"
            }
            Self::Reasoning => {
                "signed reasoning that the gateway keeps for callers that do not send it back"
            }
            Self::Certificates(endpoint) => {
                return write!(
                    f,
                    "whether the gateway can read the ca_file of the endpoint {endpoint:?}"
                );
            }
            Self::RequestId => {
                "the id of the call, which goes upstream in the header x-request-id"
            }
        })
    }
}

/// What is not known of `explanation`.
pub(super) fn of(explanation: &Explanation, asked: &Asked<'_>) -> Vec<Unknown> {
    let Some(model) = &explanation.model else {
        return Vec::new();
    };
    let routing = &model.routing;
    let mut unknown = Vec::new();
    if explanation.candidates.len() > 1 {
        match routing.strategy {
            Strategy::None | Strategy::Backup => {}
            Strategy::Rotational | Strategy::Duplicate => unknown.push(Unknown::Rotation),
            Strategy::Weighted => unknown.push(Unknown::Chance),
            Strategy::LeastBusy => unknown.extend([Unknown::Rotation, Unknown::Load]),
            Strategy::Fastest => unknown.extend([Unknown::Rotation, Unknown::Times]),
        }
        if routing.affinity {
            unknown.push(Unknown::Affinity);
        }
    }
    if routing.strategy != Strategy::None {
        unknown.push(Unknown::Circuits);
    }
    let endpoints: Vec<&Endpoint> = explanation
        .candidates
        .iter()
        .map(|candidate| &*candidate.endpoint)
        .collect();
    let limits = explanation
        .candidates
        .iter()
        .map(|c| (&c.model.limits, &c.endpoint.limits));
    let mut limits = limits.chain([(&model.limits, &model.limits)]);
    if limits.any(|(own, endpoint)| !own.is_none() || !endpoint.is_none()) {
        unknown.push(Unknown::Limits);
    }
    let any = |kind| endpoints.iter().any(|endpoint| endpoint.provider == kind);
    if any(ProviderKind::Ollama) && asked.dialect.call() != Call::Embeddings {
        unknown.push(Unknown::LocalModel);
    }
    if any(ProviderKind::Anthropic) && asked.dialect.call() == Call::Chat {
        unknown.push(Unknown::Reasoning);
    }
    for endpoint in &endpoints {
        let is_https = BaseUrl::parse(&endpoint.url).is_ok_and(|base| base.is_https());
        if endpoint.ca_file.is_some() && is_https {
            unknown.push(Unknown::Certificates(endpoint.name.clone()));
        }
    }
    unknown.dedup();
    if !endpoints.is_empty() {
        unknown.push(Unknown::RequestId);
    }
    unknown
}
