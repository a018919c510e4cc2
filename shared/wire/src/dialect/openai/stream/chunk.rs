//! What the gateway reads of one chunk; everything else is skipped over.

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::error::UpstreamError;
use super::super::raw::{Object, is_truthy, present};

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
        is_flat || is_truthy(self.error)
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
    /// One ended for a reason that means that the answer is broken.
    pub(in super::super) broken: Option<Box<UpstreamError>>,
}

/// A finish reason, as far as it matters here.
#[derive(Default)]
struct Reason {
    /// Some servers write "" until the end.
    is_given: bool,
    /// It explains an answer without content.
    says_why: bool,
    /// It means that the answer is broken.
    broken: Option<Box<UpstreamError>>,
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
                    broken: UpstreamError::of_finish(text).map(Box::new),
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
    delta: Delta,
}

/// What a message, or a piece of one, weighs.
#[derive(Default)]
struct Delta(u64);

/// The members of a message.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Member {
    Role,
    Content,
    Refusal,
    ToolCalls,
    FunctionCall,
    ReasoningContent,
    Reasoning,
    #[serde(other)]
    Other,
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
                    found.broken = found.broken.or(choice.finish_reason.broken);
                    found.answer_bytes += choice.text.0 + choice.delta.0;
                }
                Ok(found)
            }
        }
        deserializer.deserialize_any(List)
    }
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sum;
        impl<'de> Visitor<'de> for Sum {
            type Value = Delta;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a message")
            }

            fn visit_unit<E>(self) -> Result<Delta, E> {
                Ok(Delta(0))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Delta, A::Error> {
                let (mut said, mut reasoning, mut other) = (0, 0, 0);
                while let Some(member) = map.next_key()? {
                    match member {
                        Member::Role => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        Member::Content
                        | Member::Refusal
                        | Member::ToolCalls
                        | Member::FunctionCall => said += map.next_value::<Weight>()?.0,
                        // Some servers repeat the same reasoning under both names.
                        Member::ReasoningContent | Member::Reasoning => {
                            reasoning = map.next_value::<Weight>()?.0.max(reasoning);
                        }
                        Member::Other => other += map.next_value::<Weight>()?.0,
                    }
                }
                // Sound, pictures, reasoning in yet another form: something is there,
                // but its length is not one of text.
                Ok(Delta((said + reasoning).max(other.min(1))))
            }
        }
        deserializer.deserialize_any(Sum)
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
