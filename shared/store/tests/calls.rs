//! Usage rows: both tables, costs, order, all or nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use serde_json::json;
use store::{Attempt, CallKind, CallRecord, EndpointDraft, Outcome, Store, VirtualModelDraft};
use tempfile::TempDir;
use wire::usage::Usage;

fn with_model() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let value = json!({"name": "e", "url": "http://h"});
    let id = store
        .create_endpoint(&EndpointDraft::for_create(&value).unwrap())
        .unwrap();
    let value = json!({
        "name": "m", "endpoint_id": id, "actual_model": "a", "cost_per_1m_tokens_in": 3,
        "cost_per_1m_tokens_out": 15, "cost_per_1m_tokens_in_cached": 0.3,
        "cost_per_1m_tokens_cache_write": 3.75,
    });
    store
        .create_virtual_model(&VirtualModelDraft::for_create(&value).unwrap())
        .unwrap();
    (folder, store)
}

fn call(kind: CallKind, request_id: &str, started_at: i64) -> CallRecord {
    CallRecord {
        virtual_model: "m".to_owned(),
        endpoint_id: Some(1),
        endpoint_name: Some("e".to_owned()),
        usage: Usage {
            prompt_tokens: 1000,
            completion_tokens: 200,
            cached_tokens: 300,
            cache_write_tokens: 100,
            ..Usage::default()
        },
        status: 200,
        outcome: Outcome::Success,
        stream: true,
        latency_ms: 1234,
        ttft_ms: Some(56),
        upstream_ms: Some(1200),
        ..CallRecord::begun(kind, request_id.to_owned(), started_at)
    }
}

#[test]
fn a_call_reads_back_whole_with_its_cost() {
    let (_folder, store) = with_model();
    store
        .record_calls(&[call(CallKind::Chat, "r1", 100)])
        .unwrap();
    let row = serde_json::to_value(&store.recent_calls(1).unwrap()[0]).unwrap();
    let close = |field: &str, dollars: f64| {
        let found = row[field].as_f64().unwrap();
        assert!((found - dollars).abs() < 1e-12, "{field}: {found}");
    };
    close("cost_estimate", 0.0048);
    close("cost_in", 0.0018);
    close("cost_out", 0.003);
    close("cached_cost_estimate", 0.000_465);
    for (field, expected) in [
        ("request_type", json!("chat")),
        ("request_id", json!("r1")),
        ("virtual_model", json!("m")),
        ("endpoint_name", json!("e")),
        ("endpoint_id", json!(1)),
        ("prompt_tokens", json!(1000)),
        ("completion_tokens", json!(200)),
        ("total_tokens", json!(1200)),
        ("cached_input_tokens", json!(300)),
        ("cache_creation_tokens", json!(100)),
        ("response_time_ms", json!(1234)),
        ("ttft_ms", json!(56)),
        ("status", json!(200)),
        ("outcome", json!("success")),
        ("stream", json!(1)),
        ("estimated", json!(0)),
        ("error_code", json!(null)),
        ("created_at", json!(100)),
        (
            "cost_nanos",
            json!(1_800_000 + 3_000_000 + 90_000 + 375_000),
        ),
        ("provider_cost_nanos", json!(null)),
        ("upstream_ms", json!(1200)),
        ("overhead_ms", json!(34)),
    ] {
        assert_eq!(row[field], expected, "{field}");
    }
    close("tokens_per_second", 200.0 * 1000.0 / f64::from(1234 - 56));
}

/// Every value differs from its neighbours, so that none can be in another's column.
#[test]
fn an_embedding_reads_back_whole_with_its_cost() {
    let (_folder, store) = with_model();
    let record = CallRecord {
        status: 502,
        outcome: Outcome::UpstreamError,
        stream: false,
        estimated: true,
        error_code: Some("upstream_unreachable".to_owned()),
        ..call(CallKind::Embedding, "r2", 100)
    };
    store.record_calls(&[record]).unwrap();
    let row = serde_json::to_value(&store.recent_calls(1).unwrap()[0]).unwrap();
    for (field, expected) in [
        ("request_type", json!("embedding")),
        ("request_id", json!("r2")),
        ("virtual_model", json!("m")),
        ("endpoint_name", json!("e")),
        ("endpoint_id", json!(1)),
        ("prompt_tokens", json!(1000)),
        ("completion_tokens", json!(200)),
        ("total_tokens", json!(1200)),
        ("response_time_ms", json!(1234)),
        ("ttft_ms", json!(56)),
        ("status", json!(502)),
        ("outcome", json!("upstream_error")),
        ("stream", json!(0)),
        ("estimated", json!(1)),
        ("error_code", json!("upstream_unreachable")),
        ("created_at", json!(100)),
    ] {
        assert_eq!(row[field], expected, "{field}");
    }
    for (field, dollars) in [
        ("cost_estimate", 0.0048),
        ("cost_in", 0.0018),
        ("cost_out", 0.003),
    ] {
        let found = row[field].as_f64().unwrap();
        assert!((found - dollars).abs() < 1e-12, "{field}: {found}");
    }
}

