//! Values for the routing of a virtual model: only the fields the input carries.

use serde_json::Value;

use super::{
    MAX_ATTEMPTS, MAX_COOLDOWN, MAX_TARGETS, MAX_THRESHOLD, MAX_WEIGHT, RouteTarget, Strategy,
    unknown_strategy,
};
use crate::input::Input;

/// Checked values for a routing. A field that is `None` keeps the stored value; an inner
/// `None` clears it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RoutingDraft {
    pub(crate) strategy: Option<Strategy>,
    pub(crate) targets: Option<Vec<RouteTarget>>,
    pub(crate) weight: Option<i64>,
    pub(crate) max_attempts: Option<Option<i64>>,
    pub(crate) failure_threshold: Option<Option<i64>>,
    pub(crate) cooldown: Option<Option<i64>>,
    pub(crate) affinity: Option<bool>,
}

impl RoutingDraft {
    /// What a virtual model has when nothing was said about its routing.
    pub(crate) fn cleared() -> Self {
        Self {
            strategy: Some(Strategy::None),
            targets: Some(Vec::new()),
            weight: Some(1),
            max_attempts: Some(None),
            failure_threshold: Some(None),
            cooldown: Some(None),
            affinity: Some(false),
        }
    }

    /// Reads the object `routing`. Whether the targets exist is checked when it is written.
    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        Self {
            strategy: strategy(input),
            targets: targets(input),
            weight: input
                .whole("weight", 0, MAX_WEIGHT)
                .map(|weight| weight.unwrap_or(1)),
            max_attempts: input.whole("max_attempts", 1, MAX_ATTEMPTS),
            failure_threshold: input.whole("failure_threshold", 1, MAX_THRESHOLD),
            cooldown: input.whole("cooldown", 1, MAX_COOLDOWN),
            affinity: input.flag("affinity"),
        }
    }
}

fn strategy(input: &mut Input<'_>) -> Option<Strategy> {
    let Some(id) = input.text("strategy", 100)? else {
        return Some(Strategy::None);
    };
    let strategy = Strategy::from_id(&id);
    if strategy.is_none() {
        input.refuse("strategy", unknown_strategy(&id));
    }
    strategy
}

fn targets(input: &mut Input<'_>) -> Option<Vec<RouteTarget>> {
    let list = match input.take("targets")? {
        Value::Null => return Some(Vec::new()),
        Value::Array(list) => list,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            input.refuse("targets", "must be a list of virtual models");
            return None;
        }
    };
    if list.len() > MAX_TARGETS {
        input.refuse("targets", format!("must be at most {MAX_TARGETS}"));
        return None;
    }
    let mut targets: Vec<RouteTarget> = Vec::with_capacity(list.len());
    for (place, value) in list.iter().enumerate() {
        let why = match target(value) {
            Ok(target)
                if targets
                    .iter()
                    .any(|other| other.virtual_model_id == target.virtual_model_id) =>
            {
                format!(
                    "the virtual model {} is listed twice",
                    target.virtual_model_id
                )
            }
            Ok(target) => {
                targets.push(target);
                continue;
            }
            Err(why) => why,
        };
        input.refuse("targets", format!("number {}: {why}", place + 1));
        return None;
    }
    Some(targets)
}

/// A target, written as an object with `virtual_model_id` and perhaps `weight`.
fn target(value: &Value) -> Result<RouteTarget, String> {
    let mut input = Input::new(value).map_err(|_not_an_object| {
        "must be an object with virtual_model_id and, if wanted, weight".to_owned()
    })?;
    let id = input.whole("virtual_model_id", 1, i64::MAX).flatten();
    let weight = input.whole("weight", 0, MAX_WEIGHT).flatten();
    if value.get("virtual_model_id").is_none_or(Value::is_null) {
        input.refuse("virtual_model_id", "is required");
    }
    let read = (id, weight);
    let (id, weight) = input.finish(read).map_err(|errors| errors.to_string())?;
    Ok(RouteTarget {
        virtual_model_id: id.unwrap_or(0),
        weight: weight
            .and_then(|weight| u32::try_from(weight).ok())
            .unwrap_or(1),
    })
}
