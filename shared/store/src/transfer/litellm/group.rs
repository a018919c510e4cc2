//! Entries of one name as one virtual model that chooses among them, with the fallbacks that
//! the router names behind them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::deployment::Deployment;
use super::other;
use crate::transfer::fields::{Fields, text_of};
use crate::transfer::{Fate, Findings, Incoming};

/// The largest share of a target.
const MOST: u64 = 1_000_000;
/// The longest time for which a model is left alone, seconds.
const LONGEST_COOLDOWN: u64 = 86_400;
/// The most failures until it is.
const MOST_FAILS: u64 = 999;

/// All entries of one name.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) deployments: Vec<Deployment>,
}

/// What `router_settings`, and its namesakes in `litellm_settings`, say.
pub(super) struct Router {
    strategy: String,
    fallbacks: BTreeMap<String, Vec<String>>,
    /// For every group without fallbacks of its own.
    general: Vec<String>,
    aliases: BTreeMap<String, String>,
    cooldown: Option<u64>,
    threshold: Option<u64>,
}

impl Router {
    /// Reads it and names what nothing here is like.
    pub(super) fn read(mut own: Fields, library: &mut Fields, findings: &mut Findings) -> Self {
        let mut fallbacks = BTreeMap::new();
        let mut general = Vec::new();
        for fields in [&mut own, &mut *library] {
            for entry in fields.list("fallbacks") {
                for (name, others) in Fields::of(entry).into_inner() {
                    let others = names(&others);
                    if name == "*" {
                        general.extend(others);
                    } else {
                        fallbacks.insert(name, others);
                    }
                }
            }
            general.extend(names(&Value::Array(fields.list("default_fallbacks"))));
        }
        let mut aliases = BTreeMap::new();
        for (alias, target) in own.object("model_group_alias").into_inner() {
            let target = if let Value::Object(fields) = &target {
                fields.get("model").and_then(text_of)
            } else {
                text_of(&target)
            };
            if let Some(target) = target {
                aliases.insert(alias, target);
            }
        }
        let either = |name: &str, own: &mut Fields, library: &mut Fields| {
            let (first, second) = (own.count(name), library.count(name));
            first.or(second)
        };
        let cooldown = either("cooldown_time", &mut own, library);
        let fails = either("allowed_fails", &mut own, library);
        let router = Self {
            strategy: own
                .text("routing_strategy")
                .unwrap_or_else(|| "simple-shuffle".to_owned()),
            fallbacks,
            general,
            aliases,
            cooldown: cooldown.map(|seconds| seconds.min(LONGEST_COOLDOWN)),
            threshold: fails.map(|fails| fails.min(MOST_FAILS) + 1),
        };
        other::leftover("router_settings", &own, findings);
        router
    }

    fn strategy_here(&self) -> (&'static str, Option<&'static str>) {
        match self.strategy.as_str() {
            "simple-shuffle" => ("weighted", None),
            "least-busy" => ("least_busy", None),
            "latency-based-routing" => ("fastest", None),
            "usage-based-routing" | "usage-based-routing-v2" => (
                "least_busy",
                Some(
                    "the one that has used the fewest tokens becomes the one with the fewest calls in flight",
                ),
            ),
            "cost-based-routing" => (
                "backup",
                Some(
                    "the cheapest by the file's prices is always the first, the others stand in for it in the order of their prices",
                ),
            ),
            _ => (
                "weighted",
                Some("there is no such strategy here: they are drawn by their weights"),
            ),
        }
    }
}

fn names(value: &Value) -> Vec<String> {
    if let Value::Array(items) = value {
        items.iter().filter_map(text_of).collect()
    } else {
        text_of(value).into_iter().collect()
    }
}

