//! What is read of one chunk, or of a whole reply: every member in every form in
//! use, and nothing that fails only because one member is of another type.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::raw::{is_truthy, present, value};

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    #[serde(default)]
    pub(super) created: Whole,
    #[serde(borrow, default)]
    object: Text<'a>,
    #[serde(borrow, default)]
    pub(super) choices: List<Choice<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default)]
    x_groq: Maybe<Groq<'a>>,
}

/// Groq's own part of a chunk.
#[derive(Deserialize)]
struct Groq<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

impl<'a> Chunk<'a> {
    /// Whether the chunk is an error and no part of an answer: OpenAI's nested form,
    /// the flat one, `FastAPI`'s `detail`, Groq's early end.
    pub(super) fn is_error(&self) -> bool {
        self.object.0 == "error"
            || is_truthy(self.error)
            || (self.choices.0.is_empty() && is_truthy(self.detail))
            || self.x_groq.0.as_ref().is_some_and(|g| is_truthy(g.error))
    }

    /// Groq's word on why it stopped early, where that is all that the chunk says.
    pub(super) fn own_error(&self) -> Option<&'a RawValue> {
        let groq = self.x_groq.0.as_ref()?.error;
        groq.filter(|_| !is_truthy(self.error))
    }

    /// The usage object, wherever it is.
    pub(super) fn usage(&self) -> Option<&'a RawValue> {
        let groq = self.x_groq.0.as_ref();
        value(self.usage).or_else(|| groq.and_then(|groq| value(groq.usage)))
    }
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Whole,
    #[serde(borrow, default)]
    pub(super) delta: Maybe<Delta<'a>>,
    /// In whole replies.
    #[serde(borrow, default)]
    pub(super) message: Maybe<Delta<'a>>,
    /// In text completions.
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

impl<'a> Choice<'a> {
    /// `OpenRouter`'s error of one choice.
    pub(super) fn error(&self) -> Option<&'a RawValue> {
        self.error.filter(|raw| is_truthy(Some(raw)))
    }
}

#[derive(Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub(super) content: Content<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning_details: List<Detail<'a>>,
    #[serde(borrow, default)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(super) tool_calls: List<Call<'a>>,
    /// The form before `tool_calls`.
    #[serde(borrow, default)]
    pub(super) function_call: Maybe<Function<'a>>,
}

/// `OpenRouter`'s form of reasoning.
#[derive(Deserialize)]
pub(super) struct Detail<'a> {
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) summary: Text<'a>,
    #[serde(borrow, default)]
    pub(super) signature: Text<'a>,
    #[serde(borrow, default)]
    pub(super) data: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Call<'a> {
    #[serde(default)]
    pub(super) index: Whole,
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) function: Maybe<Function<'a>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    arguments: Option<&'a RawValue>,
}

impl<'a> Function<'a> {
    /// The text of the arguments. Servers that send an object instead of its text
    /// mean the object as it stands there.
    pub(super) fn arguments(&self) -> Cow<'a, str> {
        match value(self.arguments) {
            None => Cow::Borrowed(""),
            Some(raw) if raw.get().starts_with('"') => {
                serde_json::from_str(raw.get()).map_or(Cow::Borrowed(""), |Text(text)| text)
            }
            Some(raw) => Cow::Borrowed(raw.get()),
        }
    }
}

/// A string; numbers read as their digits, anything else as nothing.
#[derive(Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// A whole number, as far as it is one.
#[derive(Clone, Copy, Default)]
pub(super) struct Whole(pub(super) Option<i64>);

/// A list of objects; what is no object, or no list, is left out.
pub(super) struct List<T>(pub(super) Vec<T>);

/// An object, as far as it is one.
pub(super) struct Maybe<T>(pub(super) Option<T>);

/// `content`: a text, or parts in order.
pub(super) enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

/// One part of `content`. Mistral's reasoning is a part with `thinking`.
#[derive(Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(super) thinking: Content<'a>,
    #[serde(borrow, default)]
    pub(super) signature: Text<'a>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl Content<'_> {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Parts(parts) => parts.is_empty(),
        }
    }
}

impl Default for Content<'_> {
    fn default() -> Self {
        Self::Text(Cow::Borrowed(""))
    }
}

/// What a value of any type reads as; each reader says which types mean something.
trait Reading<'de>: Sized {
    fn nothing() -> Self;

    fn borrowed(_: &'de str) -> Self {
        Self::nothing()
    }

    fn owned(_: &str) -> Self {
        Self::nothing()
    }

    fn whole(_: i64) -> Self {
        Self::nothing()
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::nothing())
    }

    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::nothing())
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Reading<'de>> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::owned(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<T, E> {
        Ok(i64::try_from(number).map_or_else(|_| T::nothing(), T::whole))
    }

    fn visit_i64<E>(self, number: i64) -> Result<T, E> {
        Ok(T::whole(number))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates; a second's fraction does not matter"
    )]
    fn visit_f64<E>(self, number: f64) -> Result<T, E> {
        Ok(T::whole(number as i64))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::nothing())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::nothing())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

impl<'a, 'de: 'a> Reading<'de> for Text<'a> {
    fn nothing() -> Self {
        Self::default()
    }

    fn borrowed(text: &'de str) -> Self {
        Self(Cow::Borrowed(text))
    }

    fn owned(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }

    fn whole(number: i64) -> Self {
        Self(Cow::Owned(number.to_string()))
    }
}

impl Reading<'_> for Whole {
    fn nothing() -> Self {
        Self(None)
    }

    fn whole(number: i64) -> Self {
        Self(Some(number))
    }
}

impl<'de, T: Deserialize<'de>> Reading<'de> for Maybe<T> {
    fn nothing() -> Self {
        Self(None)
    }

    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|read| Self(Some(read)))
    }
}

impl<'de, T: Deserialize<'de>> Reading<'de> for List<T> {
    fn nothing() -> Self {
        Self(Vec::new())
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut read = Vec::new();
        while let Some(Maybe(element)) = list.next_element()? {
            read.extend(element);
        }
        Ok(Self(read))
    }
}

impl<'a, 'de: 'a> Reading<'de> for Content<'a> {
    fn nothing() -> Self {
        Self::default()
    }

    fn borrowed(text: &'de str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    fn owned(text: &str) -> Self {
        Self::Text(Cow::Owned(text.to_owned()))
    }

    fn list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        List::list(list).map(|List(parts)| Self::Parts(parts))
    }

    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        Maybe::object(object).map(|Maybe(part)| Self::Parts(part.into_iter().collect()))
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'a, 'de: 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any(PhantomData))
    }
}
