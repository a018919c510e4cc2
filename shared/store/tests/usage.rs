//! Usage added up: roll-ups against plain SQL, time zones, dated prices, re-pricing, what is
//! kept, and spool files taken over once.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use rusqlite::Connection;
use serde_json::{Value, json};
use store::{
    Attempt, By, CacheUse, CallKind, CallRecord, EndpointDraft, Outcome, Price, Prices,
    SettingsDraft, Store, StoreError, Sum, UsageQuery, UsageReport, VirtualModelDraft,
};
use tempfile::TempDir;
use wire::usage::Usage;

/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn store_with_models() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let zone = json!({"display_timezone": "UTC"});
    store
        .save_settings(&SettingsDraft::validate(&zone).unwrap())
        .unwrap();
    for name in ["one", "two"] {
        let value = json!({"name": name, "url": "http://h"});
        store
            .create_endpoint(&EndpointDraft::for_create(&value).unwrap())
            .unwrap();
    }
    for (name, endpoint, price) in [("cheap", 1, 1.0), ("dear", 2, 10.0)] {
        let value = json!({
            "name": name, "endpoint_id": endpoint, "actual_model": "a",
            "cost_per_1m_tokens_in": price, "cost_per_1m_tokens_out": 2.0 * price,
            "cost_per_1m_tokens_in_cached": price / 10.0,
        });
        store
            .create_virtual_model(&VirtualModelDraft::for_create(&value).unwrap())
            .unwrap();
    }
    (folder, store)
}

fn spent(prompt: u64, completion: u64) -> Usage {
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt + completion,
        ..Usage::default()
    }
}

fn attempt(model: &str, usage: Option<Usage>) -> Attempt {
    let id = if model == "cheap" { 1 } else { 2 };
    Attempt {
        endpoint: ["one", "two"][usize::try_from(id).unwrap() - 1].to_owned(),
        endpoint_id: Some(id),
        virtual_model: model.to_owned(),
        virtual_model_id: Some(id),
        model: "a".to_owned(),
        status: 200,
        usage,
        ..Attempt::default()
    }
}

fn call(model: &str, at: i64, usage: Usage) -> CallRecord {
    let id = if model == "cheap" { 1 } else { 2 };
    CallRecord {
        virtual_model: model.to_owned(),
        virtual_model_id: Some(id),
        endpoint_id: Some(id),
        endpoint_name: Some(attempt(model, None).endpoint),
        usage,
        status: 200,
        outcome: Outcome::Success,
        latency_ms: 100,
        ttft_ms: Some(40),
        attempts: vec![attempt(model, Some(usage))],
        ..CallRecord::begun(CallKind::Chat, format!("r{at}"), at)
    }
}

fn all(store: &Store, by: &[By]) -> UsageReport {
    store.usage(&UsageQuery::between(0, i64::MAX / 2), by).unwrap()
}