/// Writes every group and every alias as virtual models.
pub(super) fn write(incoming: &mut Incoming, groups: &[Group], router: &Router) {
    let own_names = own_names(groups);
    if router.strategy_here().1.is_some() && groups.iter().any(|group| group.deployments.len() > 1)
    {
        incoming.findings.tell(
            Fate::Changed,
            format!("router_settings.routing_strategy {:?}", router.strategy),
            router.strategy_here().1.unwrap_or_default(),
            "",
        );
    }
    for (group, names) in groups.iter().zip(&own_names) {
        let order = order(group, router);
        let routing = routing(incoming, group, names, &order, groups, &own_names, router);
        for (place, (number, name)) in order.iter().zip(names).enumerate() {
            let Some(deployment) = group.deployments.get(*number) else {
                continue;
            };
            let alone = group.deployments.len() == 1;
            row(
                incoming,
                name,
                deployment,
                alone,
                (place == 0).then_some(&routing),
            );
        }
        tell_group(incoming, group, names);
    }
    for (alias, target) in &router.aliases {
        let taken = own_names.iter().flatten().any(|name| name == alias);
        let found = groups
            .iter()
            .zip(&own_names)
            .find(|(group, _)| group.name == *target);
        let what = format!("router_settings.model_group_alias {alias:?}");
        match found {
            Some((group, names)) if !taken => {
                let order = order(group, router);
                let routing = routing(incoming, group, names, &order, groups, &own_names, router);
                if let Some(deployment) = order.first().and_then(|n| group.deployments.get(*n)) {
                    let alone = group.deployments.len() == 1;
                    row(incoming, alias, deployment, alone, Some(&routing));
                }
                incoming.findings.tell(
                    Fate::Changed,
                    what,
                    format!(
                        "it is a virtual model of its own, made like {target:?}: a later change of \
                         {target:?} does not change it"
                    ),
                    "",
                );
            }
            Some(_) => incoming.findings.tell(
                Fate::LeftOut,
                what,
                "a model of that name came over already",
                "",
            ),
            None => incoming.findings.tell(
                Fate::LeftOut,
                what,
                format!("its model {target:?} did not come over"),
                "",
            ),
        }
    }
}

/// The names of each group's virtual models: the group's own, then numbered ones.
fn own_names(groups: &[Group]) -> Vec<Vec<String>> {
    let is_group = |name: &str| groups.iter().any(|group| group.name == name);
    let mut all: Vec<Vec<String>> = Vec::new();
    for group in groups {
        let mut names = vec![group.name.clone()];
        let mut number = 2;
        while names.len() < group.deployments.len() {
            let name = format!("{}-{number}", group.name);
            number += 1;
            if !is_group(&name) && !all.iter().flatten().any(|taken| *taken == name) {
                names.push(name);
            }
        }
        all.push(names);
    }
    all
}

/// The entries of a group, the one that gets the group's name first.
fn order(group: &Group, router: &Router) -> Vec<usize> {
    let mut order: Vec<usize> = (0..group.deployments.len()).collect();
    if router.strategy == "cost-based-routing" {
        let cost = |number: &usize| {
            let deployment = group.deployments.get(*number);
            deployment
                .and_then(|deployment| deployment.cost)
                .unwrap_or(f64::INFINITY)
        };
        order.sort_by(|one, other| cost(one).total_cmp(&cost(other)));
    }
    order
}

