//! Changing a few fields of a JSON body while every other byte stays as it came.
//!
//! The body is read once to find where the fields are, then cut at those places:
//! unknown fields, key order and white space survive, a long prompt is never
//! copied, and the provider's prompt cache sees the bytes that the caller wrote.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;

/// Bodies up to this size are put together into one piece: one write to the
/// upstream costs less than several.
const JOIN_UP_TO: usize = 32 * 1024;

/// Where `value` lies inside `body`.
///
/// `value` must have been read from `body`; anything else gives an empty range at
/// the start.
#[must_use]
pub fn span_of(body: &[u8], value: &RawValue) -> Range<usize> {
    let text = value.get();
    let start = (text.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize);
    match start.checked_add(text.len()) {
        Some(end) if end <= body.len() => start..end,
        Some(_) | None => 0..0,
    }
}

/// Where the name of the member `key` whose value lies at `value` is written, quotes
/// included; `None` as for [`member_span`].
#[must_use]
pub fn key_span(body: &[u8], key: &str, value: &Range<usize>) -> Option<Range<usize>> {
    let before = trim_end(body.get(..value.start)?);
    let end = trim_end(before.strip_suffix(b":")?);
    let start = end.strip_suffix(b"\"")?.strip_suffix(key.as_bytes())?;
    Some(start.strip_suffix(b"\"")?.len()..end.len())
}

/// Where the member `key` whose value lies at `value` can be cut out, with the
/// comma that belongs to it. `None` when the text before the value is not the
/// plainly written key (an escaped key, for example): then it stays.
#[must_use]
pub fn member_span(body: &[u8], key: &str, value: &Range<usize>) -> Option<Range<usize>> {
    let before = trim_end(body.get(..value.start)?);
    let before = trim_end(before.strip_suffix(b":")?);
    let before = before
        .strip_suffix(b"\"")?
        .strip_suffix(key.as_bytes())?
        .strip_suffix(b"\"")?;
    let before = trim_end(before);
    if let Some(rest) = before.strip_suffix(b",") {
        return Some(rest.len()..value.end);
    }
    let after = body.get(value.end..)?;
    let blanks = after.len() - trim_start(after).len();
    match after.get(blanks) {
        Some(b',') => Some(before.len()..value.end + blanks + 1),
        _ => Some(before.len()..value.end),
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let kept = bytes.iter().rposition(|b| !is_blank(*b));
    &bytes[..kept.map_or(0, |at| at + 1)]
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|b| !is_blank(*b));
    &bytes[first.unwrap_or(bytes.len())..]
}

/// A set of changes to one JSON object, applied together.
#[derive(Debug, Default)]
pub struct Edits {
    cuts: Vec<(Range<usize>, Bytes)>,
    members: BytesMut,
}

impl Edits {
    /// Puts `text` in the place of the bytes at `span`. Spans must not overlap.
    pub fn replace(&mut self, span: Range<usize>, text: impl Into<Bytes>) {
        self.cuts.push((span, text.into()));
    }

    /// Adds the member `key` with the JSON text `value` at the start of the object.
    pub fn insert(&mut self, key: &str, value: &[u8]) {
        self.members.put_u8(b'"');
        self.members.put_slice(key.as_bytes());
        self.members.put_slice(b"\":");
        self.members.put_slice(value);
        self.members.put_u8(b',');
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cuts.is_empty() && self.members.is_empty()
    }

    /// The changed body. `body` must be the JSON object that the spans come from.
    #[must_use]
    pub fn apply(mut self, body: &Bytes) -> Segments {
        if self.is_empty() {
            return Segments::from(body.clone());
        }
        if !self.members.is_empty()
            && let Some(open) = body.iter().position(|b| *b == b'{')
        {
            let empty = trim_start(&body[open + 1..]).first() == Some(&b'}');
            if empty {
                self.members.truncate(self.members.len() - 1);
            }
            self.cuts
                .push((open + 1..open + 1, self.members.split().freeze()));
        }
        self.cuts.sort_by_key(|(span, _)| (span.start, span.end));
        let mut parts = Vec::with_capacity(self.cuts.len() * 2 + 1);
        let mut at = 0;
        for (span, text) in self.cuts {
            parts.push(body.slice(at.min(span.start)..span.start));
            parts.push(text);
            at = span.end;
        }
        parts.push(body.slice(at..));
        parts.retain(|part| !part.is_empty());
        Segments { parts }.joined_when_small()
    }
}

