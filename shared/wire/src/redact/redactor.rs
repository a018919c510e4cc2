//! All that nobody may read, taken out of any text in one pass.

use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{MASK, shapes};

/// The shortest text that is looked for: a shorter one is in half of all words.
const SHORTEST: usize = 6;

/// Takes known secrets, and what looks like one, out of texts.
#[derive(Debug, Default)]
pub struct Redactor {
    known: Option<AhoCorasick>,
}

impl Redactor {
    /// For those `secrets`, besides what looks like one. One of fewer than six bytes is not
    /// looked for.
    #[must_use]
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut written = BTreeSet::new();
        for secret in secrets.into_iter().filter(|text| text.len() >= SHORTEST) {
            written.extend(spellings(secret));
        }
        let builder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&written);
        Self {
            known: builder.ok().filter(|_| !written.is_empty()),
        }
    }

    /// `text` without secrets.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let known = self.known.as_ref();
        match known.filter(|known| known.is_match(text)) {
            None => shapes::hide(text),
            Some(known) => {
                let mut rest = String::with_capacity(text.len());
                known.replace_all_with(text, &mut rest, |_, _, rest| {
                    rest.push_str(MASK);
                    true
                });
                Cow::Owned(shapes::hide(&rest).into_owned())
            }
        }
    }
}

/// A secret as it may stand in a text: as it is, within a string of JSON or of Rust, within
/// an address.
fn spellings(secret: &str) -> [String; 4] {
    let bare = |quoted: &str| {
        let inner = quoted
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        inner.unwrap_or(secret).to_owned()
    };
    [
        secret.to_owned(),
        bare(&serde_json::Value::from(secret).to_string()),
        bare(&format!("{secret:?}")),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::Redactor;

    #[test]
    fn known_secrets_go_in_every_spelling() {
        let secret = r#"my "odd" key/+ä"#;
        let redactor = Redactor::new([secret, "plain-one", "tiny"]);
        let json = serde_json::json!({ "said": secret }).to_string();
        for (text, expected) in [
            (format!("a {secret} b"), "a *** b"),
            (json, r#"{"said":"***"}"#),
            (format!("{secret:?}"), r#""***""#),
            ("x=my+%22odd%22+key%2F%2B%C3%A4".to_owned(), "x=***"),
            ("plain-one, plain-onetiny".to_owned(), "***, ***tiny"),
            ("nothing here".to_owned(), "nothing here"),
        ] {
            assert_eq!(redactor.redact(&text), expected);
        }
    }

    #[test]
    fn the_longer_of_two_goes_whole() {
        let redactor = Redactor::new(["secret-1", "secret-12345"]);
        assert_eq!(redactor.redact("secret-12345"), "***");
    }
}
