//! Proofs of reasoning in the one opaque field that the format has for them.
//!
//! `encrypted_content` of a reasoning item holds whose proof it is ([`Origin`]), what
//! kind of block it belongs to, and the proof itself. Clients send it back unread.

use crate::hub::{Origin, Thinking};

/// What every sealed proof begins with; no vendor's own does.
const MARK: &str = "gw1.";

/// A proof taken out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof<'t> {
    /// The signature under words, which stand beside it.
    Signature(&'t str),
    /// A block without words.
    Redacted(&'t str),
}

/// The proof of `block`, if it has one.
pub(super) fn seal(block: &Thinking, origin: Option<Origin>) -> Option<String> {
    let (kind, proof) = match block {
        Thinking::Plain { signature, .. } => ('s', signature.as_deref()?),
        Thinking::Redacted { data } => ('r', data.as_str()),
    };
    let by = origin.map(|origin| origin.id(proof)).unwrap_or_default();
    Some(format!("{MARK}{by}.{kind}.{proof}"))
}

/// What [`seal`] has made, and whose it is as far as that is known; `None` for a
/// vendor's own.
pub(super) fn open(text: &str) -> Option<(Proof<'_>, Option<Origin>)> {
    let (by, rest) = text.strip_prefix(MARK)?.split_once('.')?;
    let (kind, proof) = rest.split_once('.')?;
    let proof = match kind {
        "s" => Proof::Signature(proof),
        "r" => Proof::Redacted(proof),
        _ => return None,
    };
    Some((proof, Origin::read(by)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn a_proof_comes_back_with_its_maker() {
        let origin = Origin::of(1, "https://a.example", "model");
        let signed = Thinking::Plain {
            text: "words".to_owned(),
            signature: Some("c2ln.bmF0dXJl==".to_owned()),
        };
        let redacted = Thinking::Redacted {
            data: "b3BhcXVl".to_owned(),
        };
        for by in [Some(origin), None] {
            let sealed = seal(&signed, by).unwrap();
            let opened = (Proof::Signature("c2ln.bmF0dXJl=="), by);
            assert_eq!(open(&sealed), Some(opened));
            let sealed = seal(&redacted, by).unwrap();
            assert_eq!(open(&sealed), Some((Proof::Redacted("b3BhcXVl"), by)));
        }
    }

    #[test]
    fn words_without_a_proof_are_not_sealed() {
        let plain = Thinking::Plain {
            text: "words".to_owned(),
            signature: None,
        };
        assert_eq!(seal(&plain, None), None);
    }

    #[test]
    fn a_vendors_own_is_left_alone() {
        for text in ["", "gAAAAABo", "gw1.", "gw1.x.q.y", "gw1.by_1.s"] {
            assert_eq!(open(text), None, "{text}");
        }
    }
}
