//! What an answer that nobody reads says of its usage, found while it passes.
//!
//! Pictures and sound make answers of many megabytes in which a few bytes are usage. Only
//! the members of the outermost object are looked at, in a whole answer or in each event of
//! a stream; of those that tell nothing no byte is kept. Any split of the input finds the
//! same, and nothing that it is fed makes it fail.

use memchr::memchr2;
use serde::Deserialize;

use super::Usage;
use crate::object;

/// Longest member that is kept, in bytes.
const MOST: usize = 16 * 1024;

/// What marks the data of an event.
const DATA: &[u8] = b"data:";

/// Watches one answer.
#[derive(Debug)]
pub struct Watch {
    form: Form,
    /// Where in its line an event's data is looked for.
    line: Line,
    object: Object,
    found: Found,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One JSON object.
    Whole,
    /// Events, or lines of JSON.
    Lines,
    /// Sound, text or what else says nothing of its usage.
    Opaque,
}

/// How much of a line has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// So many bytes of the mark of data.
    Mark(usize),
    /// The data.
    Data,
    /// Something else.
    Other,
}

/// The members that tell something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Usage,
    Meta,
    Duration,
}

impl Member {
    fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"usage" => Some(Self::Usage),
            b"meta" => Some(Self::Meta),
            b"duration" => Some(Self::Duration),
            _ => None,
        }
    }
}

/// Longest name of a member that tells something.
const LONGEST_NAME: usize = 8;

/// What has been found.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    usage: Option<Usage>,
    meta: Option<Usage>,
    seconds: Option<u64>,
}

impl Watch {
    /// For an answer of that `content-type`.
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or("").trim();
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        let form = if is("text/event-stream") {
            Form::Lines
        } else if is("application/json") || kind.to_ascii_lowercase().ends_with("+json") {
            Form::Whole
        } else {
            Form::Opaque
        };
        Self {
            form,
            line: Line::Mark(0),
            object: Object::default(),
            found: Found::default(),
        }
    }

    /// Looks at the next bytes of the answer.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.form {
            Form::Opaque => {}
            Form::Whole => self.object.push(bytes, &mut self.found),
            Form::Lines => {
                for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                    self.push_line(line);
                }
            }
        }
    }

    /// A line or a part of one; a line break is its last byte.
    fn push_line(&mut self, part: &[u8]) {
        let mut rest = part;
        while let (Line::Mark(seen), Some((byte, more))) = (self.line, rest.split_first()) {
            rest = more;
            self.line = match DATA.get(seen) {
                Some(wanted) if wanted != byte => Line::Other,
                Some(_) if seen + 1 == DATA.len() => {
                    self.object = Object::default();
                    Line::Data
                }
                Some(_) | None => Line::Mark(seen + 1),
            };
        }
        if self.line == Line::Data {
            self.object.push(rest, &mut self.found);
        }
        if part.last() == Some(&b'\n') {
            self.line = Line::Mark(0);
        }
    }

    /// What was found so far; `None` when nothing says anything.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let Found {
            usage,
            meta,
            seconds,
        } = self.found;
        let mut found = usage.or(meta).or(seconds.map(|_| Usage::default()))?;
        if let (Some(meta), 0) = (meta, found.search_units) {
            found.search_units = meta.search_units;
        }
        // The length of what was said tells nothing where tokens are counted.
        if let (Some(seconds), true) = (seconds, found.total_tokens == 0) {
            found.seconds = found.seconds.max(seconds);
        }
        Some(found)
    }
}

/// Reads the members of the outermost object of one JSON text.
#[derive(Debug, Default)]
struct Object {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// A string that begins now names a member.
    names: bool,
    /// The name that is being read, or was read last.
    name: Vec<u8>,
    reads_name: bool,
    /// The member whose value is kept, and that value.
    member: Option<Member>,
    value: Vec<u8>,
}

impl Object {
    fn push(&mut self, bytes: &[u8], found: &mut Found) {
        let mut rest = bytes;
        while let Some((&byte, more)) = rest.split_first() {
            if !self.in_string {
                rest = more;
                self.outside(byte, found);
                continue;
            }
            if self.escaped {
                self.escaped = false;
                self.keep(&[byte]);
                rest = more;
                continue;
            }
            let run = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            let (text, end) = rest.split_at(run);
            self.keep(text);
            rest = end;
            if let Some((&mark, more)) = end.split_first() {
                rest = more;
                if mark == b'\\' {
                    self.keep(&[mark]);
                    self.escaped = true;
                } else {
                    self.in_string = false;
                    if self.reads_name {
                        self.reads_name = false;
                    } else {
                        self.keep(&[mark]);
                    }
                }
            }
        }
    }

