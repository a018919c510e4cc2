//! Planning: the candidates of a call in order, and why the others are none. The cases
//! are in `cases/plan.json`; the laws hold for all of them, whoever's turn it is.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use store::route::plan::{Circuit, Plan, SkipReason, Standing, Turn, plan};
use store::{EndpointDraft, Snapshot, Store, VirtualModelDraft};
use wire::provider::Call;

/// The virtual models of every case, each with an endpoint of its own; `a` is called.
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// One case over a store made for it.
struct World {
    case: Value,
    snapshot: Snapshot,
}

impl World {
    fn new(case: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("proxy.db")).unwrap();
        for name in NAMES {
            let base = json!({"name": format!("of-{name}"), "url": "http://h/v1"});
            let draft = with(base, &case["endpoints"][name]);
            let draft = EndpointDraft::for_create(&draft).unwrap();
            let endpoint = store.create_endpoint(&draft).unwrap();
            let base = json!({"name": name, "endpoint_id": endpoint, "actual_model": "m"});
            let draft = with(base, &case["models"][name]);
            let draft = VirtualModelDraft::for_create(&draft).unwrap();
            assert_eq!(store.create_virtual_model(&draft).unwrap(), id(name));
        }
        let route = |name: &str, routing: &Value| {
            if routing.is_object() {
                let value = json!({"routing": listed(routing)});
                let draft = VirtualModelDraft::for_update(&value).unwrap();
                store.update_virtual_model(id(name), &draft).unwrap();
            }
        };
        route("a", &case["routing"]);
        for name in NAMES {
            route(name, &case["others"][name]);
        }
        let snapshot = store.snapshot().unwrap();
        assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
        Self { case, snapshot }
    }

    fn turn(&self) -> Turn {
        let turn = &self.case["turn"];
        Turn {
            rotation: turn["rotation"].as_u64().unwrap_or(0),
            random: turn["random"].as_u64().unwrap_or(0),
            stays_with: turn["stays_with"].as_str().map(id),
        }
    }

    fn plan(&self, turn: &Turn) -> Plan<'_> {
        let model = &self.snapshot.models["a"];
        plan(
            &self.snapshot,
            model,
            Call::Chat,
            turn,
            &|model, endpoint| {
                assert_eq!(endpoint.id, model.endpoint_id);
                standing(&self.case["now"][&model.name])
            },
        )
    }

    fn name(&self) -> &str {
        self.case["name"].as_str().unwrap()
    }
}

fn standing(now: &Value) -> Standing {
    let number = |name: &str| Some(u32::try_from(now[name].as_u64()?).unwrap());
    let circuit = match now["opened_at"].as_i64() {
        Some(opened_at) => Circuit::Open {
            opened_at,
            until: now["until"].as_i64().unwrap(),
        },
        None if now["half_open"] == true => Circuit::HalfOpen,
        None => Circuit::Closed,
    };
    Standing {
        usable: now["usable"] != false,
        serves: now["serves"] != false,
        circuit,
        in_flight: number("in_flight").unwrap_or(0),
        first_token_ms: number("first_token_ms"),
        failing: now["failing"] == true,
        reached: None,
    }
}

/// The row that a model's name gets.
fn id(name: &str) -> i64 {
    let at = NAMES.iter().position(|known| *known == name).unwrap();
    i64::try_from(at).unwrap() + 1
}

fn with(base: Value, more: &Value) -> Value {
    let mut fields: Map<String, Value> = serde_json::from_value(base).unwrap();
    fields.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

/// A routing whose targets are named, with their weights where those matter.
fn listed(routing: &Value) -> Value {
    let mut routing = routing.clone();
    let targets = routing["targets"].as_array().cloned().unwrap_or_default();
    let target = |target: &Value| match target.as_array() {
        Some(pair) => json!({"virtual_model_id": id(pair[0].as_str().unwrap()), "weight": pair[1]}),
        None => json!({"virtual_model_id": id(target.as_str().unwrap())}),
    };
    routing["targets"] = targets.iter().map(target).collect();
    routing
}

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../cases/plan.json")).unwrap()
}

fn names<'p>(plan: &'p Plan<'_>) -> Vec<&'p str> {
    let candidates = plan.candidates.iter();
    candidates.map(|candidate| &*candidate.model.name).collect()
}

fn reason(reason: &SkipReason) -> &'static str {
    match reason {
        SkipReason::ModelDisabled => "model_disabled",
        SkipReason::EndpointDisabled => "endpoint_disabled",
        SkipReason::Unusable => "unusable",
        SkipReason::NotServed(_) => "not_served",
        SkipReason::CircuitOpen(_) => "circuit_open",
        SkipReason::Limit(_) => "limit",
        SkipReason::SameAs(_) => "same_as",
        SkipReason::BeyondAttempts => "beyond_attempts",
    }
}

