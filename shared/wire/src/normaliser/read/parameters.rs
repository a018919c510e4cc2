//! Parameters in tags behind an opening that holds the tool's name.

use super::super::json;
use super::super::scan::Scan;
use super::super::tools::Tool;
use super::super::value::Value;
use super::super::verdict::{Called, Reason, Verdict};
use super::tags::{self, Opened, mark, parameter, parameter_close};
use super::values::{End, Tags, end, trimmed, without_last_line_end};
use super::{Candidate, blank};

/// Before each tag of `MiniMax` M3.
const M3: &str = "]<]minimax[>[";

/// How the parameters are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `<parameter=key>` and `<parameter name="key">`.
    Named,
    /// The key is the tag's name.
    Own,
}

/// Reads what follows the opening.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let tool = match candidate.named() {
        Ok(tool) => tool,
        Err(reason) => return Verdict::no(reason, candidate.opening),
    };
    let style = if candidate.text.starts_with(M3) {
        Style::Own
    } else {
        Style::Named
    };
    match members(candidate, style, tool) {
        Ok(Read {
            members,
            length,
            closed,
        }) => {
            let length = candidate.opening + length;
            let call = if members.is_empty() {
                candidate.accept_bare(tool)
            } else {
                candidate.accept(tool, Value::object(members), false)
            };
            match call {
                Ok(call) => Verdict::call(
                    Called {
                        repaired: call.repaired || !closed,
                        ..call
                    },
                    length,
                ),
                Err(reason) => Verdict::no(reason, length),
            }
        }
        Err(Stopped::More) => Verdict::More,
        Err(Stopped::No(reason, reach)) => Verdict::no(reason, candidate.opening + reach),
    }
}

struct Read {
    members: Vec<(String, Value)>,
    length: usize,
    /// Whether every value had its closing tag, and the call its own.
    closed: bool,
}

enum Stopped {
    More,
    No(Reason, usize),
}

fn members(candidate: &Candidate<'_>, style: Style, tool: &Tool) -> Result<Read, Stopped> {
    let (body, ended) = (candidate.body(), candidate.ended);
    let mut members = Vec::new();
    let (mut at, mut closed) = (0, true);
    loop {
        let start = at + blank(&body[at..]);
        let rest = &body[start..];
        let opened = match open(style, rest) {
            Scan::Done(opened, length) => Some((opened, length)),
            Scan::More if !ended => return Err(Stopped::More),
            Scan::More | Scan::No => None,
        };
        let Some((opened, length)) = opened else {
            return finished(rest, start, ended, members, closed);
        };
        let from = start + length;
        let tags = Tags {
            close: &|text| close(style, opened.key, text),
            next: &|text| open(style, text).map(|_| ()),
            call: &call,
        };
        match end(&body[from..], ended, &tags) {
            End::At(value, after) => {
                let text = &body[from..from + value];
                let text = if after == value {
                    closed = false;
                    without_last_line_end(trimmed(text))
                } else {
                    trimmed(text)
                };
                let value = typed(style, tool, opened, text);
                members.push((opened.key.to_owned(), value));
                at = from + after;
            }
            End::More => return Err(Stopped::More),
            End::Cut => return Err(Stopped::No(Reason::Cut, body.len())),
        }
    }
}

/// What follows the last parameter, which has to close the call, or to end.
fn finished(
    rest: &str,
    at: usize,
    ended: bool,
    members: Vec<(String, Value)>,
    closed: bool,
) -> Result<Read, Stopped> {
    if rest.is_empty() {
        return match (ended, members.is_empty()) {
            (false, _) => Err(Stopped::More),
            (true, true) => Err(Stopped::No(Reason::Cut, at)),
            (true, false) => Ok(Read {
                members,
                length: at,
                closed: false,
            }),
        };
    }
    let mut more = false;
    match mark(rest) {
        Scan::Done(kind, length) => {
            let own = kind == tags::Mark::Part;
            return Ok(Read {
                members,
                length: at + if own { length } else { 0 },
                closed: closed && own,
            });
        }
        Scan::More => more = true,
        Scan::No => {}
    }
    match call(rest) {
        Scan::Done(..) if !members.is_empty() => Ok(Read {
            members,
            length: at,
            closed: false,
        }),
        Scan::More if !ended => Err(Stopped::More),
        Scan::Done(..) | Scan::More | Scan::No if more && !ended => Err(Stopped::More),
        Scan::Done(..) | Scan::More | Scan::No => Err(Stopped::No(Reason::NotACall, at)),
    }
}

