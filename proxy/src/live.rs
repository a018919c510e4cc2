//! The configuration as the request path uses it: every lookup prepared, nothing
//! to parse.
//!
//! Built off the request path for each revision of the store. A request works on
//! the one it began with. It is never changed in place.

mod door;
mod editions;
mod head;
mod key_uses;
mod local;
mod meters;
mod queue;
mod repairs;
mod target;
pub(crate) mod watch;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use store::config::{Config, Exposure};
use store::route::{self, NoRoute, QueueIdentity, ai_queue};
use store::{
    CircuitRow, Endpoint, InboundKey, Period, Problem, Snapshot, SpentMoney, VirtualModel, Zone,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wire::inbound::CallerDialect;
use wire::provider::ProviderKind;

use crate::upstream::{Limits, Timeouts, Upstream};
pub(crate) use door::Door;
use editions::Editions;
pub(crate) use head::Head;
use key_uses::KeyUses;
pub(crate) use local::show;
use meters::Meters;
pub(crate) use meters::{Metered, now};
use queue::Queue;
pub(crate) use repairs::Repairs;
pub(crate) use target::{Road, Target};

/// One revision of the configuration.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) snapshot: Snapshot,
    /// By the virtual model's id.
    targets: HashMap<i64, Arc<Target>>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    queue: Option<Queue>,
    /// Enabled Ollama endpoints as places of models, the preferred one first.
    ollamas: Vec<Arc<Target>>,
    /// What kept answers are of.
    editions: Editions,
    /// What answers are normalised with.
    pub(crate) repairs: Arc<Repairs>,
    /// Who comes in without a key.
    pub(crate) door: Door,
    /// When keys were used last.
    pub(crate) key_uses: KeyUses,
    /// What keys, virtual models and endpoints have used.
    pub(crate) meters: Meters,
    /// The body of `GET /v1/models` for who may call every model.
    model_list: Bytes,
    /// Everything that is not as the operator will want it.
    pub(crate) problems: Vec<Problem>,
    /// Rows that cannot be used, as the problems name them.
    pub(crate) unusable: Vec<String>,
}

/// Process settings that shape what is built from a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    timeouts: Timeouts,
    queue: QueueIdentity,
    limits: Limits,
    /// Where names go that no virtual model has, when they go to the AI queue.
    queue_url: Option<String>,
    exposure: Exposure,
    /// Money that had been spent when the program started.
    spent: Arc<SpentMoney>,
}

impl Build {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            timeouts: Timeouts::new(config),
            queue: QueueIdentity::new(config),
            limits: Limits::new(config),
            queue_url: config.use_ai_queue.then(|| config.ai_queue_url.clone()),
            exposure: config.exposure.clone(),
            spent: Arc::new(SpentMoney::nothing(
                Period::day(&Zone::UTC, 0),
                Period::month(&Zone::UTC, 0),
            )),
        }
    }

    /// With the money that has been spent so far.
    pub(crate) fn with_spent(self, spent: SpentMoney) -> Self {
        Self {
            spent: Arc::new(spent),
            ..self
        }
    }
}

