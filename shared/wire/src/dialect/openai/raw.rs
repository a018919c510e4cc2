//! Reading members as they are written: a `null` that is there.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// For `#[serde(deserialize_with)]`: the member's text, where plain `Option`
/// would lose a `null`.
pub(crate) fn present<'de, D>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A member that is there and not `null`.
pub(super) fn value(member: Option<&RawValue>) -> Option<&RawValue> {
    member.filter(|raw| raw.get() != "null")
}

/// Whether a member that says yes or no by being there says yes: some servers write
/// `"error": ""` into every answer.
pub(super) fn is_truthy(member: Option<&RawValue>) -> bool {
    value(member).is_some_and(|raw| !matches!(raw.get(), "false" | "\"\"" | "{}" | "[]"))
}

/// Groq's own part of a chunk.
#[derive(Deserialize)]
pub(super) struct Groq<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) usage: Option<&'a RawValue>,
    /// Why the answer stopped early.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) error: Option<&'a RawValue>,
}
