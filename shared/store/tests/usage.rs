//! Usage added up: roll-ups against plain SQL, time zones, dated prices, re-pricing, what is
//! kept, and spool files taken over once.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "usage/made.rs"]
mod made;
#[path = "usage/money.rs"]
mod money;
#[path = "usage/views.rs"]
mod views;

use rusqlite::Connection;
use serde_json::{Value, json};
use store::{
    By, CallRecord, LateTimes, SettingsDraft, Spooled, Store, StoreError, Sum, Totals, UsageQuery,
};

use made::{DAY, HOUR, NOON, all, attempt, call, made_up, spent, sql, store_with_models};

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
            (
                Sum::Failed,
                "outcome NOT IN ('success', 'client_cancelled')",
            ),
            (Sum::Cancelled, "outcome = 'client_cancelled'"),
            (Sum::ProviderCost, "COALESCE(provider_cost_nanos, 0)"),
            (Sum::Reasoning, "json_extract(usage, '$.reasoning_tokens')"),
        ] {
            let (one, other) = (
                column
                    .replace("OUT", "completion_tokens")
                    .replace("IN", "prompt_tokens"),
                column
                    .replace("OUT", "output_tokens")
                    .replace("IN", "input_tokens"),
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
    for cut in [
        NOON - 100_001,
        NOON - 4 * DAY + 7,
        NOON - HOUR,
        NOON - 2 * DAY - 12 * HOUR,
    ] {
        let mut sum = store
            .usage(&UsageQuery::between(from, cut - 1), &[])
            .unwrap()
            .whole();
        let rest = store.usage(&UsageQuery::between(cut, to), &[]).unwrap();
        assert!(rest.exact);
        sum.join(&rest.whole());
        assert_eq!(sum, whole, "{cut}");
    }
}

#[test]
fn a_filter_leaves_the_lines_it_names() {
    let (_folder, store) = store_with_models();
    store.record_calls(&made_up(900)).unwrap();
    // Begins and ends within an hour, and has days that are whole.
    let (from, to) = (NOON - 4 * DAY + 77, NOON - HOUR - 77);
    let everything = UsageQuery::between(from, to);
    let groups = [By::Model, By::Endpoint, By::Key];
    let lines = store.usage(&everything, &groups).unwrap().lines;
    for filter in [
        (Some("dear"), None, None),
        (None, Some(1), None),
        (None, Some(2), Some(1)),
        (None, None, Some(2)),
        (Some("cheap"), Some(1), Some(1)),
        (None, None, Some(4711)),
    ] {
        let (model, endpoint_id, key_id) = filter;
        let query = UsageQuery {
            virtual_model: model.map(str::to_owned),
            endpoint_id,
            key_id,
            ..everything.clone()
        };
        let mut named = Totals::default();
        for (label, totals) in &lines {
            let of = (
                label.virtual_model.as_deref(),
                label.endpoint.as_ref().map(|(id, _)| *id),
                label.key.as_ref().map(|(id, _)| *id),
            );
            if model.is_none_or(|_| model == of.0)
                && endpoint_id.is_none_or(|_| endpoint_id == of.1)
                && key_id.is_none_or(|_| key_id == of.2)
            {
                named.join(totals);
            }
        }
        assert_eq!(named.get(Sum::Requests) > 0, key_id != Some(4711));
        let left = store.usage(&query, &[]).unwrap().whole();
        assert_eq!(left, named, "{filter:?}");
    }
}

#[test]
fn tokens_count_at_the_endpoint_that_took_them_and_the_call_at_the_last() {
    let (_folder, store) = store_with_models();
    let mut record = call("cheap", NOON, spent(1000, 100));
    record
        .attempts
        .insert(0, attempt("dear", Some(spent(500, 0))));
    record.usage = spent(1500, 100);
    store.record_calls(&[record]).unwrap();
    let report = all(&store, &[By::Endpoint]);
    let told: Vec<_> = report
        .lines
        .iter()
        .map(|(label, totals)| {
            let (_, name) = label.endpoint.clone().unwrap();
            (
                name,
                totals.get(Sum::Requests),
                totals.get(Sum::Prompt),
                totals.cost(),
            )
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
        store
            .save_settings(&SettingsDraft::validate(&setting).unwrap())
            .unwrap();
        assert_eq!(
            days(&store),
            expected,
            "{zone}, before the days are made anew"
        );
        store
            .record_calls(&[call("cheap", midnight - 1800, spent(1, 1))])
            .unwrap();
        assert_eq!(days(&store), expected, "{zone}");
    }
    let refused = SettingsDraft::validate(&json!({"display_timezone": "Nowhere"})).unwrap_err();
    assert!(refused.to_string().contains("Europe/Berlin"), "{refused}");
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
    let cut = store
        .usage(&UsageQuery::between(0, NOON - 3 * DAY + 77), &[])
        .unwrap();
    assert!(!cut.exact);
    let kept = store
        .usage(&UsageQuery::between(NOON - DAY + 77, NOON), &[])
        .unwrap();
    assert!(kept.exact);
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_calls_and_its_pages() {
    let (_folder, store) = store_with_models();
    store.record_calls(&made_up(3000)).unwrap();
    let connection = Connection::open(store.path()).unwrap();
    let pages = || -> i64 {
        connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap()
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
    let calls: Vec<_> = made_up(10).into_iter().map(Spooled::from).collect();
    assert_eq!(store.spool_taken("a").unwrap(), 0);
    store.take_spool("a", 0, 100, &calls[..4]).unwrap();
    let again = store.take_spool("a", 0, 100, &calls[..4]).unwrap_err();
    assert!(
        matches!(again, StoreError::SpoolMoved { found: 100, .. }),
        "{again:?}"
    );
    store.take_spool("a", 100, 250, &calls[4..]).unwrap();
    store.take_spool("b", 0, 10, &[]).unwrap();
    assert_eq!(store.count_calls().unwrap(), 10);
    store.forget_spools(|| Ok(vec!["b".to_owned()])).unwrap();
    assert_eq!(store.spool_taken("a").unwrap(), 0);
    assert_eq!(store.spool_taken("b").unwrap(), 10);
}

/// Two programs over one store: while one looks which files there are, the other begins a
/// new one and has it taken over.
#[test]
fn a_spool_that_begins_meanwhile_is_not_forgotten() {
    let (_folder, store) = store_with_models();
    store.take_spool("gone", 0, 5, &[]).unwrap();
    let looks = || {
        store.take_spool("new", 0, 10, &[]).unwrap();
        Ok(vec!["old".to_owned()])
    };
    store.forget_spools(looks).unwrap();
    assert_eq!(store.spool_taken("gone").unwrap(), 0);
    assert_eq!(store.spool_taken("new").unwrap(), 10);
    // Who cannot look forgets nothing.
    let blind = || Err(std::io::Error::other("no folder"));
    assert!(store.forget_spools(blind).is_err());
    assert_eq!(store.spool_taken("new").unwrap(), 10);
}

#[test]
fn late_times_go_to_their_call_alone() {
    let (_folder, store) = store_with_models();
    let calls = made_up(3);
    let late = |call: &CallRecord, queue_ms, execution_ms| {
        Spooled::Times(LateTimes {
            request_id: call.request_id.clone(),
            kind: call.kind,
            started_at: call.started_at,
            queue_ms,
            execution_ms,
        })
    };
    let gone = CallRecord {
        request_id: "gone".to_owned(),
        ..calls[0].clone()
    };
    let entries = [
        calls[0].clone().into(),
        calls[1].clone().into(),
        late(&calls[0], Some(70), None),
        late(&gone, Some(1), Some(1)),
    ];
    store.take_spool("a", 0, 9, &entries).unwrap();
    let later = [calls[2].clone().into(), late(&calls[0], None, Some(800))];
    store.take_spool("a", 9, 12, &later).unwrap();
    let times = |call: &CallRecord| {
        let rows = store.recent_calls(3).unwrap();
        let row = rows
            .iter()
            .find(|row| row.request_id.as_ref() == Some(&call.request_id));
        row.map(|row| (row.queue_ms, row.execution_ms))
    };
    assert_eq!(times(&calls[0]), Some((Some(70), Some(800))));
    for call in &calls[1..] {
        assert_eq!(times(call), Some((None, None)));
    }
    assert_eq!(store.count_calls().unwrap(), 3);
}

#[test]
fn a_record_reads_back_from_its_text_and_an_older_one_too() {
    let record = made_up(1).remove(0);
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<CallRecord>(&text).unwrap(), record);
    let mut older: Value = serde_json::from_str(&text).unwrap();
    for field in [
        "key_id",
        "key_label",
        "cache",
        "upstream_ms",
        "virtual_model_id",
    ] {
        older.as_object_mut().unwrap().remove(field);
    }
    serde_json::from_value::<CallRecord>(older).unwrap();
}
