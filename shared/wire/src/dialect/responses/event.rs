//! An event of a stream, and a response, as far as they are looked at.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply_writer::Part;
use crate::object;

/// What an event tells.
#[derive(Default, Deserialize)]
pub(super) struct Told<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) sequence_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) output_index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary_index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) part: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) response: Option<&'a RawValue>,
}

impl Told<'_> {
    /// Its type; nothing where it has none.
    pub(super) fn kind(&self) -> &str {
        self.kind.map_or("", RawValue::get).trim_matches('"')
    }

    pub(super) fn index(&self) -> Option<usize> {
        number(self.output_index)
    }

    /// The words that it is about: a piece of them, or all.
    pub(super) fn words(&self) -> Option<Part> {
        let content = || number(self.content_index).unwrap_or(0);
        let summary = || number(self.summary_index).unwrap_or(0);
        Some(match self.kind() {
            "response.content_part.added" | "response.content_part.done" => {
                if Item::read(self.part).is("reasoning_text") {
                    Part::Thought(content())
                } else {
                    Part::Text(content())
                }
            }
            "response.output_text.delta" | "response.output_text.done" => Part::Text(content()),
            "response.reasoning_text.delta"
            | "response.reasoning_text.done"
            | "response.reasoning_part.done" => Part::Thought(content()),
            "response.reasoning_summary_text.delta"
            | "response.reasoning_summary_text.done"
            | "response.reasoning_summary_part.done" => Part::Summary(summary()),
            "response.function_call_arguments.delta" | "response.function_call_arguments.done" => {
                Part::Arguments
            }
            _ => return None,
        })
    }
}

/// What a response says of itself.
#[derive(Default, Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) incomplete_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) output: Option<&'a RawValue>,
}

/// An item, as far as it is looked at.
#[derive(Default, Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) namespace: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) summary: Option<&'a RawValue>,
}

impl<'a> Item<'a> {
    /// Reads it; nothing in it where it is none.
    pub(super) fn read(raw: Option<&'a RawValue>) -> Self {
        let read = raw.and_then(|raw| object::read_str(raw.get()).ok());
        read.unwrap_or_default()
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        says(self.kind, kind)
    }

    /// Whether the answer ended in it.
    pub(super) fn is_cut(&self) -> bool {
        says(self.status, "incomplete")
    }
}

fn says(raw: Option<&RawValue>, word: &str) -> bool {
    raw.is_some_and(|raw| raw.get().trim_matches('"') == word)
}

/// A place in a list.
pub(super) fn number(raw: Option<&RawValue>) -> Option<usize> {
    raw?.get().parse().ok()
}

/// The text that a member is.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}
