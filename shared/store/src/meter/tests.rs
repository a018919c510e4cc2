#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Hold, Level, Meter, Over, Spent};
use crate::limits::{Limit, Limits};
use crate::zone::Zone;

/// 2026-11-28T12:00:00Z in unix milliseconds.
const NOON: i64 = 1_795_867_200_000;

const NONE: Limits = Limits {
    requests_per_minute: None,
    tokens_per_minute: None,
    parallel: None,
    cost_per_day: None,
    cost_per_month: None,
};

/// A meter with a clock that is moved by hand.
struct Bench {
    meter: Arc<Meter>,
    limits: Limits,
    zone: Zone,
    now: i64,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self::at(limits, NOON, Zone::UTC)
    }

    fn at(limits: Limits, now: i64, zone: Zone) -> Self {
        Self {
            meter: Arc::new(Meter::unused(now / 1000, &zone)),
            limits,
            zone,
            now,
        }
    }

    fn call(&self, tokens: u64, nanos: i64) -> Result<Hold, Over> {
        let need = Spent { tokens, nanos };
        self.meter.reserve(&self.limits, need, self.now, &self.zone)
    }

    fn frees_in(&self) -> Option<i64> {
        let over = self.meter.over(&self.limits, self.now, &self.zone);
        over.unwrap().frees_in
    }
}

#[test]
fn no_sixty_seconds_see_more_calls_than_they_may() {
    let mut bench = Bench::new(Limits {
        requests_per_minute: Some(3),
        ..NONE
    });
    let mut passed = Vec::new();
    for _ in 0..4000 {
        bench.now += 137;
        if let Ok(hold) = bench.call(0, 0) {
            hold.settle(Spent::default());
            passed.push(bench.now);
        }
    }
    assert!(passed.len() > 20, "{}", passed.len());
    for four in passed.windows(4) {
        assert!(four[3] - four[0] > 60_000, "{four:?}");
    }
}

#[test]
fn a_call_counts_until_its_second_lies_a_minute_back() {
    let mut bench = Bench::new(Limits {
        requests_per_minute: Some(1),
        ..NONE
    });
    bench.now += 400;
    drop(bench.call(0, 0).unwrap());
    assert_eq!(bench.frees_in(), Some(60_600));
    bench.now += 60_599;
    let over = bench.call(0, 0).unwrap_err();
    assert_eq!(over.limit, Limit::Requests(1));
    assert_eq!(over.frees_in, Some(1));
    bench.now += 1;
    drop(bench.call(0, 0).unwrap());
}

#[test]
fn tokens_count_as_expected_and_then_as_spent() {
    let mut bench = Bench::new(Limits {
        tokens_per_minute: Some(100),
        ..NONE
    });
    let first = bench.call(90, 0).unwrap();
    // While anything is left a call passes, whatever it needs.
    let second = bench.call(500, 0).unwrap();
    assert_eq!(bench.call(1, 0).unwrap_err().limit, Limit::Tokens(100));
    second.settle(Spent {
        tokens: 5,
        nanos: 0,
    });
    drop(bench.call(0, 0).unwrap());
    bench.now += 10_000;
    first.settle(Spent {
        tokens: 200,
        nanos: 0,
    });
    // What was spent counts in the second in which the call began.
    assert_eq!(bench.frees_in(), Some(51_000));
    let level = bench.meter.levels(&bench.limits, bench.now).tokens;
    let expected = Level {
        limit: 100,
        remaining: 0,
        reset: 51_000,
    };
    assert_eq!(level, Some(expected));
    bench.now += 51_000;
    let late = bench.call(7, 0).unwrap();
    bench.now += 600_000;
    let level = |bench: &Bench| bench.meter.levels(&bench.limits, bench.now).tokens.unwrap();
    assert_eq!((level(&bench).remaining, level(&bench).reset), (100, 0));
    // Long after its minute it changes nothing.
    late.settle(Spent {
        tokens: 1_000_000,
        nanos: 0,
    });
    assert_eq!(level(&bench).remaining, 100);
}

#[test]
fn calls_at_once_are_counted_to_their_end_and_once() {
    let bench = Bench::new(Limits {
        parallel: Some(2),
        ..NONE
    });
    let one = bench.call(0, 0).unwrap();
    let other = bench.call(0, 0).unwrap();
    let over = bench.call(0, 0).unwrap_err();
    assert_eq!((over.limit, over.frees_in), (Limit::Parallel(2), None));
    drop(one);
    let third = bench.call(0, 0).unwrap();
    assert_eq!(bench.meter.in_flight(), 2);
    other.settle(Spent::default());
    third.cancel();
    assert_eq!(bench.meter.in_flight(), 0);
}

#[test]
fn what_is_cancelled_was_no_call_and_what_is_dropped_was() {
    let bench = Bench::new(Limits {
        requests_per_minute: Some(2),
        tokens_per_minute: Some(1000),
        cost_per_day: Some(100),
        ..NONE
    });
    bench.call(500, 60).unwrap().cancel();
    let levels = bench.meter.levels(&bench.limits, bench.now);
    assert_eq!(levels.requests.unwrap().remaining, 2);
    assert_eq!(levels.tokens.unwrap().remaining, 1000);
    drop(bench.call(500, 60).unwrap());
    let levels = bench.meter.levels(&bench.limits, bench.now);
    assert_eq!(levels.requests.unwrap().remaining, 1);
    assert_eq!(levels.tokens.unwrap().remaining, 1000);
    assert_eq!(bench.meter.money(), (0, 0));
}

