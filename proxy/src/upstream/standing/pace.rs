//! A moving median of times to the first token.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many of the last times count.
const LAST: usize = 16;

/// The last times, in milliseconds plus one; 0 stands for none.
#[derive(Debug, Default)]
pub(super) struct Pace {
    times: [AtomicU32; LAST],
    next: AtomicU32,
}

impl Pace {
    pub(super) fn note(&self, millis: u64) {
        let at = self.next.fetch_add(1, Ordering::Relaxed) as usize % LAST;
        let millis = u32::try_from(millis).unwrap_or(u32::MAX - 1);
        self.times[at].store(millis.saturating_add(1), Ordering::Relaxed);
    }

    /// The median; `None` before the first time.
    pub(super) fn median(&self) -> Option<u32> {
        let mut times = [0; LAST];
        let mut count = 0;
        for time in &self.times {
            let time = time.load(Ordering::Relaxed);
            if time > 0 {
                times[count] = time - 1;
                count += 1;
            }
        }
        let known = &mut times[..count];
        known.sort_unstable();
        known.get(count / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_times_count() {
        let pace = Pace::default();
        assert_eq!(pace.median(), None);
        for millis in [10, 1_000_000, 30] {
            pace.note(millis);
        }
        assert_eq!(pace.median(), Some(30));
        for _ in 0..LAST {
            pace.note(0);
        }
        assert_eq!(pace.median(), Some(0));
    }
}
