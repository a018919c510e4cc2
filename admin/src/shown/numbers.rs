//! Numbers for people: grouped, money, durations.

use store::dollars;

/// A whole number of any size, by value or, as templates hand them on, by reference.
pub(crate) trait Whole {
    fn whole(&self) -> i128;
}

impl<T: Whole + ?Sized> Whole for &T {
    fn whole(&self) -> i128 {
        (**self).whole()
    }
}

impl Whole for i128 {
    fn whole(&self) -> i128 {
        *self
    }
}

impl Whole for i64 {
    fn whole(&self) -> i128 {
        i128::from(*self)
    }
}

impl Whole for i32 {
    fn whole(&self) -> i128 {
        i128::from(*self)
    }
}

impl Whole for u64 {
    fn whole(&self) -> i128 {
        i128::from(*self)
    }
}

impl Whole for u32 {
    fn whole(&self) -> i128 {
        i128::from(*self)
    }
}

impl Whole for usize {
    fn whole(&self) -> i128 {
        i128::try_from(*self).unwrap_or(i128::MAX)
    }
}

/// A whole number with its thousands apart: `1,234,567`.
pub(crate) fn grouped(number: impl Whole) -> String {
    let number = number.whole();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Nano-dollars as money: cents from a dollar on, else as many places as tell something.
pub(crate) fn money(nanos: impl Whole) -> String {
    let nanos = i64::try_from(nanos.whole()).unwrap_or(i64::MAX);
    let amount = dollars(nanos.saturating_abs());
    let text = if nanos == 0 {
        "0".to_owned()
    } else if amount >= 1.0 {
        let cents = (i128::from(nanos.unsigned_abs()) + 5_000_000) / 10_000_000;
        format!("{}.{:02}", grouped(cents / 100), cents % 100)
    } else if amount >= 0.01 {
        format!("{amount:.4}")
    } else if amount >= 0.000_001 {
        let text = format!("{amount:.6}");
        text.trim_end_matches('0').to_owned()
    } else {
        return "< $0.000001".to_owned();
    };
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}${text}")
}

/// Milliseconds as people say them: `340 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(ms: impl Whole) -> String {
    let ms = u64::try_from(ms.whole()).unwrap_or(0);
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bytes: `512 B`, `1.5 KiB`, `20.0 MiB`.
pub(crate) fn bytes(count: impl Whole) -> String {
    let count = u64::try_from(count.whole()).unwrap_or(0);
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut unit = "KiB";
    for larger in UNITS.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = larger;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

    use askama::Template;

    use super::{bytes, duration, grouped, money};

    #[derive(Template)]
    #[template(
        ext = "html",
        source = "{{ crate::shown::grouped(count) }} {{ crate::shown::money(nanos) }} \
                  {{ crate::shown::duration(ms) }} {{ crate::shown::bytes(size) }} \
                  {{ crate::shown::cut(name, 3) }}"
    )]
    struct Shown {
        count: usize,
        nanos: i64,
        ms: u64,
        size: u64,
        name: String,
    }

    #[test]
    fn templates_can_use_them() {
        let page = Shown {
            count: 1000,
            nanos: 2_500_000_000,
            ms: 5,
            size: 0,
            name: "<abc>".to_owned(),
        };
        assert_eq!(
            page.render().unwrap(),
            "1,000 $2.50 5 ms 0 B <span title=\"&#60;abc&#62;\">&#60;ab…</span>"
        );
    }

    #[test]
    fn thousands_are_apart() {
        for (number, text) in [
            (0_i64, "0"),
            (999, "999"),
            (1000, "1,000"),
            (-1_234_567, "-1,234,567"),
            (i64::MAX, "9,223,372,036,854,775,807"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn money_shows_as_many_places_as_tell_something() {
        for (nanos, text) in [
            (0_i64, "$0"),
            (500, "< $0.000001"),
            (1_000, "$0.000001"),
            (2_500_000, "$0.0025"),
            (12_345_678, "$0.0123"),
            (1_000_000_000, "$1.00"),
            (1_234_567_890_000, "$1,234.57"),
            (-2_500_000_000, "-$2.50"),
        ] {
            assert_eq!(money(nanos), text);
        }
    }

    #[test]
    fn durations_are_told_in_two_units_at_most() {
        for (ms, text) in [
            (0_u64, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (200_000, "3 min 20 s"),
            (7_500_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn bytes_are_told_in_powers_of_1024() {
        for (count, text) in [
            (0_u64, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (20 * 1024 * 1024, "20.0 MiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
