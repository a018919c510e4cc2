//! What becomes of the server's items.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::event::{Item, text};
use super::super::reply_writer::{Added, Part};
use super::queue::Place;
use crate::edit::{Edits, json_string, span_of};
use crate::object;

#[derive(Debug, Default)]
pub(super) struct Changes {
    words: BTreeMap<Place, Told>,
    items: BTreeMap<usize, Around>,
    /// The ids of items that are open.
    ids: BTreeMap<usize, String>,
    /// Bytes of what is ours.
    bytes: usize,
}

/// What is told of some words.
#[derive(Debug, Default)]
struct Told {
    /// So many bytes as they came.
    passed: usize,
    /// What is told behind them, where that is something else.
    own: Option<String>,
}

/// What is told otherwise of an item.
#[derive(Debug, Default)]
struct Around {
    before: Vec<Added>,
    after: Vec<Added>,
    is_gone: bool,
    /// What stands in the place of its name: JSON.
    name: Option<String>,
}

impl Changes {
    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.words.values().all(|told| told.own.is_none())
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many bytes more are told as they came.
    pub(super) fn pass(&mut self, place: Place, bytes: usize) {
        self.words.entry(place).or_default().passed += bytes;
    }

    /// Whether words there are told already.
    pub(super) fn has_begun(&self, place: Place) -> bool {
        self.words.contains_key(&place)
    }

    /// From here on other words are told than came.
    pub(super) fn make(&mut self, place: Place) {
        let told = self.words.entry(place).or_default();
        told.own.get_or_insert_default();
    }

    /// Words that are told otherwise than they came.
    pub(super) fn say(&mut self, place: Place, text: &str) {
        self.bytes += text.len();
        let told = self.words.entry(place).or_default();
        told.own.get_or_insert_default().push_str(text);
    }

    /// Whether other words are told of the item than came.
    pub(super) fn is_made(&self, index: usize) -> bool {
        let mut own = self.words.iter();
        own.any(|(place, told)| place.index == index && told.own.is_some())
    }

    pub(super) fn put_before(&mut self, index: usize, added: Added) {
        self.bytes += added.bytes();
        self.items.entry(index).or_default().before.push(added);
    }

    pub(super) fn put_after(&mut self, index: usize, added: Added) {
        self.bytes += added.bytes();
        self.items.entry(index).or_default().after.push(added);
    }

    pub(super) fn leave_out(&mut self, index: usize) {
        self.items.entry(index).or_default().is_gone = true;
    }

    /// The call that the item is is of another tool.
    pub(super) fn rename(&mut self, index: usize, (namespace, name): (Option<&str>, &str)) {
        let mut text = json_string(name).to_vec();
        if let Some(namespace) = namespace {
            text.extend_from_slice(b",\"namespace\":");
            text.extend_from_slice(&json_string(namespace));
        }
        let text = String::from_utf8(text).unwrap_or_default();
        self.items.entry(index).or_default().name = Some(text);
    }

    /// The item begins.
    pub(super) fn begin(&mut self, index: usize, item: &Item<'_>) {
        self.ids.insert(index, text(item.id).unwrap_or_default());
    }

    /// The id of an item that is open.
    pub(super) fn id(&self, index: usize) -> &str {
        self.ids.get(&index).map_or("", String::as_str)
    }

    /// The item has ended: what nothing was made of is forgotten.
    pub(super) fn end(&mut self, index: usize) {
        self.ids.remove(&index);
        self.words
            .retain(|place, told| place.index != index || told.own.is_some());
    }

    /// What stands in the place of the name of the item's tool.
    pub(super) fn name(&self, index: usize) -> Option<&str> {
        self.items.get(&index)?.name.as_deref()
    }

    /// What is told in the place of all words there; `None` for those that came.
    pub(super) fn words(&self, place: Place, raw: Option<&RawValue>) -> Option<Bytes> {
        let told = self.words.get(&place)?;
        let own = told.own.as_ref()?;
        let theirs = text(raw)?;
        let ours = format!("{}{own}", theirs.get(..told.passed).unwrap_or_default());
        (ours != theirs).then(|| json_string(&ours))
    }

    /// The item as it is told; `None` as it came.
    pub(super) fn item(&self, index: usize, raw: &RawValue) -> Option<Bytes> {
        let body = raw.get().as_bytes();
        let mut edits = Edits::default();
        let item = Item::read(Some(raw));
        let mut edit = |place: Part, raw: Option<&RawValue>| {
            let place = Place { index, part: place };
            if let (Some(words), Some(raw)) = (self.words(place, raw), raw) {
                edits.replace(span_of(body, raw), words);
            }
        };
        let of_message = item.is("message");
        for (number, raw) in texts(item.content).into_iter().enumerate() {
            let part = if of_message {
                Part::Text(number)
            } else {
                Part::Thought(number)
            };
            edit(part, raw);
        }
        for (number, raw) in texts(item.summary).into_iter().enumerate() {
            edit(Part::Summary(number), raw);
        }
        edit(Part::Arguments, item.arguments);
        if let (Some(name), Some(raw)) = (self.name(index), item.name) {
            edits.replace(span_of(body, raw), name.to_owned());
        }
        let body = Bytes::copy_from_slice(body);
        (!edits.is_empty()).then(|| edits.apply(&body).to_bytes())
    }

    /// The list of all items as they are told; `None` as it came.
    pub(super) fn list(&self, raw: &RawValue) -> Option<Bytes> {
        let items = serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok()?;
        if self.is_empty() {
            return None;
        }
        let mut list = BytesMut::from(&b"["[..]);
        let begin = |list: &mut BytesMut| {
            if list.len() > 1 {
                list.extend_from_slice(b",");
            }
        };
        let nothing = Around::default();
        for (index, item) in items.into_iter().enumerate() {
            let around = self.items.get(&index).unwrap_or(&nothing);
            for added in &around.before {
                begin(&mut list);
                added.put(&mut list);
            }
            if !around.is_gone {
                begin(&mut list);
                match self.item(index, item) {
                    Some(item) => list.extend_from_slice(&item),
                    None => list.extend_from_slice(item.get().as_bytes()),
                }
            }
            for added in &around.after {
                begin(&mut list);
                added.put(&mut list);
            }
        }
        list.extend_from_slice(b"]");
        Some(list.freeze())
    }
}

/// The texts of the parts in a list.
fn texts(raw: Option<&RawValue>) -> Vec<Option<&RawValue>> {
    let parts = raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
    let parts = parts.unwrap_or_default().into_iter();
    parts.map(|raw| Words::of(raw).text).collect()
}

/// A part, as far as it is looked at.
#[derive(Default, Deserialize)]
pub(super) struct Words<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
}

impl<'a> Words<'a> {
    pub(super) fn of(raw: &'a RawValue) -> Self {
        object::read_str(raw.get()).unwrap_or_default()
    }
}
