//! A tag that is named like a tool: with attributes, child elements, JSON or plain text.

use super::super::json;
use super::super::scan::Scan;
use super::super::tools::Tool;
use super::super::value::Value;
use super::super::verdict::{Called, Reason, Verdict};
use super::values::trimmed;
use super::{Candidate, blank};

/// Reads the tag from its bracket on.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let tool = match candidate.named() {
        Ok(tool) => tool,
        Err(reason) => return Verdict::no(reason, candidate.opening),
    };
    let name = &candidate.text[1..candidate.opening];
    let body = candidate.body();
    let verdict = match body.chars().next() {
        None => cut(candidate, 0),
        Some('>') => inside(candidate, tool, name, &body[1..]).moved(1),
        Some('/') => attributes(candidate, tool, body),
        Some(c) if c.is_whitespace() => attributes(candidate, tool, body),
        Some(_) => Verdict::no(Reason::NotACall, 1),
    };
    verdict.moved(candidate.opening)
}

fn cut(candidate: &Candidate<'_>, reach: usize) -> Verdict {
    if candidate.ended {
        Verdict::no(Reason::Cut, reach)
    } else {
        Verdict::More
    }
}

fn made(call: Result<Called, Reason>, length: usize) -> Verdict {
    match call {
        Ok(call) => Verdict::call(call, length),
        Err(reason) => Verdict::no(reason, length),
    }
}

/// ` key="value" ... />`
fn attributes(candidate: &Candidate<'_>, tool: &Tool, text: &str) -> Verdict {
    match pairs(tool, text) {
        Scan::Done(members, at) => match text[at..].strip_prefix("/>") {
            Some(_) => made(
                candidate.accept(tool, Value::object(members), false),
                at + 2,
            ),
            None if "/>".starts_with(&text[at..]) => cut(candidate, text.len()),
            None => Verdict::no(Reason::NotACall, at),
        },
        Scan::More => cut(candidate, text.len()),
        Scan::No => Verdict::no(Reason::NotACall, 1),
    }
}

/// `key="value"` as often as it comes, and where the first other thing stands.
fn pairs(tool: &Tool, text: &str) -> Scan<Vec<(String, Value)>> {
    let mut members = Vec::new();
    let mut at = 0;
    loop {
        at += blank(&text[at..]);
        let rest = &text[at..];
        let length = rest
            .find(|c: char| !c.is_alphanumeric() && !"_-.:".contains(c))
            .unwrap_or(rest.len());
        if length == rest.len() {
            return if length <= 128 { Scan::More } else { Scan::No };
        }
        if length == 0 {
            return Scan::Done(members, at);
        }
        let key = &rest[..length];
        let value = rest[length..].trim_start();
        let Some(value) = value.strip_prefix('=') else {
            return if value.is_empty() {
                Scan::More
            } else {
                Scan::No
            };
        };
        let value = value.trim_start();
        let quote = match value.chars().next() {
            None => return Scan::More,
            Some(quote @ ('"' | '\'')) => quote,
            Some(_) => return Scan::No,
        };
        let Some(end) = value[1..].find(quote) else {
            return Scan::More;
        };
        members.push((key.to_owned(), tool.schema.typed(key, &value[1..=end])));
        at = text.len() - (value.len() - end - 2);
    }
}

/// What stands between the tags.
fn inside(candidate: &Candidate<'_>, tool: &Tool, name: &str, text: &str) -> Verdict {
    let start = blank(text);
    let rest = &text[start..];
    let close = format!("</{name}>");
    match rest.chars().next() {
        None => return cut(candidate, start),
        Some('{') => {
            if let Some(verdict) = object(candidate, tool, rest, &close) {
                return verdict.moved(start);
            }
        }
        Some('<') => {
            return match children(candidate, tool, rest, &close) {
                // Text that begins with a bracket.
                Verdict::No(refused) if refused.reason == Reason::NotACall => {
                    plain(candidate, tool, text, &close)
                }
                other => other.moved(start),
            };
        }
        Some(_) => {}
    }
    match pairs(tool, rest) {
        // `<tool>key="value">`: what the model meant as attributes.
        Scan::Done(members, at) if !members.is_empty() => {
            if rest[at..].starts_with('>') {
                let call = candidate.accept(tool, Value::object(members), true);
                return made(call, at + 1).moved(start);
            }
        }
        Scan::More if !candidate.ended => return Verdict::More,
        Scan::Done(..) | Scan::More | Scan::No => {}
    }
    plain(candidate, tool, text, &close)
}

