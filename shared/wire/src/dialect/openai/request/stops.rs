//! Texts that end an answer, of which not every server takes all.

use bytes::Bytes;

use super::Request;
use crate::edit::{Edits, member_span};

/// How many texts that end an answer a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stops {
    /// All.
    All,
    /// The first four.
    Four,
    /// None: it refuses the field.
    None,
}

impl Stops {
    fn most(self) -> usize {
        match self {
            Self::All => usize::MAX,
            Self::Four => 4,
            Self::None => 0,
        }
    }
}

impl Request {
    /// All of the texts, where a server that takes `taken` of them does not take them all;
    /// `body` is the body that was read.
    #[must_use]
    pub fn cut_stops(&self, body: &Bytes, taken: Stops) -> Vec<String> {
        if !self.chat || taken == Stops::All {
            return Vec::new();
        }
        let texts = self.stops(body);
        if texts.len() > taken.most() {
            texts
        } else {
            Vec::new()
        }
    }

    /// Leaves out of `body` what the server does not take.
    pub(super) fn edit_stops(&self, edits: &mut Edits, body: &Bytes, taken: Stops) {
        let Some(at) = &self.stop_at else {
            return;
        };
        let texts = self.cut_stops(body, taken);
        if texts.is_empty() {
            return;
        }
        match taken {
            Stops::All => {}
            Stops::Four => {
                let first = serde_json::to_vec(&texts[..taken.most().min(texts.len())]);
                edits.replace(at.clone(), first.unwrap_or_else(|_| b"null".to_vec()));
            }
            Stops::None => match member_span(body, "stop", at) {
                Some(member) => edits.replace(member, Bytes::new()),
                None => edits.replace(at.clone(), "null"),
            },
        }
    }

    /// The caller's texts; none where they are of another type, which the server refuses.
    fn stops(&self, body: &Bytes) -> Vec<String> {
        let raw = self.stop_at.clone().and_then(|at| body.get(at));
        let raw = raw.unwrap_or_default();
        match serde_json::from_slice::<String>(raw) {
            Ok(one) => vec![one],
            Err(_) => serde_json::from_slice(raw).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::provider::Call;

    #[test]
    fn a_server_gets_what_it_takes_and_the_rest_is_told() {
        let body = |stop: &str| {
            format!(r#"{{"messages":[{{"role":"user","content":"x"}}]{stop},"model":"m"}}"#)
        };
        let five = r#","stop":["a", "b","c","d","e"]"#;
        let four = r#","stop":["a","b","c","d"]"#;
        for (stop, taken, sent, told) in [
            (five, Stops::All, five, 0),
            (five, Stops::Four, four, 5),
            (five, Stops::None, "", 5),
            (four, Stops::Four, four, 0),
            (r#","stop":"END""#, Stops::None, "", 1),
            (r#","stop":"END""#, Stops::Four, r#","stop":"END""#, 0),
            (r#","stop":null"#, Stops::None, r#","stop":null"#, 0),
            (r#","stop":[1]"#, Stops::None, r#","stop":[1]"#, 0),
            ("", Stops::None, "", 0),
        ] {
            let text = Bytes::from(body(stop));
            let request = Request::read(Call::Chat, &text).unwrap();
            let mut edits = Edits::default();
            request.edit_stops(&mut edits, &text, taken);
            let out = edits.apply(&text).to_bytes();
            assert_eq!(out, body(sent), "{stop} {taken:?}");
            assert_eq!(
                request.cut_stops(&text, taken).len(),
                told,
                "{stop} {taken:?}"
            );
        }
    }
}
