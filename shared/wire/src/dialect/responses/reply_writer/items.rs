//! The items of a response in a stream.
//!
//! Reasoning and messages are open until something else comes. Calls may be written at
//! the same time; one whose arguments are complete ends when another item begins, the
//! others end with the answer.

use bytes::{BufMut, BytesMut};

use super::added::{Part, put_summary_begun, put_words};
use super::done::{Place, put_delta, put_done, put_index, put_part_done};
use super::item::{Body, Call, Content, Item, State};
use super::put_event;
use crate::dialect::responses::sealed::seal;
use crate::hub::{Origin, Thinking};

/// More bytes than this are not kept, and so not written; no model writes so much.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Items beyond this number are not written.
const MOST_ITEMS: usize = 4096;

#[derive(Debug)]
pub(super) struct Items {
    /// What the ids are made of.
    id: String,
    origin: Option<Origin>,
    list: Vec<Item>,
    /// The number in the list of the reasoning or message that may go on.
    open: Option<usize>,
    /// Numbers in the list, by call.
    calls: Vec<usize>,
    bytes: usize,
    is_full: bool,
}

/// What a call calls.
#[derive(Clone, Copy)]
pub(in super::super) struct Tool<'t> {
    /// The upstream's id of the call.
    pub(in super::super) id: &'t str,
    /// Namespace and name as the caller knows them.
    pub(in super::super) name: (Option<&'t str>, &'t str),
    pub(in super::super) is_custom: bool,
}

impl Items {
    pub(super) fn new(id: String, origin: Option<Origin>) -> Self {
        Self {
            id,
            origin,
            list: Vec::new(),
            open: None,
            calls: Vec::new(),
            bytes: 0,
            is_full: false,
        }
    }

