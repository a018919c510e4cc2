//! Where a raw value ends: nothing in it is escaped, and it may hold its own closing tag.

use memchr::memchr2;

use super::super::scan::Scan;
use super::tags::{Mark, blank, mark};

/// The end of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The value is so long, and what follows it begins behind the second number.
    At(usize, usize),
    /// More text decides.
    More,
    /// The text ended inside it.
    Cut,
}

/// The tags round a value.
pub(super) struct Tags<'a> {
    /// Its closing tag.
    pub(super) close: &'a dyn Fn(&str) -> Scan<()>,
    /// The opening of another value.
    pub(super) next: &'a dyn Fn(&str) -> Scan<()>,
    /// The opening of another call.
    pub(super) call: &'a dyn Fn(&str) -> Scan<()>,
}

/// Where the value at the start of `text` ends.
///
/// A closing tag ends it when another value, another call, a closing mark or the end of
/// the text follows; otherwise it is part of the value. Without one it ends where the
/// next value begins on a new line, and before the marks that close the whole call. It
/// never ends where the text does.
pub(super) fn end(text: &str, ended: bool, tags: &Tags<'_>) -> End {
    let mut at = 0;
    while let Some(step) = memchr2(b'<', b']', &text.as_bytes()[at..]) {
        at += step;
        let rest = &text[at..];
        match look(text, at, ended, tags) {
            Ok(Some(after)) => return End::At(at, after),
            Ok(None) => at += rest.chars().next().map_or(1, char::len_utf8),
            Err(()) => return End::More,
        }
    }
    if ended { End::Cut } else { End::More }
}

/// Whether the value ends at `at`, and where what follows begins. `Err` when more text
/// decides.
fn look(text: &str, at: usize, ended: bool, tags: &Tags<'_>) -> Result<Option<usize>, ()> {
    let rest = &text[at..];
    match (tags.close)(rest) {
        Scan::Done((), length) => {
            let after = &rest[length..];
            let follows = &after[blanks(after)..];
            if follows.is_empty() {
                return if ended {
                    Ok(Some(at + length))
                } else {
                    Err(())
                };
            }
            let mut more = false;
            for ends in [tags.close, tags.next, tags.call, &closing] {
                match ends(follows) {
                    Scan::Done(..) => return Ok(Some(at + length)),
                    Scan::More => more = true,
                    Scan::No => {}
                }
            }
            return if more && !ended { Err(()) } else { Ok(None) };
        }
        Scan::More if !ended => return Err(()),
        Scan::More | Scan::No => {}
    }
    if begins_line(text, at) {
        match (tags.next)(rest) {
            Scan::Done(..) => return Ok(Some(at)),
            Scan::More if !ended => return Err(()),
            Scan::More | Scan::No => {}
        }
    }
    closes_call(rest, ended, tags).map(|closes| closes.then_some(at))
}

/// Whether the marks at the start of `rest` close the call although the value's own tag
/// is missing: a part and its wrapper, or any with nothing but another call behind them.
fn closes_call(rest: &str, ended: bool, tags: &Tags<'_>) -> Result<bool, ()> {
    let (mut at, mut parts, mut wrappers) = (0, 0, 0);
    loop {
        let part = &rest[at..];
        match mark(part) {
            Scan::Done(Mark::Part, length) => {
                parts += 1;
                at += length;
            }
            Scan::Done(Mark::Wrapper, length) => {
                wrappers += 1;
                at += length;
            }
            Scan::More if !ended => return Err(()),
            Scan::Done(Mark::Turn, _) | Scan::More | Scan::No => break,
        }
        if parts > 0 && wrappers > 0 {
            return Ok(true);
        }
        at += blank(&rest[at..]);
    }
    if parts + wrappers == 0 {
        return Ok(false);
    }
    let after = &rest[at..];
    if after.is_empty() {
        return if ended { Ok(true) } else { Err(()) };
    }
    match (tags.call)(after) {
        Scan::Done(..) => Ok(true),
        Scan::More if !ended => Err(()),
        Scan::More | Scan::No => Ok(matches!(mark(after), Scan::Done(Mark::Turn, _))),
    }
}

fn closing(text: &str) -> Scan<()> {
    match mark(text) {
        Scan::Done(_, length) => Scan::Done((), length),
        Scan::More => Scan::More,
        Scan::No => Scan::No,
    }
}

fn begins_line(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t']);
    before.is_empty() || before.ends_with(['\n', '\r']) || before.ends_with("\\n")
}

/// White space, and line ends that were written as `\n`.
pub(super) fn blanks(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        match rest.strip_prefix("\\n") {
            Some(more) => rest = more,
            None => return text.len() - rest.len(),
        }
    }
}

/// The value without the line ends round it: one at each end when it stood on lines of
/// its own.
pub(super) fn trimmed(value: &str) -> &str {
    let inner = value
        .strip_prefix("\r\n")
        .or_else(|| value.strip_prefix('\n'));
    match inner {
        Some(inner) => without_last_line_end(inner),
        None => value,
    }
}

/// The value without one line end behind it.
pub(super) fn without_last_line_end(value: &str) -> &str {
    let value = value.strip_suffix('\n').unwrap_or(value);
    value.strip_suffix('\r').unwrap_or(value)
}
