//! The inside of strings: what is no escape, no character or no string in JSON.

use super::{Machine, Place};
use crate::normaliser::quoted::{self, Escapes};
use crate::normaliser::value::Value;

impl Machine {
    /// Takes a quote, a backslash or a control character inside a string.
    pub(super) fn in_string(&mut self, byte: u8, out: &mut String) {
        match byte {
            b'"' => {
                out.push('"');
                self.ended();
            }
            b'\\' => {
                self.part.clear();
                self.part.push('\\');
                self.place = Place::Escape;
            }
            control => {
                self.damage(out);
                let mut text = String::new();
                Value::Text(char::from(control).to_string()).write(&mut text);
                out.push_str(&text[1..text.len() - 1]);
            }
        }
    }

    /// Takes a byte inside an escape; whether it is done with.
    pub(super) fn in_escape(&mut self, byte: u8, out: &mut String) -> bool {
        match (self.part.len(), byte) {
            (1, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.part.push(char::from(byte));
                self.escape_ends(out);
                true
            }
            (1, b'u') | (6, b'\\') | (7, b'u') => {
                self.part.push(char::from(byte));
                true
            }
            (2..=5 | 8..=11, digit) if digit.is_ascii_hexdigit() => {
                self.part.push(char::from(digit));
                if matches!(self.part.len(), 6 | 12) {
                    self.unit_ends(out);
                }
                true
            }
            // A half that no other half follows, and perhaps the start of another escape.
            (6.., _) => {
                self.replace(out);
                if self.part.is_empty() {
                    self.place = Place::String;
                }
                false
            }
            // No escape: it means what it says.
            _ => {
                self.damage(out);
                out.push('\\');
                self.escape_ends(out);
                false
            }
        }
    }

    /// `\uXXXX` is complete, or a second one.
    fn unit_ends(&mut self, out: &mut String) {
        const HIGH: u16 = 0xD800;
        const LOW: u16 = 0xDC00;
        let digits = &self.part[self.part.len() - 4..];
        let unit = u16::from_str_radix(digits, 16).unwrap_or_default();
        let is_second = self.part.len() == 12;
        match unit & 0xFC00 {
            LOW if is_second => self.escape_ends(out),
            HIGH | LOW if is_second => self.replace(out),
            HIGH => {}
            LOW => {
                self.replace(out);
                self.place = Place::String;
            }
            _ => {
                if is_second {
                    self.replace(out);
                }
                self.escape_ends(out);
            }
        }
    }

    /// The half of a character that `part` begins with becomes U+FFFD.
    fn replace(&mut self, out: &mut String) {
        self.damage(out);
        out.push_str("\\ufffd");
        self.part.drain(..6);
    }

    fn escape_ends(&mut self, out: &mut String) {
        out.push_str(&self.part);
        self.part.clear();
        self.place = Place::String;
    }

    /// Takes a quote or a backslash inside single quotes.
    pub(super) fn in_single(&mut self, byte: u8, out: &mut String) {
        self.part.push(char::from(byte));
        if byte == b'\\' {
            self.place = Place::SingleEscape;
            return;
        }
        // It has its closing quote, so there is one to be found.
        if let Ok(quoted) = quoted::read(&self.part, b'\'', false, Escapes::Either) {
            Value::Text(quoted.text).write(out);
        }
        self.part.clear();
        self.ended();
    }
}
