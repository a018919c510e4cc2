//! What limits cost a call: looked at, kept for it and settled, by its key, the virtual
//! model and the endpoint together.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use store::{Limits, Meter, Spent, Zone};

/// 2026-11-28T12:00:00Z in unix milliseconds.
const NOON: i64 = 1_795_867_200_000;

fn meters(criterion: &mut Criterion) {
    let limits = Limits {
        requests_per_minute: Some(u64::MAX),
        tokens_per_minute: Some(u64::MAX),
        parallel: Some(u64::MAX),
        cost_per_day: Some(i64::MAX),
        cost_per_month: Some(i64::MAX),
    };
    let zone = Zone::UTC;
    let need = Spent {
        tokens: 1200,
        nanos: 12_000_000,
    };
    let spent = Spent {
        tokens: 900,
        nanos: 9_000_000,
    };
    let three = [(); 3].map(|()| Arc::new(Meter::unused(NOON / 1000, &zone)));
    let mut now = NOON;
    criterion.bench_function("reserve and settle, one owner", |bench| {
        bench.iter(|| {
            now += 1;
            if let Ok(hold) = three[0].reserve(&limits, black_box(need), now, &zone) {
                hold.settle(black_box(spent));
            }
        });
    });
    criterion.bench_function("reserve and settle, three owners", |bench| {
        bench.iter(|| {
            now += 1;
            let holds = [0, 1, 2].map(|at| three[at].reserve(&limits, black_box(need), now, &zone));
            for hold in holds.into_iter().flatten() {
                hold.settle(black_box(spent));
            }
        });
    });
}

criterion_group!(benches, meters);
criterion_main!(benches);
