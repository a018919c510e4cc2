//! Keys and values in tags of their own, as GLM writes them:
//! `<arg_key>city</arg_key><arg_value>Deal</arg_value>`.

use super::super::scan::Scan;
use super::super::value::Value;
use super::super::verdict::{Called, Reason, Verdict};
use super::Candidate;
use super::tags::mark;
use super::values::{End, Tags, blanks, end, trimmed, without_last_line_end};

/// Reads what follows the opening.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let tool = match candidate.named() {
        Ok(tool) => tool,
        Err(reason) => return Verdict::no(reason, candidate.opening),
    };
    let (body, ended) = (candidate.body(), candidate.ended);
    let no = |reason, reach: usize| Verdict::no(reason, candidate.opening + reach);
    let mut members = Vec::new();
    let (mut at, mut clean) = (0, true);
    loop {
        let start = at + blanks(&body[at..]);
        let rest = &body[start..];
        match tag(rest, "<arg_key") {
            Scan::Done((), length) => {
                let key = match key(&rest[length..]) {
                    Scan::Done(key, after) => (key, start + length + after),
                    Scan::More if !ended => return Verdict::More,
                    Scan::More => return no(Reason::Cut, body.len()),
                    Scan::No => return no(Reason::Unreadable, start + length),
                };
                let (key, after) = key;
                let from = match value_start(&body[after..], ended, &mut clean) {
                    Some(from) => after + from,
                    None => return Verdict::More,
                };
                let tags = Tags {
                    close: &|text| tag(text, "</arg_value"),
                    next: &|text| tag(text, "<arg_key"),
                    call: &|text| tag(text, "<tool_call"),
                };
                match end(&body[from..], ended, &tags) {
                    End::At(length, after) => {
                        let text = trimmed(&body[from..from + length]);
                        let text = if after == length {
                            clean = false;
                            without_last_line_end(text)
                        } else {
                            text
                        };
                        members.push((key.to_owned(), tool.schema.typed(key, text)));
                        at = from + after;
                    }
                    End::More => return Verdict::More,
                    End::Cut => return no(Reason::Cut, body.len()),
                }
            }
            Scan::More if !ended => return Verdict::More,
            Scan::More | Scan::No => {
                let length = match mark(rest) {
                    Scan::Done(..) => start,
                    Scan::More if !ended => return Verdict::More,
                    Scan::More | Scan::No if members.is_empty() => {
                        let reason = if rest.is_empty() {
                            Reason::Cut
                        } else {
                            Reason::NotACall
                        };
                        return no(reason, start);
                    }
                    // The values are complete, only the end is missing.
                    Scan::More | Scan::No => {
                        clean = false;
                        at
                    }
                };
                let call = if members.is_empty() {
                    candidate.accept_bare(tool)
                } else {
                    candidate.accept(tool, Value::object(members), false)
                };
                let length = candidate.opening + length;
                return match call {
                    Ok(call) => Verdict::call(
                        Called {
                            repaired: call.repaired || !clean,
                            ..call
                        },
                        length,
                    ),
                    Err(reason) => Verdict::no(reason, length),
                };
            }
        }
    }
}

/// The key up to its closing tag, which may be written twice.
fn key(text: &str) -> Scan<&str> {
    let Some(length) = text.find('<') else {
        return if text.len() < 256 {
            Scan::More
        } else {
            Scan::No
        };
    };
    let (key, mut at) = (text[..length].trim(), length);
    if key.is_empty() || key.contains('\n') {
        return Scan::No;
    }
    let mut closes = 0;
    loop {
        let blank = blanks(&text[at..]);
        match tag(&text[at + blank..], "</arg_key") {
            Scan::Done((), length) => {
                closes += 1;
                at += blank + length;
            }
            Scan::More => return Scan::More,
            Scan::No if closes > 0 => return Scan::Done(key, at),
            Scan::No => return Scan::No,
        }
    }
}

/// Where the value begins: behind its opening tag, or at once where that is missing.
/// `None` when more text decides.
fn value_start(text: &str, ended: bool, clean: &mut bool) -> Option<usize> {
    let blank = blanks(text);
    match tag(&text[blank..], "<arg_value") {
        Scan::Done((), length) => Some(blank + length),
        Scan::More if !ended => None,
        Scan::More | Scan::No => {
            *clean = false;
            Some(blank)
        }
    }
}

/// The tag that begins with `open`; a suffix may follow its name (`<arg_key:x>`).
fn tag(text: &str, open: &str) -> Scan<()> {
    let Some(rest) = text.strip_prefix(open) else {
        return if open.starts_with(text) {
            Scan::More
        } else {
            Scan::No
        };
    };
    let suffix = match rest.strip_prefix(':') {
        Some(name) => {
            let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            1 + length.unwrap_or(name.len())
        }
        None => 0,
    };
    let rest = &rest[suffix..];
    if rest.starts_with('>') {
        Scan::Done((), open.len() + suffix + 1)
    } else if rest.is_empty() && suffix <= 33 {
        Scan::More
    } else {
        Scan::No
    }
}
