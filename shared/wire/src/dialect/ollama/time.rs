//! Times as Ollama writes them: RFC 3339, nine digits of fraction, UTC or an offset.

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
}
