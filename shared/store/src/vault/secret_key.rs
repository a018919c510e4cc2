//! The key that the store's secrets are encrypted with: 32 random bytes.
//!
//! A pass phrase is deliberately not taken: what people think of is guessed by whoever has
//! a copy of the file, however it is stretched.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::secret::{MASK, Secret};

/// Bytes of a key.
const LENGTH: usize = 32;
/// Fewest different bytes of a good key: of 32 random ones, fewer than 16 differ once in
/// 10^15 times.
const FEWEST: usize = 16;

/// What a key must be, to follow "must be".
pub(crate) const ACCEPTED: &str = "32 random bytes as 64 hexadecimal digits or in base64; make \
    one with: openssl rand -hex 32";

/// A key of the store. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; LENGTH]);

impl SecretKey {
    /// Reads 64 hexadecimal digits, or base64 of either alphabet. What cannot be random is
    /// refused: text, a sequence, few different bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = from_hex(text).or_else(|| from_base64(text))?;
        let key: [u8; LENGTH] = bytes.try_into().ok()?;
        (!is_weak(&key)).then_some(Self(key))
    }

    /// A new one; `None` when the system has no random numbers.
    pub(crate) fn generate() -> Option<Self> {
        random().map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// As the key file has it.
    pub(super) fn to_hex(&self) -> Secret {
        Secret::new(hex(&self.0))
    }

    /// In every form that [`Self::parse`] reads.
    pub(super) fn spellings(&self) -> [String; 4] {
        let lower = hex(&self.0);
        let upper = lower.to_ascii_uppercase();
        let base64 = STANDARD_NO_PAD.encode(self.0);
        [lower, upper, base64, URL_SAFE_NO_PAD.encode(self.0)]
    }

    /// Names the key and tells nothing of it: 12 hexadecimal digits.
    pub(super) fn id(&self) -> String {
        let mut input = b"name of a store's key\0".to_vec();
        input.extend_from_slice(&self.0);
        hex(&digest::digest(&digest::SHA256, &input).as_ref()[..6])
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// So many random bytes of the system; `None` when it has none.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Bytes as hexadecimal digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The bytes of 64 hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 2 * LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(text).ok())
}

fn is_weak(key: &[u8; LENGTH]) -> bool {
    let mut distinct = key.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let is_text = key.iter().all(|byte| (b' '..=b'~').contains(byte));
    let step = key[1].wrapping_sub(key[0]);
    let is_sequence = key
        .windows(2)
        .all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    distinct.len() < FEWEST || is_text || is_sequence
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::SecretKey;

    const HEX: &str = "8f1c02b7d95e6a40f3318cce07ab5d24961be87053dfc4a90e627718bb3d90fa";

    #[test]
    fn digits_and_both_alphabets_of_base64_are_the_same_key() {
        let key = SecretKey::parse(HEX).unwrap();
        for text in [
            HEX.to_ascii_uppercase(),
            STANDARD.encode(key.bytes()),
            URL_SAFE_NO_PAD.encode(key.bytes()),
        ] {
            assert!(SecretKey::parse(&text) == Some(key.clone()));
        }
        assert_eq!(key.to_hex().expose(), HEX);
    }

    #[test]
    fn what_is_short_long_or_not_random_is_refused() {
        let sequence: Vec<u8> = (0..32).collect();
        let text = STANDARD.encode("correct horse battery staple! 32");
        for bad in [
            "",
            "secret",
            &HEX[1..],
            &format!("{HEX}00"),
            &"0".repeat(64),
            &"0123456789abcdef".repeat(4),
            &STANDARD.encode(sequence),
            &text,
            &HEX.replace('8', "g"),
        ] {
            assert!(SecretKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_made_key_is_good_and_never_printed() {
        let (one, other) = (
            SecretKey::generate().unwrap(),
            SecretKey::generate().unwrap(),
        );
        assert!(one != other && one.id() != other.id());
        assert!(SecretKey::parse(one.to_hex().expose()) == Some(one.clone()));
        assert_eq!(format!("{one:?}"), "***");
        assert!(!one.to_hex().expose().contains(&one.id()));
    }
}
