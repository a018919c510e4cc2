//! Times as Ollama writes them: RFC 3339, nine digits of fraction, UTC or an offset. Ours
//! are UTC, to the second.

/// Unix seconds of an RFC 3339 time; `None` for anything else. The fraction is cut.
pub(super) fn unix_seconds(text: &str) -> Option<i64> {
    let text = text.as_bytes();
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, zone) = rest.split_at_checked(9)?;
    let days = days_since_1970(date)?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = clock else {
        return None;
    };
    let hour = number(&[*h1, *h2], 0, 23)?;
    let minute = number(&[*m1, *m2], 0, 59)?;
    // A leap second is the last second of its minute.
    let second = number(&[*s1, *s2], 0, 60)?.min(59);
    let fraction = zone.strip_prefix(b".").map_or(0, |digits| {
        1 + digits.iter().take_while(|b| b.is_ascii_digit()).count()
    });
    let offset = match &zone[fraction..] {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if fraction != 1 => {
            let seconds = number(&[*h1, *h2], 0, 23)? * 3600 + number(&[*m1, *m2], 0, 59)? * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// `seconds` since 1970 as RFC 3339, UTC; `None` outside the years 0000 to 9999.
pub(super) fn rfc3339(seconds: i64) -> Option<String> {
    if !(-62_167_219_200..=253_402_300_799).contains(&seconds) {
        return None;
    }
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let days = days + 719_468;
    // The calendar repeats itself after 400 years, which have 146,097 days.
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day / 1460 - day / 36_524 + day / 146_096;
    let year = (day - leap_days) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    // Back from years that begin in March.
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    let year = cycle * 400 + year;
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

fn days_since_1970(date: &[u8]) -> Option<i64> {
    let [year @ .., b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let year = number(year, 0, 9999)?;
    let month = number(&[*m1, *m2], 1, 12)?;
    let day = number(&[*d1, *d2], 1, 31)?;
    // Years begin in March, so that the leap day is their last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_month = (153 * month + 2) / 5;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    Some(year * 365 + leap_days + before_month + day - 1 - 719_468)
}

fn number(digits: &[u8], least: i64, most: i64) -> Option<i64> {
    let value = digits.iter().try_fold(0, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i64::from(digit - b'0'))
    })?;
    (least..=most).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.5Z", Some(951_825_600)),
            ("2026-08-21T10:00:00.000000001Z", Some(1_787_306_400)),
            ("2026-08-21T03:00:00.1-07:00", Some(1_787_306_400)),
            ("2026-08-21T12:00:00+02:00", Some(1_787_306_400)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799)),
            ("", None),
            ("2026-08-21", None),
            ("2026-08-21T10:00:00", None),
            ("2026-08-21T10:00:00.Zx", None),
            ("2026-08-21T10:00:00.+02:00", None),
            ("2026-13-21T10:00:00Z", None),
            ("2026-08-21T25:00:00Z", None),
            ("2026-0é-21T10:00:00Z", None),
        ] {
            assert_eq!(unix_seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_825_600, "2000-02-29T12:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_787_306_400, "2026-08-21T10:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds).as_deref(), Some(text));
        }
        // Each day of three years around a leap day that is left out, and one that is not.
        for first in [4_070_908_800, 946_684_800] {
            for day in -400..800 {
                let seconds = first + day * 86_400 + 3_725;
                let text = rfc3339(seconds);
                assert_eq!(
                    text.as_deref().and_then(unix_seconds),
                    Some(seconds),
                    "{text:?}"
                );
            }
        }
        for outside in [i64::MIN, -62_167_219_201, 253_402_300_800, i64::MAX] {
            assert_eq!(rfc3339(outside), None);
        }
    }
}
