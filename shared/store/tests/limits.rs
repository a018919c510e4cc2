//! Limits of keys, virtual models and endpoints in the store: set, shown, cleared, refused;
//! and the money that was spent before a program starts.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};
use store::route::plan::{Circuit, SkipReason, Standing, Turn, plan};
use store::route::{Reached, dearest};
use store::{
    Attempt, CallKind, CallRecord, EndpointDraft, FieldErrors, InboundKeyDraft, Limit, Limits,
    Outcome, Over, Price, SettingsDraft, Store, StoreError, VirtualModelDraft,
};
use tempfile::TempDir;
use wire::provider::Call;
use wire::usage::Usage;

/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200;
const DAY: i64 = 86_400;

const ALL: Limits = Limits {
    requests_per_minute: Some(60),
    tokens_per_minute: Some(90_000),
    parallel: Some(4),
    cost_per_day: Some(2_500_000_000),
    cost_per_month: Some(50_000_000_000),
};

fn fields() -> Value {
    json!({
        "limit_requests_per_minute": 60, "limit_tokens_per_minute": 90_000, "limit_parallel": 4,
        "limit_cost_per_day": 2.5, "limit_cost_per_month": 50.0,
    })
}

fn with(base: &Value, more: &Value) -> Value {
    let mut base = base.as_object().cloned().unwrap();
    base.extend(more.as_object().cloned().unwrap());
    Value::Object(base)
}

/// A store with an endpoint, a virtual model `m` and a key, each with the id 1.
fn ground(limits: &Value) -> (TempDir, PathBuf, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.db");
    let store = Store::open(&path).unwrap();
    let zone = SettingsDraft::validate(&json!({"display_timezone": "UTC"})).unwrap();
    store.save_settings(&zone).unwrap();
    let value = with(&json!({"name": "e", "url": "http://h"}), limits);
    let draft = EndpointDraft::for_create(&value).unwrap();
    store.create_endpoint(&draft).unwrap();
    let value = json!({
        "name": "m", "endpoint_id": 1, "actual_model": "a",
        "cost_per_1m_tokens_in": 1.0, "cost_per_1m_tokens_out": 2.0,
    });
    let draft = VirtualModelDraft::for_create(&with(&value, limits)).unwrap();
    store.create_virtual_model(&draft).unwrap();
    let draft = InboundKeyDraft::for_create(&with(&json!({"label": "k"}), limits)).unwrap();
    store.create_inbound_key(&draft).unwrap();
    (folder, path, store)
}

fn update(store: &Store, value: &Value) -> Result<(), StoreError> {
    store.update_endpoint(1, &EndpointDraft::for_update(value)?)?;
    store.update_virtual_model(1, &VirtualModelDraft::for_update(value)?)?;
    store.update_inbound_key(1, &InboundKeyDraft::for_update(value)?)
}

fn rows(store: &Store) -> [Value; 3] {
    let key = store.inbound_keys().unwrap().remove(0);
    [
        serde_json::to_value(store.endpoint_row(1).unwrap()).unwrap(),
        serde_json::to_value(store.virtual_model(1).unwrap()).unwrap(),
        serde_json::to_value(key).unwrap(),
    ]
}

fn in_force(store: &Store) -> [Limits; 3] {
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    let key = snapshot.inbound_keys.iter().next().unwrap().limits;
    let (endpoint, model) = (&snapshot.endpoints[0], &snapshot.models["m"]);
    [endpoint.limits, model.limits, key]
}

#[test]
fn limits_are_set_shown_kept_and_cleared() {
    let (_folder, _, store) = ground(&fields());
    assert_eq!(in_force(&store), [ALL; 3]);
    for row in rows(&store) {
        for (name, value) in fields().as_object().unwrap() {
            assert_eq!(row[name], *value, "{name} of {row}");
        }
    }
    let revision = store.revision().unwrap();
    update(&store, &json!({"limit_parallel": 9})).unwrap();
    assert!(store.revision().unwrap() >= revision + 3);
    let changed = Limits {
        parallel: Some(9),
        ..ALL
    };
    assert_eq!(in_force(&store), [changed; 3]);
    let cleared: serde_json::Map<_, _> = fields()
        .as_object()
        .unwrap()
        .keys()
        .map(|name| (name.clone(), Value::Null))
        .collect();
    update(&store, &Value::Object(cleared)).unwrap();
    assert_eq!(in_force(&store), [Limits::default(); 3]);
    for row in rows(&store) {
        assert_eq!(row["limit_cost_per_day"], Value::Null);
    }
}

