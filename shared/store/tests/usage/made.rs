//! A store with two priced models, and calls made up for it.

use rusqlite::Connection;
use serde_json::json;
use store::{
    Attempt, By, CallKind, CallRecord, EndpointDraft, Outcome, SettingsDraft, Store, UsageQuery,
    UsageReport, VirtualModelDraft,
};
use tempfile::TempDir;
use wire::usage::Usage;

/// 2026-11-28T12:00:00Z.
pub(crate) const NOON: i64 = 1_795_867_200;
pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn store_with_models() -> (TempDir, Store) {
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

pub(crate) fn spent(prompt: u64, completion: u64) -> Usage {
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt + completion,
        ..Usage::default()
    }
}

pub(crate) fn attempt(model: &str, usage: Option<Usage>) -> Attempt {
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

pub(crate) fn call(model: &str, at: i64, usage: Usage) -> CallRecord {
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

pub(crate) fn all(store: &Store, by: &[By]) -> UsageReport {
    store
        .usage(&UsageQuery::between(0, i64::MAX / 2), by)
        .unwrap()
}

pub(crate) fn sql(store: &Store, query: &str) -> i64 {
    let connection = Connection::open(store.path()).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Made-up calls over some days: every kind of token, several attempts, all outcomes.
pub(crate) fn made_up(count: u64) -> Vec<CallRecord> {
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
        record.kind = CallKind::ALL[usize::try_from(next(9)).unwrap()];
        record
    });
    calls.collect()
}
