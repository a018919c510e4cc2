//! A document with tool patterns and aliases, checked whole before any of it is written.

use std::collections::HashMap;
use std::hash::Hash;

use serde::Serialize;
use serde_json::Value;

use crate::field_errors::FieldErrors;
use crate::input::Input;
use crate::pattern_export::VERSION;
use crate::tool_alias::ToolAliasDraft;
use crate::tool_pattern::ToolPatternDraft;

/// Most rows of a kind.
const MAX_ROWS: usize = 1_000;

/// What becomes of stored rows that the document does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImportMode {
    /// They stay.
    #[default]
    Merge,
    /// They are deleted.
    Replace,
}

/// Checked rows to be written by [`crate::Store::import_tool_patterns`]. Each is whole: what
/// it left out has the default of a new row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternImport {
    pub(crate) mode: ImportMode,
    /// `None` leaves the stored ones alone in either mode.
    pub(crate) patterns: Option<Vec<ToolPatternDraft>>,
    /// The same.
    pub(crate) aliases: Option<Vec<ToolAliasDraft>>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// With tool patterns.
    pub patterns: ImportCounts,
    /// With tool aliases.
    pub aliases: ImportCounts,
}

/// What an import did with the rows of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ImportCounts {
    /// Rows that were not there before.
    pub created: usize,
    /// Rows that were there and said something else.
    pub updated: usize,
    /// Rows that were there as they came.
    pub unchanged: usize,
    /// Rows that are gone, in mode `replace`.
    pub removed: usize,
}

impl PatternImport {
    /// Checks a document: an object with `patterns`, `aliases` or both as
    /// [`crate::PatternExport`] has them, and optionally `version` and `mode` (`merge` or
    /// `replace`); or a list of patterns alone, which is merged. Columns that the original's
    /// rows lack are optional.
    ///
    /// # Errors
    /// Every bad field of every row with the reason, named like `patterns[2].regex_pattern`.
    pub fn read(value: &Value) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        let import = if value.is_array() {
            Self {
                mode: ImportMode::Merge,
                patterns: patterns(value, &mut errors),
                aliases: None,
            }
        } else {
            let mut input = Input::new(value)?;
            version(&mut input);
            let import = Self {
                mode: mode(&mut input),
                patterns: input
                    .take("patterns")
                    .and_then(|rows| patterns(rows, &mut errors)),
                aliases: input
                    .take("aliases")
                    .and_then(|rows| aliases(rows, &mut errors)),
            };
            if value.get("patterns").is_none() && value.get("aliases").is_none() {
                input.refuse("patterns", "is required, or aliases");
            }
            match input.finish(import) {
                Ok(import) => import,
                Err(outer) => {
                    for (field, why) in outer.iter() {
                        errors.add(field, why);
                    }
                    return Err(errors);
                }
            }
        };
        errors.into_result(import)
    }
}

fn version(input: &mut Input<'_>) {
    if let Some(version) = input.take("version")
        && version.as_u64() != Some(VERSION)
    {
        input.refuse("version", format!("must be {VERSION}"));
    }
}

fn mode(input: &mut Input<'_>) -> ImportMode {
    match input.take("mode").map(Value::as_str) {
        None | Some(Some("merge")) => ImportMode::Merge,
        Some(Some("replace")) => ImportMode::Replace,
        Some(_) => {
            input.refuse("mode", "must be merge or replace");
            ImportMode::Merge
        }
    }
}

/// The rows of a list of patterns, each with a name of its own.
pub(crate) fn patterns(value: &Value, errors: &mut FieldErrors) -> Option<Vec<ToolPatternDraft>> {
    let drafts = rows(value, "patterns", errors, ToolPatternDraft::for_import)?;
    let names = drafts.iter().map(|draft| &draft.pattern_name);
    refuse_twice(names, "patterns", "pattern_name", errors);
    Some(drafts)
}

/// The same of aliases, by tool and parameter.
pub(crate) fn aliases(value: &Value, errors: &mut FieldErrors) -> Option<Vec<ToolAliasDraft>> {
    let drafts = rows(value, "aliases", errors, ToolAliasDraft::for_import)?;
    let names = drafts
        .iter()
        .map(|draft| (&draft.tool_name, &draft.parameter));
    refuse_twice(names, "aliases", "parameter", errors);
    Some(drafts)
}

/// Every row, or none when one is bad.
fn rows<T>(
    value: &Value,
    list: &str,
    errors: &mut FieldErrors,
    read: impl Fn(&Value) -> Result<T, FieldErrors>,
) -> Option<Vec<T>> {
    let Some(rows) = value.as_array().filter(|rows| rows.len() <= MAX_ROWS) else {
        errors.add(list, format!("must be a list of at most {MAX_ROWS} rows"));
        return None;
    };
    let mut drafts = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        match read(row) {
            Ok(draft) => drafts.push(draft),
            Err(_) if !row.is_object() => {
                errors.add(format!("{list}[{index}]"), "must be a JSON object");
            }
            Err(bad) => {
                for (field, why) in bad.iter() {
                    errors.add(format!("{list}[{index}].{field}"), why);
                }
            }
        }
    }
    (drafts.len() == rows.len()).then_some(drafts)
}

fn refuse_twice<N: Hash + Eq>(
    names: impl Iterator<Item = N>,
    list: &str,
    field: &str,
    errors: &mut FieldErrors,
) {
    let mut seen = HashMap::new();
    for (index, name) in names.enumerate() {
        if let Some(first) = seen.get(&name) {
            let why = format!("is the same as in {list}[{first}]");
            errors.add(format!("{list}[{index}].{field}"), why);
        } else {
            seen.insert(name, index);
        }
    }
}
