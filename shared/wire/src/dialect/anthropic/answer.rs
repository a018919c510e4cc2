//! The meaning of an answer's parts, for streams and whole replies alike.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::counts::{Counted, Counts};
use crate::dialect::openai::UpstreamError;
use crate::hub::{Event, Finish, StreamFault};
use crate::object;
use crate::usage::Usage;

/// Whom the events are handed to.
pub(super) type Each<'e> = dyn FnMut(Event<'_>) + 'e;

/// A member that is read when it is a string; anything else reads as empty. New kinds
/// of blocks and deltas may use a known name for another type.
#[derive(Debug, Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<'a>(PhantomData<&'a ()>);
        impl<'de> Visitor<'de> for Any<'de> {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// A content block, of a whole reply or as a stream begins it.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    data: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

/// A piece of a block, or of the message as a whole.
#[derive(Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    signature: Text<'a>,
    #[serde(borrow, default)]
    partial_json: Text<'a>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    pub(super) stop_details: Option<StopDetails<'a>>,
}

/// Why a filter stopped the answer.
#[derive(Deserialize)]
pub(super) struct StopDetails<'a> {
    #[serde(borrow, default)]
    explanation: Text<'a>,
}

/// The block that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    /// Text or thinking.
    Words,
    /// A tool call without arguments so far.
    SilentCall,
    /// A tool call whose arguments arrive in pieces.
    Call,
    /// A tool call that had its arguments at once, a server's tool, an unknown block.
    Ignored,
}

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    /// Anything but signs of life.
    begun: bool,
    open: Open,
    calls: u32,
    counts: Counted,
    usage: Option<Usage>,
    finished: bool,
    ended: bool,
}