impl Live {
    /// Prepares `snapshot`. What `before` knows of an unchanged endpoint is kept.
    ///
    /// `saved` are the circuits that were open when the program ended.
    pub(crate) fn build(
        snapshot: Snapshot,
        build: &Build,
        before: Option<&Self>,
        saved: &[CircuitRow],
    ) -> Self {
        let mut problems = snapshot.problems.clone();
        let mut unusable = snapshot.left_out.clone();
        let mut leave_out = |subject: String, why: String| {
            problems.push(Problem::new(&subject, format!("it cannot be used: {why}")));
            unusable.push(subject);
        };
        let mut upstreams = Vec::new();
        for endpoint in &snapshot.endpoints {
            let kept = before.and_then(|live| live.kept(endpoint));
            let upstream =
                kept.map_or_else(|| Upstream::new(endpoint, build.timeouts).map(Arc::new), Ok);
            match upstream {
                Ok(upstream) => upstreams.push(upstream),
                Err(why) => leave_out(format!("endpoint {} {:?}", endpoint.id, endpoint.name), why),
            }
        }
        let meters = Meters::new(&snapshot, before.map(|live| &live.meters), &build.spent);
        let mut targets = HashMap::new();
        for model in snapshot.models.values() {
            let Some(upstream) = upstreams
                .iter()
                .find(|u| u.endpoint.id == model.endpoint_id)
            else {
                continue;
            };
            match Target::new(model, upstream, build, saved) {
                Ok(target) => {
                    let target = target.metered(&snapshot, &meters);
                    targets.insert(model.id, Arc::new(target));
                }
                Err(why) => leave_out(format!("virtual model {} {:?}", model.id, model.name), why),
            }
        }
        let ollamas = ollamas(&upstreams, build);
        let known = before.and_then(|live| live.queue.as_ref());
        let queue = match Queue::new(build, known) {
            Some(Ok(queue)) => Some(queue),
            Some(Err(why)) => {
                leave_out("setting AI_QUEUE_URL".to_owned(), why);
                None
            }
            None => None,
        };
        let known = before.map(|live| live.repairs.as_ref());
        let (repairs, unsearchable) = Repairs::new(&snapshot, known);
        problems.extend(unsearchable);
        let known = before.map(|live| (&live.snapshot, &live.editions));
        let editions = Editions::new(&snapshot, known);
        Self {
            door: Door::new(&build.exposure, &snapshot),
            key_uses: KeyUses::new(&snapshot.inbound_keys, before.map(|live| &live.key_uses)),
            model_list: model_list(CallerDialect::OpenAiChat, &snapshot, |_| true),
            repairs: Arc::new(repairs),
            meters,
            queue,
            ollamas,
            editions,
            snapshot,
            targets,
            upstreams,
            problems,
            unusable,
        }
    }

    /// Rows that cannot be used and were no trouble `before`.
    fn newly_unusable(&self, before: &Self) -> Vec<String> {
        // By kind and id: a row that is renamed is the same row.
        let same = |a: &str, b: &str| a.split(' ').take(2).eq(b.split(' ').take(2));
        let is_new = |row: &&String| !before.unusable.iter().any(|known| same(known, row));
        self.unusable.iter().filter(is_new).cloned().collect()
    }

    fn kept(&self, endpoint: &Arc<Endpoint>) -> Option<Arc<Upstream>> {
        let same = |upstream: &&Arc<Upstream>| {
            let known = &upstream.endpoint;
            known.id == endpoint.id
                && known.updated_at == endpoint.updated_at
                && **known == **endpoint
        };
        self.upstreams.iter().find(same).cloned()
    }

    /// Closes the circuits that are not among the `saved` any more: an operator has
    /// taken them out.
    fn close_forgotten(&self, saved: &[CircuitRow]) {
        for upstream in &self.upstreams {
            for standing in upstream.standings() {
                let is_saved = saved.iter().any(|row| {
                    row.endpoint_id == upstream.endpoint.id && row.model == standing.model
                });
                if standing.is_saved_open() && !is_saved {
                    standing.reset();
                }
            }
        }
    }

    /// The target for the model that a caller of `dialect` names; `Ok(None)` when the virtual model
    /// exists but could not be prepared. A name that no virtual model has goes to the
    /// AI queue when that is in use.
    ///
    /// # Errors
    /// When no virtual model answers to the name.
    pub(crate) fn target(
        &self,
        dialect: CallerDialect,
        asked: Option<&str>,
    ) -> Result<Option<Arc<Target>>, NoRoute> {
        match (self.snapshot.resolve_for(dialect, asked), &self.queue) {
            (Ok((model, _)), _) => Ok(self.by_id(model.id).cloned()),
            (Err(NoRoute::Unknown(name)), Some(queue)) => {
                queue.target(&name).ok_or(NoRoute::Unknown(name)).map(Some)
            }
            (Err(none), _) => Err(none),
        }
    }

    /// The body of `GET /v1/models` for a caller with that key.
    pub(crate) fn model_list(&self, dialect: CallerDialect, key: Option<&InboundKey>) -> Bytes {
        let is_usual = match dialect {
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiResponses
            | CallerDialect::OpenAiPassed(_) => true,
            CallerDialect::AnthropicMessages | CallerDialect::Ollama(_) => false,
        };
        match key.filter(|key| key.allowed_models.is_some()) {
            Some(key) => model_list(dialect, &self.snapshot, |name| key.allows(name)),
            None if is_usual => self.model_list.clone(),
            None => model_list(dialect, &self.snapshot, |_| true),
        }
    }

