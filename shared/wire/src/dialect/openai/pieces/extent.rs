//! Whether the text of a call's arguments has begun and is complete, piece by piece.

/// Follows a JSON text that arrives in pieces, without judging it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    depth: u32,
    in_string: bool,
    escaped: bool,
    begun: bool,
    /// An object, list or string that began the text has been closed.
    closed: bool,
}

impl Extent {
    /// Takes the next piece and gives what is to be handed on: all of it, but for
    /// blanks before the beginning.
    pub(super) fn take<'t>(&mut self, piece: &'t str) -> &'t str {
        let piece = if self.begun {
            piece
        } else {
            piece.trim_ascii_start()
        };
        for byte in piece.bytes() {
            self.byte(byte);
        }
        piece
    }

    /// Whether anything but blanks has come.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the brackets and quotes that were opened are closed.
    pub(super) fn is_complete(&self) -> bool {
        self.closed && self.depth == 0 && !self.in_string
    }

    fn byte(&mut self, byte: u8) {
        self.begun = true;
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    self.closed |= self.depth == 0;
                }
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.closed |= self.depth == 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_found_at_any_split() {
        for (text, complete) in [
            ("{}", true),
            (r#" {"a":"}\"{"}"#, true),
            (r#"{"a":[1,{"b":2}"#, false),
            (r#"{"a":"x"#, false),
            (r#""{}""#, true),
            ("[1]", true),
            ("", false),
            ("  ", false),
            ("nothing", false),
        ] {
            for cut in 0..=text.len() {
                let mut extent = Extent::default();
                let mut got = extent.take(&text[..cut]).to_owned();
                got.push_str(extent.take(&text[cut..]));
                assert_eq!(extent.is_complete(), complete, "{text} cut at {cut}");
                assert_eq!(extent.has_begun(), !text.trim().is_empty(), "{text}");
                assert_eq!(got, text.trim_start(), "{text} cut at {cut}");
            }
        }
    }
}
