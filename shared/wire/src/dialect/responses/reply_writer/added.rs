//! Items and words that come into a stream that another has written.

use bytes::{BufMut, BytesMut};

use super::done::{Place, put_delta, put_done, put_index};
use super::item::{Body, Call, Item, State, put_summary};
use super::{Tool, put_event};

/// Words of an item, by where they stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Part {
    /// A part of a message.
    Text(usize),
    /// A part of what reasoning says.
    Thought(usize),
    /// A part of the summary of reasoning.
    Summary(usize),
    /// A function's arguments.
    Arguments,
}

/// An item that the stream's own server does not tell.
#[derive(Debug)]
pub(in super::super) struct Added {
    item: Item,
    /// Its number in the list.
    at: usize,
}

impl Added {
    /// Tells all of a call.
    pub(in super::super) fn call(
        id: String,
        at: usize,
        tool: Tool<'_>,
        arguments: String,
        sequence: &mut u64,
        out: &mut BytesMut,
    ) -> Self {
        let call = Call {
            id: tool.id.to_owned(),
            namespace: tool.name.0.map(str::to_owned),
            name: tool.name.1.to_owned(),
            arguments,
            is_custom: tool.is_custom,
        };
        let words = (!call.is_custom).then(|| call.whole().to_owned());
        let mut added = Self::begin(id, at, Body::Call(call), sequence, out);
        if let Some(words) = words {
            put_words(Part::Arguments, &added.item.id, at, &words, sequence, out);
        }
        added.end(sequence, out);
        added
    }

    /// Begins reasoning, at first without words.
    pub(in super::super) fn thought(
        id: String,
        at: usize,
        sequence: &mut u64,
        out: &mut BytesMut,
    ) -> Self {
        let body = Body::Reasoning {
            text: String::new(),
            sealed: None,
        };
        let added = Self::begin(id, at, body, sequence, out);
        put_summary_begun(&added.item.id, at, sequence, out);
        added
    }

    /// Goes on with reasoning.
    pub(in super::super) fn think(&mut self, words: &str, sequence: &mut u64, out: &mut BytesMut) {
        if let Body::Reasoning { text, .. } = &mut self.item.body {
            text.push_str(words);
            put_words(
                Part::Summary(0),
                &self.item.id,
                self.at,
                words,
                sequence,
                out,
            );
        }
    }

    /// Ends the item.
    pub(in super::super) fn end(&mut self, sequence: &mut u64, out: &mut BytesMut) {
        self.item.state = State::Completed;
        put_done(&self.item, self.at, sequence, out);
    }

    /// Bytes of what it says.
    pub(in super::super) fn bytes(&self) -> usize {
        match &self.item.body {
            Body::Reasoning { text, .. } => text.len(),
            Body::Call(call) => call.arguments.len(),
            Body::Message(parts) => parts.iter().map(|part| part.text().len()).sum(),
        }
    }

    /// The item as the list has it.
    pub(in super::super) fn put(&self, out: &mut BytesMut) {
        self.item.put(out);
    }

    fn begin(id: String, at: usize, body: Body, sequence: &mut u64, out: &mut BytesMut) -> Self {
        let item = Item {
            id,
            state: State::InProgress,
            body,
        };
        put_event(b"response.output_item.added", sequence, out, |out| {
            put_index(at, out);
            out.put_slice(b",\"item\":");
            item.put_empty(out);
        });
        Self { item, at }
    }
}

/// Tells words of the item `id`, which is the one numbered `at`.
pub(in super::super) fn put_words(
    part: Part,
    id: &str,
    at: usize,
    words: &str,
    sequence: &mut u64,
    out: &mut BytesMut,
) {
    let place = Place { id, at };
    let (kind, number): (&[u8], Option<(&[u8], usize)>) = match part {
        Part::Text(number) => (
            b"response.output_text.delta",
            Some((b"content_index", number)),
        ),
        Part::Thought(number) => (
            b"response.reasoning_text.delta",
            Some((b"content_index", number)),
        ),
        Part::Summary(number) => (
            b"response.reasoning_summary_text.delta",
            Some((b"summary_index", number)),
        ),
        Part::Arguments => (b"response.function_call_arguments.delta", None),
    };
    put_event(kind, sequence, out, |out| {
        match number {
            Some((name, number)) => place.put(name, number, out),
            None => place.put_item(out),
        }
        put_delta(words, out);
        if matches!(part, Part::Text(_)) {
            out.put_slice(b",\"logprobs\":[]");
        }
    });
}

/// Begins the summary of reasoning.
pub(super) fn put_summary_begun(id: &str, at: usize, sequence: &mut u64, out: &mut BytesMut) {
    let kind = b"response.reasoning_summary_part.added";
    put_event(kind, sequence, out, |out| {
        Place { id, at }.put(b"summary_index", 0, out);
        out.put_slice(b",\"part\":");
        put_summary("", out);
    });
}
