//! An amount of money in decimal digits, as an integer.
//!
//! Never by way of a binary fraction: what has no more than nine decimal places is
//! exact, the rest is rounded to the nearest nano-dollar, half of one upwards.

use serde_json::value::RawValue;

/// More than any call costs, in nano-dollars: a million dollars. What is above it is
/// another unit, or nonsense.
const MOST: u64 = 1_000_000_000_000_000;

/// Decimal places of a dollar.
const PLACES: i64 = 9;

/// Digits that are looked at; the places behind them cannot matter.
const MOST_DIGITS: usize = 30;

/// Dollars as a JSON number, or as a text with one in it, in nano-dollars. `None` for
/// what is negative, too much, or no number.
pub(super) fn dollars(raw: &RawValue) -> Option<u64> {
    let text = raw.get();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    nanos(bare.unwrap_or(text))
}

fn nanos(text: &str) -> Option<u64> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let places = i64::try_from(fraction.len()).ok()?;
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let kept = digits.get(..MOST_DIGITS).unwrap_or(digits);
    if kept.is_empty() {
        return Some(0);
    }
    let cut = i64::try_from(digits.len() - kept.len()).ok()?;
    // How far the point is from the end of `kept`, counted in nano-dollars.
    let shift = PLACES + i64::from(exponent) - places + cut;
    let kept: u128 = kept.parse().ok()?;
    let power = |exponent: i64| 10u128.checked_pow(u32::try_from(exponent).ok()?);
    let nanos = if shift >= 0 {
        kept.checked_mul(power(shift)?)?
    } else {
        match power(-shift) {
            Some(unit) => kept / unit + u128::from(kept % unit >= unit / 2),
            None => 0,
        }
    };
    u64::try_from(nanos).ok().filter(|nanos| *nanos <= MOST)
}

#[cfg(test)]
mod tests {
    use super::nanos;

    #[test]
    fn decimal_text_is_exact() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.0", Some(0)),
            ("0e99", Some(0)),
            ("1", Some(1_000_000_000)),
            ("0.1", Some(100_000_000)),
            ("0.95", Some(950_000_000)),
            ("0.000000001", Some(1)),
            ("0.0000000005", Some(1)),
            ("0.00000000049999", Some(0)),
            ("1.2000000000000002e-05", Some(12_000)),
            ("3.6E-6", Some(3_600)),
            ("1e+2", Some(100_000_000_000)),
            ("0.30000000000000004", Some(300_000_000)),
            ("123456.789012345", Some(123_456_789_012_345)),
            ("999999.999999999", Some(999_999_999_999_999)),
            ("1000000", Some(1_000_000_000_000_000)),
            ("1000000.000000001", None),
            ("1e300", None),
            ("1e-300", Some(0)),
            ("1e99999999999", None),
            ("-1", None),
            ("-0.5", None),
            ("NaN", None),
            ("inf", None),
            ("null", None),
            ("{}", None),
            ("", None),
            (".5", None),
            ("1.2.3", None),
            ("0x10", None),
            ("1e", None),
        ] {
            assert_eq!(nanos(text), expected, "{text}");
        }
        let long = format!("0.{}1", "0".repeat(500));
        assert_eq!(nanos(&long), Some(0));
        let noise = format!("0.5{}9", "0".repeat(500));
        assert_eq!(nanos(&noise), Some(500_000_000));
        assert_eq!(nanos(&"9".repeat(500)), None);
    }
}
