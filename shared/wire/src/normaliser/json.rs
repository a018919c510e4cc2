//! JSON as models write it: strict JSON, and the damage that is known, in one pass.
//!
//! Strict JSON reads as it is. Beside it pass control characters inside strings,
//! trailing commas, single quotes, Python's `True`, `False` and `None`, escapes that
//! JSON does not have (they keep their backslash), lone surrogates (they become
//! U+FFFD), and an inner closing bracket that is missing where the outer one stands.
//! Strings come first: a bracket or a marker inside one is text.
//!
//! Never guessed at: keys without quotes, missing commas, quotes inside a string
//! without a backslash, comments. What has them is no JSON here.

mod end;

pub(super) use end::{End, end};

use super::number;
use super::quoted::{self, Escapes};
use super::scan::{DEEPEST, Scan, Stop};
use super::value::Value;

/// A value and how it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Json {
    /// The value.
    pub(super) value: Value,
    /// Whether it was not strict JSON.
    pub(super) repaired: bool,
}

/// One JSON value at the start of `text`; white space may come first.
pub(super) fn value(text: &str) -> Scan<Json> {
    let mut reader = Reader::new(text, Ended::No);
    let found = reader.value(0);
    let found = found.map(|value| reader.json(value));
    Scan::of(found, reader.at)
}

/// One JSON value at the start of a text that has ended, with the bytes that it takes.
///
/// Missing closing brackets are added: all of them with `all`, for which something
/// else must show that the writer was done, such as a closing marker; otherwise only
/// the outermost one, behind a complete value. Nothing is made of a text that ends
/// inside a string, a key or a literal or behind a colon, and without `all` of one
/// that ends with a number, which may have been cut.
pub(super) fn closed(text: &str, all: bool) -> Option<(Json, usize)> {
    let ended = if all { Ended::Deliberately } else { Ended::Cut };
    let mut reader = Reader::new(text, ended);
    let value = reader.value(0).ok()?;
    Some((reader.json(value), reader.at))
}

/// The value that `text` as a whole spells, with white space and surplus closing
/// brackets behind it at most.
pub(super) fn whole(text: &str) -> Option<Json> {
    let (mut json, length) = closed(text, true)?;
    let rest = &text[length..];
    let surplus = surplus(rest);
    json.repaired |= !rest[..surplus].trim_ascii().is_empty();
    rest[surplus..].trim_ascii().is_empty().then_some(json)
}

/// The bytes of the surplus closing brackets, and of the white space before each, that
/// `text`, what follows a value, starts with.
pub(super) fn surplus(text: &str) -> usize {
    let brackets = text.trim_start_matches(|letter: char| {
        letter.is_ascii_whitespace() || matches!(letter, '}' | ']')
    });
    text[..text.len() - brackets.len()].trim_ascii_end().len()
}

/// How far `text` reads as the value that it starts with: where it stops to be JSON,
/// or its end. Always outside of strings unless the text ends inside one, so that
/// here is where the closing marker of a value with too few brackets stands.
pub(super) fn reach(text: &str) -> usize {
    let mut reader = Reader::new(text, Ended::No);
    match reader.value(0) {
        Err(Stop::More) => text.len(),
        Ok(_) | Err(Stop::No) => reader.at,
    }
}

/// Whether the text that is read has ended, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    No,
    Cut,
    Deliberately,
}

