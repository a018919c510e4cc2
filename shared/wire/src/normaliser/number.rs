//! Numbers in JSON's and in Python's notation.

use super::scan::Stop;

/// A number at the start of `text`.
pub(super) struct Number {
    /// Valid JSON: as it was written when that is valid, else the same number.
    pub(super) json: Box<str>,
    /// The bytes that it takes.
    pub(super) length: usize,
    /// Whether the text ends with it, so that it may have been cut.
    pub(super) last: bool,
}

/// A number in JSON's notation.
pub(super) fn json(text: &str) -> Result<Number, Stop> {
    let length = word(text);
    let last = length == text.len();
    if is_json(&text[..length]) {
        return Ok(Number {
            json: text[..length].into(),
            length,
            last,
        });
    }
    Err(unfinished(&text[..length], last))
}

/// A number as Python writes it: JSON's, and `+5`, `.5`, `5.`, `1_000`, `0x1F`.
pub(super) fn python(text: &str) -> Result<Number, Stop> {
    let length = word(text);
    let last = length == text.len();
    let written = &text[..length];
    let json: Option<Box<str>> = if is_json(written) {
        Some(written.into())
    } else {
        from_python(written)
    };
    match json {
        Some(json) => Ok(Number { json, length, last }),
        None => Err(unfinished(written, last)),
    }
}

/// Whether `text` is exactly one number in JSON's notation.
pub(super) fn is_json(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let Some(rest) = integer(rest) else {
        return false;
    };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => match digits(fraction) {
            Some(rest) => rest,
            None => return false,
        },
        None => rest,
    };
    match rest.strip_prefix(['e', 'E']) {
        Some(power) => {
            digits(power.strip_prefix(['+', '-']).unwrap_or(power)).is_some_and(str::is_empty)
        }
        None => rest.is_empty(),
    }
}

/// Whether `text` is a number in JSON's notation without fraction and exponent.
pub(super) fn is_integer(text: &str) -> bool {
    integer(text.strip_prefix('-').unwrap_or(text)).is_some_and(str::is_empty)
}

/// What follows a whole number without a needless zero before it.
fn integer(text: &str) -> Option<&str> {
    match text.strip_prefix('0') {
        Some(rest) => Some(rest),
        None => digits(text),
    }
}

/// What follows the digits, of which there is at least one.
fn digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

/// The bytes that could belong to a number, or to a word that is none.
fn word(text: &str) -> usize {
    let mut before = b'e';
    for (at, byte) in text.bytes().enumerate() {
        let belongs = match byte {
            b'+' | b'-' => matches!(before, b'e' | b'E'),
            b'.' | b'_' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !belongs {
            return at;
        }
        before = byte;
    }
    text.len()
}

/// A word that is no number, but may be the start of one when the text ends with it.
fn unfinished(word: &str, last: bool) -> Stop {
    let open = word.is_empty() || word.ends_with(['-', '+', '.', 'e', 'E', 'x', '_']);
    if last && open { Stop::More } else { Stop::No }
}

fn from_python(written: &str) -> Option<Box<str>> {
    let (minus, rest) = match written.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", written.strip_prefix('+').unwrap_or(written)),
    };
    let grouped = rest.strip_prefix('_').is_none()
        && !rest.ends_with('_')
        && !rest.contains("__")
        && !rest.contains("._")
        && !rest.contains("_.");
    if !grouped {
        return None;
    }
    let plain: String = rest.chars().filter(|letter| *letter != '_').collect();
    let based = [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)]
        .iter()
        .find_map(|(prefix, base)| Some((plain.strip_prefix(prefix)?, *base)));
    if let Some((digits, base)) = based {
        let unsigned = digits.starts_with(|letter: char| letter.is_ascii_alphanumeric());
        let number = u128::from_str_radix(digits, base).ok()?;
        return unsigned.then(|| format!("{minus}{number}").into());
    }
    let (whole, power) = match plain.find(['e', 'E']) {
        Some(at) => plain.split_at(at),
        None => (plain.as_str(), ""),
    };
    let whole = match whole.split_once('.') {
        Some(("", fraction)) => format!("0.{fraction}"),
        Some((digits, "")) => format!("{digits}.0"),
        Some(_) | None => whole.to_owned(),
    };
    let json = format!("{minus}{whole}{power}");
    is_json(&json).then(|| json.into())
}
