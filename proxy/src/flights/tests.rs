//! Who leads, who follows, and that nothing stays behind.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap is a failed test"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt as _;
use wire::inbound::CallerDialect;
use wire::usage::Usage;

use super::{Flights, Lead, Turn};
use crate::answers::{Kept, Key, Scope};

fn key(number: u64) -> Key {
    let scope = Scope {
        dialect: CallerDialect::OpenAiChat,
        edition: number,
        key: None,
        user: None,
    };
    Key::of(scope, b"{}").unwrap()
}

fn kept() -> Arc<Kept> {
    Arc::new(Kept {
        body: Bytes::from_static(b"{}"),
        usage: Usage::default(),
        made: Instant::now(),
    })
}

fn lead(turn: Option<Turn<'_>>) -> Lead<'_> {
    match turn {
        Some(Turn::Lead(lead)) => lead,
        Some(Turn::Landed(_)) => panic!("it landed"),
        Some(Turn::Alone) => panic!("it is alone"),
        None => panic!("it waits"),
    }
}

#[test]
fn all_that_wait_get_the_one_answer_and_later_ones_begin_anew() {
    let flights = Flights::default();
    let first = lead(flights.seat(key(1)).turn().now_or_never());
    let mut waiting: Vec<_> = (0..3)
        .map(|_| Box::pin(flights.seat(key(1)).turn()))
        .collect();
    for turn in &mut waiting {
        assert!(turn.as_mut().now_or_never().is_none());
    }
    drop(lead(flights.seat(key(2)).turn().now_or_never()));
    first.land(Some(kept()));
    let later = lead(flights.seat(key(1)).turn().now_or_never());
    for turn in waiting {
        assert!(matches!(turn.now_or_never(), Some(Turn::Landed(_))));
    }
    drop(later);
    assert!(flights.is_empty());
}

#[test]
fn when_the_first_ends_without_an_answer_the_next_is_made() {
    let flights = Flights::default();
    let first = lead(flights.seat(key(1)).turn().now_or_never());
    let mut second = Box::pin(flights.seat(key(1)).turn());
    let mut third = Box::pin(flights.seat(key(1)).turn());
    assert!(second.as_mut().now_or_never().is_none());
    assert!(third.as_mut().now_or_never().is_none());
    drop(first);
    let second = lead(second.now_or_never());
    assert!(third.as_mut().now_or_never().is_none());
    second.land(Some(kept()));
    assert!(matches!(third.now_or_never(), Some(Turn::Landed(_))));
    assert!(flights.is_empty());
}

#[test]
fn an_answer_for_its_own_caller_lets_all_others_go_at_once() {
    let flights = Flights::default();
    let first = lead(flights.seat(key(1)).turn().now_or_never());
    let mut waiting: Vec<_> = (0..2)
        .map(|_| Box::pin(flights.seat(key(1)).turn()))
        .collect();
    for turn in &mut waiting {
        assert!(turn.as_mut().now_or_never().is_none());
    }
    first.land(None);
    for turn in waiting {
        assert!(matches!(turn.now_or_never(), Some(Turn::Alone)));
    }
    assert!(flights.is_empty());
}

#[test]
fn whoever_leaves_the_queue_leaves_nothing_behind() {
    let flights = Flights::default();
    let first = lead(flights.seat(key(1)).turn().now_or_never());
    let mut second = Box::pin(flights.seat(key(1)).turn());
    let mut third = Box::pin(flights.seat(key(1)).turn());
    assert!(second.as_mut().now_or_never().is_none());
    assert!(third.as_mut().now_or_never().is_none());
    assert_eq!(flights.waiting(), 2);
    drop(second);
    assert_eq!(flights.waiting(), 1);
    drop(first);
    drop(lead(third.now_or_never()));
    assert!(flights.is_empty());

    let first = lead(flights.seat(key(1)).turn().now_or_never());
    let mut second = Box::pin(flights.seat(key(1)).turn());
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    // Its turn has come and it never looks.
    drop(second);
    assert!(flights.is_empty());
    assert_eq!(flights.waiting(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_many_at_once_one_leads_at_a_time_and_nothing_is_left() {
    const KEYS: u64 = 3;
    let flights = Arc::new(Flights::default());
    let leading: Arc<[AtomicUsize]> = (0..KEYS).map(|_| AtomicUsize::new(0)).collect();
    let calls: Vec<_> = (0..600_u64)
        .map(|number| {
            let (flights, leading) = (Arc::clone(&flights), Arc::clone(&leading));
            tokio::spawn(async move {
                let leads = &leading[usize::try_from(number % KEYS).unwrap()];
                let turn = flights.seat(key(number % KEYS)).turn();
                // Some look once and leave.
                let turn = if number % 7 == 0 {
                    turn.now_or_never()
                } else {
                    Some(turn.await)
                };
                let Some(Turn::Lead(lead)) = turn else {
                    return;
                };
                assert_eq!(leads.fetch_add(1, Ordering::SeqCst), 0);
                for _ in 0..number % 5 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(leads.fetch_sub(1, Ordering::SeqCst), 1);
                match number % 4 {
                    0 => lead.land(None),
                    1 => lead.land(Some(kept())),
                    _ => drop(lead),
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert!(flights.is_empty());
    assert_eq!(flights.waiting(), 0);
}
