#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use prometheus::TextEncoder;
use store::CallKind;

use super::series::{CLASSES, DIALECTS, place};
use super::table::{OTHER, ROOM};
use super::times::{CALLS, OWN, Times};
use super::*;

fn record(model: &str, known: bool) -> CallRecord {
    CallRecord {
        virtual_model: model.to_owned(),
        virtual_model_id: known.then_some(1),
        endpoint_name: Some("e".to_owned()),
        status: 200,
        outcome: Outcome::Success,
        ..CallRecord::begun(CallKind::Chat, "req_1".to_owned(), 0)
    }
}

fn count(metrics: &Metrics, record: &CallRecord) {
    let closed = Closed {
        record,
        dialect: CallerDialect::OpenAiChat,
        took: Duration::from_millis(30),
        waited: Some(Duration::from_micros(29_900)),
    };
    let tried = Tried {
        endpoint: "e",
        outcome: record.outcome,
        usage: Some(record.usage),
        cost: Some(Cost::ZERO),
    };
    metrics.count(&closed, [tried]);
}

fn text(metrics: &Metrics) -> String {
    let families = families::of_calls(metrics);
    TextEncoder::new().encode_to_string(&families).unwrap()
}

fn lines<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let begins = |line: &&str| line.split(['{', ' ']).next() == Some(name);
    text.lines().filter(begins).collect()
}

const REQUESTS: &str = "serverless_proxy_requests_total";

#[test]
fn names_that_callers_make_up_share_one_series() {
    let metrics = Metrics::default();
    for n in 0..10_000 {
        count(&metrics, &record(&format!("made-up-{n}"), false));
    }
    count(&metrics, &record("known", true));
    let text = text(&metrics);
    let requests = lines(&text, REQUESTS);
    assert_eq!(requests.len(), 2, "{requests:#?}");
    assert!(
        requests[0].contains(UNKNOWN) && requests[0].ends_with(" 10000"),
        "{requests:#?}"
    );
    assert!(!text.contains("made-up"));
}

#[test]
fn what_has_no_room_shares_one_series_until_old_names_are_gone() {
    let metrics = Metrics::default();
    let extra = 50;
    for n in 0..ROOM + extra {
        count(&metrics, &record(&format!("m{n}"), true));
    }
    let all = text(&metrics);
    assert_eq!(lines(&all, REQUESTS).len(), ROOM + 1);
    let of_other = |line: &&&str| line.contains(OTHER);
    let requests = lines(&all, REQUESTS);
    let other = requests.iter().find(of_other).unwrap();
    assert!(other.ends_with(&format!(" {extra}")), "{other}");
    metrics.calls.make_room(|model, _| model == "m7");
    let rest = text(&metrics);
    assert_eq!(
        lines(&rest, REQUESTS).len(),
        2,
        "the one that stays, and the other ones"
    );
    count(&metrics, &record("new", true));
    assert_eq!(lines(&text(&metrics), REQUESTS).len(), 3);
}

#[test]
fn deleted_names_stay_while_there_is_room() {
    let metrics = Metrics::default();
    count(&metrics, &record("gone", true));
    metrics.follow(&Snapshot::default());
    assert!(text(&metrics).contains("gone"));
}

#[test]
fn odd_names_are_escaped() {
    let metrics = Metrics::default();
    count(&metrics, &record("a\"b\\c\nd{e=\"f\"}", true));
    let text = text(&metrics);
    let [line] = lines(&text, REQUESTS)[..] else {
        panic!("{text}");
    };
    assert!(line.contains(r#"model="a\"b\\c\nd{e=\"f\"}""#), "{line}");
}

#[test]
fn threads_that_begin_series_at_once_lose_nothing() {
    let metrics = Arc::new(Metrics::default());
    let (threads, each) = (8, 200);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let metrics = Arc::clone(&metrics);
            scope.spawn(move || {
                for n in 0..each {
                    count(&metrics, &record(&format!("m{n}"), true));
                }
            });
        }
    });
    let text = text(&metrics);
    let requests = lines(&text, REQUESTS);
    assert_eq!(requests.len(), each);
    for line in requests {
        assert!(line.ends_with(&format!(" {threads}")), "{line}");
    }
}

#[test]
fn a_time_lies_below_its_bound_and_above_the_one_before() {
    for bounds in [CALLS, OWN] {
        assert!(bounds.is_sorted());
        let times = Times::within(bounds);
        let all = [
            0,
            1,
            bounds[0],
            bounds[0] + 1,
            bounds[bounds.len() - 1],
            u64::MAX / 4,
        ];
        for micros in all {
            times.add(Duration::from_micros(micros));
        }
        for (bound, count) in times.cumulated() {
            let is_within = |micros: &&u64| bound.is_none_or(|bound| **micros <= bound);
            assert_eq!(
                count as usize,
                all.iter().filter(is_within).count(),
                "{bound:?}"
            );
        }
        assert_eq!(times.sum(), all.iter().sum::<u64>());
    }
}

#[test]
fn each_dialect_outcome_and_class_has_a_place_of_its_own() {
    for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, at);
    }
    let mut labels = BTreeSet::new();
    let passed = wire::provider::Passed::ALL.map(CallerDialect::OpenAiPassed);
    for dialect in CallerDialect::ALL.into_iter().chain(passed) {
        labels.insert(DIALECTS[place(dialect)]);
    }
    assert_eq!(labels, BTreeSet::from(DIALECTS));
    let metrics = Metrics::default();
    for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
        let mut record = record("m", true);
        record.outcome = outcome;
        for _ in 0..=at {
            count(&metrics, &record);
        }
    }
    let mut dropped = record("m", true);
    dropped.status = 0;
    count(&metrics, &dropped);
    let text = text(&metrics);
    let requests = lines(&text, REQUESTS);
    assert_eq!(requests.len(), Outcome::ALL.len() + 1);
    assert!(requests.iter().any(|line| line.contains(CLASSES[0])));
    for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
        let label = format!("outcome=\"{}\"", outcome.as_str());
        let found = requests
            .iter()
            .find(|line| line.contains(&label) && line.contains("2xx"));
        assert!(
            found.unwrap().ends_with(&format!(" {}", at + 1)),
            "{found:?}"
        );
    }
}
