//! The arguments of a tool call, mended while they stream.
//!
//! Strict JSON leaves as it came and at once, but for what the next byte may change: a
//! comma with the white space behind it, an escape that is not complete, white space
//! before the first bracket, and a text that is no object at all (it may be `null`, or a
//! string that spells the object). From the first byte that is no strict JSON on, all is
//! kept until the end. Then either the mended text goes out, or, where it cannot be
//! mended, what came in, so that nothing is ever taken back.
//!
//! Mended are: control characters inside strings, trailing commas, single quotes,
//! Python's `True`, `False` and `None`, escapes that JSON does not have (they keep their
//! backslash), lone surrogates (they become U+FFFD), closing brackets that are missing or
//! too many, a string that spells the object, and nothing at all, which is `{}`. Never
//! mended is a text that ends inside a string, a key, a number or a literal, or where a
//! value or a member was to follow: half a command must not run. It is the notation of
//! [`super::json`]; the two are held together by the laws.
//!
//! Any split of the text gives the same output. Memory is bounded by [`LONGEST_KEPT`].

mod machine;

use machine::{Machine, Top};

/// What is kept back of one text at most, in bytes; a text that needs more stays as it is.
const LONGEST_KEPT: usize = 1024 * 1024;

/// Strings within strings that are unwrapped.
const WRAPPINGS: u8 = 4;

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// It is JSON and left as it came.
    Unchanged,
    /// It was damaged, and what left is JSON.
    Repaired,
    /// It is not JSON, cannot be mended, and left as it came.
    Broken,
}

/// Mends one text.
#[derive(Debug, Default)]
pub struct Mender {
    machine: Machine,
    /// What has come in and not gone out.
    raw: String,
    /// The same, mended, as far as it is certain.
    mended: String,
    broken: bool,
    /// How many strings the text was unwrapped from.
    unwrapped: u8,
}

impl Mender {
    /// For a text that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of the text and appends what can leave to `out`.
    pub fn push(&mut self, fragment: &str, out: &mut String) {
        if self.broken {
            out.push_str(fragment);
            return;
        }
        self.raw.push_str(fragment);
        let was_damaged = self.machine.damaged().is_some();
        let taken = self.machine.take(fragment, &mut self.mended);
        if taken.is_err() {
            return self.give_up(out);
        }
        if self.machine.top() == Top::Container && !was_damaged {
            // As long as nothing is changed, it is the start of what came in.
            let same = self.machine.damaged().unwrap_or(self.mended.len());
            out.push_str(&self.mended[..same]);
            self.raw.drain(..same);
            self.mended.drain(..same);
        }
        if self.raw.len() > LONGEST_KEPT {
            self.give_up(out);
        }
    }

    /// The text has ended because its writer was done: appends what was kept back, and
    /// the closing brackets that are missing behind a complete value.
    pub fn finish(&mut self, out: &mut String) -> Mended {
        self.end(true, out)
    }

    /// The text has ended because it was cut off: appends what was kept back. Nothing is
    /// added to it, so that only a text whose object is closed is mended.
    pub fn cut(&mut self, out: &mut String) -> Mended {
        self.end(false, out)
    }

    /// Whether the text so far holds anything but white space.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.broken || self.machine.top() != Top::Nothing
    }

    fn give_up(&mut self, out: &mut String) {
        self.broken = true;
        out.push_str(&self.raw);
        self.raw = String::new();
        self.mended = String::new();
    }

    fn end(&mut self, done: bool, out: &mut String) -> Mended {
        if self.broken {
            return Mended::Broken;
        }
        if self.machine.end(done, &mut self.mended).is_err() {
            self.give_up(out);
            return Mended::Broken;
        }
        let raw = std::mem::take(&mut self.raw);
        let mended = std::mem::take(&mut self.mended);
        self.broken = true;
        let object = match self.machine.top() {
            Top::Nothing | Top::Null => Some("{}".to_owned()),
            Top::Text => self.object_in(&mended),
            Top::Container | Top::Other => None,
        };
        if let Some(object) = object {
            out.push_str(&object);
            return Mended::Repaired;
        }
        out.push_str(&mended);
        if mended == raw {
            Mended::Unchanged
        } else {
            Mended::Repaired
        }
    }

    /// The object that a JSON string spells, mended.
    fn object_in(&self, string: &str) -> Option<String> {
        if self.unwrapped >= WRAPPINGS {
            return None;
        }
        let text = serde_json::from_str::<String>(string).ok()?;
        let mut inner = Self {
            unwrapped: self.unwrapped + 1,
            ..Self::default()
        };
        let mut object = String::with_capacity(text.len());
        inner.push(&text, &mut object);
        let mended = inner.finish(&mut object);
        let is_object = object.trim_ascii_start().starts_with('{');
        (mended != Mended::Broken && is_object).then_some(object)
    }
}

#[cfg(test)]
mod tests;
