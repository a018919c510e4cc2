//! A stream from an upstream that speaks Messages, as the hub's events.
//!
//! Any split of the bytes gives the same events, exactly one of them terminal and
//! nothing after it. An event is known by the `type` in its data: the name on its
//! `event:` line says the same, and some proxies drop that line. Unknown events are
//! skipped.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::{Block, Delta, Each, Meaning, Text, upstream_error};
use super::counts::Counts;
use crate::hub::{Event, StreamFault};
use crate::object;
use crate::sse::{Frame, Reader};

/// Reads one stream.
#[derive(Debug, Default)]
pub struct StreamReader {
    reader: Reader,
    meaning: Meaning,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default, deserialize_with = "object::member")]
    message: Option<Message<'a>>,
    #[serde(default, deserialize_with = "object::member")]
    usage: Option<Counts>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(default, deserialize_with = "object::member")]
    usage: Option<Counts>,
}

impl StreamReader {
    /// Takes the next bytes and hands every event that they complete to `each`.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) {
        if self.meaning.is_ended() {
            return;
        }
        let meaning = &mut self.meaning;
        self.reader.push(bytes, |frame| {
            if let Err(err) = meaning.frame(&frame, each) {
                meaning.fault(StreamFault::BadEvent(err.to_string()), each);
            }
        });
        if self.meaning.is_ended() {
            self.reader = Reader::default();
        }
    }

    /// Whether the upstream has said why the answer ends; what may still come is the
    /// mark of the end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.meaning.is_finished()
    }

    /// The bytes have ended. Hands out the terminal event if none was: an answer whose
    /// reason to end was told is complete, however the connection ended.
    pub fn finish(&mut self, _cleanly: bool, each: &mut dyn FnMut(Event<'_>)) {
        let meaning = &mut self.meaning;
        self.reader.finish(|frame| {
            // Half an event is what a cut leaves behind; it says nothing.
            if let Frame::Event { data, .. } = &frame
                && serde_json::from_slice::<IgnoredAny>(data).is_ok()
                && let Err(err) = meaning.frame(&frame, each)
            {
                meaning.fault(StreamFault::BadEvent(err.to_string()), each);
            }
        });
        if self.meaning.is_finished() {
            self.meaning.end(each);
        } else {
            self.meaning.fault(StreamFault::Truncated, each);
        }
        self.reader = Reader::default();
    }
}

impl Meaning {
    /// # Errors
    /// When the data is not JSON, or not of the form that its type has.
    pub(super) fn frame(
        &mut self,
        frame: &Frame<'_>,
        each: &mut Each<'_>,
    ) -> Result<(), serde_json::Error> {
        if self.is_ended() {
            return Ok(());
        }
        match frame {
            Frame::Comment(_) => each(Event::KeepAlive),
            Frame::TooLong => self.fault(StreamFault::TooLong, each),
            Frame::Event {
                is_error: true,
                data,
            } => self.fault(upstream_error(data), each),
            // Two servers that follow the format put OpenAI's last word behind theirs.
            Frame::Event { data, .. } if matches!(data.trim_ascii(), b"" | b"[DONE]") => {}
            Frame::Event { data, .. } => self.event(data, each)?,
        }
        Ok(())
    }

    fn event(&mut self, data: &[u8], each: &mut Each<'_>) -> Result<(), serde_json::Error> {
        let event: Data<'_> = object::read(data)?;
        match &*event.kind.0 {
            "message_start" => {
                if let Some(message) = event.message {
                    self.start(message.id, message.model, each);
                    if let Some(counts) = &message.usage {
                        self.count(counts, each);
                    }
                }
            }
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    self.open(block, each);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = event.delta {
                    self.delta(delta, each);
                }
            }
            "content_block_stop" => self.close(each),
            "message_delta" => {
                if let Some(delta) = event.delta {
                    self.stop(&delta.stop_reason.0, delta.stop_details, each);
                }
                if let Some(counts) = &event.usage {
                    self.count(counts, each);
                }
            }
            "message_stop" => self.end(each),
            "ping" => each(Event::KeepAlive),
            "error" => self.fault(upstream_error(data), each),
            "" if event.error.is_some() => self.fault(upstream_error(data), each),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
