//! Values as Python prints them: `{'error': {'message': "…", 'code': None}}`.
//!
//! Workers put such texts where an error belongs. Read are dictionaries, lists,
//! tuples, strings, numbers, `None`, `True`, `False`, objects printed as `Name(a=1)`,
//! and what stands in angle brackets, as a text. What is anything else is no value.

use serde_json::{Map, Number, Value};

/// Deeper values are not read.
const DEEPEST: usize = 16;

/// The value that all of `text` prints.
pub(super) fn value(text: &str) -> Option<Value> {
    let mut printed = Printed { rest: text };
    let value = printed.value(0)?;
    printed.skip_blanks();
    printed.rest.is_empty().then_some(value)
}

struct Printed<'t> {
    rest: &'t str,
}

impl Printed<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, mark: char) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_blanks();
        match self.rest.chars().next()? {
            '{' => self.dictionary(depth),
            '[' => self.list('[', ']', depth),
            '(' => self.list('(', ')', depth),
            quote @ ('\'' | '"') => self.string(quote).map(Value::String),
            '<' => {
                let end = self.rest.find('>')?;
                let text = self.rest[1..end].to_owned();
                self.rest = &self.rest[end + 1..];
                Some(Value::String(text))
            }
            _ => self.word(depth),
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        self.eat('{');
        let mut members = Map::new();
        while !self.eat('}') {
            let Value::String(name) = self.value(depth + 1)? else {
                return None;
            };
            if !self.eat(':') {
                return None;
            }
            members.insert(name, self.value(depth + 1)?);
            self.separator('}')?;
        }
        Some(Value::Object(members))
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Option<Value> {
        self.eat(open);
        let mut list = Vec::new();
        while !self.eat(close) {
            list.push(self.value(depth + 1)?);
            self.separator(close)?;
        }
        Some(Value::Array(list))
    }

    /// A comma, or the end that follows.
    fn separator(&mut self, close: char) -> Option<()> {
        let is_one = self.eat(',') || self.rest.starts_with(close);
        is_one.then_some(())
    }

    fn string(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = &self.rest[at + c.len_utf8()..];
                return Some(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let (_, escaped) = chars.next()?;
            let digits = match escaped {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            if digits > 0 {
                let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                let code = u32::from_str_radix(&hex, 16).ok()?;
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            } else {
                text.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            }
        }
        None
    }

    /// A name, a number, or an object that begins with its class.
    fn word(&mut self, depth: usize) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+')))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word {
            "" => None,
            "None" | "null" => Some(Value::Null),
            "True" | "true" => Some(Value::Bool(true)),
            "False" | "false" => Some(Value::Bool(false)),
            _ if self.rest.starts_with('(') => self.object(depth),
            number => number.parse::<Number>().ok().map(Value::Number),
        }
    }

    /// `(a=1, b=2)`, or an exception's plain arguments.
    fn object(&mut self, depth: usize) -> Option<Value> {
        let before = self.rest;
        self.eat('(');
        let mut members = Map::new();
        while !self.eat(')') {
            self.skip_blanks();
            let name = self.rest.split_once('=').map(|(name, _)| name);
            let Some(name) = name.filter(|name| name.chars().all(is_of_a_name)) else {
                self.rest = before;
                return self.list('(', ')', depth);
            };
            let name = name.to_owned();
            self.rest = &self.rest[name.len() + 1..];
            members.insert(name, self.value(depth + 1)?);
            self.separator(')')?;
        }
        Some(Value::Object(members))
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn printed_values_are_read() {
        for (text, expected) in [
            (
                r#"{'error': {'message': "it's full", 'type': 'worker_error', 'code': None}}"#,
                json!({"error": {"message": "it's full", "type": "worker_error", "code": null}}),
            ),
            (
                r"{'message': 'a\nb \'c\' \\ \x41\u00e4\U0001F600', 'code': 400, 'x': -1.5e3,}",
                json!({"message": "a\nb 'c' \\ Aä😀", "code": 400, "x": -1500.0}),
            ),
            ("[True, False, ('a',), []]", json!([true, false, ["a"], []])),
            (
                "ErrorResponse(error=ErrorInfo(message='m', code=<HTTPStatus.BAD_REQUEST: 400>))",
                json!({"error": {"message": "m", "code": "HTTPStatus.BAD_REQUEST: 400"}}),
            ),
            ("ValueError('x = 1')", json!(["x = 1"])),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_none() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "{",
            "{'a'",
            "{'a':",
            "{'a': 1",
            "{1: 2}",
            "'open",
            r"'\x4",
            "'a' b",
            "word",
            "f(",
            "f(a=",
            "<open",
            "{'a' 'b'}",
            "[1 2]",
            &deep,
        ] {
            assert_eq!(value(text), None, "{text:.40}");
        }
    }
}