fn sql(store: &Store, query: &str) -> i64 {
    let connection = Connection::open(store.path()).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Made-up calls over some days: every kind of token, several attempts, all outcomes.
fn made_up(count: u64) -> Vec<CallRecord> {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let calls = (0..count).map(|n| {
        let model = ["cheap", "dear"][usize::try_from(next(2)).unwrap()];
        let prompt = next(5000);
        let usage = Usage {
            cached_tokens: next(prompt + 1),
            reasoning_tokens: next(10),
            audio_prompt_tokens: next(3),
            cost: (next(3) == 0).then(|| next(10_000_000)),
            ..spent(prompt, next(900))
        };
        let at = NOON - i64::try_from(next(5 * 86_400)).unwrap();
        let mut record = call(model, at, usage);
        if next(5) == 0 {
            let lost = spent(next(300), 0);
            record.attempts.insert(0, attempt("dear", Some(lost)));
            record.usage.prompt_tokens += lost.prompt_tokens;
            record.usage.total_tokens += lost.total_tokens;
        }
        record.request_id = format!("made-{n}");
        record.outcome = Outcome::ALL[usize::try_from(next(8)).unwrap()];
        record.estimated = next(9) == 0;
        record.stream = next(2) == 0;
        record.latency_ms = next(90_000);
        record.key_id = Some(i64::try_from(next(3)).unwrap()).filter(|id| *id > 0);
        record.key_label = record.key_id.map(|id| format!("key {id}"));
        record.kind = [CallKind::Chat, CallKind::Completion, CallKind::Embedding]
            [usize::try_from(next(3)).unwrap()];
        record
    });
    calls.collect()
}

#[test]
fn sums_are_those_of_plain_sql_whatever_they_are_grouped_by() {
    let (_folder, store) = store_with_models();
    for batch in made_up(2000).chunks(97) {
        store.record_calls(batch).unwrap();
    }
    for by in [
        &[][..],
        &[By::Model],
        &[By::Endpoint],
        &[By::Day],
        &[By::Hour],
        &[By::Key, By::Day],
        &[By::Model, By::Endpoint],
    ] {
        let whole = all(&store, by).whole();
        for (sum, column) in [
            (Sum::Requests, "1"),
            (Sum::Completion, "OUT"),
            (Sum::Prompt, "IN"),
            (Sum::CachedInput, "cached_input_tokens"),
            (Sum::Total, "total_tokens"),
            (Sum::Latency, "response_time_ms"),
            (Sum::Ttft, "ttft_ms"),
            (Sum::Estimated, "estimated"),
            (Sum::Streamed, "stream"),
            (Sum::Failed, "outcome NOT IN ('success', 'client_cancelled')"),
            (Sum::Cancelled, "outcome = 'client_cancelled'"),
            (Sum::ProviderCost, "COALESCE(provider_cost_nanos, 0)"),
            (Sum::Reasoning, "json_extract(usage, '$.reasoning_tokens')"),
        ] {
            let (one, other) = (
                column.replace("OUT", "completion_tokens").replace("IN", "prompt_tokens"),
                column.replace("OUT", "output_tokens").replace("IN", "input_tokens"),
            );
            let (one, other) = if column.starts_with("outcome") {
                (column.to_owned(), column.to_owned())
            } else {
                (one, other)
            };
            let plain = format!(
                "SELECT (SELECT SUM({one}) FROM request_usage) \
                 + (SELECT SUM({other}) FROM embedding_usage)"
            );
            assert_eq!(whole.get(sum), sql(&store, &plain), "{sum:?} by {by:?}");
        }
        let cost = "SELECT (SELECT SUM(cost_nanos) FROM request_usage) \
                    + (SELECT SUM(cost_nanos) FROM embedding_usage)";
        assert_eq!(whole.cost(), sql(&store, cost), "cost by {by:?}");
        assert_eq!(whole.latency.count(), 2000);
    }
}

#[test]
fn the_sum_of_the_days_is_the_sum_of_any_cut_of_the_range() {
    let (_folder, store) = store_with_models();
    store.record_calls(&made_up(600)).unwrap();
    let whole = all(&store, &[]).whole();
    let (from, to) = (NOON - 6 * DAY, NOON + DAY);
    for cut in [NOON - 100_001, NOON - 4 * DAY + 7, NOON - HOUR, NOON - 2 * DAY - 12 * HOUR] {
        let mut sum = store.usage(&UsageQuery::between(from, cut - 1), &[]).unwrap().whole();
        let rest = store.usage(&UsageQuery::between(cut, to), &[]).unwrap();
        assert!(rest.exact);
        sum.join(&rest.whole());
        assert_eq!(sum, whole, "{cut}");
    }
}

#[test]
fn tokens_count_at_the_endpoint_that_took_them_and_the_call_at_the_last() {
    let (_folder, store) = store_with_models();
    let mut record = call("cheap", NOON, spent(1000, 100));
    record.attempts.insert(0, attempt("dear", Some(spent(500, 0))));
    record.usage = spent(1500, 100);
    store.record_calls(&[record]).unwrap();
    let report = all(&store, &[By::Endpoint]);
    let told: Vec<_> = report
        .lines
        .iter()
        .map(|(label, totals)| {
            let (_, name) = label.endpoint.clone().unwrap();
            (name, totals.get(Sum::Requests), totals.get(Sum::Prompt), totals.cost())
        })
        .collect();
    // A million tokens cost 1 and 10 dollars, written ones twice that.
    assert_eq!(
        told,
        [
            ("one".to_owned(), 1, 1000, 1_000_000 + 200_000),
            ("two".to_owned(), 0, 500, 5_000_000),
        ]
    );
    let row = store.recent_calls(1).unwrap().remove(0);
    assert_eq!(row.cost_nanos, Some(6_200_000));
}

#[test]
fn days_are_those_of_the_zone_and_follow_when_it_changes() {
    let (_folder, store) = store_with_models();
    // 23:30 and 00:30 UTC: one day in New York, two in UTC.
    let midnight = NOON + 12 * HOUR;
    let calls = [midnight - 1800, midnight + 1800].map(|at| call("cheap", at, spent(1, 1)));
    store.record_calls(&calls).unwrap();
    let days = |store: &Store| all(store, &[By::Day]).lines.len();
    assert_eq!(days(&store), 2);
    for (zone, expected) in [("America/New_York", 1), ("Asia/Kolkata", 1), ("UTC", 2)] {
        let setting = json!({"display_timezone": zone});
        store.save_settings(&SettingsDraft::validate(&setting).unwrap()).unwrap();
        assert_eq!(days(&store), expected, "{zone}, before the days are made anew");
        store.record_calls(&[call("cheap", midnight - 1800, spent(1, 1))]).unwrap();
        assert_eq!(days(&store), expected, "{zone}");
    }
    let refused = SettingsDraft::validate(&json!({"display_timezone": "Nowhere"})).unwrap_err();
    assert!(refused.to_string().contains("Europe/Berlin"), "{refused}");
}

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
    assert_eq!((history[1].valid_from, history[1].prices.input), (0, Some(Price(1_000_000))));
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
    store.record_calls(&[call("cheap", changed + 1, spent(1_000_000, 0))]).unwrap();
    assert_eq!(store.recent_calls(1).unwrap()[0].cost_nanos, Some(4_000_000_000));
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
    store.record_calls(&[call("cheap", NOON, written), unknown]).unwrap();
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
    assert_eq!(all(&store, &[By::Model]).lines, before.lines, "nothing has changed yet");

    let stale = store.apply_repricing(&range, &same.token).unwrap_err();
    assert!(matches!(stale, StoreError::Invalid { .. }), "{stale:?}");
    assert!(store.apply_repricing(&range, &preview.token).unwrap().applied);
    let after = all(&store, &[By::Model]);
    let cost = |report: &UsageReport, model: &str| {
        let mut lines = report.lines.iter();
        let line = lines.find(|(label, _)| label.virtual_model.as_deref() == Some(model));
        line.unwrap().1.cost()
    };
    assert_eq!(cost(&after, "cheap") - cost(&before, "cheap"), model.new_cost_nanos - model.cost_nanos);
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
    let disputed: Vec<_> = store.recent_calls(3).unwrap().iter().map(|row| row.cost_disputed).collect();
    assert_eq!(disputed, [true, false, false]);
    let whole = all(&store, &[]).whole();
    assert_eq!(whole.get(Sum::ProviderCost), 1_200_000 + 1_188_100 + 1_150_000);
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

#[test]
fn old_calls_go_in_steps_and_their_sums_stay() {
    let (_folder, store) = store_with_models();
    let calls = made_up(1500);
    store.record_calls(&calls).unwrap();
    let before = all(&store, &[]).whole();
    let limit = NOON - 2 * DAY - 1234;
    let old = calls.iter().filter(|call| call.started_at < limit).count() as u64;
    assert!(old > 500);
    let (mut gone, mut steps) = (0, 0);
    loop {
        let step = store.trim_usage(limit, u64::MAX).unwrap();
        gone += step.rows;
        if !step.more {
            break;
        }
        assert!(step.rows <= 1000);
        steps += 1;
    }
    assert_eq!(gone, old);
    assert!(steps > 1);
    assert_eq!(store.count_calls().unwrap(), 1500 - old);
    assert_eq!(all(&store, &[]).whole(), before);
    // A cut through an hour whose calls are gone is not exact, and says so.
    let cut = store.usage(&UsageQuery::between(0, NOON - 3 * DAY + 77), &[]).unwrap();
    assert!(!cut.exact);
    let kept = store.usage(&UsageQuery::between(NOON - DAY + 77, NOON), &[]).unwrap();
    assert!(kept.exact);
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_calls_and_its_pages() {
    let (_folder, store) = store_with_models();
    store.record_calls(&made_up(3000)).unwrap();
    let connection = Connection::open(store.path()).unwrap();
    let pages = || -> i64 {
        connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    let full = pages();
    let half = u64::try_from(full).unwrap() * 4096 * 2 / 3;
    while store.trim_usage(0, half).unwrap().more {}
    while sql(&store, "SELECT freelist_count FROM pragma_freelist_count()") > 0 {
        store.trim_usage(0, half).unwrap();
    }
    assert!(pages() < full, "{} of {full}", pages());
    let left = store.count_calls().unwrap();
    assert!(left > 0 && left < 3000, "{left}");
    let oldest = sql(&store, "SELECT MIN(created_at) FROM request_usage");
    assert!(oldest > NOON - 5 * DAY + HOUR, "the oldest went first");
}

#[test]
fn a_spool_is_taken_over_once_and_in_order() {
    let (_folder, store) = store_with_models();
    let calls = made_up(10);
    assert_eq!(store.spool_taken("a").unwrap(), 0);
    store.take_spool("a", 0, 100, &calls[..4]).unwrap();
    let again = store.take_spool("a", 0, 100, &calls[..4]).unwrap_err();
    assert!(matches!(again, StoreError::SpoolMoved { found: 100, .. }), "{again:?}");
    store.take_spool("a", 100, 250, &calls[4..]).unwrap();
    store.take_spool("b", 0, 10, &[]).unwrap();
    assert_eq!(store.count_calls().unwrap(), 10);
    store.forget_spools(&["b".to_owned()]).unwrap();
    assert_eq!(store.spool_taken("a").unwrap(), 0);
    assert_eq!(store.spool_taken("b").unwrap(), 10);
}

#[test]
fn a_record_reads_back_from_its_text_and_an_older_one_too() {
    let record = made_up(1).remove(0);
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<CallRecord>(&text).unwrap(), record);
    let mut older: Value = serde_json::from_str(&text).unwrap();
    for field in ["key_id", "key_label", "cache", "upstream_ms", "virtual_model_id"] {
        older.as_object_mut().unwrap().remove(field);
    }
    serde_json::from_value::<CallRecord>(older).unwrap();
}
