//! Reading a member as it is written, a JSON `null` included.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// For `#[serde(deserialize_with)]`: the member's text, where plain `Option`
/// would lose a `null`.
pub(super) fn present<'de, D>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A member that is there and not `null`.
pub(super) fn value(member: Option<&RawValue>) -> Option<&RawValue> {
    member.filter(|raw| raw.get() != "null")
}
