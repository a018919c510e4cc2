//! What tells the calls of one conversation from others.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::{present, value};
use crate::object;

/// The part of a request that stays the same over a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationMark<'b> {
    /// Where it comes from.
    pub kind: &'static str,
    /// JSON text.
    pub text: &'b [u8],
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
}

/// The mark of the conversation that `body` belongs to: `prompt_cache_key`, else
/// `user`, else the text of the first messages: the instructions and the first thing
/// the user says, which every later turn begins with as well.
#[must_use]
pub fn conversation(body: &[u8]) -> Option<ConversationMark<'_>> {
    let parsed: Body<'_> = object::read(body).ok()?;
    let named = [
        ("prompt_cache_key", parsed.prompt_cache_key),
        ("user", parsed.user),
    ];
    for (kind, member) in named {
        if let Some(raw) = value(member).filter(|raw| raw.get() != "\"\"") {
            let text = raw.get().as_bytes();
            return Some(ConversationMark { kind, text });
        }
    }
    let text = first_messages(body, &parsed.messages)?;
    Some(ConversationMark {
        kind: "messages",
        text,
    })
}

/// The text of the first messages of `body`: what every later turn of the same
/// conversation begins with, whatever the caller names it.
#[must_use]
pub fn beginning(body: &[u8]) -> Option<&[u8]> {
    let parsed: Body<'_> = object::read(body).ok()?;
    first_messages(body, &parsed.messages)
}

fn first_messages<'b>(body: &'b [u8], messages: &[&RawValue]) -> Option<&'b [u8]> {
    let first = messages.first()?;
    let last = messages.iter().find(|message| is_users(message));
    let last = last.unwrap_or(first);
    let from = crate::edit::span_of(body, first).start;
    let to = crate::edit::span_of(body, last).end;
    body.get(from..to)
}

fn is_users(message: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
    }
    object::read_str::<Message<'_>>(message.get()).is_ok_and(|message| message.role == "user")
}

/// The caller's `user`, as far as it says one.
#[must_use]
pub fn user(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        user: Option<String>,
    }
    object::read::<Body>(body).ok()?.user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_wins_over_the_text() {
        for (body, mark) in [
            (
                r#"{"messages":[{"role":"system"},{"role":"user"},{"c":3}]}"#,
                Some(("messages", r#"{"role":"system"},{"role":"user"}"#)),
            ),
            (
                r#"{"messages":[{"role":"user"},{"role":"assistant"},{"role":"user"}]}"#,
                Some(("messages", r#"{"role":"user"}"#)),
            ),
            (
                r#"{"messages":[{"a":1},2]}"#,
                Some(("messages", r#"{"a":1}"#)),
            ),
            (
                r#"{"messages":[{"a":1}]}"#,
                Some(("messages", r#"{"a":1}"#)),
            ),
            (
                r#"{"user":"u","messages":[{"a":1}]}"#,
                Some(("user", "\"u\"")),
            ),
            (
                r#"{"user":"u","prompt_cache_key":"k","messages":[]}"#,
                Some(("prompt_cache_key", "\"k\"")),
            ),
            (r#"{"user":"","messages":[]}"#, None),
            ("{}", None),
            ("[", None),
        ] {
            let got = conversation(body.as_bytes());
            let got = got.map(|m| (m.kind, String::from_utf8_lossy(m.text).into_owned()));
            let wanted = mark.map(|(kind, text)| (kind, text.to_owned()));
            assert_eq!(got, wanted, "{body}");
        }
    }
}