#[test]
fn attempts_and_the_endpoints_own_times_read_back_from_both_tables() {
    let (_folder, store) = with_model();
    let attempt = |endpoint: &str, status, code: Option<&str>| Attempt {
        endpoint: endpoint.to_owned(),
        virtual_model: "m".to_owned(),
        model: "a".to_owned(),
        status,
        code: code.map(str::to_owned),
        ms: 12,
        ..Attempt::default()
    };
    let attempts = vec![
        attempt("e", 0, Some("upstream_unreachable")),
        attempt("f", 200, None),
    ];
    for (kind, started_at) in CallKind::ALL.into_iter().zip(1..) {
        let record = CallRecord {
            attempts: attempts.clone(),
            queue_ms: Some(70),
            execution_ms: Some(800),
            ..call(kind, "r", started_at)
        };
        let plain = call(kind, "s", started_at - 10);
        store.record_calls(&[record, plain]).unwrap();
        let row = store.recent_calls(1).unwrap().remove(0);
        assert_eq!(row.request_type, kind.as_str());
        assert_eq!(row.attempts, attempts);
        assert_eq!(
            (row.attempt_count, row.queue_ms, row.execution_ms),
            (2, Some(70), Some(800))
        );
    }
    let all = CallKind::ALL.len();
    for row in &store.recent_calls(18).unwrap()[all..] {
        assert_eq!(row.attempts, []);
        assert_eq!(
            (row.attempt_count, row.queue_ms, row.execution_ms),
            (0, None, None)
        );
    }
}

#[test]
fn both_tables_come_out_together_newest_first() {
    let (_folder, store) = with_model();
    let batch = [
        call(CallKind::Chat, "first", 100),
        call(CallKind::Embedding, "third", 300),
        call(CallKind::Completion, "second", 200),
    ];
    store.record_calls(&batch).unwrap();
    store.record_calls(&[]).unwrap();
    let rows = store.recent_calls(2).unwrap();
    let ids: Vec<_> = rows
        .iter()
        .filter_map(|row| row.request_id.as_deref())
        .collect();
    assert_eq!(ids, ["third", "second"]);
    assert_eq!(rows[0].request_type, "embedding");
    assert!((rows[0].cost_estimate - 0.0048).abs() < 1e-12);
    assert_eq!(rows[1].request_type, "completion");
    assert_eq!(store.count_calls().unwrap(), 3);
}

#[test]
fn a_failed_call_of_an_unknown_model_has_a_row_too() {
    let (_folder, store) = with_model();
    let failed = CallRecord {
        virtual_model: "nobody".to_owned(),
        endpoint_id: None,
        endpoint_name: None,
        status: 404,
        outcome: Outcome::Refused,
        ttft_ms: None,
        error_code: Some("model_not_found".to_owned()),
        ..call(CallKind::Chat, "r", 1)
    };
    store.record_calls(&[failed]).unwrap();
    let row = store.recent_calls(1).unwrap().remove(0);
    assert_eq!(row.error_code.as_deref(), Some("model_not_found"));
    assert_eq!(
        (row.status, row.outcome.as_deref()),
        (Some(404), Some("refused"))
    );
    assert!(row.cost_estimate.abs() < f64::EPSILON);
}

#[test]
fn writing_calls_does_not_move_the_configuration() {
    let (_folder, store) = with_model();
    let before = store.revision().unwrap();
    store.record_calls(&[call(CallKind::Chat, "r", 1)]).unwrap();
    assert_eq!(store.revision().unwrap(), before);
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let (_folder, store) = with_model();
    rusqlite::Connection::open(store.path())
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER stop BEFORE INSERT ON embedding_usage BEGIN \
             SELECT RAISE(ABORT, 'stopped'); END",
        )
        .unwrap();
    let batch = [
        call(CallKind::Chat, "a", 1),
        call(CallKind::Embedding, "b", 2),
    ];
    assert!(store.record_calls(&batch).is_err());
    assert_eq!(store.count_calls().unwrap(), 0);
}

#[test]
fn every_outcome_has_its_own_text() {
    let mut texts: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| outcome.as_str())
        .collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), Outcome::ALL.len());
}

#[test]
fn an_odd_row_does_not_hide_the_others() {
    let (_folder, store) = with_model();
    store
        .record_calls(&[call(CallKind::Chat, "ours", 1)])
        .unwrap();
    rusqlite::Connection::open(store.path())
        .unwrap()
        .execute_batch(
            "INSERT INTO request_usage (virtual_model, response_time_ms, prompt_tokens, \
             cost_in, created_at) VALUES ('odd', 900.5, 'many', x'00', 2)",
        )
        .unwrap();
    let rows = store.recent_calls(10).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].response_time_ms, rows[0].prompt_tokens), (900, 0));
    assert_eq!(rows[1].request_id.as_deref(), Some("ours"));
}
