//! Where a JSON object that arrives in pieces ends.

/// Follows one object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    is_complete: bool,
}

impl Extent {
    /// Whether the object has ended.
    pub(super) fn is_complete(self) -> bool {
        self.is_complete
    }

    /// Takes the next piece; gives as much of it as belongs to the object.
    pub(super) fn take<'t>(&mut self, text: &'t str) -> &'t str {
        if self.is_complete {
            return "";
        }
        for (at, byte) in text.bytes().enumerate() {
            if self.in_string {
                let was_escaped = std::mem::take(&mut self.is_escaped);
                match byte {
                    b'\\' if !was_escaped => self.is_escaped = true,
                    b'"' if !was_escaped => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.is_complete = true;
                        return &text[..=at];
                    }
                }
                _ => {}
            }
        }
        text
    }
}
