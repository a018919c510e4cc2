//! Dollars a token as dollars per million tokens, by moving the point: no float multiplies.

use serde_json::{Number, Value};

/// The price per million tokens of a price a token, which may be a number or its text;
/// `None` for what is no decimal number or is negative.
pub(super) fn per_million(per_token: &Value) -> Option<Value> {
    let text = match per_token {
        // The shortest text that is this number: what was written in the file, as long as
        // that had no more than fifteen digits.
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let moved = move_point(&text, 6)?;
    let price: f64 = moved.parse().ok()?;
    Number::from_f64(price).map(Value::Number)
}

/// The decimal number `text` times ten to the power of `places`, without an exponent's
/// arithmetic on its digits.
fn move_point(text: &str, places: i32) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (lower.as_str(), 0),
    };
    let mantissa = mantissa.strip_prefix('+').unwrap_or(mantissa);
    let digits = mantissa.replace('_', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !(all_digits(whole) && all_digits(fraction)) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let exponent = exponent.checked_add(places)?;
    Some(format!(
        "{}.{}e{exponent}",
        if whole.is_empty() { "0" } else { whole },
        or_zero(fraction)
    ))
}

fn or_zero(fraction: &str) -> &str {
    if fraction.is_empty() { "0" } else { fraction }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use serde_json::{Value, json};

    use super::per_million;
    use crate::money::Price;

    /// Pico-dollars a token: 10^-12 dollars.
    fn picos(per_token: &Value) -> u64 {
        let dollars = per_million(per_token).unwrap().as_f64().unwrap();
        Price::of_dollars(dollars).unwrap().0
    }

    #[test]
    fn prices_are_exact() {
        for (per_token, expected) in [
            (json!(0.00000015), 150_000),
            (json!(1.5e-7), 150_000),
            (json!("1.5e-7"), 150_000),
            (json!("15E-8"), 150_000),
            (json!("0.000_000_15"), 150_000),
            (json!(0.00003), 30_000_000),
            (json!(2.8e-7), 280_000),
            (json!(7.5e-8), 75_000),
            (json!("2.5e-05"), 25_000_000),
            (json!(".000001"), 1_000_000),
            (json!(0), 0),
            (json!(1e-12), 1),
        ] {
            assert_eq!(picos(&per_token), expected, "{per_token}");
        }
    }

    #[test]
    fn what_is_no_price_is_none() {
        for bad in [
            json!(-1),
            json!("free"),
            json!(""),
            json!("1e"),
            json!(true),
            json!("."),
            json!("0x1"),
        ] {
            assert_eq!(per_million(&bad), None, "{bad}");
        }
    }
}
