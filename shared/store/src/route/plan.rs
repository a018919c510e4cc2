//! The candidates of a call, in the order in which they are tried, and why the others
//! are not.
//!
//! Pure: what changes from call to call (how busy, how fast, whose circuit is open,
//! whose turn it is) comes in as arguments, so that the admin app plans as the gateway
//! does.

mod chosen;

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use wire::provider::Call;

use crate::circuit::CircuitRow;
use crate::endpoint::Endpoint;
use crate::route::{Reached, Refused, Whose, not_served};
use crate::snapshot::Snapshot;
use crate::virtual_model::{Strategy, VirtualModel};
pub use chosen::Chosen;

/// How a candidate is doing at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether its endpoint is prepared; when not, calls to it cannot be made.
    pub usable: bool,
    /// Whether its provider type serves the call.
    pub serves: bool,
    /// Its circuit.
    pub circuit: Circuit,
    /// Calls in flight to the model at the endpoint.
    pub in_flight: u32,
    /// Median of its recent times to the first token, in milliseconds; `None` before
    /// the first.
    pub first_token_ms: Option<u32>,
    /// It has failed of late and not answered since.
    pub failing: bool,
    /// The limit that keeps it from more calls.
    pub reached: Option<Reached>,
}

/// Whether calls may go to a model at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// They may.
    Closed,
    /// They may not: too many have failed. Both in unix milliseconds.
    Open {
        /// Since when.
        opened_at: i64,
        /// Until when.
        until: i64,
    },
    /// The time is over: one call may go and decides.
    HalfOpen,
}

impl Circuit {
    /// The circuit that was saved as `row`, at `now` in unix milliseconds.
    pub fn saved(row: Option<&CircuitRow>, now: i64) -> Self {
        let Some(row) = row else {
            return Self::Closed;
        };
        let until = row.open_until.saturating_mul(1000);
        if now >= until {
            return Self::HalfOpen;
        }
        Self::Open {
            opened_at: row.opened_at.saturating_mul(1000),
            until,
        }
    }
}

/// What is known since before of the circuit of `model` at `endpoint`. A circuit that
/// opened before the endpoint was changed says nothing of it.
pub fn saved_circuit<'r>(
    rows: &'r [CircuitRow],
    endpoint: &Endpoint,
    model: &str,
) -> Option<&'r CircuitRow> {
    rows.iter().find(|row| {
        row.endpoint_id == endpoint.id && row.model == model && row.opened_at >= endpoint.updated_at
    })
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Turn {
    /// Counts the calls to the virtual model.
    pub rotation: u64,
    /// A random number.
    pub random: u64,
    /// The virtual model that served this conversation before.
    pub stays_with: Option<i64>,
}

/// A virtual model to try, with its endpoint.
#[derive(Debug, Clone)]
pub struct Candidate<'s> {
    /// The virtual model; its name, defaults and headers hold for the attempt.
    pub model: &'s Arc<VirtualModel>,
    /// Its endpoint.
    pub endpoint: &'s Arc<Endpoint>,
    /// How it is doing.
    pub standing: Standing,
}

/// A candidate that is not tried.
#[derive(Debug, Clone)]
pub struct Skipped<'s> {
    /// The virtual model.
    pub model: &'s Arc<VirtualModel>,
    /// Why.
    pub reason: SkipReason,
}

/// Why a candidate is not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    /// The virtual model is disabled.
    ModelDisabled,
    /// Its endpoint is disabled.
    EndpointDisabled,
    /// Its endpoint cannot be used as it is configured.
    Unusable,
    /// Its provider type does not serve the call; the text says so.
    NotServed(String),
    /// Its circuit is open until then, in unix milliseconds.
    CircuitOpen(i64),
    /// A limit of its endpoint or its own is used up.
    Limit(Reached),
    /// The virtual model of that name comes first and asks the same model at the same
    /// endpoint.
    SameAs(String),
    /// As many others come first as there may be attempts.
    BeyondAttempts,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ModelDisabled => f.write_str("the virtual model is disabled"),
            Self::EndpointDisabled => f.write_str("its endpoint is disabled"),
            Self::Unusable => f.write_str("its endpoint cannot be used as it is configured"),
            Self::NotServed(text) => f.write_str(text),
            Self::CircuitOpen(_) => {
                f.write_str("its circuit is open: it has failed too often of late")
            }
            Self::Limit(reached) => reached.fmt(f),
            Self::SameAs(name) => {
                write!(
                    f,
                    "'{name}' comes first and asks the same model at the same endpoint"
                )
            }
            Self::BeyondAttempts => f.write_str("the attempts are used up before it"),
        }
    }
}

/// What a call is to try, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan<'s> {
    /// To be tried one after the other.
    pub candidates: Vec<Candidate<'s>>,
    /// Not to be tried; those with an open circuit in the order in which it opened.
    pub skipped: Vec<Skipped<'s>>,
    /// Every circuit is open; the one candidate is tried all the same.
    pub last_resort: bool,
}

