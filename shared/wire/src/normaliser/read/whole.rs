//! A call that the expression matches as a whole: the original's patterns, and those that
//! an operator writes in their style.

use super::super::json;
use super::super::number;
use super::super::pattern::Form;
use super::super::scan::Scan;
use super::super::tools::Tool;
use super::super::value::Value;
use super::super::verdict::{Called, Reason, Verdict};
use super::{Candidate, parameters, shape};

/// Reads the match. JSON that a group begins and the expression cuts off too early is
/// read to its end.
pub(super) fn read(candidate: &Candidate<'_>) -> Verdict {
    let text = &candidate.text[..candidate.opening];
    let groups = candidate.row.groups(text);
    let raw = match candidate.pattern().form {
        Form::Action => group(&groups, 1),
        Form::Xml => groups.iter().skip(1).rev().find_map(|group| *group),
        _ if groups.len() > 2 => group(&groups, 2),
        _ => group(&groups, 1),
    };
    let raw = raw.unwrap_or_default();
    let at = offset(text, raw);
    // A group that begins an object is read as far as the object goes.
    let object = raw.trim_start();
    let begins = at + (raw.len() - object.len());
    let (value, length) = if object.starts_with('{') {
        match json::value(&candidate.text[begins..]) {
            Scan::Done(found, length) => {
                let end = begins + length;
                (Some(found.value), end.max(candidate.opening))
            }
            Scan::More if !candidate.ended => return Verdict::More,
            Scan::More | Scan::No => (
                json::whole(object).map(|found| found.value),
                candidate.opening,
            ),
        }
    } else {
        (None, candidate.opening)
    };
    match call(candidate, &groups, raw, value) {
        Ok(call) => Verdict::call(call, length),
        Err(reason) => Verdict::no(reason, length),
    }
}

fn group<'t>(groups: &[Option<&'t str>], number: usize) -> Option<&'t str> {
    groups.get(number).copied().flatten()
}

fn offset(text: &str, part: &str) -> usize {
    let (text, part) = (text.as_ptr() as usize, part.as_ptr() as usize);
    part.checked_sub(text).unwrap_or_default()
}

fn call(
    candidate: &Candidate<'_>,
    groups: &[Option<&str>],
    raw: &str,
    value: Option<Value>,
) -> Result<Called, Reason> {
    let pattern = candidate.pattern();
    let source = &pattern.tool;
    if pattern.form == Form::Action && source.tool.is_none() && source.group.is_none() {
        return action(candidate, raw);
    }
    let name = match (&source.tool, source.group) {
        (Some(tool), _) => tool.as_str(),
        (None, Some(number)) => group(groups, number as usize).ok_or(Reason::NotACall)?,
        // The JSON says it itself.
        (None, None) => {
            let value = match value {
                Some(value) => value,
                None => {
                    let texts = groups.iter().skip(1).rev().filter_map(|group| *group);
                    let mut found = texts.filter_map(|text| json::whole(text.trim()));
                    found.next().ok_or(Reason::Unreadable)?.value
                }
            };
            let calls = shape::calls(candidate, value, false)?;
            return match <[Called; 1]>::try_from(calls) {
                Ok([call]) => Ok(call),
                Err(_) => Err(Reason::NotACall),
            };
        }
    };
    let tool = candidate.tool(name)?;
    let by_group = by_group(candidate, tool, groups);
    if !by_group.is_empty() {
        return candidate.accept(tool, Value::object(by_group), false);
    }
    if let Some(value) = value {
        return candidate.accept(tool, value, false);
    }
    if pattern.form == Form::Xml
        && let Some(members) = parameters::all(tool, raw)
    {
        return candidate.accept(tool, Value::object(members), false);
    }
    if raw.trim_start().starts_with('{') {
        return Err(Reason::Unreadable);
    }
    text(candidate, tool, raw)
}

/// The parameters that the mapping takes from capture groups.
fn by_group(
    candidate: &Candidate<'_>,
    tool: &Tool,
    groups: &[Option<&str>],
) -> Vec<(String, Value)> {
    let mapping = candidate.pattern().parameters.iter();
    let numbered = mapping.filter(|(key, _)| number::is_integer(key));
    let found = numbered.filter_map(|(key, parameter)| {
        let text = group(groups, key.parse().ok()?)?;
        Some((parameter.clone(), tool.schema.typed(parameter, text)))
    });
    found.collect()
}

/// A call whose argument is plain text: of the only parameter that the mapping names, or
/// of the only text that the tool requires.
fn text(candidate: &Candidate<'_>, tool: &Tool, raw: &str) -> Result<Called, Reason> {
    let raw = raw.trim();
    if raw.is_empty() {
        return candidate.accept_bare(tool);
    }
    let mut named = candidate.pattern().parameters.values();
    let key = match (named.next(), named.next()) {
        (Some(only), None) if tool.schema.knows(only) => only.as_str(),
        _ => tool.only_required_text().ok_or(Reason::Unreadable)?,
    };
    let value = tool.schema.typed(key, raw);
    candidate.accept(tool, Value::Object(vec![(key.to_owned(), value)]), false)
}

/// The tool that words announce: the first of the mapping's words in the text, of those
/// at one place the longest.
fn action(candidate: &Candidate<'_>, words: &str) -> Result<Called, Reason> {
    let lower = words.to_lowercase();
    let names = candidate.pattern().tool_names.iter();
    let said = names.filter_map(|(word, tool)| {
        let at = lower.find(word.as_str())?;
        Some((at, std::cmp::Reverse(word.len()), tool))
    });
    let (_, _, name) = said.min().ok_or(Reason::NotACall)?;
    let tool = candidate.tool(name)?;
    match tool.only_required_text() {
        Some("command") => {
            let command = Value::Text(words.trim().to_owned());
            candidate.accept(
                tool,
                Value::Object(vec![("command".to_owned(), command)]),
                false,
            )
        }
        Some(_) | None => candidate.accept_bare(tool),
    }
}