#[test]
fn a_limit_that_makes_no_sense_is_refused_by_name() {
    let whole = [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("many"),
        json!(true),
        json!(2e9),
    ];
    let money = [
        json!(0),
        json!(-1),
        json!("much"),
        json!(1e-9),
        json!(1e12),
        json!([]),
    ];
    for (names, values) in [
        (
            &[
                "limit_requests_per_minute",
                "limit_tokens_per_minute",
                "limit_parallel",
            ][..],
            whole,
        ),
        (&["limit_cost_per_day", "limit_cost_per_month"], money),
    ] {
        for name in names {
            for value in &values {
                let body = json!({*name: value});
                let named = |errors: FieldErrors| errors.iter().any(|(field, _)| field == *name);
                let refused = [
                    EndpointDraft::for_update(&body).map(drop),
                    VirtualModelDraft::for_update(&body).map(drop),
                    InboundKeyDraft::for_update(&body).map(drop),
                ];
                for refused in refused {
                    assert!(refused.is_err_and(named), "{body}");
                }
            }
        }
    }
}

/// Written by another program: a limit must not become none.
#[test]
fn a_row_with_a_bad_limit_is_left_out_and_named() {
    let (_folder, path, store) = ground(&json!({}));
    let connection = Connection::open(&path).unwrap();
    for table in ["endpoints", "virtual_models", "inbound_api_keys"] {
        let spoil = format!("UPDATE {table} SET limit_parallel = 0, limit_cost_per_day = -2");
        connection.execute_batch(&spoil).unwrap();
    }
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.endpoints.is_empty() && snapshot.models.is_empty());
    assert_eq!(snapshot.inbound_keys.iter().count(), 0);
    for subject in ["endpoint 1", "virtual model 1", "inbound key 1"] {
        let of = |problem: &&store::Problem| problem.subject.starts_with(subject);
        let said = snapshot.problems.iter().find(of).unwrap().to_string();
        for name in ["limit_parallel", "limit_cost_per_day"] {
            assert!(said.contains(name), "{said}");
        }
    }
}

fn call(at: i64, cost: u64) -> CallRecord {
    // At two micro-dollars a token.
    let usage = Usage {
        completion_tokens: cost,
        total_tokens: cost,
        ..Usage::default()
    };
    CallRecord {
        virtual_model: "m".to_owned(),
        virtual_model_id: Some(1),
        endpoint_id: Some(1),
        endpoint_name: Some("e".to_owned()),
        key_id: Some(1),
        key_label: Some("k".to_owned()),
        usage,
        status: 200,
        outcome: Outcome::Success,
        attempts: vec![Attempt {
            endpoint: "e".to_owned(),
            endpoint_id: Some(1),
            virtual_model: "m".to_owned(),
            virtual_model_id: Some(1),
            model: "a".to_owned(),
            status: 200,
            usage: Some(usage),
            ..Attempt::default()
        }],
        ..CallRecord::begun(CallKind::Chat, format!("r{at}"), at)
    }
}

#[test]
fn the_money_of_the_day_and_of_the_month_is_known_at_the_start() {
    let (_folder, _, store) = ground(&json!({}));
    let month = NOON - 27 * DAY - DAY / 2;
    store
        .record_calls(&[
            call(month - 1, 100_000),
            call(month, 10_000),
            call(NOON - DAY / 2 - 1, 1000),
            call(NOON - DAY / 2, 100),
            call(NOON - 60, 10),
            call(NOON, 1),
        ])
        .unwrap();
    let spent = store.spent_money(NOON).unwrap();
    assert_eq!(
        (spent.day.from, spent.day.until),
        (NOON - DAY / 2, NOON + DAY / 2)
    );
    assert_eq!(
        (spent.month.from, spent.month.until),
        (month, month + 30 * DAY)
    );
    for before in [spent.by_key(1), spent.by_model("m"), spent.by_endpoint(1)] {
        assert_eq!((before.on_day, before.in_month), (222_000, 22_222_000));
    }
    let nobody = spent.by_key(2);
    assert_eq!((nobody.on_day, nobody.in_month), (0, 0));
}