    /// The AI queue's endpoint, when names go there.
    pub(crate) fn queue(&self) -> Option<&Arc<Upstream>> {
        self.queue.as_ref().map(Queue::upstream)
    }

    /// Enabled Ollama endpoints as places of models, the preferred one first.
    pub(crate) fn ollamas(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.ollamas.iter()
    }

    /// A number that is another one whenever the virtual model with this id, or anything
    /// that its answers depend on, has changed.
    pub(crate) fn edition(&self, id: i64) -> Option<u64> {
        self.editions.of(id)
    }

    /// The target of the virtual model with this id.
    pub(crate) fn by_id(&self, id: i64) -> Option<&Arc<Target>> {
        self.targets.get(&id)
    }
}

/// The enabled ones of `upstreams` that are Ollama's, by priority, as targets without a
/// virtual model.
fn ollamas(upstreams: &[Arc<Upstream>], build: &Build) -> Vec<Arc<Target>> {
    let is_one = |upstream: &&Arc<Upstream>| {
        let endpoint = &upstream.endpoint;
        endpoint.enabled && endpoint.provider == ProviderKind::Ollama
    };
    let mut all: Vec<_> = upstreams.iter().filter(is_one).collect();
    all.sort_by_key(|upstream| (Reverse(upstream.endpoint.priority), upstream.endpoint.id));
    let none = Arc::new(ai_queue::passed_on(""));
    let target = |upstream: &Arc<Upstream>| {
        Target::with_standing(&none, upstream, build, upstream.unseen_standing()).ok()
    };
    all.into_iter().filter_map(target).map(Arc::new).collect()
}

/// The body of `GET /v1/models` for a caller of `dialect`, with the virtual models that are
/// `allowed` by their names.
fn model_list(
    dialect: CallerDialect,
    snapshot: &Snapshot,
    allowed: impl Fn(&str) -> bool,
) -> Bytes {
    let mut data: Vec<_> = snapshot
        .offered()
        .into_iter()
        .filter(|(model, _)| allowed(&model.name))
        .map(|(model, endpoint)| model_entry(dialect, &model.name, model, endpoint))
        .collect();
    if snapshot.default_model.is_some()
        && !snapshot.models.contains_key(route::DEFAULT_NAME)
        && let Ok((model, endpoint)) = snapshot.resolve(None)
        && allowed(&model.name)
    {
        data.push(model_entry(dialect, route::DEFAULT_NAME, model, endpoint));
    }
    let list = match dialect {
        CallerDialect::OpenAiChat
        | CallerDialect::OpenAiCompletions
        | CallerDialect::OpenAiEmbeddings
        | CallerDialect::OpenAiResponses
        | CallerDialect::OpenAiPassed(_) => {
            serde_json::json!({"object": "list", "data": data})
        }
        CallerDialect::Ollama(_) => serde_json::json!({ "models": data }),
        // All of them are one page.
        CallerDialect::AnthropicMessages => {
            let id = |entry: Option<&serde_json::Value>| entry.map(|entry| entry["id"].clone());
            let (first, last) = (id(data.first()), id(data.last()));
            serde_json::json!({"data": data, "has_more": false, "first_id": first, "last_id": last})
        }
    };
    list.to_string().into()
}

/// Unix seconds as RFC 3339.
fn timestamp(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// One entry of the list for a caller of `dialect`; the time is when the virtual model was
/// made and never moves.
pub(crate) fn model_entry(
    dialect: CallerDialect,
    id: &str,
    model: &VirtualModel,
    endpoint: &Endpoint,
) -> serde_json::Value {
    match dialect {
        CallerDialect::OpenAiChat
        | CallerDialect::OpenAiCompletions
        | CallerDialect::OpenAiEmbeddings
        | CallerDialect::OpenAiResponses
        | CallerDialect::OpenAiPassed(_) => serde_json::json!({
            "id": id,
            "object": "model",
            "created": model.created_at,
            "owned_by": endpoint.name,
        }),
        CallerDialect::AnthropicMessages => {
            serde_json::json!({
                "type": "model",
                "id": id,
                "display_name": id,
                "created_at": timestamp(model.created_at),
            })
        }
        CallerDialect::Ollama(_) => local::entry(id, model, endpoint),
    }
}
