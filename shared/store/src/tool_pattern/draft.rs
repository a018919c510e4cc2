//! Values for a new tool pattern, or changes to one: only the fields the input carries.

use std::collections::BTreeMap;

use regex::RegexBuilder;
use serde_json::Value;

use super::PatternType;
use crate::field_errors::FieldErrors;
use crate::input::Input;

/// Longest regular expression, in characters.
const MAX_REGEX: usize = 4096;
/// Largest compiled program, in bytes: patterns run over every answer of every model.
const MAX_COMPILED: usize = 1 << 20;

/// Checked values for a new tool pattern or for changes to one. A field that is `None`
/// keeps the stored value, or the column's default in a new row; an inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolPatternDraft {
    pub(crate) pattern_name: Option<String>,
    pub(crate) pattern_type: Option<PatternType>,
    pub(crate) regex_pattern: Option<String>,
    pub(crate) tool_name: Option<Option<String>>,
    pub(crate) tool_name_group: Option<Option<i64>>,
    pub(crate) tool_name_json_path: Option<Option<String>>,
    pub(crate) tool_name_mapping: Option<BTreeMap<String, String>>,
    pub(crate) parameter_mapping: Option<BTreeMap<String, String>>,
    pub(crate) enabled: Option<bool>,
    pub(crate) priority: Option<i64>,
}

impl ToolPatternDraft {
    /// Checks the values of a new pattern: `pattern_name` and `regex_pattern` are required,
    /// `pattern_type` is `fence` and `priority` 50 when absent.
    ///
    /// # Errors
    /// Every bad field with the reason; a bad regular expression with the position.
    pub fn for_create(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let mut draft = Self::read(&mut input);
        for field in ["pattern_name", "regex_pattern"] {
            if value.get(field).is_none() {
                input.refuse(field, "is required");
            }
        }
        draft.pattern_type = draft.pattern_type.or(Some(PatternType::Fence));
        draft.priority = draft.priority.or(Some(50));
        input.finish(draft)
    }

    /// Checks changes to a pattern: only the fields that are there.
    ///
    /// # Errors
    /// Every bad field with the reason; a bad regular expression with the position.
    pub fn for_update(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let draft = Self::read(&mut input);
        input.finish(draft)
    }

    fn read(input: &mut Input<'_>) -> Self {
        input.ignore(&["id", "created_at", "updated_at"]);
        Self {
            pattern_name: input.name("pattern_name", 200),
            pattern_type: pattern_type(input),
            regex_pattern: regex_pattern(input),
            tool_name: input.text("tool_name", 200),
            tool_name_group: input.whole("tool_name_group", 1, 100),
            tool_name_json_path: input.text("tool_name_json_path", 200),
            tool_name_mapping: mapping(input, "tool_name_mapping"),
            parameter_mapping: mapping(input, "parameter_mapping"),
            enabled: input.flag("enabled"),
            priority: input
                .whole("priority", -1_000_000, 1_000_000)
                .map(|priority| priority.unwrap_or(0)),
        }
    }
}

/// Compiles a pattern's regular expression and gives the number of its capture groups, or
/// says what is wrong with it and where.
pub(crate) fn check_regex(pattern: &str) -> Result<usize, String> {
    if pattern.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    if pattern.chars().count() > MAX_REGEX {
        return Err(format!("must be at most {MAX_REGEX} characters long"));
    }
    if let Err(error) = regex_syntax::Parser::new().parse(pattern) {
        return Err(syntax_fault(&error));
    }
    match RegexBuilder::new(pattern)
        .dot_matches_new_line(true)
        .size_limit(MAX_COMPILED)
        .build()
    {
        Ok(regex) => Ok(regex.captures_len() - 1),
        Err(regex::Error::CompiledTooBig(_)) => Err(format!(
            "needs more than {MAX_COMPILED} bytes when compiled; use smaller repetitions"
        )),
        Err(error) => Err(format!("is not a regular expression: {error}")),
    }
}

/// Checks that a capture group exists.
pub(crate) fn check_group(group: i64, groups: usize) -> Result<(), String> {
    match usize::try_from(group) {
        Ok(number) if (1..=groups).contains(&number) => Ok(()),
        _ => Err(format!(
            "is {group}, but the regular expression has {groups} capture groups"
        )),
    }
}

/// Reads a stored mapping: empty, or a JSON object of strings.
pub(crate) fn parse_mapping(text: &str) -> Result<BTreeMap<String, String>, String> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    serde_json::from_str(text).map_err(|_| "must be a JSON object of strings".to_owned())
}

/// Why a pattern type is refused, listing the ones there are.
pub(crate) fn unknown_type(found: &str) -> String {
    let known: Vec<_> = PatternType::ALL.iter().map(|kind| kind.id()).collect();
    format!(
        "pattern_type {found:?} is unknown; it must be one of {}",
        known.join(", ")
    )
}

fn syntax_fault(error: &regex_syntax::Error) -> String {
    let (position, reason) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start, error.kind().to_string()),
        other => return format!("is not a regular expression: {other}"),
    };
    format!(
        "is not a regular expression: {reason}, at line {}, column {}",
        position.line, position.column
    )
}

fn pattern_type(input: &mut Input<'_>) -> Option<PatternType> {
    let id = input.name("pattern_type", 100)?;
    let kind = PatternType::from_id(&id);
    if kind.is_none() {
        input.refuse("pattern_type", unknown_type(&id));
    }
    kind
}

fn regex_pattern(input: &mut Input<'_>) -> Option<String> {
    let pattern = input
        .exact_text("regex_pattern", MAX_REGEX)?
        .unwrap_or_default();
    match check_regex(&pattern) {
        Ok(_) => Some(pattern),
        Err(why) => {
            input.refuse("regex_pattern", why);
            None
        }
    }
}

fn mapping(input: &mut Input<'_>, field: &'static str) -> Option<BTreeMap<String, String>> {
    let text = input.object_text(field)?;
    match parse_mapping(&text) {
        Ok(mapping) => Some(mapping),
        Err(why) => {
            input.refuse(field, why);
            None
        }
    }
}