#[test]
fn a_virtual_model_that_took_over_has_spent_that_too() {
    let (_folder, _, store) = ground(&json!({}));
    let value = json!({
        "name": "m2", "endpoint_id": 1, "actual_model": "b", "cost_per_1m_tokens_in": 1.0,
        "cost_per_1m_tokens_out": 2.0,
    });
    let draft = VirtualModelDraft::for_create(&value).unwrap();
    assert_eq!(store.create_virtual_model(&draft).unwrap(), 2);
    let taken_over = |at, tokens| {
        let mut call = call(at, tokens);
        let attempt = &mut call.attempts[0];
        attempt.virtual_model = "m2".to_owned();
        attempt.virtual_model_id = Some(2);
        call
    };
    store
        .record_calls(&[
            taken_over(NOON - 30 * DAY, 10_000),
            taken_over(NOON - 2 * DAY, 100),
            taken_over(NOON - 2, 10),
            call(NOON - 3, 1000),
        ])
        .unwrap();
    store.record_calls(&[taken_over(NOON - 1, 1)]).unwrap();
    let spent = store.spent_money(NOON).unwrap();
    let took = spent.by_model("m2");
    assert_eq!((took.on_day, took.in_month), (22_000, 222_000));
    let named = spent.by_model("m");
    assert_eq!((named.on_day, named.in_month), (2_022_000, 2_222_000));
}

#[test]
fn a_candidate_over_a_limit_is_skipped_and_the_last_one_refuses() {
    let (_folder, _, store) = ground(&json!({}));
    let value = json!({"name": "e2", "url": "http://h"});
    let draft = EndpointDraft::for_create(&value).unwrap();
    store.create_endpoint(&draft).unwrap();
    let value = json!({
        "name": "m2", "endpoint_id": 2, "actual_model": "a", "cost_per_1m_tokens_in": 0.5,
        "cost_per_1m_tokens_out": 9.0,
    });
    let draft = VirtualModelDraft::for_create(&value).unwrap();
    store.create_virtual_model(&draft).unwrap();
    let value = json!({"routing": {"strategy": "backup", "targets": [{"virtual_model_id": 2}]}});
    let draft = VirtualModelDraft::for_update(&value).unwrap();
    store.update_virtual_model(1, &draft).unwrap();
    let snapshot = store.snapshot().unwrap();
    let model = &snapshot.models["m"];
    let reached = |limit, frees_in| Reached {
        of_endpoint: true,
        over: Over { limit, frees_in },
    };
    let planned = |first, second: Option<Reached>| {
        plan(
            &snapshot,
            model,
            Call::Chat,
            &Turn::default(),
            &|model, _| Standing {
                usable: true,
                serves: true,
                circuit: Circuit::Closed,
                in_flight: 0,
                first_token_ms: None,
                failing: false,
                reached: if model.id == 1 { first } else { second },
            },
        )
    };
    let requests = reached(Limit::Requests(1), Some(30_000));
    let one = planned(Some(requests), None);
    assert_eq!(one.candidates.len(), 1);
    assert_eq!(one.candidates[0].model.name, "m2");
    assert_eq!(one.skipped[0].reason, SkipReason::Limit(requests));
    assert_eq!(one.skipped[0].reason.id(), "limit");
    let money = reached(Limit::Day(1_000_000_000), Some(9_000_000));
    let none = planned(Some(money), Some(requests));
    assert!(none.candidates.is_empty());
    // Told is the one that frees up first.
    let told = none.none_left(&snapshot, "m");
    assert_eq!(
        (told.status, told.code.as_str()),
        (429, "rate_limit_exceeded")
    );
    assert_eq!(told.retry_after, Some(30));
    assert!(
        told.message.contains("The endpoint 'e2'"),
        "{}",
        told.message
    );
    // A call is reckoned at the dearest of those who may serve it.
    let prices = dearest(&snapshot, model);
    assert_eq!(prices.input, Price::of_dollars(1.0));
    assert_eq!(prices.output, Price::of_dollars(9.0));
}