    /// One byte that is in no string.
    fn outside(&mut self, byte: u8, found: &mut Found) {
        match byte {
            b'"' => {
                self.in_string = true;
                if self.depth == 1 && self.names {
                    self.reads_name = true;
                    self.name.clear();
                } else {
                    self.keep(&[byte]);
                }
            }
            b':' if self.depth == 1 && self.member.is_none() => {
                self.names = false;
                self.member = Member::named(&self.name);
                self.value.clear();
            }
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                if self.depth == 1 {
                    self.names = byte == b'{';
                    return;
                }
                self.keep(&[byte]);
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.complete(found);
                }
                self.depth = self.depth.saturating_sub(1);
                self.keep(&[byte]);
            }
            b',' if self.depth == 1 => {
                self.complete(found);
                self.names = true;
                self.name.clear();
            }
            _ => self.keep(&[byte]),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.reads_name {
            if self.name.len() <= LONGEST_NAME {
                let room = LONGEST_NAME + 1 - self.name.len();
                self.name.extend(bytes.iter().take(room));
            }
        } else if self.member.is_some() {
            if self.value.len() + bytes.len() > MOST {
                self.member = None;
                self.value = Vec::new();
            } else {
                self.value.extend_from_slice(bytes);
            }
        }
    }

    /// The value of a member is whole.
    fn complete(&mut self, found: &mut Found) {
        let Some(member) = self.member.take() else {
            return;
        };
        let Ok(text) = str::from_utf8(&self.value) else {
            return;
        };
        match member {
            Member::Usage => found.usage = usage(text).or(found.usage),
            Member::Meta => found.meta = meta(text).or(found.meta),
            Member::Duration => found.seconds = seconds(text).or(found.seconds),
        }
    }
}

/// A `usage` object: tokens, or seconds of sound.
fn usage(text: &str) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Heard<'a> {
        #[serde(borrow)]
        seconds: &'a serde_json::value::RawValue,
    }
    Usage::read(text).or_else(|| {
        let heard: Heard<'_> = object::read_str(text).ok()?;
        Some(Usage {
            seconds: seconds(heard.seconds.get())?,
            ..Usage::default()
        })
    })
}

/// Cohere's `meta` of a ranking.
fn meta(text: &str) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Meta<'a> {
        #[serde(default, deserialize_with = "object::member")]
        billed_units: Option<Billed>,
        #[serde(borrow, default)]
        tokens: Option<&'a serde_json::value::RawValue>,
    }
    #[derive(Deserialize)]
    struct Billed {
        #[serde(default)]
        search_units: f64,
    }
    let meta: Meta<'_> = object::read_str(text).ok()?;
    let units = meta
        .billed_units
        .map_or(0, |billed| up(billed.search_units));
    let tokens = meta.tokens.and_then(|tokens| Usage::read(tokens.get()));
    let mut usage = match (tokens, units) {
        (None, 0) => return None,
        (tokens, _) => tokens.unwrap_or_default(),
    };
    usage.search_units = units;
    Some(usage)
}

/// Seconds as a number, or as the text of one, which Whisper's servers write.
fn seconds(text: &str) -> Option<u64> {
    let number = text.trim().trim_matches('"').parse::<f64>().ok()?;
    (number.is_finite() && number >= 0.0).then(|| up(number))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and less than nothing is nothing"
)]
fn up(number: f64) -> u64 {
    number.ceil() as u64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use serde::Deserialize;

    use super::{MOST, Usage, Watch};

    const CASES: &str = include_str!("../../cases/usage-watch.json");

    #[derive(Deserialize)]
    struct Case {
        what: String,
        content_type: String,
        body: String,
        usage: Option<Usage>,
    }

    fn watched(kind: &str, pieces: &[&[u8]]) -> Option<Usage> {
        let mut watch = Watch::of(kind);
        for piece in pieces {
            watch.push(piece);
        }
        watch.usage()
    }

    #[test]
    fn every_case_whole_and_at_every_split() {
        let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
        assert!(cases.len() > 15, "the case file is read");
        for Case {
            what,
            content_type,
            body,
            usage,
        } in cases
        {
            let bytes = body.as_bytes();
            assert_eq!(watched(&content_type, &[bytes]), usage, "{what}");
            for cut in 0..=bytes.len() {
                let (a, b) = bytes.split_at(cut);
                assert_eq!(watched(&content_type, &[a, b]), usage, "{what} at {cut}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(watched(&content_type, &single), usage, "{what} by bytes");
        }
    }

    #[test]
    fn a_picture_is_passed_over_and_not_kept() {
        let mut watch = Watch::of("application/json");
        watch.push(br#"{"data":[{"b64_json":""#);
        for _ in 0..100 {
            watch.push(&[b'A'; 64 * 1024]);
        }
        watch.push(br#""}],"meta":""#);
        watch.push(&vec![b'x'; MOST * 2]);
        watch.push(br#"","usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}"#);
        assert!(watch.object.value.capacity() <= MOST * 2);
        assert!(watch.object.name.capacity() <= 64);
        assert_eq!(watch.usage().unwrap().total_tokens, 7);
    }
}
