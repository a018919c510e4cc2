//! Counts of times by size, small enough to be kept for ever and added up.
//!
//! Up to 16 ms each millisecond has a bucket of its own; above, every doubling has 16, so
//! that a percentile is off by at most 4 %.

/// Buckets of one doubling.
const STEPS: u64 = 16;

/// How often which time was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket and count, by bucket.
    counts: Vec<(u16, u64)>,
}

impl Histogram {
    /// Counts one time in milliseconds.
    pub fn add(&mut self, millis: u64) {
        self.add_to(bucket(millis), 1);
    }

    fn add_to(&mut self, bucket: u16, count: u64) {
        match self
            .counts
            .binary_search_by_key(&bucket, |(known, _)| *known)
        {
            Ok(at) => self.counts[at].1 = self.counts[at].1.saturating_add(count),
            Err(at) => self.counts.insert(at, (bucket, count)),
        }
    }

    /// Adds what another has counted.
    pub fn join(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.add_to(*bucket, *count);
        }
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// The time in milliseconds that so many percent of all do not exceed; `None` when
    /// nothing was counted.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let all = self.count();
        let rank = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in &self.counts {
            seen += count;
            if seen >= rank {
                return Some(middle(*bucket));
            }
        }
        None
    }

    /// The counts as bytes: of each bucket its distance to the one before and its count,
    /// seven bits a byte.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.counts.len() * 3);
        let mut last = 0;
        for (bucket, count) in &self.counts {
            put(u64::from(bucket - last), &mut bytes);
            put(*count, &mut bytes);
            last = *bucket;
        }
        bytes
    }

    /// The counts that bytes hold; what makes no sense ends them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        found.read(bytes);
        found
    }

    /// The same, in the room of what was counted before.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        self.counts.clear();
        let mut last = 0_u16;
        while let Some(step) = take(&mut bytes) {
            let (Ok(step), Some(count)) = (u16::try_from(step), take(&mut bytes)) else {
                break;
            };
            let Some(bucket) = last.checked_add(step) else {
                break;
            };
            if bucket > last || self.counts.is_empty() {
                self.counts.push((bucket, count));
            } else {
                self.add_to(bucket, count);
            }
            last = bucket;
        }
    }
}

fn bucket(millis: u64) -> u16 {
    if millis < STEPS {
        return u16::try_from(millis).unwrap_or(0);
    }
    let doubling = u64::from(millis.ilog2()) - 4;
    let step = (millis >> doubling) - STEPS;
    u16::try_from(STEPS + doubling * STEPS + step).unwrap_or(u16::MAX)
}

/// The middle of a bucket in milliseconds.
fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < STEPS {
        return bucket;
    }
    let doubling = ((bucket - STEPS) / STEPS).min(59);
    let low = (STEPS + (bucket - STEPS) % STEPS) << doubling;
    low + ((1_u64 << doubling) >> 1)
}

fn put(mut number: u64, bytes: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::Histogram;

    #[test]
    fn percentiles_are_near_the_true_ones() {
        for scale in [1, 7, 100, 12_345, 1 << 40] {
            let mut found = Histogram::default();
            for n in 1..=1000 {
                found.add(n * scale);
            }
            for percent in [1, 50, 95, 99, 100] {
                let truth = percent * 10 * scale;
                let told = found.percentile(percent).unwrap();
                let off = told.abs_diff(truth);
                assert!(off * 25 <= truth, "{scale} {percent}: {told} for {truth}");
            }
        }
        assert_eq!(Histogram::default().percentile(50), None);
    }

    #[test]
    fn the_ends_of_the_scale_have_a_bucket() {
        let mut found = Histogram::default();
        for millis in [0, 1, 15, 16, u64::MAX] {
            found.add(millis);
        }
        assert_eq!(found.percentile(20), Some(0));
        assert!(found.percentile(100).unwrap() > u64::MAX / 2);
    }

    #[test]
    fn bytes_read_back_and_sums_are_those_of_the_parts() {
        let (mut one, mut other, mut both) = (
            Histogram::default(),
            Histogram::default(),
            Histogram::default(),
        );
        for n in 0..5000_u64 {
            let millis = n * n % 100_000;
            if n % 3 == 0 { &mut one } else { &mut other }.add(millis);
            both.add(millis);
        }
        assert_eq!(Histogram::from_bytes(&one.to_bytes()), one);
        one.join(&other);
        assert_eq!(one, both);
        assert_eq!(one.count(), 5000);
    }

    #[test]
    fn damaged_bytes_are_read_as_far_as_they_go() {
        let mut found = Histogram::default();
        found.add(3);
        found.add(5000);
        let mut bytes = found.to_bytes();
        bytes.pop();
        assert_eq!(Histogram::from_bytes(&bytes).percentile(100), Some(3));
        assert_eq!(Histogram::from_bytes(&[0xff; 40]), Histogram::default());
    }
}
