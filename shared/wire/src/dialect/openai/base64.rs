//! Base64 with the standard alphabet: vectors out, text documents and pictures in.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the base64 of `bytes`, padded.
pub(crate) fn encode(bytes: &[u8], into: &mut Vec<u8>) {
    into.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= group.len() {
                into.push(ALPHABET[(bits >> (18 - 6 * digit)) as usize & 63]);
            } else {
                into.push(b'=');
            }
        }
    }
}

/// Whether `text` is base64 without line breaks, padded or not.
pub(crate) fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let digits = &text[..text.len() - padding];
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    padding <= 2 && digits.len() % 4 != 1 && digits.iter().all(is_digit)
}

/// The bytes of `text`, padded or not; `None` when it is not base64.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text
        .iter()
        .rev()
        .take(2)
        .take_while(|b| **b == b'=')
        .count();
    let text = &text[..text.len() - padding];
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0u32;
        for at in 0..4 {
            let digit = match group.get(at) {
                None => 0,
                Some(c @ b'A'..=b'Z') => c - b'A',
                Some(c @ b'a'..=b'z') => c - b'a' + 26,
                Some(c @ b'0'..=b'9') => c - b'0' + 52,
                Some(b'+') => 62,
                Some(b'/') => 63,
                Some(_) => return None,
            };
            bits = bits << 6 | u32::from(digit);
        }
        match group.len() {
            2..=4 => bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_there_and_back() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{3ff}\u{3fe}?>", "z7/Pvj8+"),
        ] {
            let mut out = Vec::new();
            encode(plain.as_bytes(), &mut out);
            assert_eq!(out, coded.as_bytes(), "{plain}");
            let bare = coded.trim_end_matches('=');
            for text in [coded, bare] {
                assert_eq!(decode(text.as_bytes()).as_deref(), Some(plain.as_bytes()));
                assert!(is_base64(text.as_bytes()), "{text}");
            }
        }
        for wrong in ["Z", "Zg=a", "Zm9vY", "Zm 9", "Zm-_", "===="] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
            assert!(!is_base64(wrong.as_bytes()), "{wrong}");
        }
    }
}
