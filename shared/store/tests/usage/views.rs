//! What the usage page shows is what reports say, with and without filters; and a page of
//! calls holds those that are asked for.

use serde_json::json;
use store::{
    By, CallCursor, CallQuery, CallRecord, Outcome, Price, Prices, SettingsDraft, Store, Sum,
    UsageQuery,
};

use crate::made::{DAY, HOUR, NOON, call, made_up, spent, store_with_models};

const RANGES: [(i64, i64, bool); 3] = [
    (NOON - 7 * DAY, NOON, false),
    (NOON - 2 * DAY, NOON - DAY, false),
    (NOON - 23 * HOUR, NOON, true),
];

/// The same range as far as whole hours or days go.
fn whole_range(store: &Store, query: &UsageQuery, by_hour: bool) -> UsageQuery {
    let zone = store.zone().unwrap();
    let (from, to) = if by_hour {
        (zone.hour(query.from), zone.hour(query.to) + HOUR - 1)
    } else {
        (zone.day(query.from), zone.next_day(query.to) - 1)
    };
    UsageQuery {
        from,
        to,
        ..query.clone()
    }
}

#[track_caller]
fn check(store: &Store) {
    let filters = [
        UsageQuery::default(),
        UsageQuery {
            virtual_model: Some("dear".to_owned()),
            ..UsageQuery::default()
        },
        UsageQuery {
            endpoint_id: Some(1),
            ..UsageQuery::default()
        },
        UsageQuery {
            key_id: Some(2),
            ..UsageQuery::default()
        },
        UsageQuery {
            endpoint_id: Some(2),
            key_id: Some(1),
            ..UsageQuery::default()
        },
        UsageQuery {
            key_id: Some(2),
            virtual_model: Some("cheap".to_owned()),
            ..UsageQuery::default()
        },
    ];
    for ((from, to, by_hour), filter) in RANGES
        .into_iter()
        .flat_map(|range| filters.iter().map(move |filter| (range, filter)))
    {
        let query = UsageQuery {
            from,
            to,
            ..filter.clone()
        };
        let view = store.usage_view(&query, by_hour).unwrap();
        let told = whole_range(store, &query, by_hour);
        let report = |by: &[By]| store.usage(&told, by).unwrap();
        assert_eq!(view.whole, report(&[]).whole(), "{query:?}");
        assert_eq!((view.from, view.to), (told.from, told.to + 1));
        let by = if by_hour { By::Hour } else { By::Day };
        let spans: Vec<_> = report(&[by])
            .lines
            .into_iter()
            .map(|(label, totals)| (label.day.or(label.hour).unwrap(), totals))
            .collect();
        let shown: Vec<_> = view
            .spans
            .iter()
            .filter(|(_, totals)| *totals != store::Totals::default())
            .cloned()
            .collect();
        assert_eq!(shown, spans, "{query:?}");
        let figures = |totals: &store::Totals| Sum::ALL.map(|sum| totals.get(sum));
        for (label, totals) in report(&[By::Model]).lines {
            let name = label.virtual_model.unwrap();
            let line = view.models.iter().find(|(known, _)| *known == name);
            assert_eq!(figures(&line.unwrap().1), figures(&totals), "{name}");
        }
        for (label, totals) in report(&[By::Endpoint]).lines {
            let whose = label.endpoint.unwrap();
            let line = view.endpoints.iter().find(|(known, _)| *known == whose);
            assert_eq!(figures(&line.unwrap().1), figures(&totals), "{whose:?}");
            if *filter == UsageQuery::default() {
                let medians = store.endpoint_medians(told.from, told.to).unwrap();
                let median = totals.latency.percentile(50);
                assert_eq!(medians.get(&whose.0).copied(), median, "{whose:?}");
            }
        }
        for (label, totals) in report(&[By::Key]).lines {
            let whose = label.key.unwrap();
            let line = view.keys.iter().find(|(known, _)| *known == whose);
            assert_eq!(figures(&line.unwrap().1), figures(&totals), "{whose:?}");
        }
        let costs: Vec<_> = view.models.iter().map(|(_, line)| line.cost()).collect();
        assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
    }
}

