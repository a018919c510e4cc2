//! What is read of one line of an answer; everything else is skipped over.
//!
//! A line of `/api/chat` has a `message`, one of `/api/generate` a `response`. A
//! whole reply is one such line.

use std::borrow::Cow;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::hub::Finish;
use crate::object::{self, Object};
use crate::usage::Usage;

#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    #[serde(borrow, default)]
    pub(super) created_at: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    pub(super) message: Option<Message<'a>>,
    #[serde(borrow, default)]
    pub(super) response: Text<'a>,
    #[serde(borrow, default)]
    pub(super) thinking: Text<'a>,
    #[serde(default)]
    pub(super) done: Option<bool>,
    #[serde(borrow, default)]
    done_reason: Text<'a>,
    #[serde(borrow, default)]
    prompt_eval_count: Option<&'a RawValue>,
    #[serde(borrow, default)]
    eval_count: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow, default)]
    pub(super) content: Text<'a>,
    #[serde(borrow, default)]
    pub(super) thinking: Text<'a>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<Object<ToolCall<'a>>>>,
}

#[derive(Deserialize)]
pub(super) struct ToolCall<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) function: Object<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    /// # Errors
    /// When the line is no JSON object, or a member that matters has another type.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        object::read(line)
    }

    /// Whether the server reports a failure in place of an answer.
    pub(super) fn is_error(&self) -> bool {
        self.error
            .is_some_and(|raw| !matches!(raw.get(), "\"\"" | "false" | "{}"))
    }

    /// Why the answer ended. A call of a tool leaves Ollama's reason at `stop`.
    pub(super) fn finish(&self, called: bool) -> Finish {
        match &*self.done_reason.0 {
            "length" => Finish::Length,
            _ if called => Finish::ToolCalls,
            _ => Finish::Stop,
        }
    }

    /// The counts, when there is one; a count of zero is left out by the server.
    pub(super) fn usage(&self) -> Option<Usage> {
        let prompt = count(self.prompt_eval_count);
        let completion = count(self.eval_count);
        if prompt.is_none() && completion.is_none() {
            return None;
        }
        let prompt_tokens = prompt.unwrap_or(0);
        let completion_tokens = completion.unwrap_or(0);
        Some(Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            ..Usage::default()
        })
    }
}

/// A count; what is not one reads as absent.
pub(super) fn count(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().parse().ok()
}

impl<'a> Function<'a> {
    /// The arguments as JSON text of an object without space around its tokens.
    /// A text in place of the object, as other servers write it, is taken as that
    /// text.
    pub(super) fn arguments(&self) -> Cow<'a, str> {
        let raw = self.arguments.map_or("{}", RawValue::get);
        if raw.starts_with('"')
            && let Ok(Text(text)) = serde_json::from_str(raw)
        {
            return if text.is_empty() { "{}".into() } else { text };
        }
        compact(raw)
    }
}

/// JSON text without the space between its tokens.
pub(super) fn compact(json: &str) -> Cow<'_, str> {
    if !json.contains([' ', '\n', '\t', '\r']) {
        return json.into();
    }
    let mut inside = false;
    let mut escaped = false;
    json.chars()
        .filter(|c| {
            if escaped {
                escaped = false;
            } else if inside && *c == '\\' {
                escaped = true;
            } else if *c == '"' {
                inside = !inside;
            }
            inside || !c.is_ascii_whitespace()
        })
        .collect()
}

/// A text borrowed from the line where it holds no escape; `null` is an empty one.
#[derive(Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(""))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text))
            }
        }
        deserializer.deserialize_any(Borrow).map(Text)
    }
}
