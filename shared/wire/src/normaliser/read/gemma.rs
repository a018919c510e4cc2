//! Arguments as Gemma 4 and `FunctionGemma` write them: braces, bare keys, and marks of
//! their own round strings.

use super::super::scan::{DEEPEST, Stop};
use super::super::value::Value;
use super::super::verdict::{Reason, Verdict};
use super::super::{number, quoted};
use super::{Candidate, blank};

/// What strings stand between.
const QUOTES: [&str; 2] = ["<|\"|>", "<escape>"];

/// Reads what follows the opening.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let tool = match candidate.named() {
        Ok(tool) => tool,
        Err(reason) => return Verdict::no(reason, candidate.opening),
    };
    let body = candidate.body();
    let mut reader = Reader { text: body, at: 0 };
    let read = match reader.peek() {
        None => Err(Stop::More),
        Some('{') => reader.object(0),
        Some(_) => Err(Stop::No),
    };
    let reach = candidate.opening + reader.at;
    match read {
        Ok(arguments) => match candidate.accept(tool, arguments, false) {
            Ok(call) => Verdict::call(call, reach),
            Err(reason) => Verdict::no(reason, reach),
        },
        Err(Stop::More) if candidate.ended => Verdict::no(Reason::Cut, candidate.text.len()),
        Err(Stop::More) => Verdict::More,
        Err(Stop::No) => Verdict::no(Reason::Unreadable, reach),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn object(&mut self, depth: usize) -> Result<Value, Stop> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            match self.peek().ok_or(Stop::More)? {
                '}' => {
                    self.at += 1;
                    return Ok(Value::object(members));
                }
                ',' => self.at += 1,
                _ => {
                    let key = self.key()?;
                    match self.peek().ok_or(Stop::More)? {
                        ':' => self.at += 1,
                        _ => return Err(Stop::No),
                    }
                    members.push((key, self.value(depth + 1)?));
                    self.separated('}')?;
                }
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.peek().ok_or(Stop::More)? {
                ']' => {
                    self.at += 1;
                    return Ok(Value::List(items));
                }
                ',' => self.at += 1,
                _ => {
                    items.push(self.value(depth + 1)?);
                    self.separated(']')?;
                }
            }
        }
    }

    /// A comma or the closing bracket has to follow.
    fn separated(&mut self, close: char) -> Result<(), Stop> {
        match self.peek().ok_or(Stop::More)? {
            ',' => Ok(()),
            other if other == close => Ok(()),
            _ => Err(Stop::No),
        }
    }

    fn key(&mut self) -> Result<String, Stop> {
        if let Some(text) = self.string()? {
            return Ok(text);
        }
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))
            .unwrap_or(rest.len());
        if length == rest.len() {
            return Err(Stop::More);
        }
        if length == 0 {
            return Err(Stop::No);
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        match self.peek().ok_or(Stop::More)? {
            '{' | '[' if depth == DEEPEST => Err(Stop::No),
            '{' => self.object(depth),
            '[' => self.list(depth),
            _ => match self.string()? {
                Some(text) => Ok(Value::Text(text)),
                None => self.word(),
            },
        }
    }

    /// A string, when one begins here.
    fn string(&mut self) -> Result<Option<String>, Stop> {
        let rest = &self.text[self.at..];
        for quote in QUOTES {
            if let Some(inside) = rest.strip_prefix(quote) {
                let length = inside.find(quote).ok_or(Stop::More)?;
                self.at += length + 2 * quote.len();
                return Ok(Some(inside[..length].to_owned()));
            }
            if quote.starts_with(rest) {
                return Err(Stop::More);
            }
        }
        match rest.as_bytes().first() {
            Some(quote @ (b'"' | b'\'')) => {
                let read = quoted::read(&rest[1..], *quote, false, quoted::Escapes::Json)?;
                self.at += 1 + read.length;
                Ok(Some(read.text))
            }
            Some(_) | None => Ok(None),
        }
    }

    fn word(&mut self) -> Result<Value, Stop> {
        let rest = &self.text[self.at..];
        let length = rest.find([',', '}', ']', '<', '\n']).ok_or(Stop::More)?;
        let word = rest[..length].trim();
        if word.is_empty() {
            return Err(Stop::No);
        }
        self.at += length;
        Ok(match word {
            "null" | "None" => Value::Null,
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            word if number::is_json(word) => Value::Number(word.into()),
            word => Value::Text(word.to_owned()),
        })
    }

    fn peek(&mut self) -> Option<char> {
        self.at += blank(&self.text[self.at..]);
        self.text[self.at..].chars().next()
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a failed test panics")]
mod tests {
    use super::*;

    #[test]
    fn strings_hold_anything() {
        let text = r#"{a:<|"|>x, {y}: [z]<|"|>,b:[1,-2.5,true],c:{d:<escape>0<escape>}} rest"#;
        let mut reader = Reader { text, at: 0 };
        let Ok(value) = reader.object(0) else {
            panic!("it reads");
        };
        let mut written = String::new();
        value.write(&mut written);
        assert_eq!(
            written,
            r#"{"a":"x, {y}: [z]","b":[1,-2.5,true],"c":{"d":"0"}}"#
        );
        assert_eq!(&text[reader.at..], " rest");
        for (at, _) in text[..text.len() - 5].char_indices() {
            let mut reader = Reader {
                text: &text[..at],
                at: 0,
            };
            if at > 0 {
                assert!(matches!(reader.object(0), Err(Stop::More)), "{at}");
            }
        }
    }
}
