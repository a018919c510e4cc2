//! The blocks of a message in a stream: one at a time, in order.
//!
//! A block is open until something else comes. A call that has begun is not closed
//! before its arguments are complete; what comes meanwhile waits behind it, in order.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::extent::Extent;
use super::put_json;

/// More bytes than this do not wait; no server writes so much beside a call.
const MOST_WAITING: usize = 16 * 1024 * 1024;

/// Calls beyond this number are not written.
const MOST_CALLS: usize = 4096;

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Text(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    /// Ends the reasoning before it.
    Signature(Cow<'a, str>),
    Redacted(Cow<'a, str>),
    /// The call with this number begins.
    Call(usize),
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// The number of the next block.
    next: u32,
    open: Open,
    calls: Vec<Call>,
    waiting: VecDeque<Piece<'static>>,
    waiting_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Thinking,
    Call(usize),
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    /// Arguments that have not been written: those of a call that waits, and those
    /// that are no JSON object.
    held: String,
    /// How far those are that begin an object; `None` before the first of them.
    extent: Option<Extent>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Start<'a> {
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Nothing,
    },
}

/// `{}`.
#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Input { partial_json: &'a str },
}

impl Blocks {
    /// Whether the answer calls anything.
    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Writes a piece, or keeps it until the open call is complete.
    pub(super) fn put(&mut self, piece: Piece<'_>, out: &mut BytesMut) {
        if self.is_free() {
            self.write(&piece, out);
        } else {
            self.wait(piece);
        }
    }

    /// A call begins.
    pub(super) fn call(&mut self, number: u32, id: String, name: String, out: &mut BytesMut) {
        let at = self.calls.len();
        // Calls are numbered in order of appearance.
        if number as usize != at || at >= MOST_CALLS {
            return;
        }
        self.calls.push(Call {
            id,
            name,
            held: String::new(),
            extent: None,
        });
        self.put(Piece::Call(at), out);
    }

    /// Arguments of a call, which may be the open one or one that waits.
    pub(super) fn arguments(&mut self, number: u32, text: &str, out: &mut BytesMut) {
        let at = number as usize;
        let is_open = self.open == Open::Call(at);
        let Some(call) = self.calls.get_mut(at) else {
            return;
        };
        if is_open {
            self.flow(at, text, out);
            self.advance(out);
        } else if self.waiting_bytes <= MOST_WAITING && !call.is_complete() {
            self.waiting_bytes += text.len();
            call.held.push_str(text);
        }
    }

    /// The answer is complete: nothing waits any longer.
    pub(super) fn end(&mut self, out: &mut BytesMut) {
        while let Some(piece) = self.waiting.pop_front() {
            self.write(&piece, out);
        }
        self.close(out);
    }

    /// Whether something else than the open block may be written.
    fn is_free(&self) -> bool {
        match self.open {
            Open::Call(at) => self.calls[at].is_complete(),
            Open::Nothing | Open::Text | Open::Thinking => true,
        }
    }

    fn wait(&mut self, piece: Piece<'_>) {
        let piece = piece.into_owned();
        let more = piece.text();
        if self.waiting_bytes.saturating_add(more.len()) > MOST_WAITING {
            return;
        }
        self.waiting_bytes += more.len();
        match (self.waiting.back_mut(), &piece) {
            (Some(Piece::Text(text)), Piece::Text(more))
            | (Some(Piece::Thinking(text)), Piece::Thinking(more)) => text.to_mut().push_str(more),
            (Some(_) | None, _) => self.waiting.push_back(piece),
        }
    }

    /// Writes what waits, up to a call that is not complete.
    fn advance(&mut self, out: &mut BytesMut) {
        while self.is_free()
            && let Some(piece) = self.waiting.pop_front()
        {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(piece.text().len());
            self.write(&piece, out);
        }
    }

    fn write(&mut self, piece: &Piece<'_>, out: &mut BytesMut) {
        match piece {
            Piece::Text(text) => {
                self.open(Open::Text, &Start::Text { text: "" }, out);
                self.put_delta(&Delta::Text { text }, out);
            }
            Piece::Thinking(thinking) => {
                self.open(Open::Thinking, &Start::THINKING, out);
                self.put_delta(&Delta::Thinking { thinking }, out);
            }
            Piece::Signature(signature) => {
                self.open(Open::Thinking, &Start::THINKING, out);
                self.put_delta(&Delta::Signature { signature }, out);
                self.close(out);
            }
            Piece::Redacted(data) => {
                self.close(out);
                self.put_start(&Start::RedactedThinking { data }, out);
                self.put_stop(out);
            }
            Piece::Call(at) => {
                let at = *at;
                let call = &mut self.calls[at];
                let held = std::mem::take(&mut call.held);
                let (id, name) = (call.id.clone(), call.name.clone());
                let start = Start::ToolUse {
                    id: &id,
                    name: &name,
                    input: Nothing {},
                };
                self.open(Open::Call(at), &start, out);
                self.waiting_bytes = self.waiting_bytes.saturating_sub(held.len());
                self.flow(at, &held, out);
            }
        }
    }

