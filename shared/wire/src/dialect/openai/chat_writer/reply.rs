//! A whole answer as one chat completion.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::finish;
use super::json::{put_head, put_number, put_string, put_usage};
use super::{WriterOptions, call_id, custom, is_usable, put_encrypted, put_signed};
use crate::hub::{Answer, AnsweredChoice, Finish, Origin, Thinking, ToolNames};

/// `answer` as a chat completion.
///
/// The id and the time are the upstream's where it says them, those of `options`
/// otherwise, as in the stream of the same answer. Usage is in it whenever the upstream
/// declares any.
#[must_use]
pub fn write_chat_reply(answer: &Answer, names: &ToolNames, options: &WriterOptions) -> Bytes {
    let id = answer_id(&answer.id, &options.id);
    let mut out = BytesMut::new();
    let created = answer.created.unwrap_or(options.created);
    put_head(id, "chat.completion", created, &options.model, &mut out);
    let nothing = [AnsweredChoice::default()];
    let choices = match answer.choices.as_slice() {
        [] => &nothing[..],
        choices => choices,
    };
    let mut open = b'[';
    for (number, choice) in (0u32..).zip(choices) {
        out.put_u8(open);
        open = b',';
        put_choice(number, choice, names, (id, options.origin), &mut out);
    }
    out.put_u8(b']');
    if let Some(usage) = &answer.usage {
        out.put_slice(b",\"usage\":");
        put_usage(usage, &mut out);
    }
    out.put_u8(b'}');
    out.freeze()
}

/// The upstream's id of an answer, where it has one.
fn answer_id<'i>(upstreams: &'i str, fallback: &'i str) -> &'i str {
    if is_usable(upstreams) {
        upstreams
    } else {
        fallback
    }
}

/// The id that a call gets from [`write_chat_reply`]; `answer` is the upstream's id of
/// the answer, `id` that of the call.
pub(crate) fn reply_call_id<'i>(
    answer: &str,
    fallback_id: &str,
    (choice, call): (u32, u32),
    id: &'i str,
) -> Cow<'i, str> {
    call_id(answer_id(answer, fallback_id), choice, call, id)
}

fn put_choice(
    number: u32,
    choice: &AnsweredChoice,
    names: &ToolNames,
    (response, origin): (&str, Option<Origin>),
    out: &mut BytesMut,
) {
    out.put_slice(b"{\"index\":");
    put_number(number.into(), out);
    out.put_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
    let is_elsewhere = !choice.calls.is_empty() || !choice.refusal.is_empty();
    if choice.text.is_empty() && is_elsewhere {
        out.put_slice(b"null");
    } else {
        put_string(&choice.text, out);
    }
    out.put_slice(b",\"refusal\":");
    if choice.refusal.is_empty() {
        out.put_slice(b"null");
    } else {
        put_string(&choice.refusal, out);
    }
    put_reasoning(&choice.reasoning, origin, out);
    put_calls(number, choice, names, response, out);
    out.put_slice(b"},\"logprobs\":null,\"finish_reason\":");
    let unsaid = if choice.calls.is_empty() {
        Finish::Stop
    } else {
        Finish::ToolCalls
    };
    out.put_slice(finish::json(choice.finish.unwrap_or(unsaid)));
    out.put_u8(b'}');
}

/// The words in one member for every client, and the blocks with their proofs in
/// another for clients that send them back.
fn put_reasoning(blocks: &[Thinking], origin: Option<Origin>, out: &mut BytesMut) {
    let words: String = blocks
        .iter()
        .filter_map(|block| match block {
            Thinking::Plain { text, .. } => Some(text.as_str()),
            Thinking::Redacted { .. } => None,
        })
        .collect();
    if !words.is_empty() {
        out.put_slice(b",\"reasoning_content\":");
        put_string(&words, out);
    }
    if blocks.is_empty() {
        return;
    }
    let mut open = &b",\"reasoning_details\":["[..];
    for (index, block) in (0u32..).zip(blocks) {
        out.put_slice(open);
        open = b",";
        match block {
            Thinking::Plain { text, signature } => {
                put_signed(Some(text), signature.as_deref(), origin, index, out);
            }
            Thinking::Redacted { data } => put_encrypted(data, origin, index, out),
        }
    }
    out.put_u8(b']');
}

fn put_calls(
    number: u32,
    choice: &AnsweredChoice,
    names: &ToolNames,
    response: &str,
    out: &mut BytesMut,
) {
    if choice.calls.is_empty() {
        return;
    }
    let mut open = &b",\"tool_calls\":["[..];
    for (at, call) in (0u32..).zip(&choice.calls) {
        out.put_slice(open);
        open = b",";
        out.put_slice(b"{\"id\":");
        put_string(&call_id(response, number, at, &call.id), out);
        let name = names.caller(&call.name);
        if names.is_custom(name) {
            out.put_slice(b",\"type\":\"custom\",\"custom\":{\"name\":");
            put_string(name, out);
            out.put_slice(b",\"input\":");
            put_string(&custom::input(&call.arguments), out);
        } else {
            out.put_slice(b",\"type\":\"function\",\"function\":{\"name\":");
            put_string(name, out);
            out.put_slice(b",\"arguments\":");
            match call.arguments.trim_ascii() {
                "" => out.put_slice(b"\"{}\""),
                _ => put_string(&call.arguments, out),
            }
        }
        out.put_slice(b"}}");
    }
    out.put_u8(b']');
}
