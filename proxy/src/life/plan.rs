//! Step four: the candidates of the call, in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderValue;
use store::Strategy;
use store::route::Refused;
use store::route::plan::{self, SkipReason, Standing, Turn};
use wire::provider::Call;

use super::accept::Accepted;
use crate::affinity::Conversation;
use crate::fault::Fault;
use crate::gateway::Gateway;
use crate::live::{Live, Target, now};

/// What is to be tried.
#[derive(Debug)]
pub(super) struct Candidates {
    /// In order, never empty; more than may be attempted.
    pub(super) targets: Vec<Arc<Target>>,
    /// Left out for an open circuit, that which opened first first. When all others have
    /// failed their circuits may let the call through.
    pub(super) spares: Vec<Arc<Target>>,
    /// Most attempts.
    pub(super) attempts: usize,
    /// The circuits of `targets` are open and one is tried all the same.
    pub(super) last_resort: bool,
    /// What the candidate that serves the call is remembered for.
    pub(super) conversation: Option<Conversation>,
}

impl Candidates {
    /// Whether, after so many attempts, there is one more to ask among the spares.
    pub(super) fn have_spare(&self, attempts: usize) -> bool {
        attempts < self.attempts
            && self
                .spares
                .iter()
                .any(|spare| spare.standing.lets_through())
    }
}

/// Plans the call.
///
/// # Errors
/// When no candidate is left: none serves the call, or none can be used.
pub(super) fn plan(
    gateway: &Gateway,
    live: &Live,
    target: &Arc<Target>,
    call: Call,
    accepted: &Accepted,
    id: &str,
) -> Result<Candidates, Fault> {
    let routing = &target.model.routing;
    if routing.strategy == Strategy::None {
        return alone(target, call);
    }
    let conversation = routing
        .affinity
        .then(|| {
            let session = accepted.said.session.as_ref();
            let session = session.map(HeaderValue::as_bytes);
            Conversation::find(target.model.id, &accepted.inbound.body, session)
        })
        .flatten();
    let turn = Turn {
        rotation: target.turns.fetch_add(1, Ordering::Relaxed),
        random: fastrand::u64(..),
        stays_with: conversation.and_then(|c| gateway.affinity.candidate(c)),
    };
    let at = now();
    let standing = |model: &store::VirtualModel, _: &store::Endpoint| {
        live.by_id(model.id).map_or(
            Standing {
                usable: false,
                serves: false,
                circuit: plan::Circuit::Closed,
                in_flight: 0,
                first_token_ms: None,
                failing: false,
                reached: None,
            },
            |other| Standing {
                reached: other.reached(target, at, &live.snapshot.zone),
                ..other.standing.planned(other.road(call).is_some())
            },
        )
    };
    let planned = plan::plan(&live.snapshot, &target.model, call, &turn, &standing);
    for skipped in &planned.skipped {
        if let SkipReason::Limit(reached) = &skipped.reason {
            tracing::info!(request_id = id, model = %skipped.model.name, reason = %reached, "a candidate is left out");
        }
    }
    let planned_for = planned.candidates.iter().map(|candidate| candidate.model);
    // Those beyond the attempts stand behind the others, last first: they are asked when
    // one before them cannot be put the request, which is no attempt.
    let beyond = planned.skipped.iter().rev();
    let beyond = beyond.filter(|skipped| skipped.reason == SkipReason::BeyondAttempts);
    let targets: Vec<_> = planned_for
        .chain(beyond.map(|skipped| skipped.model))
        .filter_map(|model| live.by_id(model.id).map(Arc::clone))
        .collect();
    if targets.is_empty() {
        return Err(planned.none_left(&live.snapshot, &target.model.name).into());
    }
    let open = |skipped: &&plan::Skipped<'_>| matches!(skipped.reason, SkipReason::CircuitOpen(_));
    let spares = planned.skipped.iter().filter(open);
    Ok(Candidates {
        targets,
        spares: spares
            .filter_map(|skipped| live.by_id(skipped.model.id).map(Arc::clone))
            .collect(),
        attempts: routing
            .max_attempts
            .map_or(usize::MAX, |most| most.max(1) as usize),
        last_resort: planned.last_resort,
        conversation,
    })
}

/// The one candidate of a virtual model without a strategy. Its circuit does not
/// matter: there is nothing else to try.
fn alone(target: &Arc<Target>, call: Call) -> Result<Candidates, Fault> {
    if target.road(call).is_none() {
        let endpoint = &target.upstream.endpoint;
        return Err(Refused::not_served(endpoint, call).into());
    }
    Ok(Candidates {
        targets: vec![Arc::clone(target)],
        spares: Vec::new(),
        attempts: 1,
        last_resort: true,
        conversation: None,
    })
}
