//! Custom headers in their column: the values of those that carry a secret by their name
//! are encrypted one by one, so that the names stay readable. A text that is no object of
//! strings is encrypted whole.

use super::{Keys, Place, is_sealed};
use crate::custom_headers::{self, is_secret_name};
use crate::error::StoreError;
use crate::secret::{MASK, Secret};

/// The column.
const COLUMN: &str = "custom_headers";

/// Headers as they are used, and why some cannot be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OpenedHeaders {
    /// The text with every value readable; [`MASK`] stands for one that is not.
    pub(crate) text: String,
    /// Names of the headers that cannot be read, with the reason.
    pub(crate) locked: Vec<String>,
}

/// Whether a column of headers has something secret that is not encrypted.
pub(crate) fn holds_plain(text: &str) -> bool {
    let plain = |(name, value): &(String, String)| is_secret_name(name) && !is_sealed(value);
    !is_sealed(text) && custom_headers::entries(text).is_none_or(|all| all.iter().any(plain))
}

impl Keys {
    /// Decrypts the headers of the row `id` of `table`.
    pub(crate) fn open_headers(&self, table: &str, id: i64, text: &str) -> OpenedHeaders {
        if is_sealed(text) {
            return match self.open(of(table, id, ""), text) {
                Ok(plain) => OpenedHeaders {
                    text: plain.expose().to_owned(),
                    locked: Vec::new(),
                },
                Err(why) => OpenedHeaders {
                    text: MASK.to_owned(),
                    locked: vec![format!("{COLUMN} {why}")],
                },
            };
        }
        let as_it_is = || OpenedHeaders {
            text: text.to_owned(),
            locked: Vec::new(),
        };
        let Some(mut headers) = custom_headers::entries(text) else {
            return as_it_is();
        };
        if !headers.iter().any(|(_, value)| is_sealed(value)) {
            return as_it_is();
        }
        let mut locked = Vec::new();
        for (name, value) in &mut headers {
            if !is_sealed(value) {
                continue;
            }
            let part = name.to_ascii_lowercase();
            *value = match self.open(of(table, id, &part), value) {
                Ok(plain) => plain.expose().to_owned(),
                Err(why) => {
                    locked.push(format!("{COLUMN}: the value of header {name:?} {why}"));
                    MASK.to_owned()
                }
            };
        }
        OpenedHeaders {
            text: custom_headers::to_json(&headers).unwrap_or_default(),
            locked,
        }
    }

    /// The column for `text`: what may be secret in it is encrypted with the key in use.
    /// What is encrypted already, or cannot be read, is taken as it is, and so is the value
    /// that `kept` has where `text` has [`MASK`].
    ///
    /// # Errors
    /// See [`Keys::seal`].
    pub(crate) fn seal_headers(
        &self,
        table: &str,
        id: i64,
        text: &str,
        kept: Option<&str>,
    ) -> Result<String, StoreError> {
        let whole = of(table, id, "");
        if text.trim().is_empty() {
            return Ok(text.to_owned());
        }
        if is_sealed(text) {
            return match self.open(whole, text) {
                Ok(plain) if !self.is_current(text) => self.seal(whole, &plain),
                Ok(_) | Err(_) => Ok(text.to_owned()),
            };
        }
        let Some(mut headers) = custom_headers::entries(text) else {
            return self.seal(whole, &Secret::new(text));
        };
        let kept = kept.and_then(custom_headers::entries).unwrap_or_default();
        let mut changed = false;
        for (name, value) in &mut headers {
            if value == MASK
                && let Some((_, sealed)) = kept
                    .iter()
                    .find(|(other, sealed)| other.eq_ignore_ascii_case(name) && is_sealed(sealed))
            {
                value.clone_from(sealed);
                changed = true;
                continue;
            }
            if !is_secret_name(name) || self.is_current(value) {
                continue;
            }
            let part = name.to_ascii_lowercase();
            let place = of(table, id, &part);
            if let Ok(plain) = self.open(place, value) {
                *value = self.seal(place, &plain)?;
                changed = true;
            }
        }
        if !changed {
            return Ok(text.to_owned());
        }
        Ok(custom_headers::to_json(&headers).unwrap_or_default())
    }
}

fn of<'a>(table: &'a str, id: i64, part: &'a str) -> Place<'a> {
    Place {
        table,
        id,
        column: COLUMN,
        part,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::Keys;
    use crate::vault::SecretKey;

    fn keys() -> Keys {
        Keys {
            keys: vec![SecretKey::generate().unwrap()],
        }
    }

    #[test]
    fn only_what_a_name_calls_secret_is_encrypted() {
        let keys = keys();
        let text = r#"{"x-team":"blue","X-Api-Key":"sk-1","Cookie":"c=2"}"#;
        let sealed = keys.seal_headers("endpoints", 1, text, None).unwrap();
        assert!(sealed.contains(r#""x-team":"blue""#), "{sealed}");
        assert!(
            !sealed.contains("sk-1") && !sealed.contains("c=2"),
            "{sealed}"
        );
        let again = keys.seal_headers("endpoints", 1, &sealed, None).unwrap();
        assert_eq!(again, sealed, "encrypted once");
        assert_eq!(keys.open_headers("endpoints", 1, &sealed).text, text);
        let elsewhere = keys.open_headers("endpoints", 2, &sealed);
        assert_eq!(elsewhere.locked.len(), 2);
        assert!(elsewhere.locked[0].contains("X-Api-Key"));
        for plain in ["", r#"{"x-team":"blue"}"#] {
            assert_eq!(
                keys.seal_headers("endpoints", 1, plain, None).unwrap(),
                plain
            );
        }
    }

    #[test]
    fn what_cannot_be_read_as_headers_is_encrypted_whole() {
        let keys = keys();
        for text in ["[1", r#"{"authorization":7}"#] {
            let sealed = keys.seal_headers("endpoints", 1, text, None).unwrap();
            assert!(sealed.starts_with("enc:v1:"), "{sealed}");
            assert_eq!(keys.open_headers("endpoints", 1, &sealed).text, text);
            assert_eq!(
                keys.seal_headers("endpoints", 1, &sealed, None).unwrap(),
                sealed
            );
        }
    }

    #[test]
    fn another_key_takes_over_and_a_lost_one_leaves_the_rest() {
        let old = keys();
        let text = r#"{"x-team":"blue","x-token":"t"}"#;
        let sealed = old.seal_headers("endpoints", 1, text, None).unwrap();
        let lost = keys();
        let opened = lost.open_headers("endpoints", 1, &sealed);
        assert_eq!(opened.text, r#"{"x-team":"blue","x-token":"***"}"#);
        // The mask comes back from who has read it: what it stands for stays.
        let back = r#"{"x-team":"red","x-token":"***"}"#;
        let kept = lost
            .seal_headers("endpoints", 1, back, Some(&sealed))
            .unwrap();
        assert_eq!(
            old.open_headers("endpoints", 1, &kept).text,
            r#"{"x-team":"red","x-token":"t"}"#
        );
        let mut both = keys();
        both.keys.extend(old.keys.clone());
        let moved = both.seal_headers("endpoints", 1, &sealed, None).unwrap();
        assert_eq!(old.open_headers("endpoints", 1, &moved).locked.len(), 1);
        assert_eq!(both.open_headers("endpoints", 1, &moved).text, text);
    }
}
