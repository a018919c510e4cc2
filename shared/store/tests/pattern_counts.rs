//! Counts of tool patterns: by day, added up, and no configuration.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use store::{PatternCount, PatternTotals, Store};
use tempfile::TempDir;

const DAY: i64 = 86_400;

fn fresh() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    (folder, store)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn count(id: i64, at: i64, numbers: [u64; 3], reasons: &[(&str, u64)]) -> PatternCount {
    let [hits, repairs, refusals] = numbers;
    PatternCount {
        pattern_id: id,
        pattern_name: format!("p{id}"),
        at,
        hits,
        repairs,
        refusals,
        reasons: own(reasons),
    }
}

fn own(reasons: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let reasons = reasons.iter();
    reasons.map(|(why, n)| ((*why).to_owned(), *n)).collect()
}

#[test]
fn counts_add_up_over_batches_and_days() {
    let (_folder, store) = fresh();
    let (revision, now) = (store.revision().unwrap(), now());
    store.count_tool_patterns(&[]).unwrap();
    assert_eq!(store.tool_pattern_counts(30).unwrap(), []);
    store
        .count_tool_patterns(&[
            count(2, now, [1, 0, 0], &[]),
            count(1, now, [3, 1, 2], &[("unknown_tool", 2)]),
            count(1, now, [1, 1, 1], &[("bad_arguments", 1)]),
        ])
        .unwrap();
    let mut renamed = count(1, now, [0, 0, 3], &[("unknown_tool", 3)]);
    renamed.pattern_name = "renamed".to_owned();
    store
        .count_tool_patterns(&[count(1, now - 3 * DAY, [10, 0, 0], &[]), renamed])
        .unwrap();
    let totals = store.tool_pattern_counts(30).unwrap();
    let expected = PatternTotals {
        pattern_id: 1,
        pattern_name: "renamed".to_owned(),
        hits: 14,
        repairs: 2,
        refusals: 6,
        refusal_reasons: own(&[("bad_arguments", 1), ("unknown_tool", 5)]),
    };
    assert_eq!(totals[0], expected);
    assert_eq!((totals[1].pattern_id, totals[1].hits), (2, 1));
    assert_eq!(store.revision().unwrap(), revision, "no configuration");
}

#[test]
fn totals_are_of_the_last_days() {
    let (_folder, store) = fresh();
    let now = now();
    let days = [0, 1, 6, 40].map(|days| count(1, now - days * DAY, [1, 0, 0], &[]));
    store.count_tool_patterns(&days).unwrap();
    let hits = |days| {
        let totals = store.tool_pattern_counts(days).unwrap();
        totals.first().map_or(0, |total| total.hits)
    };
    // Midnight may pass while the test runs; then the youngest is of yesterday.
    assert!((1..=2).contains(&hits(2)), "{}", hits(2));
    assert!((2..=3).contains(&hits(7)), "{}", hits(7));
    assert_eq!((hits(0), hits(30), hits(1000)), (0, 3, 4));
}

#[test]
fn counts_of_a_deleted_pattern_stay() {
    let (_folder, store) = fresh();
    let pattern = store.tool_patterns().unwrap().remove(0);
    let counted = count(pattern.id, now(), [5, 0, 0], &[]);
    store.count_tool_patterns(&[counted]).unwrap();
    store.delete_tool_pattern(pattern.id).unwrap();
    assert_eq!(store.tool_pattern_counts(30).unwrap()[0].hits, 5);
}

#[test]
fn a_count_beyond_all_bounds_stays_one() {
    let (_folder, store) = fresh();
    let now = now();
    let many = count(1, now, [u64::MAX, 0, 0], &[]);
    store.count_tool_patterns(&[many.clone(), many]).unwrap();
    assert!(store.tool_pattern_counts(30).unwrap()[0].hits > 1 << 50);
}