#[test]
fn every_case_is_planned_as_it_says() {
    for case in cases() {
        let world = World::new(case);
        let plan = world.plan(&world.turn());
        assert_eq!(
            json!(names(&plan)),
            world.case["candidates"],
            "{}",
            world.name()
        );
        let skipped: HashMap<_, _> = plan
            .skipped
            .iter()
            .map(|skipped| (skipped.model.name.as_str(), reason(&skipped.reason)))
            .collect();
        let expected = world.case.get("skipped").cloned().unwrap_or(json!({}));
        assert_eq!(json!(skipped), expected, "{}", world.name());
        let expected = world.case["last_resort"] == true;
        assert_eq!(plan.last_resort, expected, "{}", world.name());
    }
}

#[test]
fn every_plan_keeps_the_laws() {
    for case in cases() {
        let world = World::new(case);
        let mut all: Option<Vec<String>> = None;
        for number in 0..60 {
            let turn = Turn {
                rotation: number,
                random: number * 7919,
                stays_with: [None, Some(1), Some(2), Some(3), Some(4)][number as usize % 5],
            };
            let plan = world.plan(&turn);
            let told = format!("{} {turn:?}", world.name());
            assert_eq!(
                names(&plan),
                names(&world.plan(&turn)),
                "twice the same: {told}"
            );

            // Whoever's turn it is, the same ones are spoken of, each once.
            let skipped = plan.skipped.iter().map(|skipped| &skipped.model.name);
            let mut spoken: Vec<_> = skipped.cloned().collect();
            spoken.extend(names(&plan).into_iter().map(str::to_owned));
            spoken.sort();
            assert!(spoken.windows(2).all(|two| two[0] != two[1]), "{told}");
            assert_eq!(*all.get_or_insert_with(|| spoken.clone()), spoken, "{told}");

            let most = world.case["routing"]["max_attempts"].as_u64();
            assert!(
                plan.candidates.len() as u64 <= most.unwrap_or(100),
                "{told}"
            );
            // Nobody is asked the same question twice.
            let mut questions: Vec<_> = plan
                .candidates
                .iter()
                .map(|c| {
                    let (model, at) = (c.model, c.model.endpoint_id);
                    let defaults = (model.max_tokens, model.disable_streaming);
                    (at, &model.actual_model, defaults, &model.custom_headers)
                })
                .collect();
            let count = questions.len();
            questions.sort();
            questions.dedup();
            assert_eq!(questions.len(), count, "{told}");
            for candidate in &plan.candidates {
                let standing = candidate.standing;
                assert!(standing.usable && standing.serves, "{told}");
                assert!(
                    candidate.model.enabled && candidate.endpoint.enabled,
                    "{told}"
                );
                let open = matches!(standing.circuit, Circuit::Open { .. });
                assert_eq!(open, plan.last_resort, "{told}");
            }
            // Nobody is refused while somebody could be asked.
            let hopeless = [
                "model_disabled",
                "endpoint_disabled",
                "unusable",
                "not_served",
            ];
            let all_hopeless = plan
                .skipped
                .iter()
                .all(|skipped| hopeless.contains(&reason(&skipped.reason)));
            assert!(!plan.candidates.is_empty() || all_hopeless, "{told}");
            if let Some(stays) = turn.stays_with
                && plan.candidates.iter().any(|c| c.model.id == stays)
            {
                assert_eq!(plan.candidates[0].model.id, stays, "{told}");
            }
        }
    }
}

#[test]
fn turns_are_shared_evenly() {
    let case = json!({"routing": {"strategy": "rotational", "targets": ["b", "c"]}});
    let world = World::new(with(json!({"name": "even"}), &case));
    let mut first = HashMap::new();
    for rotation in 0..300 {
        let turn = Turn {
            rotation,
            ..Turn::default()
        };
        let plan = world.plan(&turn);
        *first.entry(names(&plan)[0].to_owned()).or_insert(0) += 1;
    }
    assert_eq!(
        first,
        [("a", 100), ("b", 100), ("c", 100)]
            .map(|(n, c)| (n.to_owned(), c))
            .into()
    );
}

#[test]
fn equals_take_turns_evenly_beside_others() {
    for routing in [
        json!({"strategy": "duplicate"}),
        json!({"strategy": "least_busy", "targets": ["b", "c", "d"]}),
        json!({"strategy": "fastest", "targets": ["b", "c", "d"]}),
    ] {
        for better in ["a", "b", "c", "d"] {
            // One is out of the question, one is better: the other two are equals.
            let worse = if better == "a" { "b" } else { "a" };
            let case = json!({
                "name": routing["strategy"],
                "routing": routing,
                "endpoints": {better: {"priority": 5}, worse: {"priority": -5}},
            });
            let world = World::new(case);
            let mut second = HashMap::new();
            for rotation in 0..100 {
                let turn = Turn {
                    rotation,
                    ..Turn::default()
                };
                let plan = world.plan(&turn);
                let names = names(&plan);
                assert_eq!((names[0], names[3]), (better, worse), "{routing}");
                *second.entry(names[1].to_owned()).or_insert(0) += 1;
            }
            assert!(
                second.values().all(|count| *count == 50),
                "{routing}: {second:?}"
            );
        }
    }
}

