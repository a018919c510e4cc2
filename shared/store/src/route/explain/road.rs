//! The steps from a caller's body to the requests for its candidates.

use std::sync::Arc;

use bytes::Bytes;
use wire::edit::json_string;
use wire::inbound::{CallerDialect, Inbound};
use wire::outbound::{self, AnswerForm, LocalModel};
use wire::provider::{BaseUrl, Call, Way};

use super::super::plan::{self, Chosen, Circuit, Standing, Turn};
use super::super::{
    Destination, Known, NoRoute, PRIORITY, Reached, Refused, ReplyForm, Said, USER, Whose,
    ai_queue, headers, own_headers, responses_way,
};
use super::{Asked, Explained, Explanation, PassedOver, Prepared, Sendable, Settings};
use crate::circuit::CircuitRow;
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::meter::{Before, Meter, Over};
use crate::snapshot::Snapshot;
use crate::spent_money::SpentMoney;
use crate::virtual_model::{Strategy, VirtualModel};

/// A virtual model with its endpoint.
type Pair = (Arc<VirtualModel>, Arc<Endpoint>);

/// The same, to be tried, and why it stands where it does.
type Planned = (Pair, Chosen);

/// What the steps look at.
pub(super) struct Road<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) circuits: &'s [CircuitRow],
    pub(super) spent: &'s SpentMoney,
    pub(super) settings: &'s Settings,
    pub(super) asked: &'s Asked<'s>,
    pub(super) now: i64,
}