impl Plan<'_> {
    /// What the caller of the virtual model `name` is told when there is nothing to try.
    pub fn none_left(&self, snapshot: &Snapshot, name: &str) -> Refused {
        let not_served = self
            .skipped
            .iter()
            .find_map(|skipped| match &skipped.reason {
                SkipReason::NotServed(text) => Some(text.clone()),
                SkipReason::ModelDisabled
                | SkipReason::EndpointDisabled
                | SkipReason::Unusable
                | SkipReason::CircuitOpen(_)
                | SkipReason::Limit(_)
                | SkipReason::SameAs(_)
                | SkipReason::BeyondAttempts => None,
            });
        // What will pass tells more than what will not.
        if let Some(limited) = self.limited(snapshot) {
            return limited;
        }
        not_served.map_or_else(|| Refused::no_candidate(name), Refused::unsupported)
    }

    /// What the caller is told of the limit that lets a candidate have a call again first.
    fn limited(&self, snapshot: &Snapshot) -> Option<Refused> {
        let reached = self
            .skipped
            .iter()
            .filter_map(|skipped| match &skipped.reason {
                SkipReason::Limit(reached) => Some((skipped, reached)),
                SkipReason::ModelDisabled
                | SkipReason::EndpointDisabled
                | SkipReason::Unusable
                | SkipReason::NotServed(_)
                | SkipReason::CircuitOpen(_)
                | SkipReason::SameAs(_)
                | SkipReason::BeyondAttempts => None,
            });
        let (skipped, reached) = reached.min_by_key(|(_, reached)| reached.over.frees_in)?;
        let whose = if reached.of_endpoint {
            Whose::Endpoint(&snapshot.endpoint(skipped.model.endpoint_id)?.name)
        } else {
            Whose::Model(&skipped.model.name)
        };
        Some(Refused::limit(whose, &reached.over))
    }
}

impl SkipReason {
    /// For programs.
    pub fn id(&self) -> &'static str {
        match self {
            Self::ModelDisabled => "model_disabled",
            Self::EndpointDisabled => "endpoint_disabled",
            Self::Unusable => "unusable",
            Self::NotServed(_) => "not_served",
            Self::CircuitOpen(_) => "circuit_open",
            Self::Limit(_) => "limit",
            Self::SameAs(_) => "same_as",
            Self::BeyondAttempts => "beyond_attempts",
        }
    }
}

/// Plans a `call` to `model`. `standing` tells how a virtual model on an endpoint is
/// doing.
pub fn plan<'s>(
    snapshot: &'s Snapshot,
    model: &'s Arc<VirtualModel>,
    call: Call,
    turn: &Turn,
    standing: &dyn Fn(&VirtualModel, &Endpoint) -> Standing,
) -> Plan<'s> {
    let mut plan = Plan::default();
    let mut closed = Vec::new();
    let mut open = Vec::new();
    let mut found: Vec<&VirtualModel> = Vec::new();
    let strategy = model.routing.strategy;
    for (model, weight) in listed(snapshot, model) {
        let mut skip = |reason| plan.skipped.push(Skipped { model, reason });
        let Some(endpoint) = snapshot.endpoint(model.endpoint_id) else {
            skip(SkipReason::Unusable);
            continue;
        };
        if !model.enabled {
            skip(SkipReason::ModelDisabled);
            continue;
        }
        if !endpoint.enabled {
            skip(SkipReason::EndpointDisabled);
            continue;
        }
        let standing = standing(model, endpoint);
        if !standing.usable {
            skip(SkipReason::Unusable);
            continue;
        }
        if !standing.serves {
            skip(SkipReason::NotServed(not_served(endpoint, call)));
            continue;
        }
        if let Some(reached) = standing.reached {
            skip(SkipReason::Limit(reached));
            continue;
        }
        // Found by their model and not named by anybody: each endpoint has one turn.
        if strategy == Strategy::Duplicate
            && let Some(first) = found.iter().find(|first| first.is_where(model))
        {
            skip(SkipReason::SameAs(first.name.clone()));
            continue;
        }
        found.push(model);
        let candidate = Candidate {
            model,
            endpoint,
            standing,
        };
        match standing.circuit {
            Circuit::Closed | Circuit::HalfOpen => closed.push((candidate, weight)),
            Circuit::Open { opened_at, until } => open.push((opened_at, until, candidate)),
        }
    }
    if closed.is_empty()
        && let Some(first) = (0..open.len()).min_by_key(|n| open[*n].0)
    {
        let (_, _, candidate) = open.swap_remove(first);
        closed.push((candidate, 1));
        plan.last_resort = true;
    }
    open.sort_by_key(|(opened_at, _, _)| *opened_at);
    let mut asked: Vec<&VirtualModel> = closed.iter().map(|(c, _)| &**c.model).collect();
    for (_, until, candidate) in open {
        let model = candidate.model;
        let reason = same_as(&asked, model).unwrap_or(SkipReason::CircuitOpen(until));
        plan.skipped.push(Skipped { model, reason });
        asked.push(model);
    }
    plan.candidates = in_order(strategy, closed, turn);
    if let Some(id) = turn.stays_with
        && let Some(at) = plan
            .candidates
            .iter()
            .position(|c| c.model.id == id && c.standing.circuit == Circuit::Closed)
    {
        plan.candidates[..=at].rotate_right(1);
    }
    asked.clear();
    for candidate in std::mem::take(&mut plan.candidates) {
        let model = candidate.model;
        if let Some(reason) = same_as(&asked, model) {
            plan.skipped.push(Skipped { model, reason });
        } else {
            asked.push(model);
            plan.candidates.push(candidate);
        }
    }
    let most = model
        .routing
        .max_attempts
        .map_or(usize::MAX, |most| most.max(1) as usize);
    while plan.candidates.len() > most {
        if let Some(candidate) = plan.candidates.pop() {
            plan.skipped.push(Skipped {
                model: candidate.model,
                reason: SkipReason::BeyondAttempts,
            });
        }
    }
    plan
}

