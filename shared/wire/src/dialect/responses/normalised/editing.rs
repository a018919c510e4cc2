//! The server's events and its response, with what changes in them.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;

use super::super::event::{Item, Response, Told};
use super::Normalised;
use super::changes::Words;
use super::queue::{Came, Kind, Place};
use crate::edit::{Edits, span_of};
use crate::object;

impl Normalised {
    /// Passes an event on, with what is to change in it.
    pub(super) fn pass(&mut self, came: &Came, out: &mut BytesMut) {
        let data = Bytes::copy_from_slice(&came.data);
        let told: Told<'_> = object::read(&data).unwrap_or_default();
        let mut edits = Edits::default();
        let theirs = told.sequence_number.and_then(|raw| raw.get().parse().ok());
        if let (Some(theirs), Some(raw)) = (theirs, told.sequence_number) {
            let ours = self.numbers.event(theirs);
            if ours != theirs {
                edits.replace(span_of(&data, raw), ours.to_string());
            }
        }
        if let (Kind::Begun { .. }, Some(index)) = (came.kind, came.index) {
            self.numbers.begin(index);
            self.changes.begin(index, &Item::read(told.item));
        }
        let is_theirs = self.numbers.are_theirs() && self.changes.is_empty();
        if !is_theirs {
            self.edit(came, &told, &data, &mut edits);
        }
        if let (Kind::Last, Some(raw)) = (came.kind, told.response) {
            let whole = Bytes::copy_from_slice(raw.get().as_bytes());
            self.response = Some(self.edited(&whole));
        }
        if edits.is_empty() {
            return out.put_slice(&came.raw);
        }
        let data = edits.apply(&data).to_bytes();
        let kind = if self.is_completed(told.kind(), told.response) {
            "response.completed"
        } else {
            told.kind()
        };
        out.put_slice(b"event: ");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\ndata: ");
        out.extend(data.iter().map(|byte| match byte {
            // White space in JSON, which would begin another line.
            b'\n' | b'\r' => b' ',
            byte => *byte,
        }));
        out.put_slice(b"\n\n");
    }

    /// What is to change in an event.
    fn edit(&self, came: &Came, told: &Told<'_>, data: &Bytes, edits: &mut Edits) {
        let mut replace = |raw: &RawValue, text: Bytes| edits.replace(span_of(data, raw), text);
        if let (Some(raw), Some(index)) = (told.output_index, told.index()) {
            let ours = self.numbers.item(index);
            if ours != index {
                replace(raw, ours.to_string().into());
            }
        }
        let Some(index) = came.index else {
            if let (Kind::Last, Some(raw)) = (came.kind, told.response) {
                if self.is_completed(told.kind(), told.response)
                    && let Some(kind) = told.kind
                {
                    replace(kind, Bytes::from_static(b"\"response.completed\""));
                }
                self.edit_response(raw, data, edits);
            }
            return;
        };
        if let Some(part) = told.words() {
            let place = Place { index, part };
            for raw in [told.text, told.arguments].into_iter().flatten() {
                if let Some(words) = self.changes.words(place, Some(raw)) {
                    replace(raw, words);
                }
            }
            if let Some(raw) = told.part.and_then(|part| Words::of(part).text)
                && let Some(words) = self.changes.words(place, Some(raw))
            {
                replace(raw, words);
            }
        }
        if let (Some(raw), Some(name)) = (told.name, self.changes.name(index)) {
            replace(raw, name.to_owned().into());
        }
        if let Some(raw) = told.item
            && let Some(item) = self.changes.item(index, raw)
        {
            replace(raw, item);
        }
    }

    /// A response as it is told.
    pub(super) fn edited(&self, body: &Bytes) -> Bytes {
        let mut edits = Edits::default();
        if let Ok(raw) = serde_json::from_slice::<&RawValue>(body) {
            self.edit_response(raw, body, &mut edits);
        }
        edits.apply(body).to_bytes()
    }

    /// What is to change in the response, which lies in `body`.
    fn edit_response(&self, raw: &RawValue, body: &[u8], edits: &mut Edits) {
        let Ok(response) = object::read_str::<Response<'_>>(raw.get()) else {
            return;
        };
        if let Some(raw) = response.output
            && let Some(list) = self.changes.list(raw)
        {
            edits.replace(span_of(body, raw), list);
        }
        if self.is_completed("response.incomplete", Some(raw)) {
            if let Some(raw) = response.status {
                edits.replace(span_of(body, raw), "\"completed\"");
            }
            if let Some(raw) = response.incomplete_details {
                edits.replace(span_of(body, raw), "null");
            }
        }
    }

    /// Whether a response that its limit has ended ended for its calls.
    fn is_completed(&self, kind: &str, response: Option<&RawValue>) -> bool {
        if self.written.is_empty() || kind != "response.incomplete" {
            return false;
        }
        let response = response.and_then(|raw| object::read_str(raw.get()).ok());
        let details = response.and_then(|response: Response<'_>| response.incomplete_details);
        details.is_some_and(|raw| raw.get().contains("\"max_output_tokens\""))
    }
}