#[test]
fn a_view_says_what_reports_say() {
    let (_folder, store) = store_with_models();
    for batch in made_up(1500).chunks(211) {
        store.record_calls(batch).unwrap();
    }
    check(&store);
}

#[test]
fn a_view_follows_the_time_zone_and_new_prices() {
    let (_folder, store) = store_with_models();
    store.record_calls(&made_up(400)).unwrap();
    let zone = json!({"display_timezone": "Asia/Kolkata"});
    let draft = SettingsDraft::validate(&zone).unwrap();
    store.save_settings(&draft).unwrap();
    let days = UsageQuery::between(NOON - 7 * DAY, NOON);
    let view = store.usage_view(&days, false).unwrap();
    let told = whole_range(&store, &days, false);
    assert_eq!(view.whole, store.usage(&told, &[]).unwrap().whole());
    let price = json!({"cost_per_1m_tokens_in": 7.0});
    let model = store::VirtualModelDraft::for_update(&price).unwrap();
    store.update_virtual_model(1, &model).unwrap();
    let everything = UsageQuery::between(0, NOON + DAY);
    let token = store.preview_repricing(&everything).unwrap().token;
    store.apply_repricing(&everything, &token).unwrap();
    let view = store.usage_view(&days, false).unwrap();
    assert_eq!(view.whole, store.usage(&told, &[]).unwrap().whole());
}

/// Between two looks: of a span that is kept, of one that has got more calls, and of one in
/// which two virtual models have exchanged what they cost.
#[test]
fn a_view_is_right_each_time_it_is_looked_at() {
    let (_folder, store) = store_with_models();
    let day = UsageQuery::between(NOON - 23 * HOUR, NOON);
    for batch in made_up(600).chunks(100) {
        store.record_calls(batch).unwrap();
        check(&store);
    }
    let equal = ["cheap", "dear"].map(|model| call(model, NOON - HOUR, spent(1000, 0)));
    let (_folder, store) = store_with_models();
    store.record_calls(&equal).unwrap();
    let costs = || {
        let view = store.usage_view(&day, true).unwrap();
        let lines = view.models.iter();
        let costs = lines.map(|(name, line)| (name.clone(), line.cost()));
        costs.collect::<Vec<_>>()
    };
    let before = costs();
    assert_eq!(
        (before[0].0.as_str(), before[1].0.as_str()),
        ("dear", "cheap")
    );
    for (id, dollars) in [(1, 10.0), (2, 1.0)] {
        let price = |factor: f64| Price::of_dollars(dollars * factor);
        let prices = Prices {
            input: price(1.0),
            output: price(2.0),
            cached_input: price(0.1),
            ..Prices::default()
        };
        store.set_price(id, 0, &prices).unwrap();
    }
    let everything = UsageQuery::between(0, NOON + DAY);
    assert_eq!(costs(), before, "charged is charged");
    let token = store.preview_repricing(&everything).unwrap().token;
    store.apply_repricing(&everything, &token).unwrap();
    let after = costs();
    assert_eq!(
        (after[0].0.as_str(), after[1].0.as_str()),
        ("cheap", "dear")
    );
    assert_eq!((after[0].1, after[1].1), (before[0].1, before[1].1));
}

#[test]
fn an_empty_range_has_all_its_days() {
    let (_folder, store) = store_with_models();
    let week = UsageQuery::between(NOON - 6 * DAY, NOON);
    let view = store.usage_view(&week, false).unwrap();
    assert_eq!(view.spans.len(), 7);
    assert_eq!(view.whole.get(Sum::Requests), 0);
    let day = UsageQuery::between(NOON - 23 * HOUR, NOON + 59);
    assert_eq!(store.usage_view(&day, true).unwrap().spans.len(), 24);
    store.record_calls(&made_up(300)).unwrap();
    let (view, course) = (
        store.usage_view(&day, true).unwrap(),
        store.usage_course(day.from, day.to).unwrap(),
    );
    assert!(view.whole.get(Sum::Requests) > 0);
    assert_eq!((course.whole, course.spans), (view.whole, view.spans));
    assert!(course.models.is_empty());
}