    /// Whether something was too much to be written.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(super) fn call_id(&self, call: u32, id: &str) -> String {
        if id.is_empty() {
            format!("call_{}_{call}", self.id)
        } else {
            id.to_owned()
        }
    }

    /// All items, done or not.
    pub(super) fn put_list(&self, out: &mut BytesMut) {
        out.put_u8(b'[');
        for (number, item) in self.list.iter().enumerate() {
            if number > 0 {
                out.put_u8(b',');
            }
            item.put(out);
        }
        out.put_u8(b']');
    }

    pub(super) fn text(&mut self, text: &str, sequence: &mut u64, out: &mut BytesMut) {
        self.say(Content::Text(String::new()), text, sequence, out);
    }

    pub(super) fn refusal(&mut self, text: &str, sequence: &mut u64, out: &mut BytesMut) {
        self.say(Content::Refusal(String::new()), text, sequence, out);
    }

    /// Goes on with a message's last part, or begins one of the kind of `part`.
    fn say(&mut self, part: Content, text: &str, sequence: &mut u64, out: &mut BytesMut) {
        if !self.has_room(text.len()) {
            return;
        }
        let is_message = |item: &Item| matches!(item.body, Body::Message(_));
        let Some(at) = self.opened(is_message, sequence, out, || Body::Message(Vec::new())) else {
            return;
        };
        let Some(Item {
            id,
            body: Body::Message(parts),
            ..
        }) = self.list.get_mut(at)
        else {
            return;
        };
        let place = Place {
            id: id.as_str(),
            at,
        };
        let goes_on = parts.last().is_some_and(|last| same_kind(last, &part));
        if !goes_on {
            if let Some(last) = parts.last() {
                put_part_done(&place, parts.len() - 1, last, sequence, out);
            }
            put_event(b"response.content_part.added", sequence, out, |out| {
                place.put(b"content_index", parts.len(), out);
                out.put_slice(b",\"part\":");
                part.put("", out);
            });
            parts.push(part);
        }
        let number = parts.len() - 1;
        match parts.last_mut() {
            Some(Content::Text(had)) => {
                had.push_str(text);
                put_words(Part::Text(number), id, at, text, sequence, out);
            }
            Some(Content::Refusal(had)) => {
                had.push_str(text);
                put_event(b"response.refusal.delta", sequence, out, |out| {
                    place.put(b"content_index", number, out);
                    put_delta(text, out);
                });
            }
            None => {}
        }
    }

    pub(super) fn reasoning(&mut self, words: &str, sequence: &mut u64, out: &mut BytesMut) {
        if !self.has_room(words.len()) {
            return;
        }
        let Some(at) = self.thought(sequence, out) else {
            return;
        };
        let Some(Item {
            id,
            body: Body::Reasoning { text, .. },
            ..
        }) = self.list.get_mut(at)
        else {
            return;
        };
        if text.is_empty() {
            put_summary_begun(id, at, sequence, out);
        }
        text.push_str(words);
        put_words(Part::Summary(0), id, at, words, sequence, out);
    }

    /// The proof of the reasoning so far; ends its item.
    pub(super) fn signature(&mut self, proof: &str, sequence: &mut u64, out: &mut BytesMut) {
        let block = Thinking::Plain {
            text: String::new(),
            signature: Some(proof.to_owned()),
        };
        self.prove(&block, proof.len(), sequence, out);
    }

    /// Reasoning without words: an item of its own.
    pub(super) fn redacted(&mut self, data: &str, sequence: &mut u64, out: &mut BytesMut) {
        self.close(sequence, out);
        let block = Thinking::Redacted {
            data: data.to_owned(),
        };
        self.prove(&block, data.len(), sequence, out);
    }

    fn prove(&mut self, block: &Thinking, weight: usize, sequence: &mut u64, out: &mut BytesMut) {
        if !self.has_room(weight) {
            return;
        }
        let proof = seal(block, self.origin);
        if let Some(at) = self.thought(sequence, out)
            && let Some(Body::Reasoning { sealed, .. }) =
                self.list.get_mut(at).map(|item| &mut item.body)
        {
            *sealed = proof;
            self.close(sequence, out);
        }
    }

    /// The open item of reasoning, or a new one.
    fn thought(&mut self, sequence: &mut u64, out: &mut BytesMut) -> Option<usize> {
        let is_thought = |item: &Item| matches!(item.body, Body::Reasoning { .. });
        self.opened(is_thought, sequence, out, || Body::Reasoning {
            text: String::new(),
            sealed: None,
        })
    }

    /// A call begins.
    pub(super) fn call(
        &mut self,
        number: u32,
        tool: Tool<'_>,
        sequence: &mut u64,
        out: &mut BytesMut,
    ) {
        // Calls are numbered in order of appearance.
        if number as usize != self.calls.len() || !self.has_room(tool.name.1.len()) {
            return;
        }
        self.close(sequence, out);
        let call = Call {
            id: self.call_id(number, tool.id),
            namespace: tool.name.0.map(str::to_owned),
            name: tool.name.1.to_owned(),
            arguments: String::new(),
            is_custom: tool.is_custom,
        };
        if let Some(at) = self.begin(Body::Call(call), sequence, out) {
            self.calls.push(at);
        }
    }

    /// Arguments of a call. Those of a custom tool are no text of its caller's yet.
    pub(super) fn arguments(
        &mut self,
        number: u32,
        text: &str,
        sequence: &mut u64,
        out: &mut BytesMut,
    ) {
        let Some(at) = self.calls.get(number as usize).copied() else {
            return;
        };
        if !self.has_room(text.len()) {
            return;
        }
        let Some(Item {
            id,
            state: State::InProgress,
            body: Body::Call(call),
        }) = self.list.get_mut(at)
        else {
            return;
        };
        call.arguments.push_str(text);
        if !call.is_custom {
            put_words(Part::Arguments, id, at, text, sequence, out);
        }
    }

    /// The answer is over; `is_cut` says that it ended before the model did.
    pub(super) fn end(&mut self, is_cut: bool, sequence: &mut u64, out: &mut BytesMut) {
        let open = self.open.take();
        for at in 0..self.list.len() {
            let Some(item) = self.list.get_mut(at) else {
                return;
            };
            if item.state != State::InProgress {
                continue;
            }
            let is_half = match &item.body {
                Body::Call(call) => is_cut && !call.is_whole(),
                Body::Reasoning { .. } | Body::Message(_) => false,
            };
            let is_last = is_cut && open == Some(at);
            item.state = if is_half || is_last {
                State::Incomplete
            } else {
                State::Completed
            };
            if !is_half {
                put_done(item, at, sequence, out);
            }
        }
    }

    /// Whether so many bytes more are kept.
    fn has_room(&mut self, more: usize) -> bool {
        self.bytes = self.bytes.saturating_add(more);
        self.is_full |= self.bytes > MOST_BYTES;
        !self.is_full
    }

    /// The open item where it `is` of the kind, or a new one.
    fn opened(
        &mut self,
        is: fn(&Item) -> bool,
        sequence: &mut u64,
        out: &mut BytesMut,
        new: fn() -> Body,
    ) -> Option<usize> {
        let open = self.open.filter(|at| self.list.get(*at).is_some_and(is));
        if open.is_some() {
            return open;
        }
        self.close(sequence, out);
        self.open = self.begin(new(), sequence, out);
        self.open
    }

    /// Ends the open item, and every call that is complete.
    fn close(&mut self, sequence: &mut u64, out: &mut BytesMut) {
        let open = self.open.take();
        let last = self.list.len().checked_sub(1);
        for at in [open, last].into_iter().flatten() {
            let Some(item) = self.list.get_mut(at) else {
                continue;
            };
            let is_over = match &item.body {
                Body::Call(call) => !call.arguments.is_empty() && call.is_whole(),
                Body::Reasoning { .. } | Body::Message(_) => true,
            };
            if is_over && item.state == State::InProgress {
                item.state = State::Completed;
                put_done(item, at, sequence, out);
            }
        }
    }

    fn begin(&mut self, body: Body, sequence: &mut u64, out: &mut BytesMut) -> Option<usize> {
        let at = self.list.len();
        if at >= MOST_ITEMS {
            self.is_full = true;
            return None;
        }
        let kind = match &body {
            Body::Reasoning { .. } => "rs",
            Body::Message(_) => "msg",
            Body::Call(call) if call.is_custom => "ctc",
            Body::Call(_) => "fc",
        };
        let item = Item {
            id: format!("{kind}_{}_{at}", self.id),
            state: State::InProgress,
            body,
        };
        put_event(b"response.output_item.added", sequence, out, |out| {
            put_index(at, out);
            out.put_slice(b",\"item\":");
            item.put_empty(out);
        });
        self.list.push(item);
        Some(at)
    }
}

fn same_kind(one: &Content, other: &Content) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}
