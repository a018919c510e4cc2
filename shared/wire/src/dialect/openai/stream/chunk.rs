//! What the gateway reads of one chunk; everything else is skipped over.

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::raw::{Object, present, value};

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    object: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) choices: Choices,
}

impl<'a> Chunk<'a> {
    /// # Errors
    /// When the data is not JSON.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, serde_json::Error> {
        match serde_json::from_slice(data) {
            Ok(chunk) => Ok(chunk),
            Err(err) if err.is_data() => {
                // JSON of another shape: its choices go through unwatched.
                serde_json::from_slice::<IgnoredAny>(data)?;
                let Unwatched {
                    model,
                    usage,
                    error,
                    object,
                } = Unwatched::read(data);
                Ok(Self {
                    model,
                    usage,
                    error,
                    object,
                    choices: Choices {
                        count: 1,
                        ..Choices::default()
                    },
                })
            }
            Err(err) => Err(err),
        }
    }

    /// Whether the chunk carries an error: a member that is neither null, false
    /// nor empty, or the flat form of older servers.
    pub(super) fn is_error(&self) -> bool {
        let is_flat = self.object.is_some_and(|raw| raw.get() == "\"error\"");
        is_flat
            || value(self.error).is_some_and(|raw| !matches!(raw.get(), "false" | "\"\"" | "{}"))
    }
}

/// The members beside choices that are of another shape than any server's.
#[derive(Default, Deserialize)]
pub(in super::super) struct Unwatched<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(in super::super) model: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(in super::super) usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(in super::super) error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(in super::super) object: Option<&'a RawValue>,
}

impl<'a> Unwatched<'a> {
    /// Nothing where `data` is no object, or has a member twice.
    pub(in super::super) fn read(data: &'a [u8]) -> Self {
        let read = serde_json::from_slice::<Object<Self>>(data);
        read.map_or_else(|_| Self::default(), |Object(members)| members)
    }
}

/// What the choices of a chunk, or of a whole reply, amount to.
#[derive(Debug, Default)]
pub(in super::super) struct Choices {
    pub(in super::super) count: usize,
    pub(in super::super) answer_bytes: u64,
    /// Bits of the choices that occur and of those that finish here.
    pub(in super::super) seen: u64,
    pub(in super::super) finished: u64,
    /// One ended for a reason that explains an empty answer.
    pub(in super::super) says_why: bool,
}

/// A finish reason, as far as it matters here.
#[derive(Clone, Copy, Default)]
struct Reason {
    /// Some servers write "" until the end.
    is_given: bool,
    /// It explains an answer without content.
    says_why: bool,
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Reason;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a finish reason")
            }

            fn visit_str<E>(self, text: &str) -> Result<Reason, E> {
                Ok(Reason {
                    is_given: !text.is_empty(),
                    says_why: matches!(text, "length" | "model_length" | "content_filter"),
                })
            }

            fn visit_unit<E>(self) -> Result<Reason, E> {
                Ok(Reason::default())
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<u32>,
    #[serde(default)]
    finish_reason: Reason,
    #[serde(default)]
    text: Weight,
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Weight,
    #[serde(default)]
    reasoning_content: Weight,
    #[serde(default)]
    reasoning: Weight,
    #[serde(default)]
    refusal: Weight,
    #[serde(default)]
    tool_calls: Weight,
    #[serde(default)]
    function_call: Weight,
}

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Choices;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_unit<E>(self) -> Result<Choices, E> {
                Ok(Choices::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices, A::Error> {
                let mut found = Choices::default();
                while let Some(choice) = seq.next_element::<Choice>()? {
                    let position = u32::try_from(found.count).unwrap_or(u32::MAX);
                    let bit = 1 << choice.index.unwrap_or(position).min(63);
                    found.count += 1;
                    found.seen |= bit;
                    if choice.finish_reason.is_given {
                        found.finished |= bit;
                    }
                    found.says_why |= choice.finish_reason.says_why;
                    found.answer_bytes += choice.text.0 + choice.delta.map_or(0, |d| d.weight());
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(List)
    }
}

impl Delta {
    fn weight(&self) -> u64 {
        // Some servers repeat the same reasoning under both names.
        self.content.0
            + self.reasoning_content.0.max(self.reasoning.0)
            + self.refusal.0
            + self.tool_calls.0
            + self.function_call.0
    }
}

/// The length of all strings inside a value, keys not counted.
#[derive(Clone, Copy, Default)]
struct Weight(u64);

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sum;
        impl<'de> Visitor<'de> for Sum {
            type Value = Weight;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> Result<Weight, E> {
                Ok(Weight(text.len() as u64))
            }

            fn visit_unit<E>(self) -> Result<Weight, E> {
                Ok(Weight(0))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Weight, E> {
                Ok(Weight(0))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Weight, E> {
                Ok(Weight(0))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Weight, E> {
                Ok(Weight(0))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Weight, E> {
                Ok(Weight(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Weight, A::Error> {
                let mut sum = 0;
                while let Some(Weight(inner)) = seq.next_element()? {
                    sum += inner;
                }
                Ok(Weight(sum))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weight, A::Error> {
                let mut sum = 0;
                while let Some((_, Weight(inner))) = map.next_entry::<IgnoredAny, _>()? {
                    sum += inner;
                }
                Ok(Weight(sum))
            }
        }
        deserializer.deserialize_any(Sum)
    }
}
