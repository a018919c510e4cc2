//! Calls behind an opening: JSON objects and lists of them, or calls as Python writes
//! them.

use super::super::json;
use super::super::python::{self, PyCall};
use super::super::scan::Scan;
use super::super::value::Value;
use super::super::verdict::{Called, Found, Reason, Verdict};
use super::{Candidate, blank, mark, shape};

/// What is counted as read for a value that its first keys refuse.
const EARLY: usize = 64;

/// Reads what follows the opening; a weak opening belongs to the call itself.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    if candidate.weak {
        return one(candidate, candidate.text);
    }
    one(candidate, candidate.body()).moved(candidate.opening)
}

/// Reads the calls at the start of `text`, white space before them included: one value,
/// or one Python call, or one list.
pub(super) fn one(candidate: &Candidate<'_>, text: &str) -> Verdict {
    let start = blank(text);
    let inside = &text[start..];
    let mut letters = inside.chars();
    let verdict = match letters.next() {
        None if candidate.ended => Verdict::no(Reason::Cut, 0),
        None => Verdict::More,
        Some('{') => json(candidate, inside),
        Some('[') => match letters.as_str().trim_start().chars().next() {
            None if candidate.ended => Verdict::no(Reason::Cut, inside.len()),
            None => Verdict::More,
            Some('{') => json(candidate, inside),
            Some(_) => list(candidate, inside),
        },
        Some(letter) if letter.is_alphabetic() || letter == '_' => call(candidate, inside),
        Some(_) => Verdict::no(Reason::NotACall, 1),
    };
    verdict.moved(start)
}

fn json(candidate: &Candidate<'_>, text: &str) -> Verdict {
    let (value, length, damaged, repaired) = match json::value(text) {
        Scan::Done(found, length) => (found.value, length, false, found.repaired),
        Scan::More if candidate.ended => match json::closed(text, false) {
            Some((found, length)) => (found.value, length, true, true),
            None => return Verdict::no(Reason::Cut, text.len()),
        },
        Scan::More if candidate.weak && !shape::may_be_call(candidate, text) => {
            return Verdict::no(Reason::NotACall, EARLY);
        }
        Scan::More => return Verdict::More,
        Scan::No => {
            let reach = json::reach(text);
            match before_mark(candidate, text, reach) {
                Ok(Some((found, length))) => (found.value, length, true, true),
                Ok(None) => return Verdict::no(Reason::Unreadable, reach),
                Err(()) => return Verdict::More,
            }
        }
    };
    // What a partial reading refuses, the whole one refuses too.
    if candidate.weak && !shape::may_be_call(candidate, &text[..length]) {
        return Verdict::no(Reason::NotACall, EARLY);
    }
    let elements = matches!(value, Value::List(_)) && !candidate.weak && !damaged;
    match shape::calls(candidate, value, damaged) {
        Ok(calls) => {
            let marked = |mut call: Called| {
                call.repaired |= repaired;
                call
            };
            Verdict::calls(calls.into_iter().map(marked).collect(), length)
        }
        Err(reason) if elements => some_elements(candidate, &text[..length], reason),
        Err(reason) => Verdict::no(reason, length),
    }
}

/// The value in front of a closing mark that stands where its brackets should.
/// `Err` when more text may show a mark.
fn before_mark(
    candidate: &Candidate<'_>,
    text: &str,
    reach: usize,
) -> Result<Option<(json::Json, usize)>, ()> {
    match mark(&text[reach..]) {
        Scan::Done(..) => {}
        Scan::More if !candidate.ended => return Err(()),
        Scan::More | Scan::No => return Ok(None),
    }
    Ok(json::closed(&text[..reach], true))
}

