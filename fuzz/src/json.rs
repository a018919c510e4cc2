//! JSON as it is written: the order of members, and texts that are not re-encoded.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of an object in their order, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(pub Vec<(String, String)>);

impl Members {
    /// `None` when `json` is no object.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let json = json.trim_ascii();
        json.starts_with(b"{")
            .then(|| serde_json::from_slice(json).ok())?
    }

    /// The value of the member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// All but the members with these names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&&**name));
        Self(kept.cloned().collect())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Whether `text` is JSON.
#[must_use]
pub fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Whether `text` is a JSON object.
#[must_use]
pub fn is_object(text: &[u8]) -> bool {
    text.trim_ascii().starts_with(b"{") && is_json(text)
}

/// `text` must be a JSON object.
pub fn must_be_object(what: &str, text: &[u8]) {
    assert!(
        is_object(text),
        "{what} is no JSON object: {}",
        String::from_utf8_lossy(text)
    );
}
