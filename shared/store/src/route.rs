//! From the model a caller names to the virtual model and endpoint that serve it.
//!
//! Pure, so that the admin app can explain a route without the gateway.

pub mod ai_queue;
mod defaults;
mod destination;
pub mod explain;
mod head;
mod limited;
mod paths;
pub mod plan;
mod refused;

use std::sync::Arc;

use thiserror::Error;
use wire::dialect::ollama::same_model;
use wire::dialect::runpod::Worker;
use wire::inbound::CallerDialect;
use wire::provider::{BaseUrl, Call, Format, ProviderKind, Way};

use crate::endpoint::Endpoint;
use crate::snapshot::Snapshot;
use crate::virtual_model::{Strategy, VirtualModel};

pub use destination::{Destination, Known, PRIORITY, ReplyForm, Said, USER, own_headers};
pub use head::{QueueIdentity, headers, secrets};
pub use limited::{Expected, Reached, USUAL_ANSWER, Whose, dearest, spent};
pub use paths::{below_prefix, dialect_at};
pub use refused::{Refused, short};

/// The name that stands for the default model.
pub const DEFAULT_NAME: &str = "default";

/// Why no virtual model answers to a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoRoute {
    /// No model was named and no default model is set.
    #[error(
        "The request names no model and no default model is set. Name one of the models that GET /v1/models lists."
    )]
    NoDefault,
    /// Nothing has this name.
    #[error("The model '{0}' does not exist. Name one of the models that GET /v1/models lists.")]
    Unknown(String),
    /// The virtual model is switched off.
    #[error("The model '{0}' is disabled.")]
    ModelDisabled(String),
    /// The endpoint behind it is switched off.
    #[error("The model '{0}' is not available: its endpoint is disabled.")]
    EndpointDisabled(String),
}

impl Snapshot {
    /// The virtual model for `asked`: the exact name first, then the default model
    /// for `default` or when none is named.
    ///
    /// # Errors
    /// When nothing answers to the name, or what does is disabled.
    pub fn resolve(
        &self,
        asked: Option<&str>,
    ) -> Result<(&Arc<VirtualModel>, &Arc<Endpoint>), NoRoute> {
        let asked = asked.filter(|name| !name.is_empty());
        let model = match asked.and_then(|name| self.models.get(name)) {
            Some(model) => model,
            None => match asked {
                Some(name) if name != DEFAULT_NAME => {
                    return Err(NoRoute::Unknown(name.to_owned()));
                }
                _ => self
                    .default_model
                    .as_ref()
                    .and_then(|name| self.models.get(name))
                    .ok_or(NoRoute::NoDefault)?,
            },
        };
        if !model.enabled {
            return Err(NoRoute::ModelDisabled(model.name.clone()));
        }
        // With other candidates the plan decides.
        let has_others = model.routing.strategy != Strategy::None;
        self.endpoint(model.endpoint_id)
            .filter(|endpoint| endpoint.enabled || has_others)
            .map(|endpoint| (model, endpoint))
            .ok_or_else(|| NoRoute::EndpointDisabled(model.name.clone()))
    }

    /// The same for a caller of `dialect`: one of Ollama's names models as Ollama does,
    /// where a name without a tag means `latest`, written or not.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_for(
        &self,
        dialect: CallerDialect,
        asked: Option<&str>,
    ) -> Result<(&Arc<VirtualModel>, &Arc<Endpoint>), NoRoute> {
        match (dialect, self.resolve(asked)) {
            (CallerDialect::Ollama(_), Err(NoRoute::Unknown(name))) => {
                let mut same = self.models.keys().filter(|known| same_model(known, &name));
                match same.next().map(|first| same.fold(first, std::cmp::min)) {
                    Some(known) => self.resolve(Some(known)),
                    None if same_model(&name, DEFAULT_NAME) => self.resolve(None),
                    None => Err(NoRoute::Unknown(name)),
                }
            }
            (_, found) => found,
        }
    }

    /// The endpoint with this id.
    pub fn endpoint(&self, id: i64) -> Option<&Arc<Endpoint>> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }

    /// What a caller may name: enabled virtual models on enabled endpoints, by
    /// name.
    pub fn offered(&self) -> Vec<(&Arc<VirtualModel>, &Arc<Endpoint>)> {
        let mut offered: Vec<_> = self
            .models
            .keys()
            .filter_map(|name| self.resolve(Some(name)).ok())
            .collect();
        offered.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        offered
    }
}

/// How `endpoint`, which is at `base`, takes `call`; `None` when it does not.
pub fn way(endpoint: &Endpoint, base: &BaseUrl, call: Call) -> Option<Way> {
    let way = endpoint.provider.provider().way(base, call)?;
    let is_known = !(call == Call::Embeddings && way.format == Format::RunpodJob)
        || endpoint.worker_form.makes_embeddings();
    is_known.then_some(way)
}

/// How a chat in the form of Responses goes to `endpoint`, which is at `base`; `None`
/// where it goes as a chat completion.
pub fn responses_way(endpoint: &Endpoint, base: &BaseUrl) -> Option<Way> {
    let way = endpoint.provider.provider().responses_way(base)?;
    endpoint.responses.are_used_at(base).then_some(way)
}

/// The message for a call that the endpoint's provider type, or its worker, does not
/// serve.
pub fn not_served(endpoint: &Endpoint, call: Call) -> String {
    let worker = endpoint.worker_form;
    let is_job = endpoint.provider == ProviderKind::Runpod;
    if is_job && call == Call::Embeddings && !worker.makes_embeddings() {
        return not_made(worker);
    }
    format!(
        "An endpoint of type {} does not serve {}.",
        endpoint.provider.id(),
        call.noun()
    )
}

/// The message for embeddings of a RunPod worker that knows none.
fn not_made(worker: Worker) -> String {
    format!(
        "An endpoint of type {} whose worker takes the form '{}' does not serve {}.",
        ProviderKind::Runpod.id(),
        worker.id(),
        Call::Embeddings.noun()
    )
}
