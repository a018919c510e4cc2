//! The calls that the assistant makes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::super::super::lenient::{List, Text};
use super::super::super::raw::present;
use super::Reader;
use crate::edit::json_string;
use crate::normaliser::{Mended, Mender};
use crate::object;

/// Longest name that servers take.
const LONGEST_NAME: usize = 64;

/// What models put in front of a name.
const PREFIXES: [&str; 2] = ["functions.", "default_api."];

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    function: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    arguments: Option<&'a RawValue>,
}

/// The calls of one message, and which have no result yet.
#[derive(Default)]
pub(super) struct Open {
    list: Vec<Made>,
    /// Places in the list without a result, by the id that the caller knows.
    by_id: HashMap<String, VecDeque<usize>>,
    /// No call before this place lacks a result.
    first: usize,
    /// Where a result can be put: behind the message and the results that follow it.
    end: usize,
    passed: bool,
}

/// A call of the message at hand.
struct Made {
    /// Its id as it is sent.
    id: String,
    field: String,
    is_answered: bool,
    /// Whether the caller knows it by another id, or none.
    is_given: bool,
}

impl Open {
    /// The call that a result with the caller's `id` answers, or one without: its id, and
    /// whether that has to be written.
    pub(super) fn answer(&mut self, id: Option<&str>) -> Option<(String, bool)> {
        let at = match id {
            Some(id) => {
                let places = self.by_id.get_mut(id)?;
                loop {
                    let at = places.pop_front()?;
                    if !self.list.get(at)?.is_answered {
                        break at;
                    }
                }
            }
            None => {
                while self.list.get(self.first)?.is_answered {
                    self.first += 1;
                }
                self.first
            }
        };
        let call = self.list.get_mut(at)?;
        call.is_answered = true;
        Some((call.id.clone(), call.is_given || id.is_none()))
    }

    /// A result ends at `end`.
    pub(super) fn extend(&mut self, end: usize) {
        if !self.passed {
            self.end = end;
        }
    }

    /// A message comes that is neither the assistant's nor a result.
    pub(super) fn passed(&mut self) {
        self.passed = true;
    }
}

