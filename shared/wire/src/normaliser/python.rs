//! Calls in Python's notation, as models write them: `name(key=value, ...)`.
//!
//! The values are literals only. Anything that would have to be computed (names,
//! operators, other calls, f-strings with fields, comprehensions) is no call here:
//! ordinary Python that happens to name a tool must not run. Beside Python pass `:`
//! for `=`, JSON's `true`, `false` and `null`, and line breaks inside strings.

use super::number;
use super::quoted::{self, Escapes};
use super::scan::{DEEPEST, Scan, Stop};
use super::value::Value;

/// `name(key=value, ...)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PyCall {
    /// The name as written, without a `.call` at its end.
    pub(super) name: String,
    /// The keyword arguments in their order, each key once.
    pub(super) arguments: Vec<(String, Value)>,
    /// The arguments without a key.
    pub(super) positional: Vec<Value>,
}

/// One call at the start of `text`, or a `print` of one; white space may come first.
pub(super) fn call(text: &str) -> Scan<PyCall> {
    let mut reader = Reader::new(text);
    let found = reader.call();
    Scan::of(found, reader.at)
}

/// One literal at the start of `text`; white space may come first.
pub(super) fn literal(text: &str) -> Scan<Value> {
    let mut reader = Reader::new(text);
    let found = reader.value(0);
    Scan::of(found, reader.at)
}

/// A list of calls, at least one, at the start of `text`; white space may come first.
pub(super) fn list(text: &str) -> Scan<Vec<PyCall>> {
    let mut reader = Reader::new(text);
    let mut calls = Vec::new();
    let found = reader.calls(&mut calls);
    Scan::of(found.map(|()| calls), reader.at)
}

/// The calls of a list that is all of `text`, a text that has ended, and that lacks
/// nothing, or nothing but its closing bracket.
pub(super) fn closed_list(text: &str) -> Option<Vec<PyCall>> {
    let mut reader = Reader::new(text);
    let mut calls = Vec::new();
    match reader.calls(&mut calls) {
        Ok(()) => reader.peek().is_none().then_some(calls),
        // Between two calls means behind a complete one, and not behind a comma.
        Err(Stop::More) => reader.between.then_some(calls),
        Err(Stop::No) => None,
    }
}

/// How far `text` reads as the call, or the list of calls, that it starts with.
pub(super) fn reach(text: &str) -> usize {
    let mut reader = Reader::new(text);
    let found = if text.trim_start().starts_with('[') {
        reader.calls(&mut Vec::new())
    } else {
        reader.call().map(|_| ())
    };
    match found {
        Err(Stop::More) => text.len(),
        Ok(()) | Err(Stop::No) => reader.at,
    }
}

