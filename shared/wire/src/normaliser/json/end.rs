//! Where a value ends in a text that arrives in pieces.

use memchr::memchr2;

use crate::normaliser::scan::DEEPEST;

/// Where a scan for the end of a value stands.
#[derive(Clone, Debug, Default)]
pub(in crate::normaliser) struct End {
    /// The open brackets from the outermost, a bit each: set for `{`.
    kinds: u128,
    depth: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the value.
    #[default]
    Before,
    /// Outside of strings.
    Plain,
    /// In a string with this quote.
    String(u8),
    /// In a string with this quote, behind a backslash.
    Escape(u8),
    /// In a number or literal that stands alone.
    Word,
    /// The value has ended, or will never: brackets too deep, or one that closes none.
    Over,
}

/// Where in `more`, the next piece of the text, the first value of the text ends: the
/// bytes of `more` up to there. Each byte is looked at once over all calls. That what
/// ends there is a value is for the reader to say; it agrees on where that ends.
pub(in crate::normaliser) fn end(state: &mut End, more: &str) -> Option<usize> {
    let bytes = more.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match state.place {
            Place::String(quote) => {
                at += memchr2(quote, b'\\', &bytes[at..])?;
                if bytes[at] == b'\\' {
                    state.place = Place::Escape(quote);
                } else if state.depth == 0 {
                    return state.over(at + 1);
                } else {
                    state.place = Place::Plain;
                }
            }
            Place::Escape(quote) => state.place = Place::String(quote),
            Place::Over => return None,
            Place::Word if !is_word(byte) => return state.over(at),
            Place::Word => {}
            Place::Before | Place::Plain => match byte {
                b' ' | b'\t' | b'\n' | b'\r' => {}
                b'"' | b'\'' => state.place = Place::String(byte),
                b'{' | b'[' => state.open(byte),
                b'}' | b']' if state.close(byte) => return state.over(at + 1),
                b'}' | b']' => {}
                _ if state.place == Place::Before => state.place = Place::Word,
                _ => {}
            },
        }
        at += 1;
    }
    None
}

impl End {
    fn over(&mut self, at: usize) -> Option<usize> {
        self.place = Place::Over;
        Some(at)
    }

    fn open(&mut self, bracket: u8) {
        if self.depth == DEEPEST {
            self.place = Place::Over;
            return;
        }
        self.kinds = (self.kinds << 1) | u128::from(bracket == b'{');
        self.depth += 1;
        self.place = Place::Plain;
    }

    /// Closes the innermost container of the bracket's kind and all inside it; whether
    /// that was the outermost one.
    fn close(&mut self, bracket: u8) -> bool {
        let object = u128::from(bracket == b'}');
        while self.depth > 0 {
            let kind = self.kinds & 1;
            self.kinds >>= 1;
            self.depth -= 1;
            if kind == object {
                return self.depth == 0;
            }
        }
        self.place = Place::Over;
        false
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-') || byte >= 0x80
}
