//! A whole answer as one message.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use super::blocks::whole_input;
use super::{MessageUsage, WriterOptions, call_id, put_json, put_message_head, stop_reason};
use crate::hub::{Answer, AnsweredChoice, Thinking, ToolNames};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    RedactedThinking {
        data: &'a str,
    },
    Text {
        text: &'a str,
    },
    ToolUse {
        id: String,
        name: &'a str,
        input: Box<RawValue>,
    },
}

/// `answer` as a message; its first choice, the format has no more.
#[must_use]
pub fn write_reply(answer: &Answer, names: &ToolNames, options: &WriterOptions) -> Bytes {
    let id = answer_id(&answer.id, &options.id);
    let nothing = AnsweredChoice::default();
    let choice = answer.choices.first().unwrap_or(&nothing);
    let mut out = BytesMut::new();
    put_message_head(options, id, &mut out);
    put_json(&blocks(choice, names, id), &mut out);
    let has_refused = !choice.refusal.is_empty();
    let reason = stop_reason(choice.finish, !choice.calls.is_empty(), has_refused);
    out.put_slice(b",\"stop_reason\":\"");
    out.put_slice(reason.as_bytes());
    out.put_slice(b"\",\"stop_sequence\":null,\"usage\":");
    let usage = MessageUsage::of(
        answer.usage.as_ref(),
        options.input_tokens,
        weight(choice) as u64,
    );
    put_json(&usage, &mut out);
    out.put_u8(b'}');
    out.freeze()
}

fn answer_id<'i>(answer: &'i str, fallback: &'i str) -> &'i str {
    match answer {
        "" => fallback,
        id => id,
    }
}

/// The id that the caller of a whole answer knows a call by. `answer` is the upstream's
/// id of the answer, `fallback` that of one without.
pub(crate) fn reply_call_id(answer: &str, fallback: &str, call: u32, id: &str) -> String {
    call_id(answer_id(answer, fallback), call, id)
}

/// Reasoning, text, refusal, calls: the order in which models make them.
fn blocks<'a>(choice: &'a AnsweredChoice, names: &'a ToolNames, id: &str) -> Vec<Block<'a>> {
    let thinking = choice.reasoning.iter().map(|block| match block {
        Thinking::Plain { text, signature } => Block::Thinking {
            thinking: text,
            signature: signature.as_deref().unwrap_or_default(),
        },
        Thinking::Redacted { data } => Block::RedactedThinking { data },
    });
    let texts = [&choice.text, &choice.refusal]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| Block::Text { text });
    let calls = (0u32..).zip(&choice.calls).filter_map(|(number, call)| {
        Some(Block::ToolUse {
            id: call_id(id, number, &call.id),
            name: names.caller(&call.name),
            input: RawValue::from_string(whole_input(&call.arguments)).ok()?,
        })
    });
    thinking.chain(texts).chain(calls).collect()
}

/// Bytes that the model wrote.
fn weight(choice: &AnsweredChoice) -> usize {
    let thinking = choice.reasoning.iter().map(|block| match block {
        Thinking::Plain { text, .. } => text.len(),
        Thinking::Redacted { .. } => 0,
    });
    let calls = choice.calls.iter();
    let calls = calls.map(|call| call.name.len() + call.arguments.len());
    choice.text.len() + choice.refusal.len() + thinking.sum::<usize>() + calls.sum::<usize>()
}
