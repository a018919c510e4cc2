//! What the gateway reads of one chunk, or of a whole reply, that it edits; everything
//! else is skipped over. The usual chunk costs no allocation.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::error::UpstreamError;
use super::super::lenient::{List, Maybe, Reading, Text, Whole, read};
use super::super::raw::{Groq, is_truthy, present, value};

#[derive(Deserialize)]
pub(in super::super) struct Chunk<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(in super::super) model: Option<&'a RawValue>,
    /// The member of that name.
    #[serde(borrow, default, deserialize_with = "present")]
    pub(in super::super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(in super::super) choices: Choices<'a>,
    #[serde(borrow, default)]
    object: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default)]
    x_groq: Maybe<Groq<'a>>,
    /// Embeddings, which have no choices.
    #[serde(default)]
    pub(in super::super) data: Option<List<IgnoredAny>>,
}

impl<'a> Chunk<'a> {
    /// The error that the chunk is: OpenAI's nested form, the flat one of older
    /// servers, `FastAPI`'s `detail`, Groq's early end. `data` is the chunk.
    pub(in super::super) fn error(&self, data: &[u8]) -> Option<UpstreamError> {
        let has_answer = self.choices.count > 0 || self.data.is_some();
        let groq = self.x_groq.0.as_ref().and_then(|groq| groq.error);
        if self.object.0 == "error"
            || is_truthy(self.error)
            || (!has_answer && is_truthy(self.detail))
        {
            Some(UpstreamError::read(data))
        } else if is_truthy(groq) {
            groq.map(|raw| UpstreamError::read(raw.get().as_bytes()))
        } else {
            None
        }
    }

    /// The usage object, wherever it is.
    pub(in super::super) fn declared(&self) -> Option<&'a RawValue> {
        let groq = self.x_groq.0.as_ref().and_then(|groq| groq.usage);
        value(self.usage).or_else(|| value(groq))
    }
}

/// What the choices of a chunk, or of a whole reply, amount to.
#[derive(Default)]
pub(in super::super) struct Choices<'a> {
    /// Whether there is a list of them at all.
    pub(in super::super) is_list: bool,
    /// Whether that list has nothing in it.
    pub(in super::super) is_empty: bool,
    /// How many there are.
    pub(in super::super) count: usize,
    pub(in super::super) answer_bytes: u64,
    /// Whether there is reasoning in a field of its own.
    pub(in super::super) thinks: bool,
    /// Bits of the choices that occur.
    pub(in super::super) seen: u128,
    /// What is said of the ends of choices, in order; of most chunks nothing.
    pub(in super::super) ends: Vec<ChoiceEnd<'a>>,
}

/// What a chunk says of one choice's end.
pub(in super::super) struct ChoiceEnd<'a> {
    /// The choice's bit.
    pub(in super::super) bit: u128,
    pub(in super::super) says: Says<'a>,
}

/// A choice's end, as it is written.
pub(in super::super) enum Says<'a> {
    /// Anything but `null`.
    Reason(&'a RawValue),
    /// `OpenRouter`'s error of one choice.
    Error(&'a RawValue),
    /// Its number is none that any server gives.
    OutOfRange(i64),
}

/// The word of a finish reason; empty where it is no word.
pub(in super::super) fn word(raw: &RawValue) -> Cow<'_, str> {
    serde_json::from_str(raw.get()).map_or(Cow::Borrowed(""), |Text(word)| word)
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Whole,
    #[serde(borrow, default, deserialize_with = "present")]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
    #[serde(default)]
    text: Weight,
    #[serde(default)]
    delta: Message,
    /// In whole replies.
    #[serde(default)]
    message: Message,
}

/// More choices than any server gives.
const MOST_CHOICES: i64 = 128;

impl<'a> Choices<'a> {
    fn add(&mut self, choice: &Choice<'a>) {
        let index = choice.index.0.or(i64::try_from(self.count).ok());
        let index = index.unwrap_or(i64::MAX);
        self.count += 1;
        let said = choice.delta.weight + choice.message.weight;
        self.thinks |= choice.delta.thinks || choice.message.thinks;
        // Together repeats the text of a chat under the older name.
        self.answer_bytes += if said == 0 { choice.text.0 } else { said };
        let is_error = |raw: &&RawValue| is_truthy(Some(raw));
        let bit = if (0..MOST_CHOICES).contains(&index) {
            1 << index
        } else {
            0
        };
        let says = match (choice.error.filter(is_error), value(choice.finish_reason)) {
            (Some(error), _) => Says::Error(error),
            _ if bit == 0 => Says::OutOfRange(index),
            (None, Some(reason)) => Says::Reason(reason),
            (None, None) => {
                self.seen |= bit;
                return;
            }
        };
        self.seen |= bit;
        self.ends.push(ChoiceEnd { bit, says });
    }
}

impl<'a, 'de: 'a> Reading<'de> for Choices<'a> {
    fn nothing() -> Self {
        Self::default()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut found = Self {
            is_list: true,
            is_empty: true,
            ..Self::default()
        };
        while let Some(Maybe(choice)) = list.next_element()? {
            found.is_empty = false;
            choice.into_iter().for_each(|choice| found.add(&choice));
        }
        Ok(found)
    }
}

/// What a message, or a piece of one, weighs.
#[derive(Default)]
struct Message {
    weight: u64,
    /// Whether reasoning is in it.
    thinks: bool,
}

/// The members of a message.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum OfMessage {
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

impl<'de> Reading<'de> for Message {
    fn nothing() -> Self {
        Self::default()
    }

    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let (mut said, mut reasoning, mut other) = (0, 0, 0);
        while let Some(member) = object.next_key()? {
            match member {
                OfMessage::Role => {
                    object.next_value::<IgnoredAny>()?;
                }
                OfMessage::Content
                | OfMessage::Refusal
                | OfMessage::ToolCalls
                | OfMessage::FunctionCall => said += object.next_value::<Weight>()?.0,
                // Some servers repeat the same reasoning under both names.
                OfMessage::ReasoningContent | OfMessage::Reasoning => {
                    reasoning = object.next_value::<Weight>()?.0.max(reasoning);
                }
                OfMessage::Other => other += object.next_value::<Weight>()?.0,
            }
        }
        // Sound, pictures, reasoning in yet another form: something is there, but its
        // length is not one of text.
        Ok(Self {
            weight: (said + reasoning).max(other.min(1)),
            thinks: reasoning > 0,
        })
    }
}

/// The length of all strings inside a value, keys not counted.
#[derive(Default)]
struct Weight(u64);

impl<'de> Reading<'de> for Weight {
    fn nothing() -> Self {
        Self(0)
    }

    fn borrowed(text: &'de str) -> Self {
        Self(text.len() as u64)
    }

    fn owned(text: &str) -> Self {
        Self(text.len() as u64)
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut sum = 0;
        while let Some(Self(inner)) = list.next_element()? {
            sum += inner;
        }
        Ok(Self(sum))
    }

    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut sum = 0;
        while let Some((_, Self(inner))) = object.next_entry::<IgnoredAny, _>()? {
            sum += inner;
        }
        Ok(Self(sum))
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}
