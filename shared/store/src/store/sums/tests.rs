#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::call::{CallKind, CallRecord};
use crate::report::{By, UsageQuery};
use crate::store::Store;

#[test]
fn sums_of_endpoints_get_their_spread_from_the_rollups() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let connection = Connection::open(store.path()).unwrap();
    let now: i64 = connection
        .query_row("SELECT unixepoch()", [], |row| row.get(0))
        .unwrap();
    let calls = [(1, 5, 300), (1, 4000, 500), (1, 8000, 900), (2, 5, 40)];
    let calls = calls.map(|(endpoint, ago, latency_ms)| CallRecord {
        endpoint_id: Some(endpoint),
        endpoint_name: Some("e".to_owned()),
        latency_ms,
        ..CallRecord::begun(CallKind::Chat, format!("r{ago}"), now - ago)
    });
    store.record_calls(&calls).unwrap();
    let medians = || store.endpoint_medians(now - 24 * 3600, now).unwrap();
    let told = medians();
    assert_eq!(told.len(), 2);
    let forget = "UPDATE usage_sums SET latency = NULL, ttft = NULL WHERE of = 2";
    connection.execute(forget, []).unwrap();
    assert_eq!(medians(), HashMap::new());
    spread_endpoints(&connection).unwrap();
    assert_eq!(medians(), told);
}

#[test]
fn a_day_of_an_endpoint_or_key_is_read_from_its_sums_where_they_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let noon = 1_795_867_200;
    let calls = [(1, "a", 7), (1, "b", 7), (1, "b", 8), (2, "a", 8)];
    let calls = calls.map(|(endpoint, model, key)| CallRecord {
        endpoint_id: Some(endpoint),
        endpoint_name: Some("e".to_owned()),
        virtual_model: model.to_owned(),
        key_id: Some(key),
        key_label: Some("of two words".to_owned()),
        ..CallRecord::begun(CallKind::Chat, format!("{endpoint}{model}{key}"), noon)
    });
    store.record_calls(&calls).unwrap();
    let connection = Connection::open(store.path()).unwrap();
    let change = |sql: &str| connection.execute(sql, []).unwrap();
    let anyone = UsageQuery::between(noon, noon);
    for (query, of, of_others) in [
        (
            UsageQuery {
                endpoint_id: Some(1),
                ..anyone.clone()
            },
            MODELS_AT,
            KEYS_AT,
        ),
        (
            UsageQuery {
                key_id: Some(7),
                ..anyone.clone()
            },
            MODELS_BY,
            ENDPOINTS_BY,
        ),
    ] {
        // Another one each time, which remembers nothing.
        let view = || {
            let store = Store::open(store.path()).unwrap();
            let view = store.usage_view(&query, false).unwrap();
            (view.whole, view.models, view.endpoints, view.keys)
        };
        let told = view();
        let lines = (told.1.len(), told.2.len(), told.3.len());
        let requests = told.0.get(Sum::Requests);
        let expected = if query.key_id.is_some() {
            (2, (2, 1, 1))
        } else {
            (3, (2, 1, 2))
        };
        assert_eq!((requests, lines), expected);
        assert_eq!(told.0.latency.count(), u64::try_from(requests).unwrap());
        // It is they that are read: under another name it is another line.
        let rename = |from: &str, to: &str| {
            change(&format!(
                "UPDATE usage_sums SET name = '{to}' WHERE of = {of} AND name = '{from}'"
            ));
        };
        rename("b", "c");
        assert!(view().1.iter().any(|(name, _)| name == "c"));
        rename("c", "b");
        for of in [of, of_others] {
            assert!(change(&format!("DELETE FROM usage_sums WHERE of = {of}")) > 1);
            assert_eq!(view(), told, "from the roll-ups");
            complete(&connection).unwrap();
            assert_eq!(view(), told, "from new sums");
        }
    }
}

#[test]
fn sums_that_an_older_version_has_added_to_tell_no_spread() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let noon = 1_795_867_200;
    let record = |id: &str| {
        let call = CallRecord {
            key_id: Some(7),
            latency_ms: 5,
            ..CallRecord::begun(CallKind::Chat, id.to_owned(), noon)
        };
        store.record_calls(&[call]).unwrap();
    };
    record("a");
    // As such a version writes them.
    let connection = Connection::open(store.path()).unwrap();
    let changed = connection
        .execute("UPDATE usage_sums SET latency = NULL, ttft = NULL", [])
        .unwrap();
    assert!(changed > 6, "{changed}");
    record("b");
    let query = UsageQuery {
        key_id: Some(7),
        ..UsageQuery::between(noon - 86_400, noon + 86_400)
    };
    let view = store.usage_view(&query, false).unwrap();
    assert_eq!(view.whole.latency.count(), 2);
    let whole = UsageQuery::between(query.from, query.to);
    for by in [By::Model, By::Key, By::Endpoint] {
        let report = store.usage(&whole, &[by]).unwrap();
        assert_eq!(report.whole().latency.count(), 2, "{by:?}");
    }
}
