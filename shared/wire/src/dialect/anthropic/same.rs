//! A caller's request on its way to an upstream that speaks Messages too: edited, not
//! written anew.
//!
//! What changes is the model's name, what the virtual model sets where the caller does
//! not, and reasoning: what no vendor has signed, and what another than this upstream has,
//! is taken out, because it would be refused, and what a caller dropped is put back where it
//! was. Every other byte stays.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::model::{Model, Sampling, Thinks};
use crate::dialect::openai::{Defaults, present};
use crate::edit::{Edits, Segments, json_string, span_of};
use crate::hub::{Note, Thinking};
use crate::object;
use crate::outbound::CUT;

/// What the endpoint and its model add to a request.
pub struct SameTarget<'a> {
    /// The upstream's model.
    pub model: &'a str,
    /// The same as a JSON string.
    pub model_json: &'a Bytes,
    /// The value of `stream`; `None` leaves what the caller sent.
    pub stream: Option<bool>,
    /// What the virtual model sets where the caller does not.
    pub defaults: &'a Defaults,
    /// Longest answer in tokens when nobody says; the format demands one. `None` where
    /// tokens are only to be counted: then nothing is set that shapes an answer.
    pub default_max_tokens: Option<u64>,
    /// Asks for the cache where the caller placed no mark.
    pub auto_cache: bool,
    /// The signed thinking that led to the call of this id, when it was kept.
    pub recall: &'a dyn Fn(&str) -> Option<Vec<Thinking>>,
    /// Whether this proof is known to be of another upstream or model.
    pub is_foreign: &'a dyn Fn(&str) -> bool,
    /// Whether the version of the API that the caller speaks has sampling parameters.
    pub samples: bool,
    /// The longest answer in tokens that the upstream has room for, when a longer one is
    /// asked for.
    pub most: Option<u64>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    model: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    temperature: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    top_p: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    system: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
}

/// How the caller wants the model to think.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It does not say, or says that it is not to.
    No,
    /// As it likes.
    Free,
    /// Within a budget: then earlier calls must come with the thoughts that led to them.
    Budget,
}