/// Why `model` is not asked when those `asked` have been.
fn same_as(asked: &[&VirtualModel], model: &VirtualModel) -> Option<SkipReason> {
    let first = asked.iter().find(|first| first.asks_the_same_as(model))?;
    Some(SkipReason::SameAs(first.name.clone()))
}

/// Everything that could serve, the model itself first, with its weight.
pub(super) fn listed<'s>(
    snapshot: &'s Snapshot,
    model: &'s Arc<VirtualModel>,
) -> Vec<(&'s Arc<VirtualModel>, u32)> {
    let routing = &model.routing;
    let mut listed = vec![(model, routing.weight)];
    match routing.strategy {
        Strategy::None => {}
        Strategy::Duplicate => {
            let mut same: Vec<_> = snapshot
                .models
                .values()
                .filter(|other| other.actual_model == model.actual_model && other.id != model.id)
                .filter(|other| other.enabled)
                .collect();
            same.sort_by_key(|other| other.id);
            listed.extend(same.into_iter().map(|other| (other, 1)));
        }
        Strategy::Backup
        | Strategy::Rotational
        | Strategy::Weighted
        | Strategy::LeastBusy
        | Strategy::Fastest => {
            for target in &routing.targets {
                let id = target.virtual_model_id;
                if let Some(other) = snapshot.models.values().find(|other| other.id == id) {
                    listed.push((other, target.weight));
                }
            }
        }
    }
    listed
}

fn in_order<'s>(
    strategy: Strategy,
    mut listed: Vec<(Candidate<'s>, u32)>,
    turn: &Turn,
) -> Vec<Candidate<'s>> {
    let priority = |c: &Candidate<'_>| Reverse(c.endpoint.priority);
    match strategy {
        Strategy::None | Strategy::Backup => {}
        Strategy::Rotational => take_turns(&mut listed, turn, |_| ()),
        Strategy::Weighted => draw(&mut listed, turn.random),
        Strategy::Duplicate => take_turns(&mut listed, turn, priority),
        Strategy::LeastBusy => {
            take_turns(&mut listed, turn, |c| (priority(c), c.standing.in_flight));
        }
        // Who is not known yet gets a chance to be, unless all it has done is to fail.
        Strategy::Fastest => take_turns(&mut listed, turn, |c| {
            let Standing {
                first_token_ms: pace,
                failing,
                ..
            } = c.standing;
            (
                priority(c),
                pace.unwrap_or(if failing { u32::MAX } else { 0 }),
            )
        }),
    }
    listed.into_iter().map(|(candidate, _)| candidate).collect()
}

/// Sorts by `key`. Equals take turns among themselves, so that each of them is the first
/// one equally often.
fn take_turns<K: Ord>(
    listed: &mut [(Candidate<'_>, u32)],
    turn: &Turn,
    key: impl Fn(&Candidate<'_>) -> K,
) {
    listed.sort_by_key(|(candidate, _)| key(candidate));
    for equals in listed.chunk_by_mut(|(one, _), (other, _)| key(one) == key(other)) {
        let turned = turn.rotation % equals.len() as u64;
        equals.rotate_left(usize::try_from(turned).unwrap_or(0));
    }
}

/// Draws one after the other, each with the chance of its weight among those left.
/// What weighs nothing comes last.
fn draw(listed: &mut [(Candidate<'_>, u32)], mut random: u64) {
    for from in 0..listed.len() {
        let left = &listed[from..];
        let sum: u64 = left.iter().map(|(_, weight)| u64::from(*weight)).sum();
        if sum == 0 {
            return;
        }
        random = scrambled(random);
        let mut at = random % sum;
        let mut chosen = 0;
        for (n, (_, weight)) in left.iter().enumerate() {
            if at < u64::from(*weight) {
                chosen = n;
                break;
            }
            at -= u64::from(*weight);
        }
        listed[from..=from + chosen].rotate_right(1);
    }
}

/// The next number of a sequence that looks random (SplitMix64).
fn scrambled(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
