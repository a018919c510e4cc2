//! Values that a model wrote, seen as calls: the shapes of a name with arguments.

use std::ops::Range;

use super::super::json;
use super::super::quoted::{self, Escapes};
use super::super::scan::{Scan, Stop};
use super::super::value::Value;
use super::super::verdict::{Called, Reason};
use super::Candidate;

/// Keys that hold the tool's name.
const NAMES: [&str; 6] = [
    "name",
    "tool",
    "tool_name",
    "function",
    "function_name",
    "action",
];
/// Keys that hold the arguments.
const ARGUMENTS: [&str; 6] = [
    "arguments",
    "parameters",
    "args",
    "input",
    "tool_input",
    "action_input",
];
/// Keys that a call may have beside them.
const BESIDE: [&str; 5] = ["id", "type", "tool_call_id", "call_id", "index"];
/// Keys that hold a call, or several.
const ENVELOPES: [&str; 3] = ["function", "function_call", "tool_calls"];

/// Shapes within shapes.
const DEEPEST: usize = 3;

/// The calls that `value` is, all of them or none.
pub(super) fn calls(
    candidate: &Candidate<'_>,
    value: Value,
    damaged: bool,
) -> Result<Vec<Called>, Reason> {
    let mut calls = Vec::new();
    add(candidate, value, damaged, 0, &mut calls)?;
    if calls.is_empty() {
        return Err(Reason::NotACall);
    }
    Ok(calls)
}

fn add(
    candidate: &Candidate<'_>,
    value: Value,
    damaged: bool,
    depth: usize,
    calls: &mut Vec<Called>,
) -> Result<(), Reason> {
    if depth > DEEPEST {
        return Err(Reason::NotACall);
    }
    match value {
        Value::List(items) => {
            for item in items {
                add(candidate, item, damaged, depth + 1, calls)?;
            }
            Ok(())
        }
        Value::Object(members) => {
            let inner = members.iter().position(|(key, value)| {
                ENVELOPES.contains(&key.as_str())
                    && matches!(value, Value::Object(_) | Value::List(_))
            });
            if let Some(at) = inner {
                let beside = |key: &str| key == "content" || BESIDE.contains(&key);
                let others = members.iter().enumerate();
                if others
                    .into_iter()
                    .any(|(n, (key, _))| n != at && !beside(key))
                {
                    return Err(Reason::NotACall);
                }
                let inner = members.into_iter().nth(at).map(|(_, value)| value);
                return add(
                    candidate,
                    inner.unwrap_or(Value::Null),
                    damaged,
                    depth + 1,
                    calls,
                );
            }
            calls.push(one(candidate, members, damaged)?);
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => Err(Reason::NotACall),
    }
}

fn one(
    candidate: &Candidate<'_>,
    mut members: Vec<(String, Value)>,
    damaged: bool,
) -> Result<Called, Reason> {
    let source = &candidate.pattern().tool;
    let path = source.json_path.as_deref().filter(|path| !path.is_empty());
    let (name, key) = match (&source.tool, path) {
        (Some(tool), _) => (tool.clone(), None),
        (None, Some(path)) => {
            let found = along(&members, path).ok_or(Reason::NotACall)?;
            let first = path.split('.').next().unwrap_or(path);
            (found.to_owned(), Some(first.to_owned()))
        }
        (None, None) => match named(&members) {
            Some((key, name)) => (name, Some(key)),
            None => return by_key(candidate, members, damaged),
        },
    };
    let tool = candidate.tool(&name)?;
    let at = members
        .iter()
        .position(|(key, _)| ARGUMENTS.contains(&key.as_str()));
    let arguments = at.map(|at| members.remove(at).1);
    let is_known = |member: &str| key.as_deref() == Some(member) || BESIDE.contains(&member);
    let unknown = members.iter().any(|(member, _)| !is_known(member));
    match arguments {
        Some(arguments @ (Value::Object(_) | Value::Text(_) | Value::Null))
            if !(candidate.weak && unknown) =>
        {
            candidate.accept(tool, arguments, damaged)
        }
        None if !unknown && !candidate.weak => candidate.accept_bare(tool),
        Some(_) | None => Err(Reason::NotACall),
    }
}

/// The name, and the key that holds it.
fn named(members: &[(String, Value)]) -> Option<(String, String)> {
    NAMES.iter().find_map(|key| {
        let (_, value) = members.iter().find(|(member, _)| member == key)?;
        Some(((*key).to_owned(), value.as_text()?.to_owned()))
    })
}

/// `{"name of a tool": {arguments}}`, which only a strong opening makes a call.
fn by_key(
    candidate: &Candidate<'_>,
    members: Vec<(String, Value)>,
    damaged: bool,
) -> Result<Called, Reason> {
    let mut members = members.into_iter();
    match (members.next(), members.next()) {
        (Some((name, arguments @ Value::Object(_))), None) if !candidate.weak => {
            candidate.accept(candidate.tool(&name)?, arguments, damaged)
        }
        _ => Err(Reason::NotACall),
    }
}

/// The text at the end of a dotted path.
fn along<'m>(members: &'m [(String, Value)], path: &str) -> Option<&'m str> {
    let mut parts = path.split('.');
    let first = parts.next()?;
    let mut value = &members.iter().find(|(key, _)| key == first)?.1;
    for part in parts {
        value = match part.parse::<usize>() {
            Ok(at) if value.items().is_some() => value.items()?.get(at)?,
            Ok(_) | Err(_) => value.get(part)?,
        };
    }
    value.as_text()
}