impl Meaning {
    /// Whether the terminal event is out.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether the upstream has said why the answer ends.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn start(&mut self, id: Text<'_>, model: Text<'_>, each: &mut Each<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            each(Event::Start {
                id: id.0,
                model: model.0,
                created: None,
            });
        }
    }

    /// A block begins; what it holds already is said at once.
    pub(super) fn open(&mut self, block: Block<'_>, each: &mut Each<'_>) {
        if self.finished {
            // What follows the reason belongs to no block of this answer.
            return;
        }
        self.close(each);
        self.begun = true;
        self.open = match &*block.kind.0 {
            "text" => {
                text(block.text, each);
                Open::Words
            }
            "thinking" => {
                reasoning(block.thinking, each);
                signature(block.signature, each);
                Open::Words
            }
            "redacted_thinking" => {
                if !block.data.0.is_empty() {
                    each(Event::Redacted {
                        choice: 0,
                        data: block.data.0,
                    });
                }
                Open::Ignored
            }
            "tool_use" if !block.name.0.is_empty() => {
                each(Event::Call {
                    choice: 0,
                    call: self.calls,
                    id: block.id.0,
                    name: block.name.0,
                });
                self.calls += 1;
                let input = compact(block.input.map_or("", RawValue::get));
                if matches!(&*input, "" | "{}" | "null") {
                    Open::SilentCall
                } else {
                    self.arguments(input, each);
                    Open::Ignored
                }
            }
            _ => Open::Ignored,
        };
    }

    pub(super) fn delta(&mut self, delta: Delta<'_>, each: &mut Each<'_>) {
        if self.finished {
            return;
        }
        self.begun = true;
        match (&*delta.kind.0, self.open) {
            ("text_delta", Open::Words | Open::Nothing) => text(delta.text, each),
            ("thinking_delta", Open::Words | Open::Nothing) => reasoning(delta.thinking, each),
            ("signature_delta", Open::Words | Open::Nothing) => signature(delta.signature, each),
            ("input_json_delta", Open::SilentCall | Open::Call)
                if !delta.partial_json.0.is_empty() =>
            {
                self.open = Open::Call;
                self.arguments(delta.partial_json.0, each);
            }
            // Citations, a server tool's input, kinds yet to come.
            _ => {}
        }
    }

    /// The open block ends. Arguments that never came are the empty object.
    pub(super) fn close(&mut self, each: &mut Each<'_>) {
        if std::mem::take(&mut self.open) == Open::SilentCall {
            self.arguments(Cow::Borrowed("{}"), each);
        }
    }

    fn arguments(&self, text: Cow<'_, str>, each: &mut Each<'_>) {
        each(Event::Arguments {
            choice: 0,
            call: self.calls.saturating_sub(1),
            text,
        });
    }

    /// Takes the counts that are there and tells the sum when it is another than before.
    pub(super) fn count(&mut self, counts: &Counts, each: &mut Each<'_>) {
        self.counts.take(counts);
        let usage = self.counts.usage();
        if usage.is_some() && self.usage != usage {
            self.begun = true;
            self.usage = usage;
            usage
                .into_iter()
                .for_each(|usage| each(Event::Usage(usage)));
        }
    }

    /// The upstream says why the answer ends; an empty reason says nothing.
    pub(super) fn stop(
        &mut self,
        reason: &str,
        details: Option<StopDetails<'_>>,
        each: &mut Each<'_>,
    ) {
        if self.finished || reason.is_empty() {
            return;
        }
        self.close(each);
        let reason = match reason {
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "tool_use" => Finish::ToolCalls,
            "refusal" => Finish::ContentFilter,
            // `end_turn`, `stop_sequence`, `pause_turn`, `compaction`, and what is new.
            _ => Finish::Stop,
        };
        let why = details.map(|details| details.explanation.0);
        if let Some(text) = why.filter(|why| reason == Finish::ContentFilter && !why.is_empty()) {
            each(Event::Refusal { choice: 0, text });
        }
        self.finish(reason, each);
    }

    /// The answer is complete. A server that gave no reason has had no more to say.
    pub(super) fn end(&mut self, each: &mut Each<'_>) {
        if self.ended {
            return;
        }
        self.close(each);
        if !self.finished {
            let reason = match self.calls {
                0 => Finish::Stop,
                _ => Finish::ToolCalls,
            };
            self.finish(reason, each);
        }
        self.ended = true;
        each(Event::End);
    }

    fn finish(&mut self, reason: Finish, each: &mut Each<'_>) {
        self.finished = true;
        self.begun = true;
        each(Event::Finish { choice: 0, reason });
    }

    pub(super) fn fault(&mut self, fault: StreamFault, each: &mut Each<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            each(Event::Fault(fault));
        }
    }
}

/// The error that `data` reports.
pub(super) fn upstream_error(data: &[u8]) -> StreamFault {
    StreamFault::Upstream(UpstreamError::read(data))
}

fn text(text: Text<'_>, each: &mut Each<'_>) {
    if !text.0.is_empty() {
        each(Event::Text {
            choice: 0,
            text: text.0,
        });
    }
}

fn reasoning(text: Text<'_>, each: &mut Each<'_>) {
    if !text.0.is_empty() {
        each(Event::Reasoning {
            choice: 0,
            text: text.0,
        });
    }
}

fn signature(text: Text<'_>, each: &mut Each<'_>) {
    if !text.0.is_empty() {
        each(Event::Signature {
            choice: 0,
            signature: text.0,
        });
    }
}

/// JSON text without the white space between its tokens; every other byte stays.
fn compact(json: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut from = 0;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte == b'"' {
            in_string = true;
        } else if byte.is_ascii_whitespace() {
            kept.push_str(&json[from..at]);
            from = at + 1;
        }
    }
    if from == 0 {
        return Cow::Borrowed(json);
    }
    kept.push_str(&json[from..]);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_and_the_rest_stays() {
        for (json, expected) in [
            ("{}", "{}"),
            ("{ }", "{}"),
            (
                "{\n \"a b\" : 1.50 , \"c\\\" \\\\\":\t[ 1 , 2e3 ]}",
                "{\"a b\":1.50,\"c\\\" \\\\\":[1,2e3]}",
            ),
        ] {
            assert_eq!(compact(json), expected);
        }
    }
}