impl Reader<'_> {
    /// The calls of the assistant's message at `span`.
    pub(super) fn calls(&mut self, index: usize, raws: &[&RawValue], span: &Range<usize>) {
        self.open.end = span.end;
        for (number, raw) in raws.iter().enumerate() {
            let Ok(call) = object::read_str::<Call<'_>>(raw.get()) else {
                continue;
            };
            let field = format!("messages[{index}].tool_calls[{number}]");
            let span = self.place(raw);
            let known = self.text(call.id).filter(|id| !id.is_empty());
            let id = match known.as_deref() {
                Some(id) if !self.open.by_id.contains_key(id) => id.to_owned(),
                Some(_) | None => {
                    let id = self.made_id(index, number);
                    match call.id {
                        Some(raw) => {
                            let place = self.place(raw);
                            self.edit(place, json_string(&id));
                        }
                        None => self.insert(&span, "id", &id),
                    }
                    self.note(
                        format!("{field}.id"),
                        "a tool call needs an id that no other call in its message has",
                    );
                    id
                }
            };
            let at = self.open.list.len();
            if let Some(known) = &known {
                let places = self.open.by_id.entry(known.to_string()).or_default();
                places.push_back(at);
            }
            self.open.list.push(Made {
                is_given: known.as_deref() != Some(id.as_str()),
                id,
                field: field.clone(),
                is_answered: false,
            });
            if let Some(raw) = call.function
                && let Ok(function) = object::read_str::<Function<'_>>(raw.get())
            {
                let span = self.place(raw);
                self.function(&function, &span, &field);
            }
        }
    }

    fn function(&mut self, function: &Function<'_>, span: &Range<usize>, field: &str) {
        if let Some(raw) = function.name
            && let Some(name) = self.text(function.name)
            && let Some(better) = self.better_name(&name)
        {
            let place = self.place(raw);
            self.edit(place, json_string(&better));
            let why = "the tool's name goes without what the model wrote around it";
            self.note(format!("{field}.function.name"), why);
        }
        let field = || format!("{field}.function.arguments");
        let Some(raw) = function.arguments else {
            self.insert(span, "arguments", "{}");
            return self.note(field(), "a call's arguments must be there");
        };
        let place = self.place(raw);
        let Some(written) = self.body.get(place.clone()) else {
            return;
        };
        let (text, why) = match written {
            [b'"', ..] => match self.text(Some(raw)).as_deref().and_then(mended) {
                Some(better) => better,
                None => return,
            },
            b"null" => ("{}".into(), "a call's arguments must be there"),
            other => match std::str::from_utf8(other) {
                Ok(text) => {
                    let why = "a call's arguments must be the text of an object";
                    (text.to_owned(), why)
                }
                Err(_) => return,
            },
        };
        self.edit(place, json_string(&text));
        self.note(field(), why);
    }

    /// The name that servers take, where `name` is none.
    fn better_name(&mut self, name: &str) -> Option<String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.len() <= LONGEST_NAME && name.bytes().all(is_plain) {
            return None;
        }
        if let Some(tool) = self.tools().find(name) {
            return (tool.name != name).then(|| tool.name.clone());
        }
        let bare = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        bare.filter(|bare| !bare.is_empty()).map(str::to_owned)
    }

    /// The assistant speaks again, or the conversation ends: every call gets its result.
    pub(super) fn settle(&mut self) {
        let open = std::mem::take(&mut self.open);
        for call in open.list.into_iter().filter(|call| !call.is_answered) {
            let mut message = br#",{"role":"tool","tool_call_id":"#.to_vec();
            message.extend_from_slice(&json_string(&call.id));
            message.extend_from_slice(br#","content":"[No result of this call was recorded.]"}"#);
            self.edit(open.end..open.end, message);
            let why = "the call has no result: one is added that says so";
            self.note(call.field, why);
        }
    }
}

/// The arguments that parse, and why, where `text` does not.
fn mended(text: &str) -> Option<(String, &'static str)> {
    // Nearly all of them, and the check costs no copy.
    if text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return None;
    }
    let (mut mender, mut out) = (Mender::new(), String::new());
    mender.push(text, &mut out);
    match mender.finish(&mut out) {
        Mended::Unchanged => None,
        Mended::Repaired if text.trim_ascii().is_empty() => {
            Some((out, "a call's arguments are never empty"))
        }
        Mended::Repaired => Some((out, "a call's arguments were damaged JSON and are mended")),
        Mended::Broken => {
            let mut wrapped = br#"{"_raw_arguments":"#.to_vec();
            wrapped.extend_from_slice(&json_string(text));
            wrapped.push(b'}');
            let wrapped = String::from_utf8_lossy(&wrapped).into_owned();
            let why = "a call's arguments are not JSON; they go as the text in '_raw_arguments'";
            Some((wrapped, why))
        }
    }
}

/// Every id in the conversation of the body, or its outline, `text`.
pub(super) fn ids(text: &[u8]) -> HashSet<String> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default)]
        messages: List<Message<'a>>,
    }
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow, default)]
        tool_calls: List<Id<'a>>,
        #[serde(borrow, default)]
        tool_call_id: Text<'a>,
    }
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(borrow, default)]
        id: Text<'a>,
    }
    let Ok(body) = object::read::<Body<'_>>(text) else {
        return HashSet::new();
    };
    let messages = body.messages.0.into_iter();
    let ids = messages.flat_map(|message| {
        let calls = message.tool_calls.0.into_iter().map(|call| call.id.0);
        calls.chain([message.tool_call_id.0])
    });
    ids.map(Cow::into_owned).collect()
}
