//! Damaged JSON in, JSON out, byte by byte.

mod strings;

use memchr::memchr2;

use super::super::number;
use super::LONGEST_KEPT;

/// Brackets may be nested this deep, which is what strict readers take.
const DEEPEST: usize = 127;

/// What the text as a whole is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Top {
    /// White space, so far.
    #[default]
    Nothing,
    /// An object or an array.
    Container,
    /// A string.
    Text,
    /// `null`.
    Null,
    /// A number, a literal, or the beginning of one or of `null`.
    Other,
}

/// The text cannot be mended, however it goes on.
#[derive(Debug)]
pub(super) struct Broken;

/// Where in the text the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the value.
    #[default]
    Start,
    /// Behind an opening bracket.
    Open,
    /// Behind a comma, which is in `pending` with the white space behind it.
    Comma,
    /// Behind a key.
    Key,
    /// Behind a colon.
    Colon,
    /// Behind a value, inside a container.
    Value,
    /// In a string.
    String,
    /// In an escape, the beginning of which is in `part`.
    Escape,
    /// In a string in single quotes, the beginning of which is in `part`.
    Single,
    /// The same behind a backslash.
    SingleEscape,
    /// In a number or literal, the beginning of which is in `part`.
    Word,
    /// Behind the value.
    Over,
}

/// Where the text stands.
#[derive(Debug, Default)]
pub(super) struct Machine {
    place: Place,
    top: Top,
    /// The open brackets from the outermost, a bit each: set for `{`.
    kinds: u128,
    depth: usize,
    /// The string at hand is a key.
    is_key: bool,
    /// The word at hand has been written as far as it is there.
    is_written: bool,
    /// What had been written when the first thing was changed.
    damaged: Option<usize>,
    pending: String,
    part: String,
}