/// JSON arguments and the closing tag.
fn object(candidate: &Candidate<'_>, tool: &Tool, text: &str, close: &str) -> Option<Verdict> {
    match json::value(text) {
        Scan::Done(found, length) => {
            let end = length + blank(&text[length..]);
            let rest = &text[end..];
            if rest.starts_with(close) || (rest.is_empty() && candidate.ended) {
                let taken = if rest.is_empty() { 0 } else { close.len() };
                let call = candidate.accept(tool, found.value, false);
                return Some(made(call, end + taken));
            }
            (close.starts_with(rest) && !candidate.ended).then_some(Verdict::More)
        }
        Scan::More if !candidate.ended => Some(Verdict::More),
        Scan::More | Scan::No => None,
    }
}

/// `<key>value</key>` as often as it comes, and the closing tag. The outer one may be
/// missing at the end of the text.
fn children(candidate: &Candidate<'_>, tool: &Tool, text: &str, close: &str) -> Verdict {
    let mut members: Vec<(String, Value)> = Vec::new();
    let mut at = 0;
    loop {
        let end = at;
        at += blank(&text[at..]);
        let rest = &text[at..];
        if rest.starts_with(close) {
            let call = candidate.accept(tool, Value::object(members), false);
            return made(call, at + close.len());
        }
        if rest.is_empty() && candidate.ended && !members.is_empty() {
            return made(candidate.accept(tool, Value::object(members), true), end);
        }
        if close.starts_with(rest) {
            return cut(candidate, at);
        }
        let Some(inner) = rest.strip_prefix('<') else {
            return Verdict::no(Reason::NotACall, at);
        };
        let length = inner
            .find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))
            .unwrap_or(inner.len());
        if length == inner.len() && length <= 128 {
            return cut(candidate, text.len());
        }
        let key = &inner[..length];
        if !inner[length..].starts_with('>') || !tool.schema.knows(key) {
            return Verdict::no(Reason::NotACall, at);
        }
        let from = at + length + 2;
        match child_end(candidate, tool, &text[from..], key, close) {
            Ok(length) => {
                let value = trimmed(&text[from..from + length]);
                members.push((key.to_owned(), tool.schema.typed(key, value)));
                at = from + length + key.len() + 3;
            }
            Err(verdict) => return verdict.moved(from),
        }
    }
}

/// Where a child's value ends: at its closing tag with another child, the end of the
/// whole or of the text behind it.
fn child_end(
    candidate: &Candidate<'_>,
    tool: &Tool,
    text: &str,
    key: &str,
    close: &str,
) -> Result<usize, Verdict> {
    let own = format!("</{key}>");
    let mut from = 0;
    while let Some(at) = text[from..].find(&own) {
        let end = from + at;
        let after = text[end + own.len()..].trim_start();
        if after.starts_with(close) || (after.is_empty() && candidate.ended) {
            return Ok(end);
        }
        if after.is_empty() || close.starts_with(after) {
            return Err(cut(candidate, text.len()));
        }
        if let Some(next) = after.strip_prefix('<') {
            match next.split_once('>') {
                Some((key, _)) if tool.schema.knows(key) => return Ok(end),
                None if next.len() < 128 && !candidate.ended => return Err(Verdict::More),
                Some(_) | None => {}
            }
        }
        from = end + own.len();
    }
    Err(cut(candidate, text.len()))
}

/// Plain text up to the closing tag, for the only text that the tool requires.
fn plain(candidate: &Candidate<'_>, tool: &Tool, text: &str, close: &str) -> Verdict {
    let Some(key) = tool.only_required_text() else {
        let empty = text.trim_start().starts_with(close);
        return if empty {
            let length = blank(text) + close.len();
            made(candidate.accept_bare(tool), length)
        } else {
            Verdict::no(Reason::NotACall, 1)
        };
    };
    match text.find(close) {
        Some(end) if !text[..end].trim().is_empty() => {
            let value = Value::Text(trimmed(&text[..end]).to_owned());
            let arguments = Value::Object(vec![(key.to_owned(), value)]);
            made(candidate.accept(tool, arguments, false), end + close.len())
        }
        Some(end) => Verdict::no(Reason::NotACall, end),
        None => cut(candidate, text.len()),
    }
}