    /// Writes arguments of the open call as they come, as long as they are an object.
    fn flow(&mut self, at: usize, text: &str, out: &mut BytesMut) {
        let call = &mut self.calls[at];
        if call.extent.is_none() {
            // What is not an object is seen as a whole only when the call ends.
            call.held.push_str(text);
            if !call.held.trim_start().starts_with('{') {
                return;
            }
        }
        let held = std::mem::take(&mut call.held);
        let text = if held.is_empty() {
            text
        } else {
            held.trim_start()
        };
        let partial_json = call.extent.get_or_insert_default().take(text);
        if !partial_json.is_empty() {
            self.put_delta(&Delta::Input { partial_json }, out);
        }
    }

    /// Opens a block unless the open one is of the same kind.
    fn open(&mut self, open: Open, start: &Start<'_>, out: &mut BytesMut) {
        if self.open != open {
            self.close(out);
            self.open = open;
            self.put_start(start, out);
        }
    }

    fn close(&mut self, out: &mut BytesMut) {
        match self.open {
            Open::Nothing => return,
            Open::Text | Open::Thinking => {}
            Open::Call(at) => {
                let call = &mut self.calls[at];
                if call.extent.is_none() {
                    call.extent = Some(Extent::default());
                    let input = whole_input(&std::mem::take(&mut call.held));
                    let partial_json = input.as_str();
                    self.put_delta(&Delta::Input { partial_json }, out);
                }
            }
        }
        self.open = Open::Nothing;
        self.put_stop(out);
    }

    fn put_start(&mut self, start: &Start<'_>, out: &mut BytesMut) {
        self.put_event(b"content_block_start", out);
        out.put_slice(b",\"content_block\":");
        put_json(start, out);
        out.put_slice(b"}\n\n");
    }

    fn put_delta(&self, delta: &Delta<'_>, out: &mut BytesMut) {
        self.put_event(b"content_block_delta", out);
        out.put_slice(b",\"delta\":");
        put_json(delta, out);
        out.put_slice(b"}\n\n");
    }

    fn put_stop(&mut self, out: &mut BytesMut) {
        self.put_event(b"content_block_stop", out);
        out.put_slice(b"}\n\n");
        self.next += 1;
    }

    /// An event of the open block, up to its index.
    fn put_event(&self, name: &[u8], out: &mut BytesMut) {
        out.put_slice(b"event: ");
        out.put_slice(name);
        out.put_slice(b"\ndata: {\"type\":\"");
        out.put_slice(name);
        out.put_slice(b"\",\"index\":");
        put_json(&self.next, out);
    }
}

impl Start<'_> {
    const THINKING: Self = Self::Thinking {
        thinking: "",
        signature: "",
    };
}

impl Piece<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Text(text)
            | Self::Thinking(text)
            | Self::Signature(text)
            | Self::Redacted(text) => text,
            Self::Call(_) => "",
        }
    }

    fn into_owned(self) -> Piece<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Text(text) => Piece::Text(owned(text)),
            Self::Thinking(text) => Piece::Thinking(owned(text)),
            Self::Signature(text) => Piece::Signature(owned(text)),
            Self::Redacted(text) => Piece::Redacted(owned(text)),
            Self::Call(at) => Piece::Call(at),
        }
    }
}

impl Call {
    fn is_complete(&self) -> bool {
        self.extent.is_some_and(Extent::is_complete)
    }
}

/// Arguments as the object that Anthropic's format wants: nothing is `{}`, and what is
/// no object is the member `_raw_arguments` of one, so that nothing is lost.
pub(super) fn whole_input(arguments: &str) -> String {
    let text = arguments.trim();
    if text.is_empty() || text == "null" {
        return "{}".to_owned();
    }
    let is_object =
        text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_object {
        return text.to_owned();
    }
    serde_json::json!({ "_raw_arguments": arguments }).to_string()
}
