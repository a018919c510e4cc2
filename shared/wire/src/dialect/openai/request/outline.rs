//! A long body without its long strings, to be parsed in its place.
//!
//! Reading a prompt of megabytes character by character costs more than all other
//! work on it, and none of it is looked at. The outline keeps everything but the
//! insides of long strings; places found in it are translated back. What is inside
//! a long string is not checked here: it goes upstream as it came.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

/// Stands for a long string. It is no model's name and no role.
const STANDIN: &[u8] = b"<long>";

/// A body, or what is left of it.
#[derive(Debug)]
pub(super) struct Outline<'b> {
    text: Cow<'b, [u8]>,
    /// Where in `text` a string was shortened (behind the stand-in), and by how many
    /// bytes the text is shorter up to there.
    cuts: Vec<(usize, usize)>,
}

impl<'b> Outline<'b> {
    /// The body as it is.
    pub(super) fn whole(body: &'b [u8]) -> Self {
        Self {
            text: Cow::Borrowed(body),
            cuts: Vec::new(),
        }
    }

    /// The body with every string of more than `long` bytes replaced; `long` must be
    /// more than any key has that is read.
    pub(super) fn of(body: &'b [u8], long: usize) -> Self {
        let mut text = Vec::new();
        let mut cuts = Vec::new();
        let mut missing = 0;
        let mut at = 0;
        while let Some(quote) = memchr(b'"', &body[at..]) {
            let start = at + quote + 1;
            let Some(end) = end_of_string(body, start) else {
                break;
            };
            let inside = end - start;
            if inside > long.max(STANDIN.len()) {
                text.extend_from_slice(&body[at..start]);
                text.extend_from_slice(STANDIN);
                missing += inside - STANDIN.len();
                cuts.push((text.len(), missing));
                text.push(b'"');
            } else {
                text.extend_from_slice(&body[at..=end]);
            }
            at = end + 1;
        }
        text.extend_from_slice(&body[at..]);
        Self {
            text: Cow::Owned(text),
            cuts,
        }
    }

    /// What is to be parsed.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where `span` of the text lies in the body.
    pub(super) fn in_body(&self, span: Range<usize>) -> Range<usize> {
        self.moved(span.start)..self.moved(span.end)
    }

    fn moved(&self, at: usize) -> usize {
        let before = self.cuts.partition_point(|(cut, _)| *cut <= at);
        let missing = match before.checked_sub(1) {
            Some(last) => self.cuts[last].1,
            None => 0,
        };
        at + missing
    }
}

/// Where the string that begins at `start` ends: the place of its closing quote.
fn end_of_string(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let found = at + memchr2(b'"', b'\\', body.get(at..)?)?;
        if body[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_strings_go_and_places_are_found_again() {
        let body = br#"{"a":"short","b":"a long \"string\" with \\","model":"m","c":[ "another long string" ],"stream":true}"#;
        let outline = Outline::of(body, 8);
        assert_eq!(
            String::from_utf8_lossy(outline.text()),
            r#"{"a":"short","b":"<long>","model":"m","c":[ "<long>" ],"stream":true}"#
        );
        for part in ["\"a\"", "\"m\"", "true", "[", "}", "{"] {
            let part = part.as_bytes();
            let at = |text: &[u8]| memchr::memmem::find(text, part).unwrap_or(usize::MAX);
            let span = at(outline.text())..at(outline.text()) + part.len();
            assert_eq!(outline.in_body(span).start, at(body), "{part:?}");
        }
        let string = memchr::memmem::find(outline.text(), b"\"<long>\"").unwrap_or(0);
        let whole = outline.in_body(string..string + STANDIN.len() + 2);
        assert_eq!(&body[whole], br#""a long \"string\" with \\""#);
    }

    #[test]
    fn what_is_broken_stays_broken() {
        for body in [
            &br#"{"a":"no end of it"#[..],
            br#"{"a":"no end of it\"#,
            b"",
            b"\"",
        ] {
            assert_eq!(Outline::of(body, 2).text(), body);
        }
    }
}