impl Machine {
    /// Takes the next piece and appends to `out` what it makes certain.
    pub(super) fn take(&mut self, more: &str, out: &mut String) -> Result<(), Broken> {
        let bytes = more.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.place {
                Place::String => {
                    let run = plain(&bytes[at..]);
                    out.push_str(&more[at..at + run]);
                    at += run;
                    if let Some(&byte) = bytes.get(at) {
                        self.in_string(byte, out);
                        at += 1;
                    }
                }
                Place::Escape => at += usize::from(self.in_escape(byte, out)),
                Place::Single => {
                    let run = memchr2(b'\'', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at);
                    self.part.push_str(&more[at..at + run]);
                    at += run;
                    if let Some(&byte) = bytes.get(at) {
                        self.in_single(byte, out);
                        at += 1;
                    }
                }
                Place::SingleEscape => {
                    let length = more[at..].chars().next().map_or(1, char::len_utf8);
                    self.part.push_str(&more[at..at + length]);
                    self.place = Place::Single;
                    at += length;
                }
                Place::Word => {
                    let run = bytes[at..].iter().position(|byte| !is_word(*byte));
                    let run = run.unwrap_or(bytes.len() - at);
                    self.part.push_str(&more[at..at + run]);
                    if self.is_written {
                        out.push_str(&more[at..at + run]);
                    }
                    at += run;
                    within_bounds(&self.part)?;
                    if at < bytes.len() {
                        self.word_ends(out)?;
                    }
                }
                Place::Start
                | Place::Open
                | Place::Comma
                | Place::Key
                | Place::Colon
                | Place::Value
                | Place::Over => {
                    at += usize::from(self.outside(byte, out)?);
                }
            }
        }
        Ok(())
    }

    /// The text has ended; with `done`, what is missing behind a complete value is
    /// only brackets.
    pub(super) fn end(&mut self, done: bool, out: &mut String) -> Result<(), Broken> {
        if self.place == Place::Word {
            let is_number = self.part.ends_with(|c: char| c.is_ascii_digit());
            self.word_ends(out)?;
            if is_number && self.depth > 0 {
                return Err(Broken);
            }
        }
        match self.place {
            Place::Over => Ok(()),
            Place::Start if done => Ok(()),
            Place::Value if done => {
                self.damage(out);
                while self.depth > 0 {
                    self.pop(out);
                }
                self.place = Place::Over;
                Ok(())
            }
            Place::Start
            | Place::Open
            | Place::Comma
            | Place::Key
            | Place::Colon
            | Place::Value
            | Place::String
            | Place::Escape
            | Place::Single
            | Place::SingleEscape
            | Place::Word => Err(Broken),
        }
    }

    /// What the text as a whole is, so far.
    pub(super) fn top(&self) -> Top {
        self.top
    }

    /// Up to where what was written was what came in, once it no more is.
    pub(super) fn damaged(&self) -> Option<usize> {
        self.damaged
    }

    fn damage(&mut self, out: &str) {
        self.damaged.get_or_insert(out.len());
    }

    /// Takes a byte outside of strings and words; whether it is done with.
    fn outside(&mut self, byte: u8, out: &mut String) -> Result<bool, Broken> {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            if matches!(self.place, Place::Start | Place::Comma) {
                self.pending.push(char::from(byte));
                within_bounds(&self.pending)?;
            } else {
                out.push(char::from(byte));
            }
            return Ok(true);
        }
        match (self.place, byte) {
            (Place::Over, b'}' | b']') => self.damage(out),
            (Place::Key, b':') => {
                out.push(':');
                self.place = Place::Colon;
            }
            (Place::Value, b',') => {
                self.pending.push(',');
                self.place = Place::Comma;
            }
            (Place::Value | Place::Comma, b'}' | b']') => self.close(byte, out)?,
            (Place::Open, b'}' | b']') if self.is_in_object() == (byte == b'}') => {
                self.close(byte, out)?;
            }
            (Place::Open | Place::Comma, b'"' | b'\'') if self.is_in_object() => {
                self.begin(byte, true, out)?;
            }
            (Place::Open | Place::Comma, _) if self.is_in_object() => return Err(Broken),
            (Place::Start | Place::Open | Place::Comma | Place::Colon, _) => {
                self.begin(byte, false, out)?;
                return Ok(self.place != Place::Word);
            }
            (
                Place::Key
                | Place::Value
                | Place::Over
                | Place::String
                | Place::Escape
                | Place::Single
                | Place::SingleEscape
                | Place::Word,
                _,
            ) => return Err(Broken),
        }
        Ok(true)
    }

    /// A value or key begins with `byte`.
    fn begin(&mut self, byte: u8, is_key: bool, out: &mut String) -> Result<(), Broken> {
        let is_top = self.place == Place::Start;
        out.push_str(&self.pending);
        self.pending.clear();
        self.is_key = is_key;
        let top = match byte {
            b'{' | b'[' => {
                self.open(byte, out)?;
                Top::Container
            }
            b'"' => {
                out.push('"');
                self.place = Place::String;
                Top::Text
            }
            b'\'' => {
                self.damage(out);
                self.part.clear();
                self.place = Place::Single;
                Top::Text
            }
            _ if is_word(byte) => {
                // Python's words are not those that are written for them.
                self.is_written = !is_top && !matches!(byte, b'T' | b'F' | b'N');
                if !is_top && !self.is_written {
                    self.damage(out);
                }
                self.part.clear();
                self.place = Place::Word;
                Top::Other
            }
            _ => return Err(Broken),
        };
        if is_top {
            self.top = top;
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8, out: &mut String) -> Result<(), Broken> {
        if self.depth == DEEPEST {
            return Err(Broken);
        }
        out.push(char::from(bracket));
        self.kinds = (self.kinds << 1) | u128::from(bracket == b'{');
        self.depth += 1;
        self.place = Place::Open;
        Ok(())
    }

    /// Closes the innermost container of the bracket's kind and all inside it, without
    /// the comma before the bracket.
    fn close(&mut self, bracket: u8, out: &mut String) -> Result<(), Broken> {
        let wanted = bracket == b'}';
        let open = self.kinds & ((1 << self.depth) - 1);
        let has_kind = if wanted {
            open != 0
        } else {
            open.count_ones() as usize != self.depth
        };
        if !has_kind {
            return Err(Broken);
        }
        if self.place == Place::Comma {
            self.damage(out);
            out.push_str(&self.pending[1..]);
            self.pending.clear();
        }
        while self.is_in_object() != wanted {
            self.damage(out);
            self.pop(out);
        }
        self.pop(out);
        self.place = if self.depth == 0 {
            Place::Over
        } else {
            Place::Value
        };
        Ok(())
    }

    fn pop(&mut self, out: &mut String) {
        out.push(if self.is_in_object() { '}' } else { ']' });
        self.kinds >>= 1;
        self.depth -= 1;
    }

    fn is_in_object(&self) -> bool {
        self.depth > 0 && self.kinds & 1 == 1
    }

    /// A string or word is complete.
    fn ended(&mut self) {
        self.place = match (self.is_key, self.depth) {
            (true, _) => Place::Key,
            (false, 0) => Place::Over,
            (false, _) => Place::Value,
        };
    }

    fn word_ends(&mut self, out: &mut String) -> Result<(), Broken> {
        let json = match self.part.as_str() {
            "null" | "None" => "null",
            "true" | "True" => "true",
            "false" | "False" => "false",
            word if number::is_json(word) => word,
            _ => return Err(Broken),
        };
        if self.depth == 0 && json == "null" {
            self.top = Top::Null;
        }
        if json != self.part {
            self.damaged.get_or_insert(out.len());
        }
        if !self.is_written {
            out.push_str(json);
        }
        self.ended();
        Ok(())
    }
}

/// What is kept of a text until it is certain has an end.
fn within_bounds(kept: &str) -> Result<(), Broken> {
    if kept.len() > LONGEST_KEPT {
        return Err(Broken);
    }
    Ok(())
}

/// The bytes before the first that is not plain text inside a string.
fn plain(bytes: &[u8]) -> usize {
    let special = |byte: &u8| *byte < 0x20 || matches!(*byte, b'"' | b'\\');
    bytes.iter().position(special).unwrap_or(bytes.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-') || byte >= 0x80
}
