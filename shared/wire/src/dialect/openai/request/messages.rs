//! The conversation: what must hold of it, and where a system prompt goes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::BadRequest;
use crate::edit::{Edits, json_string, span_of};
use crate::object::{self, Object};

/// What reading the conversation found. Its texts are not kept.
pub(super) struct Messages {
    count: usize,
    /// What no look at calls and results would mend.
    problem: Option<BadRequest>,
    /// The first result that answers no call.
    orphan: Option<BadRequest>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(default)]
    tool_call_id: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<Object<ToolCall>>>,
}

#[derive(Deserialize)]
struct ToolCall {
    #[serde(default)]
    id: Option<String>,
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Messages;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Messages, A::Error> {
                let mut asked = HashSet::new();
                let mut calls = 0;
                let mut found = Messages {
                    count: 0,
                    problem: None,
                    orphan: None,
                };
                while let Some(Object(message)) = seq.next_element::<Object<Message<'de>>>()? {
                    if message.role == "tool" && found.orphan.is_none() {
                        found.orphan =
                            unanswered(found.count, message.tool_call_id.as_deref(), &asked);
                    }
                    let more = message.tool_calls.unwrap_or_default();
                    calls += more.len();
                    if calls > MAX_CALLS {
                        asked = HashSet::new();
                        let too_many = || too_many_calls(found.count);
                        found.problem.get_or_insert_with(too_many);
                    } else if message.role == "assistant" {
                        // Of any other's message no server takes calls.
                        asked.extend(more.into_iter().filter_map(|Object(call)| call.id));
                    }
                    found.count += 1;
                }
                Ok(found)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// More tool calls than any conversation holds, those of one id included; their ids
/// must be kept in memory.
const MAX_CALLS: usize = 20_000;

fn too_many_calls(index: usize) -> BadRequest {
    BadRequest::field(
        format!("messages[{index}].tool_calls"),
        &format!("is too much: a conversation may hold {MAX_CALLS} tool calls"),
    )
}

fn unanswered(index: usize, id: Option<&str>, asked: &HashSet<String>) -> Option<BadRequest> {
    let param = || format!("messages[{index}].tool_call_id");
    match id {
        Some(id) if asked.contains(id) => None,
        Some(_) => Some(BadRequest::field(
            param(),
            "answers no tool call: an earlier assistant message must carry a tool call with this id",
        )),
        None => Some(BadRequest::field(
            param(),
            "is required: a message with the role 'tool' must name the tool call that it answers",
        )),
    }
}

/// Why the conversation is refused unless a tool message in it is mended that answers
/// no call.
///
/// # Errors
/// When the conversation is missing, empty, or holds too many calls.
pub(super) fn check(messages: Option<Messages>) -> Result<Option<BadRequest>, BadRequest> {
    match messages {
        None => Err(BadRequest::field("messages", "is required")),
        Some(Messages { count: 0, .. }) => Err(BadRequest::field(
            "messages",
            "must hold at least one message",
        )),
        Some(Messages {
            problem, orphan, ..
        }) => problem.map_or(Ok(orphan), Err),
    }
}

/// Where the role of a message in `body`, which has been read without error, is
/// `developer`.
pub(super) fn developer_roles(body: &[u8]) -> Vec<Range<usize>> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        messages: Vec<Object<Message<'a>>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        role: &'a RawValue,
    }
    const ROLE: &[u8] = b"\"developer\"";
    // Most conversations have no such message and are not read again.
    if memchr::memmem::find(body, ROLE).is_none() {
        return Vec::new();
    }
    let Ok(Body { messages }) = object::read(body) else {
        return Vec::new();
    };
    let roles = messages.into_iter().map(|Object(message)| message.role);
    let foreign = roles.filter(|role| role.get().as_bytes() == ROLE);
    foreign.map(|role| span_of(body, role)).collect()
}

/// Puts `prompt` before the conversation in `body`, which has been read without
/// error.
pub(super) fn lead_with(edits: &mut Edits, body: &Bytes, prompt: &str) {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        messages: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Leading<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
    }
    let Ok(Body { messages }) = object::read(body) else {
        return;
    };
    let list = span_of(body, messages);
    let leading = first_of(messages)
        .and_then(|first| object::read_str::<Leading<'_>>(first.get()).ok())
        .filter(|first| matches!(first.role.as_ref(), "system" | "developer"));
    let content = leading.and_then(|first| first.content);
    let with_gap = json_string(&format!("{prompt}\n\n"));
    match content.map(|content| (content.get().as_bytes(), span_of(body, content))) {
        Some(([b'"', ..], at)) => {
            // The caller's text follows behind the escaped prompt, untouched.
            let inside = at.start + 1;
            edits.replace(inside..inside, with_gap.slice(1..with_gap.len() - 1));
        }
        Some(([b'[', rest @ ..], at)) => {
            let mut part = br#"{"type":"text","text":"#.to_vec();
            part.extend_from_slice(&with_gap);
            part.push(b'}');
            if rest.trim_ascii_start().first() != Some(&b']') {
                part.push(b',');
            }
            edits.replace(at.start + 1..at.start + 1, part);
        }
        Some(_) | None => {
            let mut message = br#"{"role":"system","content":"#.to_vec();
            message.extend_from_slice(&json_string(prompt));
            message.extend_from_slice(b"},");
            edits.replace(list.start + 1..list.start + 1, message);
        }
    }
}

fn first_of(list: &RawValue) -> Option<&RawValue> {
    struct First<'a>(Option<&'a RawValue>);
    impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Take;
            impl<'de> Visitor<'de> for Take {
                type Value = Option<&'de RawValue>;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a list")
                }

                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                    let first = seq.next_element()?;
                    while seq.next_element::<IgnoredAny>()?.is_some() {}
                    Ok(first)
                }
            }
            deserializer.deserialize_seq(Take).map(First)
        }
    }
    serde_json::from_str::<First<'_>>(list.get()).ok()?.0
}
