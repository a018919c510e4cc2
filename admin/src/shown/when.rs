//! A moment in the configured zone, as an HTML element with the exact time in it.

use std::fmt;

use askama::filters::HtmlSafe;
use store::Zone;

/// A moment. What it prints is HTML: digits, signs and its own tags only.
#[derive(Debug, Clone)]
pub(crate) struct When {
    /// With the zone's offset, to the second.
    stamp: String,
}

impl When {
    /// The moment `at`, unix seconds, in `zone`.
    pub(crate) fn new(zone: &Zone, at: i64) -> Self {
        Self {
            stamp: zone.stamp(at),
        }
    }

    /// The date and the time without the offset.
    pub(crate) fn text(&self) -> String {
        match self.stamp.split_once('T') {
            Some((date, time)) => format!("{date} {}", time.get(..8).unwrap_or(time)),
            None => self.stamp.clone(),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stamp, text) = (&self.stamp, self.text());
        write!(
            f,
            "<time datetime=\"{stamp}\" title=\"{stamp}\">{text}</time>"
        )
    }
}

impl HtmlSafe for When {}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use store::Zone;

    use super::When;

    #[test]
    fn a_moment_is_shown_in_its_zone_with_the_offset_beside() {
        let zone = Zone::of(Some("Asia/Kolkata")).unwrap();
        assert_eq!(
            When::new(&zone, 0).to_string(),
            "<time datetime=\"1970-01-01T05:30:00+05:30\" title=\"1970-01-01T05:30:00+05:30\">\
             1970-01-01 05:30:00</time>"
        );
        assert_eq!(When::new(&Zone::UTC, i64::MAX).text(), i64::MAX.to_string());
    }
}