#[test]
fn calls_are_found_by_status_failure_and_id() {
    let (_folder, store) = store_with_models();
    let calls: Vec<_> = (0..30_i64)
        .map(|n| {
            let status = [200, 429, 500][usize::try_from(n % 3).unwrap()];
            CallRecord {
                request_id: format!("asked-for-{n:04}"),
                status,
                outcome: match status {
                    200 => Outcome::Success,
                    429 => Outcome::Refused,
                    _ => Outcome::UpstreamError,
                },
                route: Some("/v1/chat/completions".to_owned()),
                address: Some("10.0.0.7".to_owned()),
                client: Some("curl".to_owned()),
                tool_repairs: 2,
                ..call("cheap", NOON + n, spent(1, 1))
            }
        })
        .collect();
    store.record_calls(&calls).unwrap();
    let page = |query: CallQuery| {
        let query = CallQuery {
            to: i64::MAX,
            ..query
        };
        let (rows, _) = store
            .calls_page(&query, &CallCursor::default(), 100)
            .unwrap();
        rows
    };
    for (status, expected) in [(200, 10), (429, 10), (404, 0)] {
        let rows = page(CallQuery {
            status: Some(status),
            ..CallQuery::default()
        });
        assert_eq!(rows.len(), expected, "{status}");
        assert!(rows.iter().all(|row| row.status == Some(i64::from(status))));
    }
    let failed = store.recent_failures(15).unwrap();
    assert_eq!(failed.len(), 15);
    assert!(failed.iter().all(|row| row.status != Some(200)));
    assert!(failed.is_sorted_by(|a, b| a.created_at >= b.created_at));
    assert_eq!(failed[0].created_at, NOON + 29);
    let found = page(CallQuery {
        request_id: Some("asked-for-0007".to_owned()),
        ..CallQuery::default()
    });
    assert_eq!(found.len(), 1);
    let row = &found[0];
    assert_eq!(row.route.as_deref(), Some("/v1/chat/completions"));
    assert_eq!(row.address.as_deref(), Some("10.0.0.7"));
    assert_eq!(row.client.as_deref(), Some("curl"));
    assert_eq!(row.tool_repairs, 2);
    assert_eq!(store.call(&row.key()).unwrap().unwrap(), *row);
}

/// Whatever is asked for at once, and whichever of it has an index.
#[test]
fn calls_are_found_by_any_filters_together() {
    let (_folder, store) = store_with_models();
    store.record_calls(&made_up(800)).unwrap();
    let page = |query: &CallQuery| {
        let all = store.calls_page(query, &CallCursor::default(), 1000);
        all.unwrap().0
    };
    let everything = CallQuery {
        to: i64::MAX,
        ..CallQuery::default()
    };
    let all = page(&everything);
    assert_eq!(all.len(), 800);
    let (mut some, mut none) = (0, 0);
    for filters in 0_u32..32 {
        let with = |bit: u32| filters & (1 << bit) != 0;
        for (outcome, status) in [("success", 200), ("timeout", 429)] {
            let query = CallQuery {
                virtual_model: with(0).then(|| "dear".to_owned()),
                endpoint_id: with(1).then_some(2),
                key_id: with(2).then_some(1),
                outcome: with(3).then(|| outcome.to_owned()),
                status: with(4).then_some(status),
                ..everything.clone()
            };
            let fits = |row: &&store::CallRow| {
                (!with(0) || row.virtual_model == "dear")
                    && (!with(1) || row.endpoint_id == Some(2))
                    && (!with(2) || row.inbound_api_key_id == Some(1))
                    && (!with(3) || row.outcome.as_deref() == Some(outcome))
                    && (!with(4) || row.status == Some(i64::from(status)))
            };
            let expected: Vec<_> = all.iter().filter(fits).cloned().collect();
            *if expected.is_empty() {
                &mut none
            } else {
                &mut some
            } += 1;
            assert_eq!(page(&query), expected, "{query:?}");
        }
    }
    assert!(some > 30 && none > 5, "{some} and {none}");
}

