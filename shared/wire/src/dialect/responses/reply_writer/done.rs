//! What ends an item in a stream: all of it once more, part by part and as a whole.

use bytes::{BufMut, BytesMut};

use super::item::{Body, Call, Content, Item, put_summary};
use super::put_event;
use crate::dialect::openai::{put_number, put_string};

/// Which item an event is about.
pub(super) struct Place<'p> {
    pub(super) id: &'p str,
    pub(super) at: usize,
}

impl Place<'_> {
    pub(super) fn put_item(&self, out: &mut BytesMut) {
        out.put_slice(b",\"item_id\":");
        put_string(self.id, out);
        put_index(self.at, out);
    }

    /// The item and the `number` of its part, called `name`.
    pub(super) fn put(&self, name: &[u8], number: usize, out: &mut BytesMut) {
        self.put_item(out);
        out.put_slice(b",\"");
        out.put_slice(name);
        out.put_slice(b"\":");
        put_number(number as u64, out);
    }
}

pub(super) fn put_index(at: usize, out: &mut BytesMut) {
    out.put_slice(b",\"output_index\":");
    put_number(at as u64, out);
}

pub(super) fn put_delta(text: &str, out: &mut BytesMut) {
    out.put_slice(b",\"delta\":");
    put_string(text, out);
}

/// What ends an item.
pub(super) fn put_done(item: &Item, at: usize, sequence: &mut u64, out: &mut BytesMut) {
    let place = Place { id: &item.id, at };
    match &item.body {
        Body::Reasoning { text, .. } if text.is_empty() => {}
        Body::Reasoning { text, .. } => {
            put_event(
                b"response.reasoning_summary_text.done",
                sequence,
                out,
                |out| {
                    place.put(b"summary_index", 0, out);
                    out.put_slice(b",\"text\":");
                    put_string(text, out);
                },
            );
            put_event(
                b"response.reasoning_summary_part.done",
                sequence,
                out,
                |out| {
                    place.put(b"summary_index", 0, out);
                    out.put_slice(b",\"part\":");
                    put_summary(text, out);
                },
            );
        }
        Body::Message(parts) => {
            if let Some(last) = parts.last() {
                put_part_done(&place, parts.len() - 1, last, sequence, out);
            }
        }
        Body::Call(call) => put_call_done(&place, call, sequence, out),
    }
    put_event(b"response.output_item.done", sequence, out, |out| {
        put_index(at, out);
        out.put_slice(b",\"item\":");
        item.put(out);
    });
}

pub(super) fn put_part_done(
    place: &Place<'_>,
    number: usize,
    part: &Content,
    sequence: &mut u64,
    out: &mut BytesMut,
) {
    let (kind, member, more) = match part {
        Content::Text(_) => (
            &b"response.output_text.done"[..],
            &b",\"text\":"[..],
            &b",\"logprobs\":[]"[..],
        ),
        Content::Refusal(_) => (
            &b"response.refusal.done"[..],
            &b",\"refusal\":"[..],
            &b""[..],
        ),
    };
    put_event(kind, sequence, out, |out| {
        place.put(b"content_index", number, out);
        out.put_slice(member);
        put_string(part.text(), out);
        out.put_slice(more);
    });
    put_event(b"response.content_part.done", sequence, out, |out| {
        place.put(b"content_index", number, out);
        out.put_slice(b",\"part\":");
        part.put(part.text(), out);
    });
}

/// A custom tool's text is known when its call is complete: one piece, then all of it.
fn put_call_done(place: &Place<'_>, call: &Call, sequence: &mut u64, out: &mut BytesMut) {
    if !call.is_custom {
        // Clients that add up pieces have nothing yet.
        if call.arguments.trim_ascii().is_empty() {
            put_event(
                b"response.function_call_arguments.delta",
                sequence,
                out,
                |out| {
                    place.put_item(out);
                    put_delta(call.whole(), out);
                },
            );
        }
        return put_event(
            b"response.function_call_arguments.done",
            sequence,
            out,
            |out| {
                place.put_item(out);
                out.put_slice(b",\"name\":");
                put_string(&call.name, out);
                out.put_slice(b",\"arguments\":");
                put_string(call.whole(), out);
            },
        );
    }
    let input = call.input();
    if !input.is_empty() {
        put_event(
            b"response.custom_tool_call_input.delta",
            sequence,
            out,
            |out| {
                place.put_item(out);
                put_delta(&input, out);
            },
        );
    }
    put_event(
        b"response.custom_tool_call_input.done",
        sequence,
        out,
        |out| {
            place.put_item(out);
            out.put_slice(b",\"input\":");
            put_string(&input, out);
        },
    );
}
