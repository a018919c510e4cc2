//! One encrypted value: `enc:v1:<key>:<bytes>`, where `<key>` names the key and `<bytes>` is
//! base64 of nonce, ciphertext and tag of AES-256-GCM.
//!
//! What a value is, its table, row and column, is authenticated with it: moved to another
//! place it does not open.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::secret_key::{SecretKey, random};
use crate::secret::Secret;

/// How every encrypted value begins.
const MARK: &str = "enc:v1:";

/// Where a value belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'a str,
    pub(crate) id: i64,
    pub(crate) column: &'a str,
    /// The part of the column, in lower case; empty for all of it.
    pub(crate) part: &'a str,
}

impl Place<'_> {
    fn aad(&self) -> Aad<String> {
        let Self {
            table,
            id,
            column,
            part,
        } = self;
        Aad::from(format!("{table}\0{id}\0{column}\0{part}"))
    }
}

/// Why an encrypted value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Locked {
    /// It was encrypted with a key that is not here, of this name.
    Key(String),
    /// It was changed, or belongs to another place.
    Damaged,
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(
                f,
                "cannot be decrypted: it was encrypted with the secret key {id}, which is not \
                 here; put that key back (SECRET_KEY, or the key file beside the database), or \
                 enter the value anew"
            ),
            Self::Damaged => f.write_str(
                "cannot be decrypted: it was changed, or copied from another row; enter it anew",
            ),
        }
    }
}

/// Whether `text` is an encrypted value.
pub(crate) fn is_sealed(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Whether `text` was encrypted with `key`.
pub(super) fn is_sealed_with(text: &str, key: &SecretKey) -> bool {
    parts(text).is_some_and(|(id, _)| id == key.id())
}

/// Encrypts `plain`; `None` when the system has no random numbers.
pub(super) fn seal(key: &SecretKey, place: Place<'_>, plain: &Secret) -> Option<String> {
    let nonce: [u8; NONCE_LEN] = random()?;
    let mut bytes = plain.expose().as_bytes().to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place.aad(), &mut bytes)
        .ok()?;
    let mut all = nonce.to_vec();
    all.append(&mut bytes);
    let text = URL_SAFE_NO_PAD.encode(all);
    Some(format!("{MARK}{}:{text}", key.id()))
}

/// Decrypts an encrypted value with whichever of `keys` it names.
pub(super) fn open<'k>(
    keys: impl Iterator<Item = &'k SecretKey>,
    place: Place<'_>,
    text: &str,
) -> Result<Secret, Locked> {
    let (id, encoded) = parts(text).ok_or(Locked::Damaged)?;
    let Some(key) = keys.into_iter().find(|key| key.id() == id) else {
        return Err(Locked::Key(id.to_owned()));
    };
    decrypt(key, place, encoded).ok_or(Locked::Damaged)
}

fn decrypt(key: &SecretKey, place: Place<'_>, encoded: &str) -> Option<Secret> {
    let mut all = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let (nonce, sealed) = all.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = cipher(key)?
        .open_in_place(nonce, place.aad(), sealed)
        .ok()?;
    str::from_utf8(plain).ok().map(Secret::new)
}

fn cipher(key: &SecretKey) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key.bytes()).ok()?;
    Some(LessSafeKey::new(key))
}

/// The key's name, and the encoded bytes.
fn parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(MARK)?.split_once(':')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::{Locked, Place, is_sealed, is_sealed_with, open, seal};
    use crate::secret::Secret;
    use crate::vault::secret_key::SecretKey;

    const PLACE: Place<'static> = Place {
        table: "endpoints",
        id: 7,
        column: "api_key",
        part: "",
    };

    #[test]
    fn a_value_comes_back_and_never_looks_the_same_twice() {
        let key = SecretKey::generate().unwrap();
        for plain in ["sk-a-provider-key", "", "schlüssel"] {
            let plain = Secret::new(plain);
            let (one, other) = (
                seal(&key, PLACE, &plain).unwrap(),
                seal(&key, PLACE, &plain).unwrap(),
            );
            assert_ne!(one, other);
            assert!(is_sealed(&one) && is_sealed_with(&one, &key));
            assert!(plain.expose().is_empty() || !one.contains(plain.expose()));
            assert_eq!(open([&key].into_iter(), PLACE, &one), Ok(plain));
        }
    }

    #[test]
    fn a_value_opens_only_where_it_belongs() {
        let key = SecretKey::generate().unwrap();
        let sealed = seal(&key, PLACE, &Secret::new("k")).unwrap();
        for elsewhere in [
            Place { id: 8, ..PLACE },
            Place {
                table: "virtual_models",
                ..PLACE
            },
            Place {
                column: "custom_headers",
                ..PLACE
            },
            Place {
                part: "x-key",
                ..PLACE
            },
        ] {
            let opened = open([&key].into_iter(), elsewhere, &sealed);
            assert_eq!(opened, Err(Locked::Damaged), "{elsewhere:?}");
        }
    }

    #[test]
    fn no_changed_byte_and_no_other_key_opens_it() {
        let (key, other) = (
            SecretKey::generate().unwrap(),
            SecretKey::generate().unwrap(),
        );
        let sealed = seal(&key, PLACE, &Secret::new("sk-a-provider-key")).unwrap();
        let lost = open([&other].into_iter(), PLACE, &sealed);
        assert_eq!(lost, Err(Locked::Key(key.id())));
        assert!(lost.unwrap_err().to_string().contains("SECRET_KEY"));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(open([&key].into_iter(), PLACE, &changed).is_err(), "{at}");
            let cut = &sealed[..at];
            assert!(open([&key].into_iter(), PLACE, cut).is_err(), "{at}");
        }
    }
}
