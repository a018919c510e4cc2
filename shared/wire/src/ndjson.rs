//! Newline-delimited JSON: bytes in, lines out. Framing only, no meaning.
//!
//! Any split of the input gives the same lines. A line ends at `\n`, a `\r` before it
//! is no part of the line, blank lines are left out, the last line may lack its end.
//! Deliberately not here: parsing, and lone `\r` as the end of a line.

use memchr::memchr;

/// Longest line in bytes; a tool call or an embedding is one line.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Buffers above this size are given back after a line.
const KEEP_CAPACITY: usize = 16 * 1024;

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A line without its end, never blank.
    Line(&'a [u8]),
    /// A line above [`MAX_LINE`]. Nothing follows it.
    TooLong,
}

/// An incremental reader of lines.
#[derive(Debug, Default)]
pub struct Reader {
    /// The start of a line whose end has not arrived.
    line: Vec<u8>,
    too_long: bool,
}

impl Reader {
    /// Takes the next bytes and hands every line that they complete to `each`.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame<'_>)) {
        while !bytes.is_empty() && !self.too_long {
            let end = memchr(b'\n', bytes);
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + piece.len() > MAX_LINE {
                self.too_long = true;
                self.line = Vec::new();
                return each(Frame::TooLong);
            }
            let Some(end) = end else {
                return self.line.extend_from_slice(piece);
            };
            if self.line.is_empty() {
                emit(piece, &mut each);
            } else {
                self.line.extend_from_slice(piece);
                emit(&self.line, &mut each);
                self.line.clear();
                if self.line.capacity() > KEEP_CAPACITY {
                    self.line = Vec::new();
                }
            }
            bytes = &bytes[end + 1..];
        }
    }

    /// The input has ended; what it holds of a line is the last one.
    pub fn finish(&mut self, mut each: impl FnMut(Frame<'_>)) {
        let line = std::mem::take(&mut self.line);
        emit(&line, &mut each);
    }
}

fn emit(line: &[u8], each: &mut impl FnMut(Frame<'_>)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.trim_ascii().is_empty() {
        each(Frame::Line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splits;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut got = Vec::new();
        let mut note = |frame: Frame<'_>| {
            got.push(match frame {
                Frame::Line(line) => String::from_utf8_lossy(line).into_owned(),
                Frame::TooLong => "too long".to_owned(),
            });
        };
        let mut reader = Reader::default();
        for piece in pieces {
            reader.push(piece, &mut note);
        }
        reader.finish(&mut note);
        got
    }

    const CASES: &[(&str, &[&str])] = &[
        ("", &[]),
        ("\n\r\n \n", &[]),
        ("{}\n", &["{}"]),
        ("{}", &["{}"]),
        ("{}\r", &["{}"]),
        ("{\"a\":1}\n\n{\"b\":2}\r\n", &["{\"a\":1}", "{\"b\":2}"]),
        ("a\rb\nc", &["a\rb", "c"]),
        ("ä€😀\n😀", &["ä€😀", "😀"]),
    ];

    #[test]
    fn every_case_whole_and_at_every_split() {
        splits::check(CASES, lines);
    }

    #[test]
    fn a_line_may_be_long_and_not_endless() {
        let block = vec![b'x'; 1024 * 1024];
        let mut reader = Reader::default();
        let mut longest = 0;
        for _ in 0..16 {
            reader.push(&block, |_| {});
        }
        reader.push(b"\nshort\n", |frame| {
            if let Frame::Line(line) = frame {
                longest = longest.max(line.len());
            }
        });
        assert_eq!(longest, MAX_LINE);
        assert!(reader.line.capacity() <= KEEP_CAPACITY, "given back");

        let mut faults = 0;
        for _ in 0..40 {
            reader.push(&block, |frame| {
                assert_eq!(frame, Frame::TooLong);
                faults += 1;
            });
        }
        reader.push(b"\nafter\n", |_| faults += 1);
        reader.finish(|_| faults += 1);
        assert_eq!(faults, 1);
    }
}
