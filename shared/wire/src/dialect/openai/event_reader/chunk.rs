//! What is read of one chunk, or of a whole reply: every member in every form in
//! use, and nothing that fails only because one member is of another type.

use std::borrow::Cow;

use serde::de::{MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::lenient::{List, Maybe, Reading, Text, Whole, read};
use super::super::raw::{Groq, is_truthy, present, value};

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

impl<'a, 'de: 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}