/// Longer words are no names.
const LONGEST_NAME: usize = 256;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether a call of a list is complete and what follows it is not there yet.
    between: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            between: false,
        }
    }

    fn calls(&mut self, calls: &mut Vec<PyCall>) -> Result<(), Stop> {
        self.take(b'[')?;
        loop {
            calls.push(self.call()?);
            self.between = self.peek().is_none();
            let more = self.comma(b']')?;
            if !more || self.peek_is(b']')? {
                return self.take(b']');
            }
        }
    }

    fn call(&mut self) -> Result<PyCall, Stop> {
        let name = self.called()?;
        if name == "print"
            && let Some(inner) = self.printed()?
        {
            return Ok(inner);
        }
        self.arguments(name)
    }

    /// The call that a `print(` holds as its only argument.
    fn printed(&mut self) -> Result<Option<PyCall>, Stop> {
        let start = self.at;
        let name = match self.called() {
            Ok(name) => name,
            Err(Stop::More) => return Err(Stop::More),
            Err(Stop::No) => {
                self.at = start;
                return Ok(None);
            }
        };
        let inner = self.arguments(name)?;
        self.comma(b')')?;
        self.take(b')')?;
        Ok(Some(inner))
    }

    /// A name and the opening parenthesis behind it.
    fn called(&mut self) -> Result<&'a str, Stop> {
        self.peek().ok_or(Stop::More)?;
        let name = self.word(|letter| letter.is_alphanumeric() || "_-.".contains(letter))?;
        let starts = |part: &str| part.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !name.split('.').all(starts) {
            return Err(Stop::No);
        }
        while self.byte() == Some(b' ') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'(') => self.at += 1,
            Some(_) => return Err(Stop::No),
            None => return Err(Stop::More),
        }
        Ok(name)
    }

    /// The arguments and the closing parenthesis.
    fn arguments(&mut self, name: &str) -> Result<PyCall, Stop> {
        let mut call = PyCall {
            name: name.strip_suffix(".call").unwrap_or(name).to_owned(),
            arguments: Vec::new(),
            positional: Vec::new(),
        };
        while !self.peek_is(b')')? {
            self.argument(&mut call)?;
            if !self.comma(b')')? {
                break;
            }
        }
        self.take(b')')?;
        let arguments = std::mem::take(&mut call.arguments);
        if let Value::Object(arguments) = Value::object(arguments) {
            call.arguments = arguments;
        }
        Ok(call)
    }

    fn argument(&mut self, call: &mut PyCall) -> Result<(), Stop> {
        if self.byte() == Some(b'*') {
            self.at += 1;
            match self.byte() {
                Some(b'*') => self.at += 1,
                Some(_) => return Err(Stop::No),
                None => return Err(Stop::More),
            }
            let Value::Object(members) = self.value(0)? else {
                return Err(Stop::No);
            };
            call.arguments.extend(members);
            return Ok(());
        }
        let start = self.at;
        let key = match self.word(|letter| letter.is_alphanumeric() || "_-".contains(letter)) {
            Ok(key) if self.assigned()? => Some(key.to_owned()),
            Ok(_) | Err(Stop::No) => {
                self.at = start;
                None
            }
            Err(Stop::More) => return Err(Stop::More),
        };
        let value = self.value(0)?;
        match (key, value) {
            (Some(key), value) => call.arguments.push((key, value)),
            (None, Value::Text(key)) if self.assigned()? => {
                let value = self.value(0)?;
                call.arguments.push((key, value));
            }
            (None, value) => call.positional.push(value),
        }
        Ok(())
    }

    /// Whether `=` or `:` follows; it is read over.
    fn assigned(&mut self) -> Result<bool, Stop> {
        match self.peek().ok_or(Stop::More)? {
            b'=' | b':' => {
                self.at += 1;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        match self.peek().ok_or(Stop::More)? {
            b'{' | b'[' | b'(' if depth == DEEPEST => Err(Stop::No),
            b'{' => self.dict(depth),
            b'[' => Ok(Value::List(self.items(depth, b']')?.0)),
            b'(' => {
                let (mut items, comma) = self.items(depth, b')')?;
                match items.pop() {
                    // Parentheses round one value are no tuple.
                    Some(only) if items.is_empty() && !comma => Ok(only),
                    last => {
                        items.extend(last);
                        Ok(Value::List(items))
                    }
                }
            }
            b'-' | b'+' | b'.' | b'0'..=b'9' => {
                let number = number::python(&self.text[self.at..])?;
                if number.last {
                    return Err(Stop::More);
                }
                self.at += number.length;
                Ok(Value::Number(number.json))
            }
            _ => match self.text()? {
                Some(text) => Ok(Value::Text(text)),
                None => self.word_value(),
            },
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Value, Stop> {
        self.take(b'{')?;
        let mut members = Vec::new();
        while !self.peek_is(b'}')? {
            let key = match self.value(DEEPEST)? {
                Value::Text(key) => key,
                Value::Number(digits) => digits.into(),
                Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => {
                    return Err(Stop::No);
                }
            };
            self.peek().ok_or(Stop::More)?;
            self.take(b':')?;
            members.push((key, self.value(depth + 1)?));
            if !self.comma(b'}')? {
                break;
            }
        }
        self.take(b'}')?;
        Ok(Value::object(members))
    }

    /// The items up to `bracket`, and whether a comma stood behind the last one.
    fn items(&mut self, depth: usize, bracket: u8) -> Result<(Vec<Value>, bool), Stop> {
        self.at += 1;
        let mut items = Vec::new();
        let mut comma = false;
        while !self.peek_is(bracket)? {
            items.push(self.value(depth + 1)?);
            comma = self.comma(bracket)?;
            if !comma {
                break;
            }
        }
        self.take(bracket)?;
        Ok((items, comma))
    }

    fn word_value(&mut self) -> Result<Value, Stop> {
        match self.word(|letter| letter.is_alphanumeric() || letter == '_')? {
            "None" | "null" => Ok(Value::Null),
            "True" | "true" => Ok(Value::Bool(true)),
            "False" | "false" => Ok(Value::Bool(false)),
            _ => Err(Stop::No),
        }
    }

    /// A string, or several that stand side by side and are one.
    fn text(&mut self) -> Result<Option<String>, Stop> {
        let mut joined: Option<String> = None;
        loop {
            let end = self.at;
            let next = match self.peek() {
                Some(_) => self.string()?,
                // The text that is read ends behind a complete string.
                None if joined.is_some() => None,
                None => return Err(Stop::More),
            };
            match (next, &mut joined) {
                (Some(next), None) => joined = Some(next),
                (Some(next), Some(joined)) => joined.push_str(&next),
                (None, _) => {
                    self.at = end;
                    return Ok(joined);
                }
            }
        }
    }

    fn string(&mut self) -> Result<Option<String>, Stop> {
        let rest = &self.text[self.at..];
        let prefix = rest
            .find(|letter: char| !matches!(letter, 'r' | 'R' | 'f' | 'F' | 'u' | 'U'))
            .unwrap_or(rest.len());
        if prefix == rest.len() && prefix <= 2 {
            return Err(Stop::More);
        }
        let quote = match rest.as_bytes().get(prefix) {
            Some(quote @ (b'"' | b'\'')) if prefix <= 2 => *quote,
            Some(_) | None => return Ok(None),
        };
        let is = |letter: char| rest[..prefix].contains([letter, letter.to_ascii_uppercase()]);
        let body = &rest[prefix + 1..];
        let mut quotes = body.bytes().take(2).take_while(|b| *b == quote).count();
        if quotes == body.len() {
            // One or both of the first quotes: empty, or the start of three.
            return Err(Stop::More);
        }
        let triple = quotes == 2;
        if !triple {
            quotes = 0;
        }
        let escapes = if is('r') {
            Escapes::Raw
        } else {
            Escapes::Python
        };
        let quoted = quoted::read(&body[quotes..], quote, triple, escapes)?;
        self.at += prefix + 1 + quotes + quoted.length;
        if is('f') {
            return without_fields(&quoted.text).map(Some).ok_or(Stop::No);
        }
        Ok(Some(quoted.text))
    }

    /// The word here; when the text ends with it, it may be longer.
    fn word(&mut self, belongs: impl Fn(char) -> bool) -> Result<&'a str, Stop> {
        let rest = &self.text[self.at..];
        let length = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
        if length == 0 || length > LONGEST_NAME {
            return Err(if rest.is_empty() {
                Stop::More
            } else {
                Stop::No
            });
        }
        if length == rest.len() {
            return Err(Stop::More);
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Whether a comma follows, which is read over; `bracket` may follow instead.
    fn comma(&mut self, bracket: u8) -> Result<bool, Stop> {
        match self.peek().ok_or(Stop::More)? {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            other if other == bracket => Ok(false),
            _ => Err(Stop::No),
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek_is(byte)? {
            self.at += 1;
            Ok(())
        } else {
            Err(Stop::No)
        }
    }

    fn peek_is(&mut self, byte: u8) -> Result<bool, Stop> {
        Ok(self.peek().ok_or(Stop::More)? == byte)
    }

    /// The next byte that is neither white space nor in a comment.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'#' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.find('\n').unwrap_or(rest.len());
                }
                other => return Some(other),
            }
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// The text of an f-string; `None` when it has a field, whose value nobody knows.
fn without_fields(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if matches!(letter, '{' | '}') && letters.next() != Some(letter) {
            return None;
        }
        plain.push(letter);
    }
    Some(plain)
}

#[cfg(test)]
mod tests;
