//! The signature under a thinking block: derived from the text, so that a block that
//! comes back can be checked, and an edited one is seen.

use crate::base64;

/// The signature of that text.
pub(crate) fn of(text: &str) -> String {
    let bytes: Vec<u8> = (0..3_u64)
        .flat_map(|round| hash(round, text).to_be_bytes())
        .collect();
    base64::encode(&bytes)
}

/// FNV-1a, begun differently in each round.
fn hash(round: u64, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_changes_it() {
        assert_eq!(of("Let me think."), of("Let me think."));
        assert_ne!(of("Let me think."), of("Let me think!"));
        assert_eq!(of("").len(), 32);
    }
}
