//! A built-in pattern as it is shipped, and what a row has otherwise.
//!
//! Whether a row is switched on, and its name, are the operator's: they are no difference.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use store::{FieldErrors, ToolPatternDraft, ToolPatternRow};
use wire::normaliser::{BUILTINS, Builtin};

/// Where a pattern comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    BuiltIn,
    Changed,
    Own,
}

impl Source {
    pub(super) const ALL: [Self; 3] = [Self::BuiltIn, Self::Changed, Self::Own];

    /// Of a row.
    pub(super) fn of(row: &ToolPatternRow) -> Self {
        match builtin(row) {
            None => Self::Own,
            Some(builtin) if differences(row, builtin).is_empty() => Self::BuiltIn,
            Some(_) => Self::Changed,
        }
    }

    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Changed => "changed",
            Self::Own => "own",
        }
    }
}

/// The built-in pattern that a row was made from.
pub(super) fn builtin(row: &ToolPatternRow) -> Option<&'static Builtin> {
    let name = row.builtin.as_deref()?;
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// What a row has otherwise than shipped: the column, and its value as shipped.
pub(super) fn differences(row: &ToolPatternRow, builtin: &Builtin) -> Vec<(&'static str, Value)> {
    let mapping = |text: Option<&str>| -> Value {
        let mapping: BTreeMap<String, String> = text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        json!(mapping)
    };
    let own = [
        json!(row.pattern_type),
        json!(row.regex_pattern),
        json!(row.strength),
        json!(row.tool_name),
        json!(row.tool_name_group),
        json!(row.tool_name_json_path),
        mapping(row.tool_name_mapping.as_deref()),
        mapping(row.parameter_mapping.as_deref()),
        json!(row.priority),
    ];
    let pairs = columns(builtin).into_iter().zip(own);
    let other = pairs.filter(|((_, shipped), own)| shipped != own);
    other.map(|(column, _)| column).collect()
}

/// Every column of a built-in that says what it matches, and how that is read.
fn columns(builtin: &Builtin) -> [(&'static str, Value); 9] {
    let pattern = builtin.pattern(0);
    [
        ("pattern_type", json!(pattern.form.id())),
        ("regex_pattern", json!(pattern.regex)),
        ("strength", json!(pattern.strength.id())),
        ("tool_name", json!(pattern.tool.tool)),
        ("tool_name_group", json!(pattern.tool.group)),
        ("tool_name_json_path", json!(pattern.tool.json_path)),
        ("tool_name_mapping", json!(pattern.tool_names)),
        ("parameter_mapping", json!(pattern.parameters)),
        ("priority", json!(pattern.priority)),
    ]
}

/// The changes that make a row what is shipped.
pub(super) fn draft(builtin: &Builtin) -> Result<ToolPatternDraft, FieldErrors> {
    ToolPatternDraft::for_update(&Value::Object(object(builtin)))
}

/// A document with the built-in alone, under `name`, to be imported.
pub(super) fn document(builtin: &Builtin, name: &str) -> Value {
    let mut row = object(builtin);
    row.insert("pattern_name".to_owned(), json!(name));
    row.insert("builtin".to_owned(), json!(builtin.name));
    row.insert("enabled".to_owned(), json!(builtin.enabled));
    json!({ "patterns": [row] })
}

fn object(builtin: &Builtin) -> Map<String, Value> {
    let columns = columns(builtin).into_iter();
    columns
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