/// How the group's virtual model chooses.
fn routing(
    incoming: &mut Incoming,
    group: &Group,
    names: &[String],
    order: &[usize],
    groups: &[Group],
    own_names: &[Vec<String>],
    router: &Router,
) -> Map<String, Value> {
    let mut routing = Map::new();
    let weights = weights(group, order);
    let mut targets: Vec<Value> = names
        .iter()
        .zip(&weights)
        .skip(1)
        .map(|(name, weight)| json!({"virtual_model": name, "weight": weight}))
        .collect();
    let fallbacks = router.fallbacks.get(&group.name).unwrap_or(&router.general);
    let mut behind: Vec<&String> = Vec::new();
    for fallback in fallbacks {
        let real = router.aliases.get(fallback).unwrap_or(fallback);
        let found = groups
            .iter()
            .zip(own_names)
            .find(|(other, _)| other.name == *real);
        match found {
            Some((other, _)) if other.name == group.name => {}
            Some((_, theirs)) => {
                for name in theirs {
                    if !behind.contains(&name) {
                        behind.push(name);
                    }
                }
            }
            None => incoming.findings.tell(
                Fate::LeftOut,
                format!("fallbacks of {:?}", group.name),
                format!("{fallback:?} did not come over"),
                "",
            ),
        }
    }
    let (chosen, _) = router.strategy_here();
    let strategy = match (targets.is_empty(), behind.is_empty()) {
        (true, true) => "none",
        (true, false) => "backup",
        (false, true) => chosen,
        (false, false) if chosen == "backup" => "backup",
        // Only so do fallbacks stay behind all others.
        (false, false) => "weighted",
    };
    if strategy == "weighted" && chosen != "weighted" {
        incoming.findings.tell(
            Fate::Changed,
            format!("virtual model {:?}", group.name),
            format!(
                "with fallbacks behind its entries it draws them by their weights, not by {chosen}"
            ),
            "",
        );
    }
    // What weighs nothing is drawn last.
    let weight = u8::from(strategy != "weighted");
    let behind = behind
        .iter()
        .map(|name| json!({"virtual_model": name, "weight": weight}));
    targets.extend(behind);
    if targets.len() > 100 {
        targets.truncate(100);
        incoming.findings.tell(
            Fate::LeftOut,
            format!("virtual model {:?}", group.name),
            "only 100 of its entries and fallbacks are targets",
            "",
        );
    }
    routing.insert("strategy".to_owned(), json!(strategy));
    routing.insert("targets".to_owned(), Value::Array(targets));
    if strategy == "weighted" {
        routing.insert(
            "weight".to_owned(),
            json!(weights.first().copied().unwrap_or(1)),
        );
    }
    if let Some(seconds) = router.cooldown {
        routing.insert("cooldown".to_owned(), json!(seconds));
    }
    if let Some(failures) = router.threshold {
        routing.insert("failure_threshold".to_owned(), json!(failures));
    }
    routing
}

/// The share of each entry: by the first of weight, requests and tokens a minute that any of
/// them has; all the same without.
fn weights(group: &Group, order: &[usize]) -> Vec<u64> {
    for by in 0..3 {
        let given: Vec<Option<u64>> = order
            .iter()
            .map(|number| {
                let deployment = group.deployments.get(*number)?;
                deployment.shares.get(by).copied().flatten()
            })
            .collect();
        let most = given.iter().flatten().copied().max().unwrap_or(0);
        if most > 0 {
            let scale = most.div_ceil(MOST);
            let share = |count: u64| (count / scale).max(1);
            return given
                .into_iter()
                .map(|count| count.map_or(0, share))
                .collect();
        }
    }
    vec![1; order.len()]
}

/// Adds a virtual model.
fn row(
    incoming: &mut Incoming,
    name: &str,
    deployment: &Deployment,
    alone: bool,
    routing: Option<&Map<String, Value>>,
) {
    let mut row = deployment.body.clone();
    row.insert("name".to_owned(), json!(name));
    if alone {
        row.extend(deployment.limits.clone());
    }
    if let Some(routing) = routing {
        row.insert("routing".to_owned(), Value::Object(routing.clone()));
    }
    let field = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let why = format!(
        "{} at endpoint {:?}",
        field("actual_model"),
        field("endpoint_name")
    );
    incoming
        .findings
        .tell(Fate::Taken, format!("virtual model {name:?}"), why, "");
    incoming.virtual_models.push(row);
}

fn tell_group(incoming: &mut Incoming, group: &Group, names: &[String]) {
    let [first, others @ ..] = names else { return };
    if others.is_empty() {
        return;
    }
    incoming.findings.tell(
        Fate::Changed,
        format!("virtual model {first:?}"),
        format!(
            "its {} entries are virtual models of their own ({}), which it chooses from; they are \
             in the list of models too",
            names.len(),
            others.join(", ")
        ),
        "",
    );
    if group
        .deployments
        .iter()
        .any(|deployment| !deployment.limits.is_empty())
    {
        incoming.findings.tell(
            Fate::Changed,
            format!("virtual model {first:?}"),
            "the rpm and tpm of its entries are their weights, and no limits",
            "set limits at the endpoints, where a candidate that has reached one is passed over",
        );
    }
}
