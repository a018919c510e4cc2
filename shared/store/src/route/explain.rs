//! What the gateway would do with a request, found without sending anything: the road
//! from the caller's body to the upstream requests, walked with the gateway's own steps.
//!
//! Pure: the store's rows, the settings and the time come in as arguments. What only a
//! running gateway knows is named in [`Explanation::not_known`]. Secrets are not masked
//! here.

mod unknown;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wire::dialect::openai::Request;
use wire::edit::json_string;
use wire::hub::Note;
use wire::outbound::{self, AnswerForm, Context, Inbound, LocalModel};
use wire::provider::{BaseUrl, Call, Way};

use super::plan::{self, Circuit, SkipReason, Standing, Turn};
use super::{
    Destination, Known, NoRoute, PRIORITY, QueueIdentity, Refused, ReplyForm, Said, USER, ai_queue,
    headers, own_headers,
};
use crate::circuit::CircuitRow;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::snapshot::Snapshot;
use crate::virtual_model::{Strategy, VirtualModel};
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
    /// What is wanted.
    pub call: Call,
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

/// Explains the call `asked` at the time `now`, in unix milliseconds.
pub fn explain(
    snapshot: &Snapshot,
    circuits: &[CircuitRow],
    settings: &Settings,
    asked: &Asked<'_>,
    now: i64,
) -> Explanation {
    let mut explanation = Explanation::default();
    let scene = Scene {
        snapshot,
        circuits,
        settings,
        asked,
        now,
    };
    if let Err(refused) = scene.walk(&mut explanation) {
        explanation.refused = Some(refused);
    }
    explanation.not_known = unknown::of(&explanation, asked);
    explanation
}

/// A virtual model with its endpoint.
type Pair = (Arc<VirtualModel>, Arc<Endpoint>);

struct Scene<'s> {
    snapshot: &'s Snapshot,
    circuits: &'s [CircuitRow],
    settings: &'s Settings,
    asked: &'s Asked<'s>,
    now: i64,
}

