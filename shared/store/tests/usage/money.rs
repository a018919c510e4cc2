//! What calls cost, and when that changes.

use serde_json::{Value, json};
use store::{
    By, CacheUse, CallRecord, Price, Prices, StoreError, Sum, UsageQuery, UsageReport,
    VirtualModelDraft,
};
use wire::usage::Usage;

use crate::made::{NOON, all, call, made_up, spent, sql, store_with_models};

#[test]
fn a_new_price_holds_from_then_on_and_history_keeps_the_old() {
    let (_folder, store) = store_with_models();
    let change = |field: &str, value: Value| {
        let draft = VirtualModelDraft::for_update(&json!({field: value})).unwrap();
        store.update_virtual_model(1, &draft).unwrap();
    };
    change("description", json!("the same price"));
    assert_eq!(store.price_history(1).unwrap().len(), 1);
    change("cost_per_1m_tokens_in", json!(4));
    let history = store.price_history(1).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].prices.input, Some(Price(4_000_000)));
    assert_eq!(
        (history[1].valid_from, history[1].prices.input),
        (0, Some(Price(1_000_000)))
    );
    let changed = history[0].valid_from;
    let calls = [changed - 10, changed].map(|at| call("cheap", at, spent(1_000_000, 0)));
    store.record_calls(&calls).unwrap();
    let costs: Vec<_> = store
        .recent_calls(2)
        .unwrap()
        .iter()
        .map(|row| row.cost_nanos.unwrap())
        .collect();
    assert_eq!(costs, [4_000_000_000, 1_000_000_000]);
    // Of a model that is gone the prices stay.
    store.delete_virtual_model(1).unwrap();
    store
        .record_calls(&[call("cheap", changed + 1, spent(1_000_000, 0))])
        .unwrap();
    assert_eq!(
        store.recent_calls(1).unwrap()[0].cost_nanos,
        Some(4_000_000_000)
    );
}

#[test]
fn an_unknown_price_is_not_zero() {
    let (_folder, store) = store_with_models();
    let written = Usage {
        cache_write_tokens: 50,
        ..spent(100, 10)
    };
    let unknown = CallRecord {
        virtual_model: "nobody's".to_owned(),
        virtual_model_id: None,
        attempts: Vec::new(),
        ..call("cheap", NOON + 1, spent(5, 5))
    };
    store
        .record_calls(&[call("cheap", NOON, written), unknown])
        .unwrap();
    let rows = store.recent_calls(2).unwrap();
    assert_eq!(rows[0].cost_nanos, None);
    assert_eq!(rows[1].cost_nanos, None);
    // What is known of the first: 50 read and 10 written.
    assert!((rows[1].cost_estimate - 0.000_07).abs() < 1e-12);
    let whole = all(&store, &[]).whole();
    assert_eq!((whole.get(Sum::Unpriced), whole.cost()), (2, 70_000));
}

#[test]
fn repricing_shows_the_difference_first_and_twice_is_once() {
    let (_folder, store) = store_with_models();
    store.record_calls(&made_up(300)).unwrap();
    let range = UsageQuery {
        virtual_model: Some("cheap".to_owned()),
        ..UsageQuery::between(0, NOON)
    };
    let same = store.preview_repricing(&range).unwrap();
    assert_eq!(same.models.len(), 1);
    assert_eq!(same.models[0].changed, 0, "{same:?}");
    let before = all(&store, &[By::Model]);

    let history = store.price_history(1).unwrap();
    let dearer = Prices {
        input: Some(Price(3_000_000)),
        ..history[0].prices
    };
    store.set_price(1, 0, &dearer).unwrap();
    let preview = store.preview_repricing(&range).unwrap();
    let model = &preview.models[0];
    assert!(!preview.applied && model.changed > 0, "{preview:?}");
    assert!(model.new_cost_nanos > model.cost_nanos, "{model:?}");
    assert_eq!(
        all(&store, &[By::Model]).lines,
        before.lines,
        "nothing has changed yet"
    );

    let stale = store.apply_repricing(&range, &same.token).unwrap_err();
    assert!(matches!(stale, StoreError::Invalid { .. }), "{stale:?}");
    assert!(
        store
            .apply_repricing(&range, &preview.token)
            .unwrap()
            .applied
    );
    let after = all(&store, &[By::Model]);
    let cost = |report: &UsageReport, model: &str| {
        let mut lines = report.lines.iter();
        let line = lines.find(|(label, _)| label.virtual_model.as_deref() == Some(model));
        line.unwrap().1.cost()
    };
    assert_eq!(
        cost(&after, "cheap") - cost(&before, "cheap"),
        model.new_cost_nanos - model.cost_nanos
    );
    assert_eq!(cost(&after, "dear"), cost(&before, "dear"));
    let plain = "SELECT (SELECT SUM(cost_nanos) FROM request_usage) \
                 + (SELECT SUM(cost_nanos) FROM embedding_usage)";
    assert_eq!(after.whole().cost(), sql(&store, plain));
    // Tokens and times are untouched.
    for sum in Sum::ALL {
        let price = [
            Sum::CostIn,
            Sum::CostOut,
            Sum::CostCached,
            Sum::BesideProvider,
            Sum::Disputed,
        ];
        if !price.contains(&sum) {
            assert_eq!(after.whole().get(sum), before.whole().get(sum), "{sum:?}");
        }
    }

    let again = store.preview_repricing(&range).unwrap();
    assert_eq!(again.models[0].changed, 0, "{again:?}");
    store.apply_repricing(&range, &again.token).unwrap();
    assert_eq!(all(&store, &[By::Model]).lines, after.lines);
}

#[test]
fn what_the_provider_says_is_kept_beside_ours_and_a_difference_shows() {
    let (_folder, store) = store_with_models();
    // Ours is 1,200,000 nano-dollars.
    let reported = |cost| Usage {
        cost: Some(cost),
        ..spent(1000, 100)
    };
    let calls = [1_200_000, 1_188_100, 1_150_000]
        .into_iter()
        .zip(NOON..)
        .map(|(cost, at)| call("cheap", at, reported(cost)))
        .collect::<Vec<_>>();
    store.record_calls(&calls).unwrap();
    let disputed: Vec<_> = store
        .recent_calls(3)
        .unwrap()
        .iter()
        .map(|row| row.cost_disputed)
        .collect();
    assert_eq!(disputed, [true, false, false]);
    let whole = all(&store, &[]).whole();
    assert_eq!(
        whole.get(Sum::ProviderCost),
        1_200_000 + 1_188_100 + 1_150_000
    );
    assert_eq!(whole.get(Sum::BesideProvider), 3 * 1_200_000);
    assert_eq!(whole.get(Sum::Disputed), 1);
}

#[test]
fn an_answer_from_the_cache_costs_nothing_and_tells_what_it_saved() {
    let (_folder, store) = store_with_models();
    let hit = CallRecord {
        usage: Usage::default(),
        attempts: Vec::new(),
        cache: Some(CacheUse::Hit(spent(1000, 100))),
        ..call("cheap", NOON, Usage::default())
    };
    let miss = CallRecord {
        cache: Some(CacheUse::Miss),
        ..call("cheap", NOON, spent(1000, 100))
    };
    store.record_calls(&[hit, miss]).unwrap();
    let whole = all(&store, &[]).whole();
    assert_eq!(whole.get(Sum::CacheAttempts), 2);
    assert_eq!(whole.get(Sum::CacheHits), 1);
    assert_eq!(whole.get(Sum::Saved), 1_200_000);
    assert_eq!(whole.cost(), 1_200_000);
}
