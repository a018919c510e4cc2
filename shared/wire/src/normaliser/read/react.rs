//! `Action:` with its input on a line of its own, or with a block of JSON.

use super::super::json;
use super::super::scan::Scan;
use super::super::tools::Tool;
use super::super::value::Value;
use super::super::verdict::{Called, Reason, Verdict};
use super::{Candidate, blank, block};

const INPUT: &str = "Action Input:";
const OBSERVATION: &str = "Observation:";

/// Reads the action from its first word on.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let body = candidate.body();
    let start = candidate.opening + blank(body);
    let rest = &candidate.text[start..];
    if rest.is_empty() || "```".starts_with(rest) {
        return cut(candidate, start);
    }
    if rest.starts_with("```") {
        let block = Candidate {
            text: rest,
            opening: 0,
            ..*candidate
        };
        return block::read(&block).moved(start);
    }
    named(candidate, rest).moved(start)
}

fn cut(candidate: &Candidate<'_>, reach: usize) -> Verdict {
    if candidate.ended {
        Verdict::no(Reason::Cut, reach)
    } else {
        Verdict::More
    }
}

/// The tool's name, and the input on the next line.
fn named(candidate: &Candidate<'_>, text: &str) -> Verdict {
    let Some(line) = text.find('\n') else {
        return match candidate.ended {
            false if text.len() <= 160 && candidate.tools.may_begin(trim(text)) => Verdict::More,
            _ => Verdict::no(Reason::NotACall, text.len().min(160)),
        };
    };
    let tool = match candidate.tool(trim(&text[..line])) {
        Ok(tool) => tool,
        Err(reason) => return Verdict::no(reason, line),
    };
    let at = line + blank(&text[line..]);
    let rest = &text[at..];
    let Some(input) = rest.strip_prefix(INPUT) else {
        return if INPUT.starts_with(rest) {
            cut(candidate, at)
        } else {
            Verdict::no(Reason::NotACall, at)
        };
    };
    self::input(candidate, tool, input).moved(at + INPUT.len())
}

fn trim(name: &str) -> &str {
    name.trim().trim_matches(['`', '"', '\'', '*'])
}

fn input(candidate: &Candidate<'_>, tool: &Tool, text: &str) -> Verdict {
    let start = blank(text);
    let rest = &text[start..];
    let verdict = match rest.chars().next() {
        None => return cut(candidate, start),
        Some('{') => object(candidate, tool, rest),
        Some('`') => fenced(candidate, tool, rest),
        Some(_) => plain(candidate, tool, rest),
    };
    with_observation(candidate, rest, verdict).moved(start)
}

fn object(candidate: &Candidate<'_>, tool: &Tool, text: &str) -> Verdict {
    match json::value(text) {
        Scan::Done(found, length) => {
            let call = candidate.accept(tool, found.value, false);
            made(call, length, found.repaired)
        }
        Scan::More if candidate.ended => match json::closed(text, false) {
            Some((found, length)) => made(candidate.accept(tool, found.value, true), length, true),
            None => Verdict::no(Reason::Cut, text.len()),
        },
        Scan::More => Verdict::More,
        Scan::No => Verdict::no(Reason::Unreadable, json::reach(text)),
    }
}

fn made(call: Result<Called, Reason>, length: usize, repaired: bool) -> Verdict {
    match call {
        Ok(mut call) => {
            call.repaired |= repaired;
            Verdict::call(call, length)
        }
        Err(reason) => Verdict::no(reason, length),
    }
}

/// JSON in a code block.
fn fenced(candidate: &Candidate<'_>, tool: &Tool, text: &str) -> Verdict {
    let Some(line) = text.find('\n') else {
        return match text.len() {
            0..=32 => cut(candidate, text.len()),
            _ => Verdict::no(Reason::NotACall, 32),
        };
    };
    let inside = &text[line..];
    let start = line + blank(inside);
    match object(candidate, tool, &text[start..]) {
        Verdict::Found(found) => {
            let end = start + found.length;
            let end = end + blank(&text[end..]);
            let rest = &text[end..];
            match rest.strip_prefix("```") {
                Some(_) => Verdict::calls(found.calls, end + 3),
                None if rest.is_empty() && candidate.ended => Verdict::calls(found.calls, end),
                None if "```".starts_with(rest) => cut(candidate, end),
                None => Verdict::no(Reason::NotACall, end),
            }
        }
        other => other.moved(start),
    }
}

/// Text for the only parameter that the tool requires, up to an observation or the end.
fn plain(candidate: &Candidate<'_>, tool: &Tool, text: &str) -> Verdict {
    let Some(key) = tool.only_required_text() else {
        return Verdict::no(Reason::Unreadable, 1);
    };
    let end = match text.find("\nObservation:") {
        Some(end) => end,
        None if candidate.ended => text.len(),
        None => return Verdict::More,
    };
    let value = text[..end].trim();
    let value = value
        .strip_prefix('"')
        .and_then(|v| v.strip_suffix('"'))
        .unwrap_or(value);
    let arguments = vec![(key.to_owned(), Value::Text(value.to_owned()))];
    made(
        candidate.accept(tool, Value::Object(arguments), false),
        end,
        false,
    )
}

/// An observation that the model made up, and all behind it, belongs to the call.
fn with_observation(candidate: &Candidate<'_>, text: &str, verdict: Verdict) -> Verdict {
    let Verdict::Found(mut found) = verdict else {
        return verdict;
    };
    let rest = &text[found.length..];
    let after = rest.trim_start();
    if after.starts_with(OBSERVATION) {
        if !candidate.ended {
            return Verdict::More;
        }
        found.length = text.len();
    } else if !candidate.ended && OBSERVATION.starts_with(after) {
        return Verdict::More;
    }
    Verdict::Found(found)
}
