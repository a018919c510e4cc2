//! The signature under a thinking block: derived from the text, the model and whose
//! simulator it is, so that a block that comes back can be checked, and an edited or a
//! foreign one is seen.

use crate::base64;

/// What a sealed block of thoughts begins with in the newer conversation.
pub(crate) const SEALED: &str = "gAAAAAsim";

/// Signs what one model of one simulator thinks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signer(u64);

impl Signer {
    /// That `model` of the simulator whose proofs are told apart by `number`.
    pub(crate) fn of(number: u64, model: &str) -> Signer {
        Signer(hash(number, model))
    }

    /// The signature of that text.
    pub(crate) fn sign(self, text: &str) -> String {
        let bytes: Vec<u8> = (0..3_u64)
            .flat_map(|round| hash(self.0.wrapping_add(round), text).to_be_bytes())
            .collect();
        base64::encode(&bytes)
    }
}

/// FNV-1a, begun differently for each number.
fn hash(number: u64, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_changes_it() {
        let signer = Signer::of(0, "sim-model");
        assert_eq!(signer.sign("Let me think."), signer.sign("Let me think."));
        assert_ne!(signer.sign("Let me think."), signer.sign("Let me think!"));
        assert_eq!(signer.sign("").len(), 32);
    }

    #[test]
    fn so_does_another_model_or_simulator() {
        let one = Signer::of(0, "sim-model").sign("x");
        assert_ne!(one, Signer::of(1, "sim-model").sign("x"));
        assert_ne!(one, Signer::of(0, "sim-other").sign("x"));
    }
}
