//! How often a login may be tried: by address and by name, in memory.
//!
//! A try counts before its password is looked at, so that many at once are no way round. A
//! right password forgets the tries of its name and address.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long a try counts.
const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Tries from one address.
const OF_ADDRESS: u32 = 20;
/// Tries of one name, from everywhere.
const OF_NAME: u32 = 10;
/// Most addresses and names remembered; beyond, those of the oldest windows go.
const REMEMBERED: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Of {
    Address(String),
    Name(String),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    began: Instant,
    count: u32,
}

/// The tries of the last quarter of an hour.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    tries: Mutex<HashMap<Of, Tries>>,
}

impl Throttle {
    /// Counts a try.
    ///
    /// # Errors
    /// After how long another one is taken.
    pub(crate) fn count(&self, address: &str, name: &str, now: Instant) -> Result<(), Duration> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.retain(|_, one| now.duration_since(one.began) < WINDOW);
        for (of, limit) in keys(address, name) {
            if let Some(one) = tries.get(&of).filter(|one| one.count >= limit) {
                return Err(WINDOW.saturating_sub(now.duration_since(one.began)));
            }
        }
        while tries.len() + 2 > REMEMBERED {
            let oldest = tries.iter().min_by_key(|(_, one)| one.began);
            let Some(oldest) = oldest.map(|(of, _)| of.clone()) else {
                break;
            };
            tries.remove(&oldest);
        }
        for (of, _) in keys(address, name) {
            let one = tries.entry(of).or_insert(Tries {
                began: now,
                count: 0,
            });
            one.count = one.count.saturating_add(1);
        }
        Ok(())
    }

    /// Forgets the tries of somebody who got in.
    pub(crate) fn forget(&self, address: &str, name: &str) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for (of, _) in keys(address, name) {
            tries.remove(&of);
        }
    }
}

fn keys(address: &str, name: &str) -> [(Of, u32); 2] {
    [
        (Of::Address(address.to_owned()), OF_ADDRESS),
        (Of::Name(name.trim().to_lowercase()), OF_NAME),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{OF_ADDRESS, OF_NAME, REMEMBERED, Throttle, WINDOW};

    #[test]
    fn a_name_is_refused_from_everywhere_and_an_address_for_every_name() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..OF_NAME {
            assert!(throttle.count(&format!("a{n}"), "Ada", now).is_ok());
        }
        assert_eq!(throttle.count("other", " ada", now), Err(WINDOW));
        for n in 0..OF_ADDRESS {
            assert!(throttle.count("here", &format!("n{n}"), now).is_ok());
        }
        let later = now + Duration::from_secs(60);
        assert!(throttle.count("here", "new", later).is_err());
        assert!(throttle.count("there", "new", later).is_ok());
        assert!(throttle.count("other", "ada", now + WINDOW).is_ok());
    }

    #[test]
    fn getting_in_forgets_and_memory_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..OF_NAME {
            assert!(throttle.count("here", "ada", now).is_ok());
        }
        throttle.forget("here", "ada");
        assert!(throttle.count("here", "ada", now).is_ok());
        for n in 0..REMEMBERED {
            let _ = throttle.count(&n.to_string(), &n.to_string(), now);
        }
        assert!(
            throttle
                .tries
                .lock()
                .is_ok_and(|tries| tries.len() <= REMEMBERED)
        );
    }
}