#[test]
fn a_day_ends_where_the_zone_says_and_a_month_goes_on() {
    let zone = Zone::of(Some("Europe/Berlin")).unwrap();
    // 2026-11-28T23:59:59 in Berlin.
    let late = NOON + 11 * 3_600_000 - 1000;
    let limits = Limits {
        cost_per_day: Some(100),
        cost_per_month: Some(1000),
        ..NONE
    };
    let mut bench = Bench::at(limits, late, zone);
    let under_way = bench.call(0, 100).unwrap();
    let over = bench.call(0, 1).unwrap_err();
    assert_eq!((over.limit, over.frees_in), (Limit::Day(100), Some(1000)));
    bench.now += 1000;
    let next = bench.call(0, 10).unwrap();
    assert_eq!(bench.meter.money(), (10, 110));
    // It began on the day before: only its month learns what it has cost.
    under_way.settle(Spent {
        tokens: 0,
        nanos: 150,
    });
    assert_eq!(bench.meter.money(), (10, 160));
    next.settle(Spent {
        tokens: 0,
        nanos: 850,
    });
    let over = bench.call(0, 1).unwrap_err();
    assert_eq!(over.limit, Limit::Month(1000));
    // To 2026-12-01T00:00:00+01:00.
    assert_eq!(over.frees_in, Some(2 * 86_400_000));
    bench.now += 2 * 86_400_000;
    drop(bench.call(0, 0).unwrap());
    assert_eq!(bench.meter.money(), (0, 0));
}

#[test]
fn a_changed_limit_holds_at_once_for_what_was_counted_without_one() {
    let mut bench = Bench::new(NONE);
    for _ in 0..5 {
        bench.call(10, 10).unwrap().settle(Spent {
            tokens: 10,
            nanos: 10,
        });
    }
    bench.limits.cost_per_day = Some(50);
    assert_eq!(bench.call(0, 0).unwrap_err().limit, Limit::Day(50));
    bench.limits.cost_per_day = Some(51);
    bench.limits.requests_per_minute = Some(5);
    assert_eq!(bench.call(0, 0).unwrap_err().limit, Limit::Requests(5));
}

#[test]
fn a_clock_that_is_put_back_does_not_lock_anybody_out() {
    let mut bench = Bench::new(Limits {
        requests_per_minute: Some(1),
        cost_per_day: Some(1),
        ..NONE
    });
    drop(bench.call(0, 0).unwrap());
    bench.now -= 30_000;
    bench.call(0, 0).unwrap_err();
    bench.now -= 3_600_000;
    bench.call(0, 1).unwrap().settle(Spent {
        tokens: 0,
        nanos: 1,
    });
    assert_eq!(bench.call(0, 0).unwrap_err().limit, Limit::Day(1));
    bench.now -= 40 * 86_400_000;
    drop(bench.call(0, 0).unwrap());
}

/// From many threads at once: no more pass than the budget pays for, and at the end the sum
/// is that of what was settled.
#[test]
fn two_hundred_at_once_do_not_overshoot() {
    let bench = Bench::new(Limits {
        cost_per_day: Some(1000),
        ..NONE
    });
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                if let Ok(hold) = bench.call(1, 100) {
                    passed.fetch_add(1, Ordering::Relaxed);
                    hold.settle(Spent {
                        tokens: 1,
                        nanos: 100,
                    });
                }
            });
        }
    });
    assert_eq!(passed.load(Ordering::Relaxed), 10);
    assert_eq!(bench.meter.money(), (1000, 1000));
    assert_eq!(bench.meter.in_flight(), 0);
}

/// Over made-up histories: what is counted is always what a plain list of calls gives.
#[test]
fn the_window_equals_a_list_of_calls() {
    let mut random = fastrand::Rng::with_seed(7);
    let limits = Limits {
        requests_per_minute: Some(u64::MAX),
        tokens_per_minute: Some(u64::MAX),
        ..NONE
    };
    let mut bench = Bench::new(limits);
    // When each call began, what it counts for now, and what settles it.
    let mut calls: Vec<(i64, u64, Option<Hold>)> = Vec::new();
    for _ in 0..5000 {
        bench.now += random.i64(0..3000);
        let need = random.u64(0..1000);
        let hold = bench.call(need, 0).unwrap();
        calls.push((bench.now / 1000, need, Some(hold)));
        let some = random.usize(..calls.len());
        let spent = random.u64(0..2000);
        if let Some(hold) = calls[some].2.take() {
            hold.settle(Spent {
                tokens: spent,
                nanos: 0,
            });
            calls[some].1 = spent;
        }
        let from = bench.now / 1000 - 60;
        let recent = calls.iter().filter(|(at, _, _)| *at >= from);
        let (count, tokens) = recent.fold((0, 0), |(n, sum), (_, tokens, _)| (n + 1, sum + tokens));
        let levels = bench.meter.levels(&bench.limits, bench.now);
        assert_eq!(u64::MAX - levels.requests.unwrap().remaining, count);
        assert_eq!(u64::MAX - levels.tokens.unwrap().remaining, tokens);
    }
}
