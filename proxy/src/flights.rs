//! Calls that are being made, for identical ones that wait for their answers.
//!
//! The first call of a key is made; those that come meanwhile queue behind it. When it ends
//! with an answer that may be given to all, each gets it. When it ends without one, because
//! it failed or its caller left, the next in the queue is made in its place. When its answer
//! is not for others, all make their own calls at once. Whoever leaves the queue is missed
//! by nobody: what is not held any more is forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

use crate::answers::{Kept, Key};

/// Parts with a lock of their own, which is held to look a key up and no longer.
const PARTS: usize = 16;

/// What has become of a call.
#[derive(Debug)]
enum State {
    /// Whoever holds the queue makes it.
    Open,
    Landed(Arc<Kept>),
    /// Its answer is for its own caller alone.
    Alone,
}

type Flight = Arc<Queue<State>>;

/// The calls that are being made.
#[derive(Default)]
pub(crate) struct Flights {
    parts: [Mutex<HashMap<Key, Flight>>; PARTS],
    waiting: AtomicUsize,
}

impl Flights {
    /// A place behind the call that is being made for `key`, or the first place.
    pub(crate) fn seat(&self, key: Key) -> Seat<'_> {
        let mut part = self.part(&key);
        let flight = part
            .entry(key)
            .or_insert_with(|| Arc::new(Queue::new(State::Open)));
        let flight = Arc::clone(flight);
        Seat {
            flights: self,
            key,
            flight,
        }
    }

    /// How many calls wait for another one's answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn part(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Flight>> {
        let part = &self.parts[key.part(PARTS)];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        let is_empty = |part: &Mutex<HashMap<Key, Flight>>| part.lock().is_ok_and(|p| p.is_empty());
        self.parts.iter().all(is_empty)
    }
}

/// A place in the queue of one call.
pub(crate) struct Seat<'f> {
    flights: &'f Flights,
    key: Key,
    flight: Flight,
}

/// What a place has come to.
pub(crate) enum Turn<'f> {
    /// To make the call.
    Lead(Lead<'f>),
    /// The answer of another one.
    Landed(Arc<Kept>),
    /// To make a call of one's own, which nobody waits for.
    Alone,
}

impl<'f> Seat<'f> {
    /// Waits until it is known what becomes of the place. Dropped, it is given up.
    pub(crate) async fn turn(self) -> Turn<'f> {
        let state = match Arc::clone(&self.flight).try_lock_owned() {
            Ok(state) => state,
            Err(_) => {
                let _waits = Waits::count(&self.flights.waiting);
                Arc::clone(&self.flight).lock_owned().await
            }
        };
        match &*state {
            State::Landed(kept) => Turn::Landed(Arc::clone(kept)),
            State::Alone => Turn::Alone,
            State::Open => Turn::Lead(Lead { state, seat: self }),
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut part = self.flights.part(&self.key);
        // Two: the map's and this one. Others join only under the lock of the part.
        let is_last = part.get(&self.key).is_some_and(|flight| {
            Arc::ptr_eq(flight, &self.flight) && Arc::strong_count(flight) == 2
        });
        if is_last {
            part.remove(&self.key);
        }
    }
}

/// One that waits, while it does.
struct Waits<'c>(&'c AtomicUsize);

impl<'c> Waits<'c> {
    fn count(counter: &'c AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The call that others wait for. Dropped without an answer, the next one leads.
pub(crate) struct Lead<'f> {
    // Given up before the seat is: those behind it are counted.
    state: OwnedMutexGuard<State>,
    seat: Seat<'f>,
}

impl Lead<'_> {
    /// Gives the answer to all that wait; `None` when it is not for them. Whoever comes
    /// later begins anew.
    pub(crate) fn land(mut self, kept: Option<Arc<Kept>>) {
        *self.state = kept.map_or(State::Alone, State::Landed);
        let Seat {
            flights,
            key,
            flight,
        } = &self.seat;
        let mut part = flights.part(key);
        if part
            .get(key)
            .is_some_and(|known| Arc::ptr_eq(known, flight))
        {
            part.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