/// The elements of the list that `text` is, each with the part of `text` that it is.
pub(super) fn elements(text: &str) -> Vec<(Range<usize>, Value)> {
    let mut found = Vec::new();
    let Some(mut at) = text.find('[').map(|at| at + 1) else {
        return found;
    };
    while let Scan::Done(element, length) = json::value(&text[at..]) {
        let start = at + super::blank(&text[at..]);
        found.push((start..at + length, element.value));
        at += length;
        let rest = text[at..].trim_start();
        match rest.strip_prefix(',') {
            Some(rest) => at = text.len() - rest.len(),
            None => break,
        }
    }
    found
}

/// Whether `text`, the beginning of a value that is not complete, can still be a call
/// under the gate of weak forms: no key that a call has not, no tool that nobody offers.
pub(super) fn may_be_call(candidate: &Candidate<'_>, text: &str) -> bool {
    let text = text.trim_start();
    match text.strip_prefix('[') {
        Some(first) if first.trim_start().is_empty() => true,
        Some(first) => first.trim_start().starts_with('{') && may_be_object(candidate, first, 0),
        None => may_be_object(candidate, text, 0),
    }
}

fn may_be_object(candidate: &Candidate<'_>, text: &str, depth: usize) -> bool {
    let Some(mut rest) = text.trim_start().strip_prefix('{') else {
        return false;
    };
    if depth > DEEPEST {
        return false;
    }
    let allowed = |key: &str| {
        NAMES.contains(&key)
            || ARGUMENTS.contains(&key)
            || BESIDE.contains(&key)
            || ENVELOPES.contains(&key)
            || key == "content"
    };
    loop {
        rest = rest.trim_start();
        let Some(quote @ (b'"' | b'\'')) = rest.as_bytes().first().copied() else {
            // Nothing yet, the end of the object, or a comma too many.
            return rest.is_empty() || rest.starts_with('}');
        };
        let key = match quoted::read(&rest[1..], quote, false, Escapes::Json) {
            Ok(key) => key,
            Err(Stop::More) => {
                let part = &rest[1..];
                let keys = NAMES
                    .iter()
                    .chain(&ARGUMENTS)
                    .chain(&BESIDE)
                    .chain(&ENVELOPES);
                return keys.into_iter().any(|key| key.starts_with(part));
            }
            Err(Stop::No) => return false,
        };
        if !allowed(&key.text) {
            return false;
        }
        rest = rest[1 + key.length..].trim_start();
        match rest.strip_prefix(':') {
            Some(value) => rest = value.trim_start(),
            None => return rest.is_empty(),
        }
        if rest.is_empty() {
            return true;
        }
        let key = key.text.as_str();
        if ENVELOPES.contains(&key) && rest.starts_with('{') {
            let mut end = json::End::default();
            match json::end(&mut end, rest) {
                None => return may_be_object(candidate, rest, depth + 1),
                Some(length) => rest = &rest[length..],
            }
        } else if ARGUMENTS.contains(&key) && !rest.starts_with(['{', '"', '\'', 'n', 'N']) {
            return false;
        } else {
            let mut end = json::End::default();
            let Some(length) = json::end(&mut end, rest) else {
                return !NAMES.contains(&key) || may_begin(candidate, rest);
            };
            if NAMES.contains(&key)
                && let Scan::Done(name, _) = json::value(rest)
                && let Some(name) = name.value.as_text()
                && candidate.tool(name).is_err()
            {
                return false;
            }
            rest = &rest[length..];
        }
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.is_empty() || rest.starts_with(['}', ']']),
        }
    }
}

/// Whether the beginning of a string may be the name of a tool.
fn may_begin(candidate: &Candidate<'_>, text: &str) -> bool {
    match text.strip_prefix(['"', '\'']) {
        Some(part) => candidate.tools.may_begin(part),
        None => true,
    }
}