impl Scene<'_> {
    fn walk(&self, out: &mut Explanation) -> Result<(), Refused> {
        let request = self.accept()?;
        out.asked.clone_from(&request.model);
        let (model, endpoint) = self.resolve(&request, out)?;
        let form = ReplyForm::of(&model, self.asked.call, &request);
        out.form = Some(form);
        let pairs = if model.routing.strategy == Strategy::None {
            if self.way(&endpoint).is_none() {
                return Err(Refused::not_served(&endpoint, self.asked.call));
            }
            // Its circuit does not matter: there is nothing else to try.
            out.last_resort = matches!(self.circuit(&model, &endpoint).1, Circuit::Open { .. });
            vec![(model, endpoint)]
        } else {
            self.plan(&model, out)?
        };
        for (model, endpoint) in pairs {
            out.candidates.push(Explained {
                circuit: self.circuit(&model, &endpoint).0,
                prepared: self.prepare(&request, &model, &endpoint, form),
                model,
                endpoint,
            });
        }
        match out.told() {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    fn accept(&self) -> Result<Request, Refused> {
        let limit = self.settings.max_body;
        if self.asked.body.len() > limit {
            return Err(Refused::too_long(limit));
        }
        let encoding = self.asked.header("content-encoding");
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(Refused::compressed());
        }
        Ok(Request::read(self.asked.call, self.asked.body)?)
    }

    fn resolve(&self, request: &Request, out: &mut Explanation) -> Result<Pair, Refused> {
        let (model, endpoint) = match self.snapshot.resolve(request.model.as_deref()) {
            Ok((model, endpoint)) => (Arc::clone(model), Arc::clone(endpoint)),
            Err(NoRoute::Unknown(name)) => {
                let queue = self.queue(&name).ok_or(&NoRoute::Unknown(name))?;
                out.through_queue = true;
                queue
            }
            Err(none) => return Err((&none).into()),
        };
        out.model = Some(Arc::clone(&model));
        if self.is_usable(&model, &endpoint) {
            Ok((model, endpoint))
        } else {
            Err(Refused::misconfigured())
        }
    }

    /// The AI queue for `name`, if it takes it.
    fn queue(&self, name: &str) -> Option<Pair> {
        let url = self.settings.queue_url.as_deref()?;
        let (model, endpoint) = (ai_queue::passed_on(name), ai_queue::endpoint(url));
        self.is_usable(&model, &endpoint)
            .then(|| (Arc::new(model), Arc::new(endpoint)))
    }

    fn plan(&self, model: &Arc<VirtualModel>, out: &mut Explanation) -> Result<Vec<Pair>, Refused> {
        let standing = |model: &VirtualModel, endpoint: &Endpoint| Standing {
            usable: self.is_usable(model, endpoint),
            serves: self.way(endpoint).is_some(),
            circuit: self.circuit(model, endpoint).1,
            in_flight: 0,
            first_token_ms: None,
        };
        let call = self.asked.call;
        let turn = Turn::default();
        let planned = plan::plan(self.snapshot, model, call, &turn, &standing);
        out.last_resort = planned.last_resort;
        for skipped in &planned.skipped {
            let endpoint = self.snapshot.endpoint(skipped.model.endpoint_id);
            out.skipped.push(PassedOver {
                model: Arc::clone(skipped.model),
                endpoint: endpoint.cloned(),
                circuit: endpoint.and_then(|endpoint| self.circuit(skipped.model, endpoint).0),
                reason: skipped.reason.clone(),
            });
        }
        if planned.candidates.is_empty() {
            return Err(planned.none_left(&model.name));
        }
        let pair = |c: &plan::Candidate<'_>| (Arc::clone(c.model), Arc::clone(c.endpoint));
        Ok(planned.candidates.iter().map(pair).collect())
    }

    fn circuit(&self, model: &VirtualModel, endpoint: &Endpoint) -> (Option<CircuitRow>, Circuit) {
        let row = plan::saved_circuit(self.circuits, endpoint, &model.actual_model);
        (row.cloned(), Circuit::saved(row, self.now))
    }

    /// How the endpoint takes the call, if it does.
    fn way(&self, endpoint: &Endpoint) -> Option<Way> {
        let base = BaseUrl::parse(&endpoint.url).ok()?;
        endpoint.provider.provider().way(&base, self.asked.call)
    }

    /// Whether a request can be built at all.
    fn is_usable(&self, model: &VirtualModel, endpoint: &Endpoint) -> bool {
        let headers = headers(model, endpoint, &self.settings.queue);
        let can_stand = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        BaseUrl::parse(&endpoint.url).is_ok()
            && headers
                .iter()
                .all(|(_, value)| value.bytes().all(can_stand))
    }

    fn prepare(
        &self,
        request: &Request,
        model: &VirtualModel,
        endpoint: &Endpoint,
        form: ReplyForm,
    ) -> Result<Prepared, Refused> {
        let call = self.asked.call;
        let way = self.way(endpoint);
        let way = way.ok_or_else(|| Refused::not_served(endpoint, call))?;
        let known = Known {
            local: LocalModel::default(),
            recall: &|_| None,
            timeout: self.settings.timeout,
        };
        let destination = Destination {
            model,
            endpoint,
            way: &way,
            actual: &json_string(&model.actual_model),
            defaults: &model.defaults(),
        };
        let body = self.asked.body;
        let inbound = Inbound {
            call,
            body,
            request,
        };
        let outbound = destination.outbound(&inbound, form, &known)?;
        let said = Said {
            priority: self.asked.header(PRIORITY).map(str::as_bytes),
            user: self.asked.header(USER).map(str::as_bytes),
        };
        let own = own_headers(endpoint, &said, body)?;
        let sendable = |body: Bytes| Sendable {
            url: way.url.to_string(),
            headers: self.headers(model, endpoint, &way, &own, body.len()),
            body,
        };
        let mut notes = outbound::edit_notes(&inbound, &destination.candidate(form, &known));
        notes.extend(outbound.notes);
        Ok(Prepared {
            requests: outbound
                .bodies
                .iter()
                .map(|body| sendable(body.to_bytes()))
                .collect(),
            fallback: outbound.native.map(sendable),
            streams: outbound.streams,
            translated: outbound.answer != AnswerForm::Edited,
            notes,
            context: outbound.context,
        })
    }

    /// Every header, later ones in the place of earlier ones.
    fn headers(
        &self,
        model: &VirtualModel,
        endpoint: &Endpoint,
        way: &Way,
        own: &[(&'static str, Vec<u8>)],
        length: usize,
    ) -> Vec<(String, Vec<u8>)> {
        let constant = headers(model, endpoint, &self.settings.queue);
        let constant = constant.into_iter().filter(|(name, _)| name != REQUEST_ID);
        let own = own.iter().map(|(name, value)| (*name, value.clone()));
        let of_call = [("content-length", length.to_string().into_bytes())];
        let mut all = vec![("host".to_owned(), way.url.authority().into_bytes())];
        for (name, value) in constant
            .map(|(name, value)| (name, value.into_bytes()))
            .chain(own.chain(of_call).map(|(n, v)| (n.to_owned(), v)))
        {
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => all.push((name, value)),
            }
        }
        all
    }
}

/// The call's own id stands in the place of a custom one.
const REQUEST_ID: &str = "x-request-id";

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
