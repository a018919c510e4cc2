//! Text that is broken in the middle of a character.
//!
//! Some servers cut their text at a token or a network packet and send each half on
//! its own: bytes that are no UTF-8, or one half of a surrogate pair as an escape. The
//! answer around it is good, so the broken character becomes U+FFFD.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Reads `data`, or where it has broken characters, what is left of it in `mended`.
/// `None` for JSON that is not an object.
pub(super) fn read_mended<'d, T: Deserialize<'d>>(
    data: &'d [u8],
    mended: &'d mut Vec<u8>,
) -> (&'d [u8], Result<Option<T>, serde_json::Error>) {
    let err = match read(data) {
        Ok(value) => return (data, Ok(value)),
        Err(err) => err,
    };
    match repaired(data) {
        Some(better) => {
            *mended = better;
            (mended, read(mended))
        }
        None => (data, Err(err)),
    }
}

fn read<'d, T: Deserialize<'d>>(data: &'d [u8]) -> Result<Option<T>, serde_json::Error> {
    if data.starts_with(b"{") {
        serde_json::from_slice(data).map(Some)
    } else {
        serde_json::from_slice::<IgnoredAny>(data).map(|_| None)
    }
}

/// `data` with every broken character replaced; `None` when none is, and what is
/// wrong with the JSON is something else.
fn repaired(data: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(data);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let taken = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(Half::First), Some(Half::Second)) => 12,
            (Some(_), _) => {
                out.extend_from_slice(b"\\ufffd");
                rest = &rest[6..];
                continue;
            }
            (None, _) => rest.len().min(2),
        };
        out.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    out.extend_from_slice(rest);
    (out != data).then_some(out)
}

enum Half {
    First,
    Second,
}

/// The half of a pair that an escape at the start of `text` stands for.
fn surrogate(text: &[u8]) -> Option<Half> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    if !matches!(digits[0], b'd' | b'D') {
        return None;
    }
    match digits[1] {
        b'8' | b'9' | b'a' | b'b' | b'A' | b'B' => Some(Half::First),
        b'c'..=b'f' | b'C'..=b'F' => Some(Half::Second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn only_broken_characters_change() {
        for whole in [r#""a\\ud83d""#, r#""\ud83d\ude00""#, r#""\n\u00e9""#, "{"] {
            assert_eq!(repaired(whole.as_bytes()), None, "{whole}");
        }
        for (broken, text) in [
            (&br#""a\ud83d""#[..], "a\u{fffd}"),
            (br#""\ude00b""#, "\u{fffd}b"),
            (br#""\uD83D\uD83D\uDE00""#, "\u{fffd}😀"),
            (br#""\ud83d\n""#, "\u{fffd}\n"),
            (b"\"a\xf0\x9f\x98\"", "a\u{fffd}"),
        ] {
            let mended = repaired(broken).unwrap();
            assert_eq!(serde_json::from_slice::<String>(&mended).unwrap(), text);
        }
        assert_eq!(repaired(br#""\ud8"#), None);
    }
}