/// A body in pieces that are sent one after the other.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    parts: Vec<Bytes>,
}

impl Segments {
    /// Length of the whole body in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Whether the body is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order, none of them empty.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The body in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self.parts.as_slice() {
            [one] => one.clone(),
            parts => {
                let mut whole = BytesMut::with_capacity(self.len());
                for part in parts {
                    whole.put_slice(part);
                }
                whole.freeze()
            }
        }
    }

    fn joined_when_small(self) -> Self {
        if self.len() <= JOIN_UP_TO {
            self.to_bytes().into()
        } else {
            self
        }
    }
}

impl From<Bytes> for Segments {
    fn from(body: Bytes) -> Self {
        Self { parts: vec![body] }
    }
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn json_string(text: &str) -> Bytes {
    // A string always serialises; the fallback keeps this total.
    serde_json::to_vec(text).map_or_else(|_| Bytes::from_static(b"\"\""), Bytes::from)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn span(body: &str, part: &str) -> Range<usize> {
        let start = body.find(part).unwrap();
        start..start + part.len()
    }

    #[test]
    fn a_member_is_cut_with_its_comma() {
        for (body, cut) in [
            (r#"{"a":1,"usage":null}"#, r#"{"a":1}"#),
            (r#"{"usage" : null , "a":1}"#, r#"{ "a":1}"#),
            (r#"{"usage":null}"#, "{}"),
            (
                "{\"a\":1,\n \"usage\":\n null, \"b\":2}",
                "{\"a\":1, \"b\":2}",
            ),
        ] {
            let member = member_span(body.as_bytes(), "usage", &span(body, "null")).unwrap();
            let mut edits = Edits::default();
            edits.replace(member, Bytes::new());
            let got = edits.apply(&Bytes::from(body)).to_bytes();
            assert_eq!(got, cut.as_bytes(), "{body}");
        }
    }

    #[test]
    fn a_key_written_with_escapes_stays() {
        let body = r#"{"us\u0061ge":null}"#;
        assert_eq!(
            member_span(body.as_bytes(), "usage", &span(body, "null")),
            None
        );
    }

    #[test]
    fn changes_apply_in_order_of_place_and_the_rest_stays() {
        let body = "{ \"model\" : \"a\",\t\"x\":[1, 2],\"stream\":true}";
        let mut edits = Edits::default();
        edits.replace(span(body, "true"), "false");
        edits.replace(span(body, "\"a\""), json_string("b\"c"));
        edits.insert("seed", b"7");
        let got = edits.apply(&Bytes::from(body)).to_bytes();
        assert_eq!(
            got,
            "{\"seed\":7, \"model\" : \"b\\\"c\",\t\"x\":[1, 2],\"stream\":false}".as_bytes()
        );
    }

    #[test]
    fn inserting_into_an_empty_object_leaves_valid_json() {
        let mut edits = Edits::default();
        edits.insert("model", b"\"m\"");
        let got = edits.apply(&Bytes::from("{ }")).to_bytes();
        assert_eq!(got, r#"{"model":"m" }"#.as_bytes());
    }

    #[test]
    fn a_long_body_is_not_copied() {
        let body = Bytes::from(format!(r#"{{"model":"a","x":"{}"}}"#, "y".repeat(100_000)));
        let mut edits = Edits::default();
        edits.replace(9..12, "\"b\"");
        let segments = edits.apply(&body);
        assert_eq!(segments.parts().len(), 3);
        assert_eq!(segments.len(), body.len());
        assert_eq!(segments.parts()[2].as_ptr(), body[12..].as_ptr());
    }
}