#[test]
fn calls_are_found_by_ids_that_tell_their_second_and_by_others() {
    let (_folder, store) = store_with_models();
    let made = |second: i64| format!("req_{second:08x}{:024x}", 7);
    let calls = [
        (made(NOON), NOON),
        // Made by a gateway in front, a second earlier.
        (made(NOON), NOON + 1),
        (made(NOON + 1), NOON + 1),
        ("callers-own".to_owned(), NOON + 1),
        ("callers-own".to_owned(), NOON + 2),
    ];
    let calls = calls.map(|(request_id, at)| CallRecord {
        request_id,
        ..call("cheap", at, spent(1, 1))
    });
    store.record_calls(&calls).unwrap();
    for (id, at) in [
        (made(NOON), vec![NOON + 1, NOON]),
        (made(NOON + 1), vec![NOON + 1]),
        (made(NOON + 2), vec![]),
        ("callers-own".to_owned(), vec![NOON + 2, NOON + 1]),
        ("callers".to_owned(), vec![]),
    ] {
        let query = CallQuery {
            to: i64::MAX,
            request_id: Some(id.clone()),
            ..CallQuery::default()
        };
        // In one page, and one by one.
        for limit in [100, 1] {
            let mut cursor = Some(CallCursor::default());
            let mut found = Vec::new();
            while let Some(after) = cursor {
                let (rows, next) = store.calls_page(&query, &after, limit).unwrap();
                assert!(rows.iter().all(|row| row.request_id.as_ref() == Some(&id)));
                found.extend(rows.iter().map(|row| row.created_at));
                cursor = next;
            }
            assert_eq!(found, at, "{id} by {limit}");
        }
    }
}

#[test]
fn clients_are_known_by_what_they_called() {
    let (_folder, store) = store_with_models();
    let by = |client: &str, at, outcome, status| CallRecord {
        client: Some(client.to_owned()),
        outcome,
        status,
        ..call("cheap", at, spent(1, 1))
    };
    let batches = [
        vec![
            by("Codex", NOON, Outcome::Success, 200),
            by("Codex", NOON + 5, Outcome::Refused, 429),
        ],
        vec![
            by("curl", NOON + 1, Outcome::ClientError, 400),
            // Later written, but earlier begun.
            by("Codex", NOON - 9, Outcome::Success, 200),
        ],
    ];
    for batch in &batches {
        store.record_calls(batch).unwrap();
    }
    let rows = store.clients().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.client.as_str(),
                row.calls,
                row.last_at,
                row.last_success_at,
                row.last_status,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Codex", 3, NOON + 5, Some(NOON), 429),
            ("curl", 1, NOON + 1, None, 400),
        ]
    );
}

#[test]
fn gateways_tell_of_themselves() {
    let (_folder, store) = store_with_models();
    assert_eq!(store.gateways().unwrap(), []);
    let mut status = store::GatewayStatus {
        id: "a".to_owned(),
        version: "1".to_owned(),
        address: "127.0.0.1:8002".to_owned(),
        started_at: NOON,
        seen_at: NOON + 5,
        troubles: vec!["one".to_owned(), "two".to_owned()],
        ..store::GatewayStatus::default()
    };
    store.report_gateway(&status).unwrap();
    assert_eq!(store.gateways().unwrap(), [status.clone()]);
    assert!(status.is_alive(NOON + 20));
    assert!(!status.is_alive(NOON + 60));
    status.ended_at = Some(NOON + 6);
    store.report_gateway(&status).unwrap();
    assert!(!store.gateways().unwrap()[0].is_alive(NOON + 6));
}
