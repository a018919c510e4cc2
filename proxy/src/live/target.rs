//! A virtual model as a candidate: everything a call to it needs, prepared.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use pingora::http::RequestHeader;
use store::route::{self, Destination, Reached};
use store::{CircuitRow, Prices, Snapshot, VirtualModel, Zone};
use wire::dialect::openai::Defaults;
use wire::edit::json_string;
use wire::hub::Origin;
use wire::provider::{Call, UpstreamUrl, Way};
use wire::redact::scrub;

use super::Build;
use super::head::Head;
use super::meters::{self, Metered, Meters};
use crate::upstream::{Limits, Standing, Upstream};

/// A virtual model with everything a call to it needs.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) model: Arc<VirtualModel>,
    pub(crate) upstream: Arc<Upstream>,
    /// The virtual model's name as a JSON string.
    pub(crate) name: Bytes,
    /// The upstream's model id as a JSON string.
    pub(crate) actual: Bytes,
    pub(crate) defaults: Defaults,
    /// The calls that its provider serves.
    roads: Vec<Road>,
    /// How a chat in the form of Responses goes there, where it may.
    responses: Option<Road>,
    /// Every header of a request but those of the single call.
    headers: RequestHeader,
    /// How the model is doing at the endpoint.
    pub(crate) standing: Arc<Standing>,
    /// When its circuit opens.
    pub(crate) limits: Limits,
    /// Calls so far, for strategies that take turns.
    pub(crate) turns: AtomicU64,
    /// What its tokens cost.
    pub(crate) prices: Prices,
    /// The highest prices of all that may serve a call to it.
    pub(crate) dearest: Prices,
    /// The virtual model's limits; `None` for one without a row.
    pub(crate) own: Option<Metered>,
    /// The endpoint's limits.
    pub(crate) at_endpoint: Option<Metered>,
    /// Texts that no reply and no log line may hold.
    secrets: Vec<String>,
}

/// How one call is put to the endpoint.
#[derive(Debug)]
pub(crate) struct Road {
    of: Call,
    pub(crate) way: Way,
    pub(crate) head: Head,
}

impl Target {
    pub(super) fn new(
        model: &Arc<VirtualModel>,
        upstream: &Arc<Upstream>,
        build: &Build,
        saved: &[CircuitRow],
    ) -> Result<Self, String> {
        let standing = upstream.standing(&model.actual_model, saved);
        Self::with_standing(model, upstream, build, standing)
    }

    pub(super) fn with_standing(
        model: &Arc<VirtualModel>,
        upstream: &Arc<Upstream>,
        build: &Build,
        standing: Arc<Standing>,
    ) -> Result<Self, String> {
        let unbuilt =
            |err: Box<pingora::Error>| format!("its request headers cannot be built: {err}");
        let headers = request_header(model, upstream, build).map_err(unbuilt)?;
        let mut roads = Vec::new();
        for call in Call::ALL.into_iter().filter(|call| *call != Call::Models) {
            if let Some(way) = route::way(&upstream.endpoint, &upstream.base, call) {
                let head = Head::of(&headers, "POST", &way.url).map_err(unbuilt)?;
                roads.push(Road {
                    of: call,
                    way,
                    head,
                });
            }
        }
        let responses = match route::responses_way(&upstream.endpoint, &upstream.base) {
            Some(way) => Some(Road {
                of: Call::Chat,
                head: Head::of(&headers, "POST", &way.url).map_err(unbuilt)?,
                way,
            }),
            None => None,
        };
        Ok(Self {
            responses,
            name: json_string(&model.name),
            actual: json_string(&model.actual_model),
            defaults: model.defaults(),
            model: Arc::clone(model),
            upstream: Arc::clone(upstream),
            roads,
            headers,
            standing,
            limits: build.limits.with(&model.routing),
            turns: AtomicU64::new(0),
            prices: model.prices(),
            dearest: model.prices(),
            own: None,
            at_endpoint: None,
            secrets: route::secrets(model, &upstream.endpoint, &build.queue),
        })
    }

    /// With its limits, and the prices of all that may serve it.
    pub(super) fn metered(self, snapshot: &Snapshot, meters: &Meters) -> Self {
        let endpoint = &self.upstream.endpoint;
        Self {
            dearest: route::dearest(snapshot, &self.model),
            own: meters.model(self.model.id, self.model.limits),
            at_endpoint: meters.endpoint(endpoint.id, endpoint.limits),
            ..self
        }
    }

    /// The limit that keeps it from a call to `named` at `now`, in unix milliseconds. Of
    /// that one's own limits the call has its part already.
    pub(crate) fn reached(&self, named: &Self, now: i64, zone: &Zone) -> Option<Reached> {
        let own = self.own.as_ref();
        let own = own.filter(|_| self.model.id != named.model.id);
        meters::reached(self.at_endpoint.as_ref(), own, now, zone)
    }

    /// An upstream's words as a caller may read them: no key, no address.
    pub(crate) fn scrub_for_caller(&self, words: &str) -> String {
        let addresses = self.upstream.addresses();
        let hidden = self.secrets.iter().chain(&addresses);
        scrub(words, &hidden.map(String::as_str).collect::<Vec<_>>())
    }

    /// The same words as the log may hold them: no key.
    pub(crate) fn scrub_for_log(&self, words: &str) -> String {
        let hidden = self.secrets.iter();
        scrub(words, &hidden.map(String::as_str).collect::<Vec<_>>())
    }

    /// What the operator has every request say in `anthropic-beta`.
    pub(crate) fn betas(&self) -> Option<&str> {
        let own = &self.model.custom_headers;
        let all = own.iter().chain(&self.upstream.endpoint.custom_headers);
        let mut named = all.filter(|(name, _)| name.eq_ignore_ascii_case("anthropic-beta"));
        named.next().map(|(_, value)| value.as_str())
    }

    /// How `call` is put to the endpoint; `None` when its provider type does not
    /// serve it.
    pub(crate) fn road(&self, call: Call) -> Option<&Road> {
        self.roads.iter().find(|road| road.of == call)
    }

    /// How a chat in the form of Responses is put to the endpoint; `None` where it goes as
    /// a chat completion.
    pub(crate) fn responses(&self) -> Option<&Road> {
        self.responses.as_ref()
    }

    /// Where a request down `road` goes.
    pub(crate) fn destination<'t>(&'t self, road: &'t Road) -> Destination<'t> {
        Destination {
            model: &self.model,
            endpoint: &self.upstream.endpoint,
            way: &road.way,
            actual: &self.actual,
            defaults: &self.defaults,
        }
    }

    /// Whose proofs of thinking are good there: those of the same model at the same address,
    /// whatever the key.
    pub(crate) fn maker(&self) -> Origin {
        let url = &self.upstream.endpoint.url;
        Origin::of(0, url, &self.model.actual_model)
    }

    /// What a request to another address of the endpoint begins with.
    ///
    /// # Errors
    /// When the address cannot stand in a request.
    pub(crate) fn head(&self, method: &str, url: &UpstreamUrl) -> pingora::Result<Head> {
        Head::of(&self.headers, method, url)
    }
}

/// The headers of every request of `model`, in a header without an address.
fn request_header(
    model: &VirtualModel,
    upstream: &Upstream,
    build: &Build,
) -> pingora::Result<RequestHeader> {
    let mut header = RequestHeader::build_no_case("POST", b"/", Some(16))?;
    for (name, value) in route::headers(model, &upstream.endpoint, &build.queue) {
        header.insert_header(name, value)?;
    }
    Ok(header)
}
