//! Server-sent events: bytes in, events out. Framing only, no meaning.
//!
//! Any split of the input gives the same events. LF, CRLF and lone CR end a line,
//! a byte order mark at the start is skipped, data lines of one event are joined
//! by a newline. Deliberately not here: `id` and `retry`, which no model stream
//! uses. Source: WHATWG HTML, "Server-sent events", parsing an event stream.

use memchr::memchr2;

/// Longest event in bytes; images and audio travel as base64 inside one event.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Buffers above this size are given back after an event.
const KEEP_CAPACITY: usize = 16 * 1024;

/// What the reader found.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An event with its data, joined.
    Event {
        /// Whether the event is named `error`.
        is_error: bool,
        /// The data without the last newline.
        data: &'a [u8],
    },
    /// A comment line without its colon; servers send them to keep a connection
    /// alive.
    Comment(&'a [u8]),
    /// An event or line above [`MAX_EVENT`]. Nothing follows it.
    TooLong,
}

/// An incremental reader of one event stream.
#[derive(Debug, Default)]
pub struct Reader {
    /// The start of a line whose end has not arrived.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    is_error: bool,
    started: bool,
    after_cr: bool,
    too_long: bool,
}

impl Reader {
    /// Takes the next bytes and hands every frame that they complete to `each`.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame<'_>)) {
        while !bytes.is_empty() && !self.too_long {
            if self.after_cr {
                self.after_cr = false;
                if let Some(rest) = bytes.strip_prefix(b"\n") {
                    bytes = rest;
                    continue;
                }
            }
            let end = memchr2(b'\n', b'\r', bytes);
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + piece.len() + self.data.len() > MAX_EVENT {
                self.too_long = true;
                self.line = Vec::new();
                self.data = Vec::new();
                return each(Frame::TooLong);
            }
            let Some(end) = end else {
                return self.line.extend_from_slice(piece);
            };
            self.after_cr = bytes[end] == b'\r';
            if self.line.is_empty() {
                self.end_of_line(&bytes[..end], &mut each);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&bytes[..end]);
                self.end_of_line(&line, &mut each);
                line.clear();
                if line.capacity() <= KEEP_CAPACITY {
                    self.line = line;
                }
            }
            bytes = &bytes[end + 1..];
        }
    }

    /// The input has ended. An event that lacks its blank line is handed out too:
    /// some servers leave it away after their last event.
    pub fn finish(&mut self, mut each: impl FnMut(Frame<'_>)) {
        if self.too_long {
            return;
        }
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.end_of_line(&line, &mut each);
        }
        self.dispatch(&mut each);
    }

    fn end_of_line(&mut self, line: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        let line = if self.started {
            line
        } else {
            self.started = true;
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        };
        if line.is_empty() {
            return self.dispatch(each);
        }
        if let Some(comment) = line.strip_prefix(b":") {
            return each(Frame::Comment(comment));
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match name {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.is_error = value == b"error",
            _ => {}
        }
    }

    fn dispatch(&mut self, each: &mut impl FnMut(Frame<'_>)) {
        let is_error = std::mem::take(&mut self.is_error);
        if !std::mem::take(&mut self.has_data) {
            return;
        }
        each(Frame::Event {
            is_error,
            data: &self.data,
        });
        self.data.clear();
        if self.data.capacity() > KEEP_CAPACITY {
            self.data = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splits;

    /// Frames as text: `e` error event, `d` event, `c` comment.
    fn frames(pieces: &[&[u8]]) -> Vec<String> {
        let mut got = Vec::new();
        let mut note = |frame: Frame<'_>| {
            got.push(match frame {
                Frame::Event { is_error, data } => format!(
                    "{}{}",
                    if is_error { "e" } else { "d" },
                    String::from_utf8_lossy(data)
                ),
                Frame::Comment(text) => format!("c{}", String::from_utf8_lossy(text)),
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
        ("data: a\ndata: b\n\n", &["da\nb"]),
        ("data\n\n", &["d"]),
        ("data:\n\n", &["d"]),
        ("data:a\n\n", &["da"]),
        ("data: a\n\n", &["da"]),
        ("data:  a\n\n", &["d a"]),
        ("event: ping\n\n", &[]),
        (": keep-alive\n\n", &["c keep-alive"]),
        ("id: 5\nretry: 10\n\n", &[]),
        ("\n\n\n", &[]),
        ("Data: x\n\n", &[]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &["da", "db", "dc"]),
        ("\u{feff}data: a\n\n", &["da"]),
        ("event: error\ndata: {}\n\ndata: b\n\n", &["e{}", "db"]),
        ("data: [DONE]", &["d[DONE]"]),
        ("data: ä€😀\n\n", &["dä€😀"]),
        ("data: x: y\n\n", &["dx: y"]),
    ];

    #[test]
    fn every_case_whole_and_at_every_split() {
        splits::check(CASES, frames);
    }

    /// The limit holds for lines as they come, so that it is the same at every split.
    #[test]
    fn the_longest_event_is_as_long_at_any_split() {
        for (over, count) in [(0, 1), (1, 0)] {
            let mut stream = b"data: ".to_vec();
            stream.resize(MAX_EVENT + over, b'x');
            stream.extend_from_slice(b"\n\n");
            for cut in [0, MAX_EVENT - 1] {
                let mut events = 0;
                let mut note = |frame: Frame<'_>| {
                    events += usize::from(matches!(frame, Frame::Event { .. }));
                };
                let mut reader = Reader::default();
                reader.push(&stream[..cut], &mut note);
                reader.push(&stream[cut..], &mut note);
                reader.finish(&mut note);
                assert_eq!(events, count, "{over} too many, cut at {cut}");
            }
        }
    }

    #[test]
    fn an_endless_line_is_bounded() {
        let mut reader = Reader::default();
        let block = vec![b'x'; 1024 * 1024];
        let mut frames = 0;
        reader.push(b"data: ", |_| {});
        for _ in 0..40 {
            reader.push(&block, |frame| {
                assert_eq!(frame, Frame::TooLong);
                frames += 1;
            });
        }
        reader.finish(|_| frames += 1);
        assert_eq!(frames, 1);
        assert!(reader.line.capacity() <= MAX_EVENT);
    }
}
