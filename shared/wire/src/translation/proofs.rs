//! The proofs under an answer's reasoning, as its caller gets them.
//!
//! A caller of Messages sends them back without a word of whose they are, so it is
//! remembered. At most [`MOST`] bytes of an answer are.

use crate::hub::Event;

/// Bytes of proofs that are remembered of one answer.
const MOST: usize = 1024 * 1024;

/// What was signed in one answer.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    all: Vec<String>,
    bytes: usize,
}

impl Proofs {
    /// Takes an event.
    pub(crate) fn add(&mut self, event: &Event<'_>) {
        let (Event::Signature {
            signature: proof, ..
        }
        | Event::Redacted { data: proof, .. }) = event
        else {
            return;
        };
        self.bytes = self.bytes.saturating_add(proof.len());
        if self.bytes <= MOST {
            self.all.push(proof.to_string());
        }
    }

    /// All there were.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_closed_thoughts_are_proofs_up_to_a_limit() {
        let mut proofs = Proofs::default();
        for event in [
            Event::Signature {
                choice: 0,
                signature: "one".into(),
            },
            Event::Text {
                choice: 0,
                text: "no proof".into(),
            },
            Event::Redacted {
                choice: 0,
                data: "two".into(),
            },
            Event::Redacted {
                choice: 0,
                data: "x".repeat(MOST).into(),
            },
        ] {
            proofs.add(&event);
        }
        assert_eq!(proofs.take(), ["one", "two"]);
    }
}
