//! Why each candidate of a plan stands where it does, for a person who reads it.

use std::fmt;

use super::{Candidate, Circuit, Plan, Turn};
use crate::virtual_model::{Strategy, VirtualModel};

/// Why a candidate stands where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    because: Because,
    /// Some endpoints come before others by their priority.
    by_priority: bool,
    half_open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Because {
    LastResort,
    Conversation,
    Alone,
    Own,
    Listed,
    Turn,
    SameModel,
    Drawn(u32),
    Weightless,
    LeastBusy,
    Fastest,
}

impl Chosen {
    /// Of the one endpoint of a virtual model without other candidates; with its circuit.
    pub fn alone(circuit: Circuit) -> Self {
        Self {
            because: Because::Alone,
            by_priority: false,
            half_open: circuit == Circuit::HalfOpen,
        }
    }
}

impl Plan<'_> {
    /// Why the candidate `at` this place of the plan for `model` is there.
    pub fn why(&self, at: usize, model: &VirtualModel, turn: &Turn) -> Option<Chosen> {
        let candidate = self.candidates.get(at)?;
        let routing = &model.routing;
        let is_own = candidate.model.id == model.id;
        let stays = turn.stays_with == Some(candidate.model.id)
            && candidate.standing.circuit == Circuit::Closed;
        let because = match routing.strategy {
            _ if self.last_resort => Because::LastResort,
            _ if stays => Because::Conversation,
            Strategy::None => Because::Alone,
            Strategy::Backup if is_own => Because::Own,
            Strategy::Backup => Because::Listed,
            Strategy::Rotational => Because::Turn,
            Strategy::Duplicate => Because::SameModel,
            Strategy::Weighted => match weight(candidate, model) {
                0 => Because::Weightless,
                weight => Because::Drawn(weight),
            },
            Strategy::LeastBusy => Because::LeastBusy,
            Strategy::Fastest => Because::Fastest,
        };
        let ranks = match because {
            Because::SameModel | Because::LeastBusy | Because::Fastest => true,
            Because::LastResort
            | Because::Conversation
            | Because::Alone
            | Because::Own
            | Because::Listed
            | Because::Turn
            | Because::Drawn(_)
            | Because::Weightless => false,
        };
        let priority = candidate.endpoint.priority;
        let mut all = self.candidates.iter();
        Some(Chosen {
            because,
            by_priority: ranks && all.any(|other| other.endpoint.priority != priority),
            half_open: candidate.standing.circuit == Circuit::HalfOpen,
        })
    }
}

fn weight(candidate: &Candidate<'_>, model: &VirtualModel) -> u32 {
    let routing = &model.routing;
    let mut targets = routing.targets.iter();
    targets
        .find(|target| target.virtual_model_id == candidate.model.id)
        .map_or(routing.weight, |target| target.weight)
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.by_priority {
            f.write_str("by the priority of its endpoint, then ")?;
        }
        match self.because {
            Because::LastResort => f.write_str(
                "every circuit is open; its own opened first, so it is tried all the same",
            ),
            Because::Conversation => f.write_str("it has served this conversation before"),
            Because::Alone => f.write_str("the virtual model's own endpoint, and no other"),
            Because::Own => f.write_str("the virtual model's own endpoint comes first"),
            Because::Listed => f.write_str("in the order in which the targets are listed"),
            Because::Turn => f.write_str("in the order of the list, begun one further each call"),
            Because::SameModel => f.write_str("has the same model; equals take turns"),
            Because::Drawn(weight) => write!(f, "drawn by its weight of {weight}"),
            Because::Weightless => f.write_str("weighs nothing: comes after all that do"),
            Because::LeastBusy => f.write_str("fewest calls in flight first; equals take turns"),
            Because::Fastest => f.write_str(
                "shortest time to the first token first, before them who is not known; equals take turns",
            ),
        }?;
        if self.half_open {
            f.write_str("; its circuit is half open: this call would decide whether it closes")?;
        }
        Ok(())
    }
}