/// Of a list in which some elements are no calls the others; those stay text.
fn some_elements(candidate: &Candidate<'_>, text: &str, why: Reason) -> Verdict {
    let mut found = Found {
        calls: Vec::new(),
        length: text.len(),
        left: Vec::new(),
    };
    for (range, element) in shape::elements(text) {
        match shape::calls(candidate, element, false) {
            Ok(calls) => found.calls.extend(calls),
            Err(_) => found.left.push(range),
        }
    }
    if found.calls.is_empty() {
        return Verdict::no(why, text.len());
    }
    Verdict::Found(found)
}

/// A list of Python calls.
fn list(candidate: &Candidate<'_>, text: &str) -> Verdict {
    if let Err(verdict) = offered(candidate, &text[1..]) {
        return verdict.moved(1);
    }
    match python::list(text) {
        Scan::Done(calls, length) => made(candidate, calls, length, false),
        Scan::More if candidate.ended => match python::closed_list(text) {
            Some(calls) => made(candidate, calls, text.len(), true),
            None => Verdict::no(Reason::Cut, text.len()),
        },
        Scan::More => Verdict::More,
        Scan::No => Verdict::no(Reason::NotACall, python::reach(text)),
    }
}

/// One Python call, with the `;` behind it.
fn call(candidate: &Candidate<'_>, text: &str) -> Verdict {
    if let Err(verdict) = offered(candidate, text) {
        return verdict;
    }
    match python::call(text) {
        Scan::Done(call, length) => made(candidate, vec![call], length, false),
        Scan::More if candidate.ended => Verdict::no(Reason::Cut, text.len()),
        Scan::More => Verdict::More,
        Scan::No => Verdict::no(Reason::NotACall, python::reach(text)),
    }
}

/// Whether the name before the parenthesis is offered, as far as it is there.
fn offered(candidate: &Candidate<'_>, text: &str) -> Result<(), Verdict> {
    let start = blank(text);
    let name = &text[start..];
    let length = name
        .find(|c: char| !c.is_alphanumeric() && !"_-.".contains(c))
        .unwrap_or(name.len());
    let reach = start + length;
    let whole = length < name.len();
    let name = &name[..length];
    if !whole && !candidate.ended {
        let called = name.rfind('.').is_some_and(|at| {
            ".call".starts_with(&name[at..]) && candidate.tool(&name[..at]).is_ok()
        });
        return if called || candidate.tools.may_begin(name) || "print".starts_with(name) {
            Err(Verdict::More)
        } else {
            Err(Verdict::no(Reason::NotACall, reach))
        };
    }
    let bare = name.strip_suffix(".call").unwrap_or(name);
    if name == "print" || candidate.tool(bare).is_ok() {
        Ok(())
    } else {
        Err(Verdict::no(
            Reason::UnknownTool(bare.chars().take(80).collect()),
            reach,
        ))
    }
}

fn made(candidate: &Candidate<'_>, calls: Vec<PyCall>, length: usize, damaged: bool) -> Verdict {
    let mut made = Vec::new();
    for call in calls {
        match from_python(candidate, call, damaged) {
            Ok(call) => made.push(call),
            Err(reason) => return Verdict::no(reason, length),
        }
    }
    Verdict::calls(made, length)
}

/// The call that a Python call is. An argument without a key is the only text that the
/// tool requires, or nothing that can be known.
fn from_python(candidate: &Candidate<'_>, call: PyCall, damaged: bool) -> Result<Called, Reason> {
    let tool = candidate.tool(&call.name)?;
    let mut positional = call.positional.into_iter();
    let arguments = match (positional.next(), positional.next()) {
        (None, _) => Value::Object(call.arguments),
        (Some(object @ Value::Object(_)), None) if call.arguments.is_empty() => object,
        (Some(only), None) if call.arguments.is_empty() && !candidate.weak => {
            let key = tool.only_required_text().ok_or(Reason::NotACall)?;
            Value::Object(vec![(key.to_owned(), only)])
        }
        (Some(_), _) => return Err(Reason::NotACall),
    };
    candidate.accept(tool, arguments, damaged)
}
