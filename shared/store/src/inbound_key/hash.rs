//! How keys of callers are kept: HMAC-SHA-256 of the key's SHA-256 under a random pepper.
//!
//! The pepper is in the store, encrypted with the store's key, and stays the same when that
//! key changes. Taking the digest first lets the original's rows, which are that digest, be
//! brought into form without the key.

use ring::{digest, hmac};

use super::Unreadable;
use crate::secret::Secret;
use crate::vault::{Locked, from_hex, hex};

/// The keyed hash of a key.
pub(crate) type Tag = [u8; 32];

/// The tag of no key, for comparing in vain.
pub(super) const NOBODY: Tag = [0; 32];

/// How a kept hash begins.
const MARK: &str = "hmac:";

/// What keys are hashed with.
#[derive(Debug, Clone)]
pub(crate) struct Pepper {
    pub(crate) id: i64,
    key: hmac::Key,
}

impl Pepper {
    /// Reads its hexadecimal digits.
    pub(crate) fn read(id: i64, text: &Secret) -> Result<Self, Locked> {
        let bytes = from_hex(text.expose()).ok_or(Locked::Damaged)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Ok(Self { id, key })
    }

    /// The tag of the key whose SHA-256 is `digest`.
    pub(crate) fn tag(&self, digest: &[u8]) -> Tag {
        let mut tag = NOBODY;
        let signed = hmac::sign(&self.key, digest);
        for (to, from) in tag.iter_mut().zip(signed.as_ref()) {
            *to = *from;
        }
        tag
    }

    /// The text that is kept of that key.
    pub(crate) fn hash(&self, digest: &[u8]) -> String {
        format!("{MARK}{}:{}", self.id, hex(&self.tag(digest)))
    }
}

/// The SHA-256 of a key.
pub(crate) fn digest(key: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, key.as_bytes())
        .as_ref()
        .to_vec()
}

/// A column `key_hash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredHash {
    /// As the original kept it: the SHA-256 alone.
    Digest(Vec<u8>),
    /// Ours, with the pepper's id.
    Keyed(i64, Tag),
}

impl StoredHash {
    /// Reads the column.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(keyed) = text.strip_prefix(MARK) else {
            return from_hex(text).map(Self::Digest);
        };
        let (pepper, tag) = keyed.split_once(':')?;
        let tag = from_hex(tag)?.try_into().ok()?;
        Some(Self::Keyed(pepper.parse().ok()?, tag))
    }

    /// The tag to look the key up by.
    pub(super) fn tag(&self, peppers: &[Result<Pepper, (i64, Locked)>]) -> Result<Tag, Unreadable> {
        let mut usable = peppers.iter().filter_map(|pepper| pepper.as_ref().ok());
        match self {
            // A store that was never opened has none yet, and is only looked at.
            Self::Digest(digest) if peppers.is_empty() => {
                digest.as_slice().try_into().map_err(|_| Unreadable)
            }
            Self::Digest(digest) => {
                let pepper = usable.next().ok_or(Unreadable)?;
                Ok(pepper.tag(digest))
            }
            Self::Keyed(id, tag) => {
                let is_there = usable.any(|pepper| pepper.id == *id);
                is_there.then_some(*tag).ok_or(Unreadable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::{Pepper, StoredHash, digest};
    use crate::secret::Secret;
    use crate::vault::{Locked, hex};

    fn pepper(id: i64, byte: u8) -> Pepper {
        Pepper::read(id, &Secret::new(hex(&[byte; 32]))).unwrap()
    }

    #[test]
    fn a_hash_depends_on_key_and_pepper_and_shows_neither() {
        let key = digest("spk_a");
        let hash = pepper(3, 1).hash(&key);
        assert!(hash.starts_with("hmac:3:"));
        assert!(!hash.contains(&hex(&key)) && !hash.contains(&hex(&[1; 32])));
        assert_ne!(hash, pepper(3, 2).hash(&key));
        assert_ne!(hash, pepper(3, 1).hash(&digest("spk_b")));
        let parsed = StoredHash::parse(&hash).unwrap();
        assert_eq!(parsed, StoredHash::Keyed(3, pepper(3, 1).tag(&key)));
    }

    #[test]
    fn an_original_hash_is_found_under_the_pepper_in_use() {
        // printf %s spk_a | sha256sum
        let stored = StoredHash::parse(&hex(&digest("spk_a"))).unwrap();
        let peppers = [Err((1, Locked::Damaged)), Ok(pepper(2, 9))];
        let tag = stored.tag(&peppers).ok().unwrap();
        assert_eq!(tag, pepper(2, 9).tag(&digest("spk_a")));
        assert!(stored.tag(&peppers[..1]).is_err());
        let keyed = StoredHash::Keyed(1, tag);
        assert!(keyed.tag(&peppers).is_err());
    }

    #[test]
    fn other_texts_are_no_hashes() {
        for bad in [
            "",
            "hash",
            "hmac:",
            "hmac:1:ab",
            "hmac:x:00",
            &"g".repeat(64),
        ] {
            assert_eq!(StoredHash::parse(bad), None, "{bad}");
        }
    }
}
