//! One item of a response, and how it is written.

use bytes::{BufMut, BytesMut};

use crate::dialect::openai::{custom_input, put_string};

/// An item of the answer with all of it that has come.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) body: Body,
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    InProgress,
    Completed,
    /// The answer ended in it.
    Incomplete,
}

#[derive(Debug)]
pub(super) enum Body {
    Reasoning {
        text: String,
        /// The proof, sealed.
        sealed: Option<String>,
    },
    Message(Vec<Content>),
    Call(Call),
}

/// A part of a message.
#[derive(Debug)]
pub(super) enum Content {
    Text(String),
    Refusal(String),
}

#[derive(Debug)]
pub(super) struct Call {
    /// What its result refers to.
    pub(super) id: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    /// All that has come of the function's arguments.
    pub(super) arguments: String,
    /// The caller knows the tool as one that takes free text.
    pub(super) is_custom: bool,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Content {
    /// The part with `text` in it, as events and items hold it.
    pub(super) fn put(&self, text: &str, out: &mut BytesMut) {
        match self {
            Self::Text(_) => {
                out.put_slice(b"{\"type\":\"output_text\",\"text\":");
                put_string(text, out);
                out.put_slice(b",\"annotations\":[],\"logprobs\":[]}");
            }
            Self::Refusal(_) => {
                out.put_slice(b"{\"type\":\"refusal\",\"refusal\":");
                put_string(text, out);
                out.put_u8(b'}');
            }
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Refusal(text) => text,
        }
    }
}

impl Call {
    /// What the caller gets as arguments: nothing is an empty object.
    pub(super) fn whole(&self) -> &str {
        match self.arguments.trim_ascii() {
            "" => "{}",
            _ => &self.arguments,
        }
    }

    /// The free text that a custom tool is called with.
    pub(super) fn input(&self) -> String {
        match self.arguments.trim_ascii() {
            "" => String::new(),
            _ => custom_input(&self.arguments),
        }
    }

    /// Whether the arguments are complete JSON.
    pub(super) fn is_whole(&self) -> bool {
        let text = self.whole();
        serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    }
}

impl Item {
    /// The item as far as it has come.
    pub(super) fn put(&self, out: &mut BytesMut) {
        match &self.body {
            Body::Reasoning { text, sealed } => {
                self.open(b"reasoning", out);
                out.put_slice(b",\"summary\":[");
                if !text.is_empty() {
                    put_summary(text, out);
                }
                out.put_u8(b']');
                if let Some(sealed) = sealed {
                    out.put_slice(b",\"encrypted_content\":");
                    put_string(sealed, out);
                }
            }
            Body::Message(parts) => {
                self.open(b"message", out);
                self.put_state(out);
                out.put_slice(b",\"role\":\"assistant\",\"content\":[");
                for (number, part) in parts.iter().enumerate() {
                    if number > 0 {
                        out.put_u8(b',');
                    }
                    part.put(part.text(), out);
                }
                out.put_u8(b']');
            }
            Body::Call(call) if call.is_custom => self.put_call(call, &call.input(), out),
            Body::Call(call) => self.put_call(call, call.whole(), out),
        }
        out.put_u8(b'}');
    }

    /// The item as it begins, with nothing in it.
    pub(super) fn put_empty(&self, out: &mut BytesMut) {
        match &self.body {
            Body::Reasoning { .. } => {
                self.open(b"reasoning", out);
                out.put_slice(b",\"summary\":[]");
            }
            Body::Message(_) => {
                self.open(b"message", out);
                self.put_state(out);
                out.put_slice(b",\"role\":\"assistant\",\"content\":[]");
            }
            Body::Call(call) => self.put_call(call, "", out),
        }
        out.put_u8(b'}');
    }

    fn put_call(&self, call: &Call, text: &str, out: &mut BytesMut) {
        let (kind, member) = if call.is_custom {
            (&b"custom_tool_call"[..], &b",\"input\":"[..])
        } else {
            (&b"function_call"[..], &b",\"arguments\":"[..])
        };
        self.open(kind, out);
        self.put_state(out);
        out.put_slice(b",\"call_id\":");
        put_string(&call.id, out);
        if let Some(namespace) = &call.namespace {
            out.put_slice(b",\"namespace\":");
            put_string(namespace, out);
        }
        out.put_slice(b",\"name\":");
        put_string(&call.name, out);
        out.put_slice(member);
        put_string(text, out);
    }

    fn open(&self, kind: &[u8], out: &mut BytesMut) {
        out.put_slice(b"{\"id\":");
        put_string(&self.id, out);
        out.put_slice(b",\"type\":\"");
        out.put_slice(kind);
        out.put_u8(b'"');
    }

    fn put_state(&self, out: &mut BytesMut) {
        out.put_slice(b",\"status\":\"");
        out.put_slice(self.state.word().as_bytes());
        out.put_u8(b'"');
    }
}

/// A part of a summary.
pub(super) fn put_summary(text: &str, out: &mut BytesMut) {
    out.put_slice(b"{\"type\":\"summary_text\",\"text\":");
    put_string(text, out);
    out.put_u8(b'}');
}