impl Road<'_> {
    /// Walks it, and notes in `out` what it passes.
    ///
    /// # Errors
    /// When the gateway refuses the call, or nothing of it can be sent.
    pub(super) fn walk(&self, out: &mut Explanation) -> Result<(), Refused> {
        let inbound = self.accept()?;
        out.asked.clone_from(&inbound.request.model);
        let (model, endpoint) = self.resolve(&inbound, out)?;
        if inbound.loads() {
            return Err(Refused::nothing_asked());
        }
        let form = ReplyForm::of(&model, &inbound);
        out.form = Some(form);
        let apart = model.shows_reasoning_apart();
        if let Some(over) = self.over(&self.spent.by_model(&model.name), &model.limits) {
            return Err(Refused::limit(Whose::Model(&model.name), &over));
        }
        let pairs = if model.routing.strategy == Strategy::None {
            if self.way(&endpoint).is_none() {
                return Err(Refused::not_served(&endpoint, self.call()));
            }
            if let Some(over) = self.over_at(&endpoint) {
                return Err(Refused::limit(Whose::Endpoint(&endpoint.name), &over));
            }
            // Its circuit does not matter: there is nothing else to try.
            let circuit = self.circuit(&model, &endpoint).1;
            out.last_resort = matches!(circuit, Circuit::Open { .. });
            vec![((model, endpoint), Chosen::alone(circuit))]
        } else {
            self.plan(&model, out)?
        };
        for ((model, endpoint), chosen) in pairs {
            out.candidates.push(Explained {
                chosen,
                circuit: self.circuit(&model, &endpoint).0,
                prepared: self.prepare(&inbound, &model, &endpoint, (form, apart)),
                model,
                endpoint,
            });
        }
        match out.told() {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    fn call(&self) -> Call {
        self.asked.dialect.call()
    }

    fn accept(&self) -> Result<Inbound, Refused> {
        let limit = self.settings.max_body;
        if self.asked.body.len() > limit {
            return Err(Refused::too_long(limit));
        }
        let encoding = self.asked.header("content-encoding");
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(Refused::compressed());
        }
        Ok(Inbound::read(self.asked.dialect, self.asked.body.clone())?)
    }

    fn resolve(&self, inbound: &Inbound, out: &mut Explanation) -> Result<Pair, Refused> {
        let asked = inbound.request.model.as_deref();
        let (model, endpoint) = match self.snapshot.resolve_for(self.asked.dialect, asked) {
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
        if !ai_queue::takes(name) {
            return None;
        }
        let (model, endpoint) = (ai_queue::passed_on(name), ai_queue::endpoint(url));
        self.is_usable(&model, &endpoint)
            .then(|| (Arc::new(model), Arc::new(endpoint)))
    }

    fn plan(
        &self,
        model: &Arc<VirtualModel>,
        out: &mut Explanation,
    ) -> Result<Vec<Planned>, Refused> {
        let named = model.id;
        let standing = |model: &VirtualModel, endpoint: &Endpoint| Standing {
            usable: self.is_usable(model, endpoint),
            serves: self.way(endpoint).is_some(),
            circuit: self.circuit(model, endpoint).1,
            in_flight: 0,
            first_token_ms: None,
            failing: false,
            reached: self.reached(model, endpoint, named),
        };
        let call = self.call();
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
            return Err(planned.none_left(self.snapshot, &model.name));
        }
        let why = |at| planned.why(at, model, &turn);
        let candidates = planned.candidates.iter().enumerate();
        Ok(candidates
            .filter_map(|(at, candidate)| {
                let pair = (Arc::clone(candidate.model), Arc::clone(candidate.endpoint));
                Some((pair, why(at)?))
            })
            .collect())
    }

    /// The budget that is used up, if one is; of the other limits the store knows nothing.
    fn over(&self, before: &Before, limits: &Limits) -> Option<Over> {
        Meter::new(before).over(limits, self.now, &self.snapshot.zone)
    }

    fn over_at(&self, endpoint: &Endpoint) -> Option<Over> {
        self.over(&self.spent.by_endpoint(endpoint.id), &endpoint.limits)
    }

    /// The budget that keeps a candidate from a call to the virtual model `named`.
    fn reached(&self, model: &VirtualModel, endpoint: &Endpoint, named: i64) -> Option<Reached> {
        let reached = |of_endpoint| move |over| Reached { of_endpoint, over };
        let own = || {
            let others = model.id != named;
            others.then(|| self.over(&self.spent.by_model(&model.name), &model.limits))?
        };
        let at_endpoint = self.over_at(endpoint).map(reached(true));
        at_endpoint.or_else(|| own().map(reached(false)))
    }

    fn circuit(&self, model: &VirtualModel, endpoint: &Endpoint) -> (Option<CircuitRow>, Circuit) {
        let row = plan::saved_circuit(self.circuits, endpoint, &model.actual_model);
        (row.cloned(), Circuit::saved(row, self.now))
    }

    /// How the endpoint takes the call, if it does.
    fn way(&self, endpoint: &Endpoint) -> Option<Way> {
        let base = BaseUrl::parse(&endpoint.url).ok()?;
        super::super::way(endpoint, &base, self.call())
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
        inbound: &Inbound,
        model: &VirtualModel,
        endpoint: &Endpoint,
        (form, apart): (ReplyForm, bool),
    ) -> Result<Prepared, Refused> {
        let call = self.call();
        let base = BaseUrl::parse(&endpoint.url).ok();
        let own = base.filter(|_| apart && inbound.dialect == CallerDialect::OpenAiResponses);
        let own = own.and_then(|base| responses_way(endpoint, &base));
        let way = own.or_else(|| self.way(endpoint));
        let way = way.ok_or_else(|| Refused::not_served(endpoint, call))?;
        let known = Known {
            local: LocalModel::default(),
            recall: &|_| None,
            is_foreign: &|_| false,
            samples: true,
            timeout: endpoint.times.whole.unwrap_or(self.settings.timeout),
        };
        let destination = Destination {
            model,
            endpoint,
            way: &way,
            actual: &json_string(&model.actual_model),
            defaults: &model.defaults(),
        };
        let outbound = destination.outbound(inbound, form, &known)?;
        let said = Said {
            priority: self.asked.header(PRIORITY).map(str::as_bytes),
            user: self.asked.header(USER).map(str::as_bytes),
        };
        let own = own_headers(endpoint, &said, &inbound.body)?;
        let sendable = |body: Bytes| Sendable {
            url: way.url.to_string(),
            headers: self.headers(model, endpoint, &way, &own, body.len()),
            body,
        };
        let mut notes = outbound::edit_notes(inbound, &destination.candidate(form, &known));
        let context = outbound.context();
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
            context,
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
