//! A code block that holds calls and nothing else.

use super::super::scan::Scan;
use super::super::verdict::{Found, Reason, Refused, Verdict};
use super::{Candidate, blank, calls, is_strong, mark};

/// Longest name of a language in bytes.
const LONGEST_LANGUAGE: usize = 32;

/// Reads the block from its first back-tick on.
///
/// In a language that is made for calls they count wherever the block stands; in JSON, or
/// without a language, under the gate of weak forms; in any other only marked calls count,
/// and only in a block that is the whole answer.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let text = candidate.text;
    let ticks = text.len() - text.trim_start_matches('`').len();
    let more = |candidate: &Candidate<'_>, reach| {
        if candidate.ended {
            Verdict::no(Reason::Cut, reach)
        } else {
            Verdict::More
        }
    };
    let after = &text[ticks..];
    let language = after
        .find(|c: char| !c.is_ascii_alphanumeric() && !"_+#.-".contains(c))
        .unwrap_or(after.len());
    if language > LONGEST_LANGUAGE {
        return Verdict::no(Reason::NotACall, ticks);
    }
    if language == after.len() {
        return more(candidate, ticks + language);
    }
    let inside = &after[language..];
    let gap = inside.len() - inside.trim_start_matches([' ', '\t']).len();
    match inside[gap..].chars().next() {
        None => return more(candidate, ticks + language),
        Some('\n' | '\r' | '{' | '[') => {}
        Some(_) => return Verdict::no(Reason::NotACall, ticks + language),
    }
    let strong = is_strong(candidate.row);
    let plain = strong
        || matches!(
            after[..language].to_ascii_lowercase().as_str(),
            "" | "json" | "jsonc" | "json5"
        );
    if !plain && !candidate.first {
        return Verdict::no(Reason::NotACall, ticks + language);
    }
    let close = &text[..ticks];
    body(candidate, ticks + language + gap, close, plain)
}

fn body(candidate: &Candidate<'_>, from: usize, close: &str, plain: bool) -> Verdict {
    let text = candidate.text;
    let mut found = Found {
        calls: Vec::new(),
        length: 0,
        left: Vec::new(),
    };
    let mut at = from;
    loop {
        let rest = &text[at..];
        at += rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == ',')
                .len();
        let rest = &text[at..];
        if rest.starts_with(close) || (rest.is_empty() && candidate.ended) {
            if found.calls.is_empty() {
                return Verdict::no(Reason::NotACall, at);
            }
            found.length = at + if rest.is_empty() { 0 } else { close.len() };
            return Verdict::Found(found);
        }
        if close.starts_with(rest) {
            return ended_or_more(candidate, at);
        }
        if !found.calls.is_empty() {
            match mark(rest) {
                Scan::Done(_, length) => {
                    at += length;
                    continue;
                }
                Scan::More if !candidate.ended => return Verdict::More,
                Scan::More | Scan::No => {}
            }
        }
        match item(candidate, rest, plain).moved(at) {
            Verdict::Found(item) => {
                found.calls.extend(item.calls);
                at = item.length;
                // Of a list with unknown tools the block as such is none of calls.
                if !item.left.is_empty() {
                    return Verdict::no(Reason::NotACall, at);
                }
            }
            other => return other,
        }
    }
}

/// One call of the block.
fn item(candidate: &Candidate<'_>, rest: &str, plain: bool) -> Verdict {
    let marked = || {
        if candidate.first || is_strong(candidate.row) {
            (candidate.inner)(rest, candidate.ended)
        } else {
            Verdict::no(Reason::NotACall, blank(rest))
        }
    };
    if !plain {
        return marked();
    }
    match calls::one(candidate, rest) {
        Verdict::No(refused) => match marked() {
            Verdict::No(Refused {
                reason: Reason::NotACall,
                ..
            }) => Verdict::No(refused),
            other => other,
        },
        other => other,
    }
}

fn ended_or_more(candidate: &Candidate<'_>, at: usize) -> Verdict {
    if candidate.ended {
        Verdict::no(Reason::Cut, at)
    } else {
        Verdict::More
    }
}
