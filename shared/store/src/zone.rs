//! The time zone in which days begin.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// The stored setting: a name of the IANA database, or nothing for the machine's own.
pub const DISPLAY_TIMEZONE: &str = "display_timezone";

/// What the original called the machine's own zone.
const OF_THE_MACHINE: &str = "Server Local Time";

/// A time zone, with its changes; UTC by default.
#[derive(Debug, Clone)]
pub struct Zone {
    zone: TimeZone,
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self {
        zone: TimeZone::UTC,
    };

    /// The zone of a name such as `Europe/Berlin`; the machine's own for none.
    ///
    /// # Errors
    /// What the name has to be.
    pub fn of(name: Option<&str>) -> Result<Self, String> {
        let zone = match name.map(str::trim) {
            None | Some("" | OF_THE_MACHINE) => TimeZone::system(),
            Some(name) => TimeZone::get(name).map_err(|_| {
                format!("{name:?} is no time zone; use a name such as Europe/Berlin or UTC")
            })?,
        };
        Ok(Self { zone })
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("the machine's own")
    }

    /// When the hour of a moment began, in unix seconds.
    #[must_use]
    pub fn hour(&self, at: i64) -> i64 {
        let Ok(moment) = Timestamp::from_second(at) else {
            return at;
        };
        let offset = i64::from(self.zone.to_offset(moment).seconds());
        at - (at + offset).rem_euclid(3600)
    }

    /// When the day of a moment began, in unix seconds.
    #[must_use]
    pub fn day(&self, at: i64) -> i64 {
        self.start(at, 0).unwrap_or(at)
    }

    /// When the day after that of a moment begins, in unix seconds.
    #[must_use]
    pub fn next_day(&self, at: i64) -> i64 {
        self.start(at, 1).unwrap_or(i64::MAX)
    }

    /// When the month of a moment began, in unix seconds.
    #[must_use]
    pub fn month(&self, at: i64) -> i64 {
        let begun = || {
            let date = Timestamp::from_second(at)
                .ok()?
                .to_zoned_datetime(self.zone.clone())
                .date();
            let start = date
                .first_of_month()
                .to_zoned_datetime(self.zone.clone())
                .ok()?;
            Some(start.timestamp().as_second())
        };
        begun().unwrap_or(at)
    }

    /// When the month after that of a moment begins, in unix seconds.
    #[must_use]
    pub fn next_month(&self, at: i64) -> i64 {
        let begun = || {
            let date = Timestamp::from_second(at)
                .ok()?
                .to_zoned_datetime(self.zone.clone())
                .date();
            let next = date.first_of_month().checked_add(1.month()).ok()?;
            let start = next.to_zoned_datetime(self.zone.clone()).ok()?;
            Some(start.timestamp().as_second())
        };
        begun().unwrap_or(i64::MAX)
    }

    fn start(&self, at: i64, later: i64) -> Option<i64> {
        let date = Timestamp::from_second(at)
            .ok()?
            .to_zoned_datetime(self.zone.clone())
            .date();
        let date = date.checked_add(later.days()).ok()?;
        let start = date.to_zoned_datetime(self.zone.clone()).ok()?;
        Some(start.timestamp().as_second())
    }

    /// The date of a moment, `2026-11-28`.
    #[must_use]
    pub fn date(&self, at: i64) -> String {
        Timestamp::from_second(at).map_or_else(
            |_| at.to_string(),
            |moment| {
                moment
                    .to_zoned_datetime(self.zone.clone())
                    .date()
                    .to_string()
            },
        )
    }

    /// A moment with the zone's offset, `2026-11-28T19:30:00+01:00`.
    #[must_use]
    pub fn stamp(&self, at: i64) -> String {
        Timestamp::from_second(at).map_or_else(
            |_| at.to_string(),
            |moment| {
                let zoned = moment.to_zoned_datetime(self.zone.clone());
                zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
            },
        )
    }

    /// The moment that a text names: unix seconds, a date (its beginning, or with
    /// `end_of_day` its last second), or a date and time with or without an offset.
    ///
    /// # Errors
    /// What the text has to be.
    pub fn moment(&self, text: &str, end_of_day: bool) -> Result<i64, String> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<i64>() {
            return Ok(seconds);
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(moment.as_second());
        }
        if let Ok(date) = text.parse::<jiff::civil::Date>()
            && !text.contains(['T', 't', ' '])
        {
            let begun = date
                .to_zoned_datetime(self.zone.clone())
                .ok()
                .map(|day| day.timestamp().as_second());
            let moment = match (begun, end_of_day) {
                (Some(begun), false) => Some(begun),
                (Some(begun), true) => Some(self.next_day(begun) - 1),
                (None, _) => None,
            };
            return moment.ok_or_else(|| format!("{text:?} is out of range"));
        }
        if let Ok(civil) = text.parse::<jiff::civil::DateTime>()
            && let Ok(zoned) = civil.to_zoned_datetime(self.zone.clone())
        {
            return Ok(zoned.timestamp().as_second());
        }
        Err("must be unix seconds, a date such as 2026-11-28, or an ISO time".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::Zone;

    #[test]
    fn days_begin_where_the_zone_says_and_some_are_shorter() {
        let berlin = Zone::of(Some("Europe/Berlin")).unwrap();
        // 2026-03-29, when clocks go forward.
        let noon = berlin.moment("2026-03-29T12:00:00", false).unwrap();
        let (day, next) = (berlin.day(noon), berlin.next_day(noon));
        assert_eq!(next - day, 23 * 3600);
        assert_eq!(berlin.date(day), "2026-03-29");
        assert_eq!(berlin.date(next), "2026-03-30");
        assert_eq!(berlin.stamp(day), "2026-03-29T00:00:00+01:00");
        // 2026-10-25, when they go back.
        let noon = berlin.moment("2026-10-25T12:00", false).unwrap();
        assert_eq!(berlin.next_day(noon) - berlin.day(noon), 25 * 3600);
        assert_eq!(
            berlin.stamp(berlin.month(noon)),
            "2026-10-01T00:00:00+02:00"
        );
        assert_eq!(
            berlin.stamp(berlin.next_month(noon)),
            "2026-11-01T00:00:00+01:00"
        );
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        let kolkata = Zone::of(Some("Asia/Kolkata")).unwrap();
        let at = kolkata.moment("2026-11-28T19:45:10+05:30", false).unwrap();
        assert_eq!(kolkata.stamp(kolkata.hour(at)), "2026-11-28T19:00:00+05:30");
        assert_eq!(Zone::UTC.hour(7205), 7200);
    }

    #[test]
    fn moments_are_read_in_every_form() {
        let zone = Zone::of(Some("America/New_York")).unwrap();
        for (text, end, expected) in [
            ("1764280800", false, 1_764_280_800),
            ("2026-01-15", false, 1_768_453_200),
            ("2026-01-15", true, 1_768_453_200 + 86_399),
            ("2026-01-15T05:00:00Z", false, 1_768_453_200),
            ("2026-01-15T00:00:00-05:00", false, 1_768_453_200),
            ("2026-01-15 00:00", false, 1_768_453_200),
        ] {
            assert_eq!(zone.moment(text, end), Ok(expected), "{text}");
        }
        for bad in ["", "yesterday", "2026-13-01", "12:00"] {
            assert!(zone.moment(bad, false).is_err(), "{bad}");
        }
        assert!(Zone::of(Some("Mars/Olympus")).is_err());
        assert!(Zone::of(Some("Server Local Time")).is_ok());
    }
}
