//! The tool calls of a conversation, in the form that one family of servers demands.
//!
//! Only what such a server would refuse is changed, and the same way in the call and in
//! its result; the next request of the conversation gets the same ids again.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::lenient::{List, Maybe, Text};
use super::super::raw::{present, value};
use crate::edit::span_of;
use crate::object;

/// How a server takes tool calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallForm {
    /// As callers send them.
    #[default]
    Any,
    /// Mistral's tokenizers: an id is nine letters and digits.
    NineLetters,
    /// Ollama's `/v1`: arguments are never empty.
    FullArguments,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    messages: List<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    tool_calls: List<Call<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    tool_call_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function: Maybe<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    arguments: Option<&'a RawValue>,
}

/// What to write in `body`, which has been read without error, and where.
pub(super) fn edits(body: &[u8], form: CallForm) -> Vec<(Range<usize>, Bytes)> {
    // Most conversations have no calls and are not read again.
    if form == CallForm::Any || memchr::memmem::find(body, b"tool_call").is_none() {
        return Vec::new();
    }
    let Ok(Body { messages }) = object::read::<Body<'_>>(body) else {
        return Vec::new();
    };
    let messages = messages.0;
    match form {
        CallForm::Any => Vec::new(),
        CallForm::NineLetters => ids(body, &messages),
        CallForm::FullArguments => arguments(body, &messages),
    }
}

fn arguments(body: &[u8], messages: &[Message<'_>]) -> Vec<(Range<usize>, Bytes)> {
    let calls = messages.iter().flat_map(|message| &message.tool_calls.0);
    let arguments = calls.filter_map(|call| call.function.0.as_ref()?.arguments);
    let empty = arguments.filter(|raw| text(raw).is_some_and(|text| text.trim_ascii().is_empty()));
    let full = Bytes::from_static(br#""{}""#);
    empty
        .map(|raw| (span_of(body, raw), full.clone()))
        .collect()
}

fn ids(body: &[u8], messages: &[Message<'_>]) -> Vec<(Range<usize>, Bytes)> {
    let all = messages.iter().flat_map(|message| {
        let calls = message.tool_calls.0.iter().filter_map(|call| call.id);
        calls.chain(message.tool_call_id)
    });
    let all: Vec<_> = all
        .filter_map(|raw| Some((raw, text(value(Some(raw))?)?)))
        .collect();
    let mut taken: HashSet<String> = all
        .iter()
        .filter(|(_, id)| is_nine(id))
        .map(|(_, id)| id.clone())
        .collect();
    let mut given = HashMap::new();
    let mut edits = Vec::new();
    for (raw, id) in all.into_iter().filter(|(_, id)| !is_nine(id)) {
        let nine = given.entry(id).or_insert_with_key(|id| {
            let mut nine = nine(id, 0);
            for turn in 1u64.. {
                if taken.insert(nine.clone()) {
                    break;
                }
                nine = self::nine(id, turn);
            }
            nine
        });
        edits.push((span_of(body, raw), Bytes::from(format!("\"{nine}\""))));
    }
    edits
}

fn text(raw: &RawValue) -> Option<String> {
    let is_string = raw.get().starts_with('"');
    let read = is_string.then(|| serde_json::from_str::<Text<'_>>(raw.get()));
    read?.ok().map(|Text(text)| text.into_owned())
}

fn is_nine(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Nine letters and digits that stand for `id`, others for each turn.
fn nine(id: &str, turn: u64) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let bytes = id.bytes().chain(turn.to_le_bytes());
    // FNV-1a.
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut nine = String::with_capacity(9);
    for _ in 0..9 {
        nine.push(char::from(LETTERS[usize::try_from(hash % 62).unwrap_or(0)]));
        hash /= 62;
    }
    nine
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::edit::Edits;
    use serde_json::Value;

    fn edited(body: &str, form: CallForm) -> String {
        let mut all = Edits::default();
        for (span, text) in edits(body.as_bytes(), form) {
            all.replace(span, text);
        }
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        String::from_utf8(all.apply(&bytes).to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn b25_ids_that_mistral_refuses_are_mapped_alike_in_call_and_result() {
        let cases = include_str!("../../../../cases/openai-request/mistral-ids.json");
        let case: Value = serde_json::from_str(cases).unwrap();
        let came = case["request"].to_string();
        let sent: Value = serde_json::from_str(&edited(&came, CallForm::NineLetters)).unwrap();
        let before = case["request"]["messages"].as_array().unwrap();
        let mut known: HashMap<String, String> = HashMap::new();
        let mut pair = |old: &Value, new: &Value| {
            let (old, new) = (old.as_str().unwrap(), new.as_str().unwrap());
            assert!(is_nine(new), "{new}");
            assert!(!is_nine(old) || old == new, "{old} {new}");
            assert_eq!(known.entry(old.to_owned()).or_insert(new.to_owned()), new);
        };
        for (old, new) in before.iter().zip(sent["messages"].as_array().unwrap()) {
            let calls = old["tool_calls"].as_array().into_iter().flatten();
            for (at, call) in calls.enumerate() {
                pair(&call["id"], &new["tool_calls"][at]["id"]);
            }
            if old["tool_call_id"].is_string() {
                pair(&old["tool_call_id"], &new["tool_call_id"]);
            }
        }
        let different: HashSet<&String> = known.values().collect();
        assert_eq!(different.len(), known.len(), "{known:?}");
        assert!(known.len() >= 4, "{known:?}");
        assert_eq!(edited(&came, CallForm::NineLetters), sent.to_string());
    }

    #[test]
    fn nothing_else_changes() {
        let body = r#"{"messages":[{"role":"assistant","tool_calls":[ {"id" : "call_1","function":{"name":"f","arguments":" "}},{"id":"abcDEF123","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"call_1"}],"x":"tool_call_id"}"#;
        let id = nine("call_1", 0);
        assert_eq!(
            edited(body, CallForm::NineLetters),
            body.replace("\"call_1\"", &format!("\"{id}\""))
        );
        assert_eq!(
            edited(body, CallForm::FullArguments),
            body.replace("\" \"", "\"{}\"")
        );
        assert_eq!(edited(body, CallForm::Any), body);
    }
}