impl Wish {
    fn of(thinking: Option<&RawValue>) -> Self {
        let block = thinking.and_then(|raw| object::read_str::<Block<'_>>(raw.get()).ok());
        match block.as_ref().map(|block| &*block.kind) {
            None | Some("disabled") => Self::No,
            Some("enabled") => Self::Budget,
            Some(_) => Self::Free,
        }
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
}

impl Block<'_> {
    /// What proves that a vendor's model has thought it; `None` for what is no thought, and
    /// empty for a thought that nobody has signed.
    fn proof(&self) -> Option<&str> {
        let proof = match &*self.kind {
            "thinking" => &self.signature,
            "redacted_thinking" => &self.data,
            _ => return None,
        };
        Some(proof.as_deref().unwrap_or_default())
    }
}

const DEFAULT: &str = "the caller does not set it: the virtual model's default is sent";

/// `body`, which was read as a request of the dialect, as `target` gets it, and what is
/// not in it as the caller sent it.
#[must_use]
pub fn edit_request(body: &Bytes, target: &SameTarget<'_>) -> (Segments, Vec<Note>) {
    let mut notes = Vec::new();
    let Ok(parsed) = object::read::<Body<'_>>(body) else {
        return (Segments::from(body.clone()), notes);
    };
    let mut edits = Edits::default();
    let mut put = |name: &str, found: Option<&RawValue>, value: &[u8]| match found {
        Some(raw) if raw.get().as_bytes() == value => false,
        Some(raw) => {
            edits.replace(span_of(body, raw), Bytes::copy_from_slice(value));
            true
        }
        None => {
            edits.insert(name, value);
            true
        }
    };
    if put("model", parsed.model, target.model_json) {
        let why = "the endpoint has its own name for the model";
        notes.push(Note::adapted("model", why));
    }
    if let Some(stream) = target.stream {
        let asks = parsed.stream.is_some_and(|raw| raw.get() == "true");
        let text: &[u8] = if stream { b"true" } else { b"false" };
        if asks != stream && put("stream", parsed.stream, text) {
            let why = "the endpoint is asked for a whole answer";
            notes.push(Note::adapted("stream", why));
        }
    }
    let is_unset = |raw: Option<&RawValue>| raw.is_none_or(|raw| raw.get() == "null");
    if let Some(most) = target
        .default_max_tokens
        .filter(|_| is_unset(parsed.max_tokens))
    {
        let default = target.defaults.max_tokens.clone();
        let most = default.unwrap_or_else(|| most.to_string().into());
        put("max_tokens", parsed.max_tokens, &most);
        notes.push(Note::adapted("max_tokens", DEFAULT));
    }
    if let (Some(most), Some(at)) = (target.most, parsed.max_tokens)
        && put("max_tokens", Some(at), most.to_string().as_bytes())
    {
        notes.push(Note::adapted("max_tokens", CUT));
    }
    let wish = Wish::of(parsed.thinking);
    let sampling = Model::of(target.model).sampling;
    let answers = target.default_max_tokens.is_some();
    if answers && target.samples && sampling != Sampling::Refused && wish == Wish::No {
        let mut set = !is_unset(parsed.temperature);
        let defaults = target.defaults;
        for (name, found, default) in [
            ("temperature", parsed.temperature, &defaults.temperature),
            ("top_p", parsed.top_p, &defaults.top_p),
        ] {
            // Not every model takes both.
            let is_free = name != "top_p" || !set || sampling == Sampling::All;
            if let Some(value) = default.as_ref().filter(|_| is_unset(found) && is_free) {
                put(name, found, value);
                notes.push(Note::adapted(name, DEFAULT));
                set = true;
            }
        }
    }
    let has_mark = memchr::memmem::find(body, b"\"cache_control\"").is_some();
    if answers && target.auto_cache && !has_mark {
        put("cache_control", None, br#"{"type":"ephemeral"}"#);
        let why = "the prompt is cached, as the virtual model has it";
        notes.push(Note::adapted("cache_control", why));
    }
    if let Some(prompt) = &target.defaults.system_prompt {
        lead_with(&mut edits, body, parsed.system, prompt);
        notes.push(Note::adapted(
            "system",
            "the virtual model's system prompt leads",
        ));
    }
    let mut is_bare = false;
    for (index, raw) in parsed.messages.iter().enumerate() {
        if let Some(Reasoned {
            content,
            text,
            is_bare: bare,
        }) = reasoned(raw, wish != Wish::No, target)
        {
            edits.replace(span_of(body, content), text);
            is_bare |= bare;
            notes.push(Note::adapted(
                format!("messages[{index}]"),
                "reasoning goes back as its vendor has signed it, or not at all",
            ));
        }
    }
    let may_rest = Model::of(target.model).thinks != Thinks::Always;
    if let Some(thinking) = parsed
        .thinking
        .filter(|_| is_bare && may_rest && wish == Wish::Budget)
    {
        edits.replace(span_of(body, thinking), &br#"{"type":"disabled"}"#[..]);
        notes.push(Note::adapted(
            "thinking",
            "the signed thinking before an earlier tool call is lost, and without it the provider \
             refuses to think",
        ));
    }
    (edits.apply(body), notes)
}

/// Puts `prompt` before the caller's own system text.
fn lead_with(edits: &mut Edits, body: &Bytes, system: Option<&RawValue>, prompt: &str) {
    let written = system.map(|raw| (raw.get().as_bytes(), span_of(body, raw)));
    match written {
        Some(([b'"', ..], at)) => {
            let text = json_string(&format!("{prompt}\n\n"));
            edits.replace(at.start + 1..at.start + 1, text.slice(1..text.len() - 1));
        }
        Some(([b'[', rest @ ..], at)) => {
            let mut block = json!({"type": "text", "text": prompt}).to_string();
            if rest.trim_ascii_start().first() != Some(&b']') {
                block.push(',');
            }
            edits.replace(at.start + 1..at.start + 1, block);
        }
        Some((_, at)) => edits.replace(at, json_string(prompt)),
        None => edits.insert("system", &json_string(prompt)),
    }
}

/// A message of the assistant's whose reasoning is another one.
struct Reasoned<'a> {
    /// Its content as it came.
    content: &'a RawValue,
    /// The same as the vendor takes it.
    text: Bytes,
    /// It calls a tool, and none of the thoughts that led to it is left.
    is_bare: bool,
}

/// A message of the assistant with its reasoning as the vendor takes it; `None` when it
/// stays.
fn reasoned<'a>(raw: &'a RawValue, thinks: bool, target: &SameTarget<'_>) -> Option<Reasoned<'a>> {
    let has = |part: &[u8]| memchr::memmem::find(raw.get().as_bytes(), part).is_some();
    // Most messages have nothing of it and are not read again.
    let may = has(b"thinking") || (thinks && has(b"tool_use"));
    if !may {
        return None;
    }
    let message: Message<'_> = object::read_str(raw.get()).ok()?;
    let content = message.content.filter(|_| message.role == "assistant")?;
    let blocks: Vec<&RawValue> = serde_json::from_str(content.get()).ok()?;
    let read = blocks.iter().map(|raw| {
        let block = object::read_str::<Block<'_>>(raw.get()).ok();
        (*raw, block)
    });
    let read: Vec<(&RawValue, Option<Block<'_>>)> = read.collect();
    // Whether it is a thought that the upstream takes; nothing for what is no thought.
    let is_taken = |block: &Option<Block<'_>>| {
        let block = block.as_ref()?;
        let proof = block.proof()?;
        let is_signed = !proof.is_empty() || block.kind == "redacted_thinking";
        Some(is_signed && !(target.is_foreign)(proof))
    };
    let has_own = read.iter().any(|(_, block)| is_taken(block) == Some(true));
    let lacks = thinks && !has_own;
    let mut kept: Vec<Cow<'_, str>> = Vec::with_capacity(read.len());
    let (mut is_changed, mut is_recalled) = (false, false);
    let mut calls = 0;
    for (raw, block) in &read {
        if is_taken(block) == Some(false) {
            is_changed = true;
            continue;
        }
        let call = block.as_ref().filter(|block| block.kind == "tool_use");
        let id = call.and_then(|call| call.id.as_deref());
        if let Some(id) = id.filter(|id| lacks && !id.is_empty()) {
            let at = if calls == 0 { 0 } else { kept.len() };
            let recalled = (target.recall)(id).unwrap_or_default();
            let recalled = recalled.iter().filter_map(signed).map(Cow::Owned);
            let before = kept.len();
            kept.splice(at..at, recalled);
            is_recalled |= kept.len() > before;
        }
        calls += usize::from(call.is_some());
        kept.push(Cow::Borrowed(raw.get()));
    }
    // A message with nothing in it would be refused.
    if !(is_changed || is_recalled) || kept.is_empty() {
        return None;
    }
    let mut out = BytesMut::with_capacity(content.get().len());
    out.put_u8(b'[');
    out.put_slice(kept.join(",").as_bytes());
    out.put_u8(b']');
    Some(Reasoned {
        content,
        text: out.freeze(),
        is_bare: calls > 0 && !has_own && !is_recalled,
    })
}

/// A block of kept thinking; `None` without a proof.
fn signed(thinking: &Thinking) -> Option<String> {
    let block = match thinking {
        Thinking::Plain {
            text,
            signature: Some(signature),
        } => json!({"type": "thinking", "thinking": text, "signature": signature}),
        Thinking::Plain {
            signature: None, ..
        } => return None,
        Thinking::Redacted { data } => json!({"type": "redacted_thinking", "data": data}),
    };
    Some(block.to_string())
}

#[cfg(test)]
mod tests;
