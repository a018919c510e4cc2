//! What a usage record costs: the write that a call waits for, and the way of many into the
//! store.

#![expect(clippy::unwrap_used, reason = "a bench that cannot begin fails")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use store::{
    Attempt, CallKind, CallRecord, EndpointDraft, Outcome, Spool, Store, UsageQuery,
    VirtualModelDraft,
};
use tempfile::TempDir;
use wire::usage::Usage;

/// Records that are taken over in one measurement.
const MANY: usize = 20_000;

fn record(number: usize) -> CallRecord {
    let usage = Usage {
        prompt_tokens: 1_200,
        completion_tokens: 340,
        total_tokens: 1_540,
        cached_tokens: 800,
        ..Usage::default()
    };
    CallRecord {
        virtual_model: "virtual/one:latest".to_owned(),
        virtual_model_id: Some(1),
        endpoint_id: Some(1),
        endpoint_name: Some("endpoint".to_owned()),
        key_id: Some(3),
        key_label: Some("agents".to_owned()),
        usage,
        status: 200,
        outcome: Outcome::Success,
        stream: true,
        latency_ms: 1_000 + number as u64 % 7_000,
        ttft_ms: Some(300 + number as u64 % 500),
        upstream_ms: Some(999),
        attempts: vec![Attempt {
            endpoint: "endpoint".to_owned(),
            endpoint_id: Some(1),
            virtual_model: "virtual/one:latest".to_owned(),
            virtual_model_id: Some(1),
            model: "org/model-of-some-length".to_owned(),
            status: 200,
            ms: 300,
            usage: Some(usage),
            ..Attempt::default()
        }],
        ..CallRecord::begun(
            CallKind::Chat,
            format!("req_{number:032x}"),
            1_795_867_200 + i64::try_from(number / 500).unwrap(),
        )
    }
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("proxy.db")).unwrap();
    let value = serde_json::json!({"name": "endpoint", "url": "http://h"});
    let draft = EndpointDraft::for_create(&value).unwrap();
    store.create_endpoint(&draft).unwrap();
    let value = serde_json::json!({
        "name": "virtual/one:latest", "endpoint_id": 1, "actual_model": "a",
        "cost_per_1m_tokens_in": 3, "cost_per_1m_tokens_out": 15,
        "cost_per_1m_tokens_in_cached": 0.3,
    });
    let draft = VirtualModelDraft::for_create(&value).unwrap();
    store.create_virtual_model(&draft).unwrap();
    (folder, store)
}

fn ledger(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("usage record");
    let folder = tempfile::tempdir().unwrap();
    let (spool, _reader) = Spool::open(folder.path(), 8 << 30).unwrap();
    let one = record(1);
    group.bench_function("written into the spool", |bencher| {
        bencher.iter(|| spool.write(black_box(&one)).unwrap());
    });
    group.sample_size(10);
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("from the spool into the store", |bencher| {
        bencher.iter_batched_ref(
            || {
                let (folder, store) = store();
                let (spool, reader) =
                    Spool::open(&Spool::folder_of(store.path()), 1 << 30).unwrap();
                for number in 0..MANY {
                    spool.write(&record(number)).unwrap();
                }
                (folder, store, spool, reader)
            },
            |(_folder, store, _spool, reader)| while reader.drain(store).unwrap().more {},
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let (_folder, store) = store();
    let records: Vec<_> = (0..MANY).map(record).collect();
    store.record_calls(&records).unwrap();
    criterion.bench_function("a report of a day", |bencher| {
        let query = UsageQuery::between(1_795_830_000, 1_795_916_399);
        bencher.iter(|| store.usage(black_box(&query), &[store::By::Model]).unwrap());
    });
}

criterion_group!(benches, ledger);
criterion_main!(benches);
