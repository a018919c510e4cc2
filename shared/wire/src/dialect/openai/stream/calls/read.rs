//! What is read of the calls in a chunk, or in a whole reply.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::lenient::{List, Maybe, Text, Whole};
use super::super::super::raw::{present, value};
use crate::object;

#[derive(Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) choices: List<Choice<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Whole,
    #[serde(borrow, default)]
    delta: Maybe<Message<'a>>,
    /// In whole replies.
    #[serde(borrow, default)]
    message: Maybe<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) index: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) function: Maybe<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) arguments: Option<&'a RawValue>,
}

/// The calls, or pieces of calls, of a choice: those that are objects.
pub(super) fn calls_of<'a>(choice: &Choice<'a>) -> Vec<&'a RawValue> {
    let messages = [&choice.delta, &choice.message].into_iter();
    let lists = messages.filter_map(|message| message.0.as_ref()?.tool_calls);
    let calls = lists.flat_map(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()));
    let calls = calls.flatten();
    calls.filter(|raw| raw.get().starts_with('{')).collect()
}

impl<'a> Call<'a> {
    /// The number, as far as it is one.
    pub(super) fn index(&self) -> Option<i64> {
        let Whole(number) = serde_json::from_str(value(self.index)?.get()).ok()?;
        number
    }

    /// The id; empty where there is none.
    pub(super) fn id(&self) -> Cow<'a, str> {
        let id = text(self.id);
        // Mistral's way of saying that there is none.
        if id == "null" { Cow::Borrowed("") } else { id }
    }
}

impl<'a> Function<'a> {
    pub(super) fn name(&self) -> Cow<'a, str> {
        text(self.name)
    }

    /// The text of the arguments. Servers that send an object instead of its text mean
    /// the object as it stands there.
    pub(super) fn text(&self) -> Cow<'a, str> {
        match value(self.arguments) {
            Some(raw) if !raw.get().starts_with('"') => Cow::Borrowed(raw.get()),
            raw => text(raw),
        }
    }
}

fn text(raw: Option<&RawValue>) -> Cow<'_, str> {
    let text = value(raw).and_then(|raw| serde_json::from_str(raw.get()).ok());
    text.map_or(Cow::Borrowed(""), |Text(text)| text)
}

/// What a chunk like `data` begins with, up to the number of its choice. `model` is the
/// model's name as the caller gets it.
pub(super) fn head(data: &[u8], model: Option<&Bytes>) -> BytesMut {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        id: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "present")]
        object: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "present")]
        created: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "present")]
        model: Option<&'a RawValue>,
    }
    let mut out = BytesMut::new();
    out.put_u8(b'{');
    if let Ok(head) = object::read::<Head<'_>>(data) {
        let written = |raw: Option<&'_ RawValue>| raw.map(|raw| raw.get().replace('\n', " "));
        for (key, raw) in [
            ("id", head.id),
            ("object", head.object),
            ("created", head.created),
            ("model", head.model),
        ] {
            let Some(text) = written(raw) else {
                continue;
            };
            out.put_slice(format!("\"{key}\":").as_bytes());
            match model.filter(|_| key == "model") {
                Some(model) => out.put_slice(model),
                None => out.put_slice(text.as_bytes()),
            }
            out.put_u8(b',');
        }
    }
    out.put_slice(b"\"choices\":[{\"index\":");
    out
}
