//! The inside of quoted strings, in JSON's and in Python's notation.

use memchr::memchr2;

use super::scan::Stop;

/// Which escapes a string may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// JSON's; any other keeps its backslash.
    Json,
    /// JSON's and Python's; any other keeps its backslash: a string in single quotes
    /// where JSON is expected.
    Either,
    /// Python's; any other keeps its backslash.
    Python,
    /// None: a backslash stands for itself, only the quote behind it ends nothing.
    Raw,
}

/// The inside of a string.
pub(super) struct Quoted {
    /// It, decoded.
    pub(super) text: String,
    /// The bytes that it takes, with the closing quotes.
    pub(super) length: usize,
    /// Whether a strict JSON reader would refuse it between double quotes.
    pub(super) odd: bool,
}

/// Reads up to the closing quotes: `quote`, three times with `triple`.
pub(super) fn read(text: &str, quote: u8, triple: bool, escapes: Escapes) -> Result<Quoted, Stop> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut at, mut odd) = (0, false);
    loop {
        let Some(run) = bytes.get(at..).and_then(|rest| memchr2(quote, b'\\', rest)) else {
            return Err(Stop::More);
        };
        let plain = &text[at..at + run];
        odd |= plain.bytes().any(|byte| byte < 0x20);
        out.push_str(plain);
        at += run;
        if bytes[at] == quote {
            if !triple {
                return Ok(Quoted {
                    text: out,
                    length: at + 1,
                    odd,
                });
            }
            let closing = bytes[at..].iter().take(3).take_while(|b| **b == quote);
            match closing.count() {
                3 => {
                    return Ok(Quoted {
                        text: out,
                        length: at + 3,
                        odd,
                    });
                }
                few if at + few == bytes.len() => return Err(Stop::More),
                _ => {
                    out.push(char::from(quote));
                    at += 1;
                }
            }
            continue;
        }
        let (taken, strict) = escape(&text[at..], escapes, &mut out)?;
        odd |= !strict;
        at += taken;
    }
}

/// Decodes the escape that `text` starts with: the bytes that it takes, and whether
/// strict JSON has it.
fn escape(text: &str, escapes: Escapes, out: &mut String) -> Result<(usize, bool), Stop> {
    let Some(letter) = text[1..].chars().next() else {
        return Err(Stop::More);
    };
    let length = 1 + letter.len_utf8();
    if escapes == Escapes::Raw {
        out.push('\\');
        out.push(letter);
        return Ok((length, false));
    }
    let json = escapes != Escapes::Python;
    let python = escapes != Escapes::Json;
    let decoded = match letter {
        '"' | '\\' => Some(letter),
        '/' if json => Some('/'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'u' => return Ok(units(text, out)),
        '\'' if python => Some('\''),
        'a' if python => Some('\u{7}'),
        'v' if python => Some('\u{b}'),
        '\n' if python => return Ok((length, false)),
        'x' if python => return Ok((coded(text, 2, out), false)),
        'U' if python => return Ok((coded(text, 8, out), false)),
        '0'..='7' if python => return Ok((octal(text, out), false)),
        _ => None,
    };
    match decoded {
        Some(decoded) => {
            out.push(decoded);
            Ok((length, letter != '\''))
        }
        None => {
            out.push('\\');
            Ok((1, false))
        }
    }
}

/// `\uXXXX`, two of them where they make one character.
fn units(text: &str, out: &mut String) -> (usize, bool) {
    let Some(first) = unit(text) else {
        out.push('\\');
        return (1, false);
    };
    if let Some(letter) = char::from_u32(first) {
        out.push(letter);
        return (6, true);
    }
    let second = text.get(6..).and_then(unit);
    if let (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) = (first, second) {
        let joined = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        out.push(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
        return (12, true);
    }
    out.push(char::REPLACEMENT_CHARACTER);
    (6, false)
}

fn unit(text: &str) -> Option<u32> {
    hex(text.strip_prefix("\\u")?.get(..4)?)
}

fn hex(digits: &str) -> Option<u32> {
    let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// `\xXX` and `\UXXXXXXXX`.
fn coded(text: &str, digits: usize, out: &mut String) -> usize {
    match text.get(2..2 + digits).and_then(hex) {
        Some(code) => {
            out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            2 + digits
        }
        None => {
            out.push('\\');
            1
        }
    }
}

/// `\0` to `\777`.
fn octal(text: &str, out: &mut String) -> usize {
    let digits = text[1..].bytes().take(3);
    let mut code = 0;
    let mut length = 1;
    for digit in digits.take_while(|b| matches!(b, b'0'..=b'7')) {
        code = code * 8 + u32::from(digit - b'0');
        length += 1;
    }
    out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
    length
}