#[test]
fn weights_are_the_shares_of_first_and_second_place() {
    let case = json!({"routing": {
        "strategy": "weighted", "weight": 1, "targets": [["b", 3], ["c", 6], ["d", 0]],
    }});
    let world = World::new(with(json!({"name": "shares"}), &case));
    let mut places: HashMap<(usize, String), u32> = HashMap::new();
    for number in 0..20_000_u64 {
        let turn = Turn {
            // What a good generator gives, the same in every run.
            random: number.wrapping_mul(0x2545_f491_4f6c_dd1d),
            ..Turn::default()
        };
        for (at, name) in names(&world.plan(&turn)).into_iter().enumerate() {
            *places.entry((at, name.to_owned())).or_default() += 1;
        }
    }
    let share = |at: usize, name: &str| {
        let count = places.get(&(at, name.to_owned())).copied();
        f64::from(count.unwrap_or(0)) / 20_000.0
    };
    // Second place: the chance among those left, over whoever came first.
    let second =
        |own: f64, others: [f64; 2]| others.map(|o| o / 10.0 * own / (10.0 - o)).iter().sum();
    let expected: [(usize, &str, f64); 7] = [
        (0, "a", 0.1),
        (0, "b", 0.3),
        (0, "c", 0.6),
        (1, "a", second(1.0, [3.0, 6.0])),
        (1, "b", second(3.0, [1.0, 6.0])),
        (1, "c", second(6.0, [1.0, 3.0])),
        (3, "d", 1.0),
    ];
    for (at, name, expected) in expected {
        let found = share(at, name);
        assert!(
            (found - expected).abs() < 0.02,
            "{name} at {at}: {found} of {expected}"
        );
    }
}

#[test]
fn every_reason_is_told_in_words() {
    for reason in [
        SkipReason::ModelDisabled,
        SkipReason::EndpointDisabled,
        SkipReason::Unusable,
        SkipReason::NotServed("no such call".to_owned()),
        SkipReason::CircuitOpen(1),
        SkipReason::Limit(store::route::Reached {
            of_endpoint: false,
            over: store::Over {
                limit: store::Limit::Parallel(2),
                frees_in: None,
            },
        }),
        SkipReason::SameAs("b".to_owned()),
        SkipReason::BeyondAttempts,
    ] {
        assert!(reason.to_string().contains(' '), "{reason:?}");
    }
}

#[test]
fn each_candidate_is_told_why_it_stands_where_it_does() {
    let routed = |strategy: &str| json!({"routing": {"strategy": strategy, "targets": ["b"]}});
    let both = |text: &'static str| [text, text];
    let half = json!({"b": {"half_open": true}});
    let open = json!({"a": {"opened_at": 1, "until": 9}, "b": {"opened_at": 2, "until": 9}});
    let weighed = json!({"routing": {"strategy": "weighted", "weight": 5, "targets": [["b", 0]]}});
    let higher = json!({"endpoints": {"b": {"priority": 3}}});
    for (case, words) in [
        (
            routed("none"),
            vec!["the virtual model's own endpoint, and no other"],
        ),
        (
            routed("backup"),
            vec!["own endpoint comes first", "targets are listed"],
        ),
        (
            with(routed("backup"), &json!({"now": half})),
            vec!["own endpoint comes first", "half open"],
        ),
        (
            with(routed("backup"), &json!({"now": open})),
            vec!["every circuit is open"],
        ),
        (
            with(routed("backup"), &json!({"turn": {"stays_with": "b"}})),
            vec!["this conversation", "own endpoint comes first"],
        ),
        (routed("rotational"), both("begun one further").to_vec()),
        (weighed, vec!["its weight of 5", "weighs nothing"]),
        (routed("duplicate"), both("the same model").to_vec()),
        (
            routed("least_busy"),
            both("fewest calls in flight").to_vec(),
        ),
        (
            with(routed("least_busy"), &higher),
            both("by the priority of its endpoint, then fewest").to_vec(),
        ),
        (routed("fastest"), both("shortest time").to_vec()),
    ] {
        let mut case = with(case, &json!({"name": "why"}));
        if case["routing"]["strategy"] == "duplicate" {
            case["models"] = json!({"c": {"actual_model": "n"}, "d": {"actual_model": "n"}});
        }
        let world = World::new(case);
        let turn = world.turn();
        let plan = world.plan(&turn);
        let model = &world.snapshot.models["a"];
        let why = |at| plan.why(at, model, &turn).map(|why| why.to_string());
        assert_eq!(plan.candidates.len(), words.len(), "{}", world.case);
        for (at, words) in words.iter().enumerate() {
            let said = why(at).unwrap();
            assert!(
                said.contains(words),
                "{words:?} in {said:?}: {}",
                world.case
            );
        }
        assert_eq!(why(words.len()), None);
    }
}