fn open(style: Style, text: &str) -> Scan<Opened<'_>> {
    match style {
        Style::Named => parameter(text),
        Style::Own => own_tag(text),
    }
}

/// M3's `<key>` behind its prefix; a closing tag is none.
fn own_tag(text: &str) -> Scan<Opened<'_>> {
    let Some(tag) = text.strip_prefix(M3) else {
        return partial(text, M3);
    };
    let Some(name) = tag.strip_prefix('<') else {
        return partial(tag, "<");
    };
    let length = name
        .find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))
        .unwrap_or(name.len());
    if length == name.len() && length < 128 {
        return Scan::More;
    }
    if length == 0 || !name[length..].starts_with('>') {
        return Scan::No;
    }
    let opened = Opened {
        key: &name[..length],
        text: None,
    };
    Scan::Done(opened, M3.len() + length + 2)
}

fn close(style: Style, key: &str, text: &str) -> Scan<()> {
    match style {
        Style::Named => parameter_close(text),
        Style::Own => exactly(text, &format!("{M3}</{key}>")),
    }
}

fn exactly(text: &str, wanted: &str) -> Scan<()> {
    if text.starts_with(wanted) {
        Scan::Done((), wanted.len())
    } else {
        partial(text, wanted)
    }
}

fn partial<T>(text: &str, wanted: &str) -> Scan<T> {
    if wanted.starts_with(text) {
        Scan::More
    } else {
        Scan::No
    }
}

/// The opening of another call.
fn call(text: &str) -> Scan<()> {
    const OPENINGS: [&str; 6] = [
        "<function=",
        "<invoke ",
        "<tool_call>",
        "<seed:tool_call>",
        "<steptml:invoke ",
        "<minimax:tool_call>",
    ];
    if !matches!(
        text.as_bytes().get(1),
        None | Some(b'f' | b'i' | b't' | b's' | b'a' | b'm')
    ) {
        return Scan::No;
    }
    let mut more = false;
    for opening in OPENINGS {
        match exactly(text, opening) {
            Scan::Done((), length) => return Scan::Done((), length),
            Scan::More => more = true,
            Scan::No => {}
        }
    }
    if more { Scan::More } else { Scan::No }
}

fn typed(style: Style, tool: &Tool, opened: Opened<'_>, text: &str) -> Value {
    match opened.text {
        Some(true) => Value::Text(text.to_owned()),
        Some(false) => match json::whole(text) {
            Some(found) => found.value,
            None => tool.schema.typed(opened.key, text),
        },
        None if style == Style::Own && text.trim_start().starts_with(M3) => {
            items(text).unwrap_or_else(|| tool.schema.typed(opened.key, text))
        }
        None => tool.schema.typed(opened.key, text),
    }
}

/// M3 writes lists as elements named `item`.
fn items(text: &str) -> Option<Value> {
    let mut items = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let inside = rest.strip_prefix(M3)?.strip_prefix("<item>")?;
        let close = format!("{M3}</item>");
        let (item, after) = inside.split_once(close.as_str())?;
        let value = json::whole(item).map_or_else(|| Value::Text(item.to_owned()), |j| j.value);
        items.push(value);
        rest = after.trim_start();
    }
    Some(Value::List(items))
}

/// The parameters that `text`, an element's whole content, holds; `None` when it holds
/// none.
pub(super) fn all(tool: &Tool, text: &str) -> Option<Vec<(String, Value)>> {
    let mut members = Vec::new();
    let mut at = text.find("<parameter")?;
    let tags = Tags {
        close: &parameter_close,
        next: &|text| open(Style::Named, text).map(|_| ()),
        call: &call,
    };
    while let Scan::Done(opened, length) = parameter(&text[at..]) {
        let from = at + length;
        let End::At(value, after) = end(&text[from..], true, &tags) else {
            break;
        };
        let value = typed(
            Style::Named,
            tool,
            opened,
            trimmed(&text[from..from + value]),
        );
        members.push((opened.key.to_owned(), value));
        at = from + after;
        at += blank(&text[at..]);
    }
    (!members.is_empty()).then_some(members)
}
