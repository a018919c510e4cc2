//! Whether a row of `tool_patterns` is a pattern that can be used.

use std::collections::BTreeMap;

use wire::normaliser::{self, BUILTINS, Form, NameFrom, Pattern, PatternError, Strength};

use super::{ToolPattern, ToolPatternRow};
use crate::field_errors::FieldErrors;

/// What a column with a mapping must hold.
const MAPPING: &str = "must be a JSON object of strings";

impl ToolPatternRow {
    /// The pattern, or every bad column with the reason.
    pub(crate) fn judge(self) -> Result<ToolPattern, FieldErrors> {
        let mut errors = FieldErrors::new();
        let form = Form::from_id(&self.pattern_type);
        if form.is_none() {
            errors.add("pattern_type", unknown_type(&self.pattern_type));
        }
        let strength = Strength::from_id(&self.strength);
        if strength.is_none() {
            errors.add("strength", unknown_strength(&self.strength));
        }
        let mut mapping = |field: &str, text: Option<&str>| {
            parse_mapping(text.unwrap_or_default()).unwrap_or_else(|why| {
                errors.add(field, why);
                BTreeMap::new()
            })
        };
        let tool_name_mapping = mapping("tool_name_mapping", self.tool_name_mapping.as_deref());
        let parameter_mapping = mapping("parameter_mapping", self.parameter_mapping.as_deref());
        let group = self.tool_name_group.map(u32::try_from).transpose();
        if group.is_err() {
            errors.add("tool_name_group", "must be the number of a capture group");
        }
        let pattern = ToolPattern {
            id: self.id,
            pattern_name: self.pattern_name,
            // What is unknown has been noted; the expression is looked at all the same.
            pattern_type: form.unwrap_or(Form::Calls),
            regex_pattern: self.regex_pattern,
            strength: strength.unwrap_or(Strength::Strong),
            tool_name: self.tool_name,
            tool_name_group: group.unwrap_or(None),
            tool_name_json_path: self.tool_name_json_path,
            tool_name_mapping,
            parameter_mapping,
            enabled: self.enabled != 0,
            priority: self.priority,
            builtin: self.builtin,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        if let Err(error) = check(&pattern.pattern()) {
            errors.add(field_of(&error), error.to_string());
        }
        errors.into_result(pattern)
    }
}

/// [`normaliser::check`], which builds the pattern's automaton, for all but the built-in
/// patterns: of these it is known, and every snapshot has them.
fn check(pattern: &Pattern) -> Result<(), PatternError> {
    let is_builtin = BUILTINS.iter().any(|builtin| {
        if builtin.regex != pattern.regex {
            return false;
        }
        let builtin = builtin.pattern(pattern.id);
        builtin.form == pattern.form
            && builtin.tool == pattern.tool
            && builtin.parameters == pattern.parameters
    });
    if is_builtin {
        return Ok(());
    }
    normaliser::check(pattern)
}

/// Whether a regular expression can be searched for, whatever its pattern says about it.
pub(super) fn check_regex(regex: &str) -> Result<(), PatternError> {
    if BUILTINS.iter().any(|builtin| builtin.regex == regex) {
        return Ok(());
    }
    normaliser::check(&Pattern {
        id: 0,
        name: String::new(),
        form: Form::Calls,
        regex: regex.to_owned(),
        strength: Strength::Strong,
        tool: NameFrom::default(),
        tool_names: BTreeMap::new(),
        parameters: BTreeMap::new(),
        priority: 0,
    })
}

/// The column that has to be mended.
fn field_of(error: &PatternError) -> &'static str {
    match error {
        PatternError::Regex(_) | PatternError::Empty => "regex_pattern",
        PatternError::NoSuchGroup { field, .. } => field,
        PatternError::NoName(_) => "tool_name_group",
    }
}

/// Reads a stored mapping: empty, or a JSON object of strings.
pub(crate) fn parse_mapping(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    serde_json::from_str(text).map_err(|_| MAPPING)
}

/// Why a pattern type is refused, listing the ones there are.
pub(super) fn unknown_type(found: &str) -> String {
    let known: Vec<_> = Form::ALL.iter().map(|form| form.id()).collect();
    format!(
        "{found:?} is unknown; it must be one of {}",
        known.join(", ")
    )
}

/// The same for a strength.
pub(super) fn unknown_strength(found: &str) -> String {
    let known: Vec<_> = Strength::ALL.iter().map(|strength| strength.id()).collect();
    format!("{found:?} is unknown; it must be {}", known.join(" or "))
}