/// What stands before the place where the reader is, inside a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Bracket,
    Comma,
    Value,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    ended: Ended,
    repaired: bool,
    /// Closing brackets that the end of the text lacks.
    missing: usize,
    /// Open containers by kind.
    lists: usize,
    objects: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, ended: Ended) -> Self {
        Self {
            text,
            at: 0,
            ended,
            repaired: false,
            missing: 0,
            lists: 0,
            objects: 0,
        }
    }

    fn json(&self, value: Value) -> Json {
        Json {
            value,
            repaired: self.repaired,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        match self.peek().ok_or(Stop::More)? {
            b'{' | b'[' if depth == DEEPEST => Err(Stop::No),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            quote @ (b'"' | b'\'') => Ok(Value::Text(self.quoted(quote)?)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.literal(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Stop> {
        self.at += 1;
        self.objects += 1;
        let mut members = Vec::new();
        let mut before = Before::Bracket;
        while !self.ends(before, b'}')? {
            if before == Before::Value {
                self.comma()?;
                before = Before::Comma;
                continue;
            }
            let key = match self.peek() {
                Some(quote @ (b'"' | b'\'')) => self.quoted(quote)?,
                Some(_) | None => return Err(Stop::No),
            };
            match self.peek() {
                Some(b':') => self.at += 1,
                Some(_) => return Err(Stop::No),
                None => return Err(Stop::More),
            }
            members.push((key, self.value(depth + 1)?));
            before = Before::Value;
        }
        self.objects -= 1;
        Ok(Value::object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        self.at += 1;
        self.lists += 1;
        let mut items = Vec::new();
        let mut before = Before::Bracket;
        while !self.ends(before, b']')? {
            if before == Before::Value {
                self.comma()?;
                before = Before::Comma;
            } else {
                items.push(self.value(depth + 1)?);
                before = Before::Value;
            }
        }
        self.lists -= 1;
        Ok(Value::List(items))
    }

    /// Whether the container that `bracket` closes ends here.
    fn ends(&mut self, before: Before, bracket: u8) -> Result<bool, Stop> {
        let Some(next) = self.peek() else {
            return self.ends_with_text(before);
        };
        if next == bracket {
            self.at += 1;
            self.repaired |= before == Before::Comma;
            return Ok(true);
        }
        // The bracket of a container further out: it closes this one too.
        let outer = match next {
            b'}' => self.objects,
            b']' => self.lists,
            _ => 0,
        };
        let closes = outer > 0 && before != Before::Bracket;
        self.repaired |= closes;
        Ok(closes)
    }

    fn ends_with_text(&mut self, before: Before) -> Result<bool, Stop> {
        self.missing += 1;
        self.repaired = true;
        let closes = match self.ended {
            Ended::No => false,
            Ended::Cut => before == Before::Value && self.missing == 1,
            Ended::Deliberately => true,
        };
        if closes { Ok(true) } else { Err(Stop::More) }
    }

    fn comma(&mut self) -> Result<(), Stop> {
        if self.peek() != Some(b',') {
            return Err(Stop::No);
        }
        self.at += 1;
        Ok(())
    }

    fn quoted(&mut self, quote: u8) -> Result<String, Stop> {
        self.at += 1;
        let escapes = match quote {
            b'"' => Escapes::Json,
            _ => Escapes::Either,
        };
        let quoted = quoted::read(&self.text[self.at..], quote, false, escapes)?;
        self.at += quoted.length;
        self.repaired |= quoted.odd || quote != b'"';
        Ok(quoted.text)
    }

    fn number(&mut self) -> Result<Value, Stop> {
        let number = number::json(&self.text[self.at..])?;
        if number.last && self.ended != Ended::Deliberately {
            return Err(Stop::More);
        }
        self.at += number.length;
        Ok(Value::Number(number.json))
    }

    fn literal(&mut self) -> Result<Value, Stop> {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .unwrap_or(rest.len());
        let (word, strict) = match &rest[..length] {
            "null" => (Value::Null, true),
            "true" => (Value::Bool(true), true),
            "false" => (Value::Bool(false), true),
            "None" => (Value::Null, false),
            "True" => (Value::Bool(true), false),
            "False" => (Value::Bool(false), false),
            part if length == rest.len() && starts_literal(part) => return Err(Stop::More),
            _ => return Err(Stop::No),
        };
        self.at += length;
        self.repaired |= !strict;
        Ok(word)
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blanks = rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += blanks.unwrap_or(rest.len());
        rest.get(blanks?).copied()
    }
}

fn starts_literal(part: &str) -> bool {
    const LITERALS: [&str; 6] = ["null", "true", "false", "None", "True", "False"];
    !part.is_empty() && LITERALS.iter().any(|literal| literal.starts_with(part))
}

#[cfg(test)]
mod tests;
