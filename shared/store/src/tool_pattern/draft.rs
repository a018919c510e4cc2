//! Values for a new tool pattern, or changes to one: only the fields the input carries.

use std::collections::BTreeMap;

use serde_json::Value;
use wire::normaliser::{BUILTINS, Form, LONGEST_REGEX, Pattern, Strength};

use super::ToolPatternRow;
use super::judge::{check_regex, parse_mapping, unknown_strength, unknown_type};
use crate::field_errors::FieldErrors;
use crate::input::Input;

/// Checked values for a new tool pattern or for changes to one. A field that is `None`
/// keeps the stored value, or the column's default in a new row; an inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolPatternDraft {
    pub(crate) pattern_name: Option<String>,
    pub(crate) pattern_type: Option<Form>,
    pub(crate) regex_pattern: Option<String>,
    pub(crate) strength: Option<Strength>,
    pub(crate) tool_name: Option<Option<String>>,
    pub(crate) tool_name_group: Option<Option<i64>>,
    pub(crate) tool_name_json_path: Option<Option<String>>,
    pub(crate) tool_name_mapping: Option<BTreeMap<String, String>>,
    pub(crate) parameter_mapping: Option<BTreeMap<String, String>>,
    pub(crate) enabled: Option<bool>,
    pub(crate) priority: Option<i64>,
    /// Only an import says it.
    pub(crate) builtin: Option<Option<String>>,
}

impl ToolPatternDraft {
    /// Checks the values of a new pattern: `pattern_name` and `regex_pattern` are required,
    /// `pattern_type` is `fence`, `strength` `strong` and `priority` 50 when absent.
    ///
    /// # Errors
    /// Every bad field with the reason; a bad regular expression with the position.
    pub fn for_create(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        input.ignore(&["builtin"]);
        let draft = Self::read(&mut input);
        draft.finish_new(input, value)
    }

    /// Checks changes to a pattern: only the fields that are there. Whether they suit the
    /// stored ones is checked when they are written.
    ///
    /// # Errors
    /// Every bad field with the reason; a bad regular expression with the position.
    pub fn for_update(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        input.ignore(&["builtin"]);
        let draft = Self::read(&mut input);
        let regex = draft.regex_pattern.clone();
        match (input.finish(draft), regex_fault(regex.as_deref())) {
            (Ok(draft), None) => Ok(draft),
            (Ok(_), Some(why)) => Err(FieldErrors::one("regex_pattern", why)),
            (Err(errors), fault) => Err(with_regex(errors, fault)),
        }
    }

    /// Checks a whole pattern that is imported: as a new one, but `builtin` counts.
    pub(crate) fn for_import(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let builtin = builtin(&mut input);
        let mut draft = Self::read(&mut input);
        draft.builtin = builtin.or(Some(None));
        draft.tool_name.get_or_insert(None);
        draft.tool_name_group.get_or_insert(None);
        draft.tool_name_json_path.get_or_insert(None);
        draft.tool_name_mapping.get_or_insert_default();
        draft.parameter_mapping.get_or_insert_default();
        draft.enabled.get_or_insert(true);
        draft.finish_new(input, value)
    }

    /// The pattern that a new row with these values would be, known by `id`: for trying it
    /// out before it is saved.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn pattern(&self, id: i64) -> Result<Pattern, FieldErrors> {
        let mut row = self.applied_to(None);
        row.id = id;
        Ok(row.judge()?.pattern())
    }

    fn read(input: &mut Input<'_>) -> Self {
        input.ignore(&["id", "created_at", "updated_at", "version", "counts"]);
        Self {
            pattern_name: input.name("pattern_name", 200),
            pattern_type: word(input, "pattern_type", Form::from_id, unknown_type),
            regex_pattern: regex_pattern(input),
            strength: word(input, "strength", Strength::from_id, unknown_strength),
            tool_name: input.text("tool_name", 200),
            tool_name_group: input.whole("tool_name_group", 1, 100),
            tool_name_json_path: input.text("tool_name_json_path", 200),
            tool_name_mapping: mapping(input, "tool_name_mapping"),
            parameter_mapping: mapping(input, "parameter_mapping"),
            enabled: input.flag("enabled"),
            priority: input
                .whole("priority", -1_000_000, 1_000_000)
                .map(|priority| priority.unwrap_or(0)),
            builtin: None,
        }
    }

    /// Gives it what every new pattern has, and judges it as a whole.
    fn finish_new(mut self, mut input: Input<'_>, value: &Value) -> Result<Self, FieldErrors> {
        for field in ["pattern_name", "regex_pattern"] {
            if value.get(field).is_none() {
                input.refuse(field, "is required");
            }
        }
        self.pattern_type.get_or_insert(Form::Fence);
        self.strength.get_or_insert(Strength::Strong);
        self.priority.get_or_insert(50);
        let regex = self.regex_pattern.clone();
        match input.finish(self) {
            Ok(draft) => draft.applied_to(None).judge().map(|_| draft),
            Err(errors) => Err(with_regex(errors, regex_fault(regex.as_deref()))),
        }
    }

    /// Whether it says anything about what the pattern matches and how that is read.
    pub(crate) fn is_about_matching(&self) -> bool {
        self.pattern_type.is_some()
            || self.regex_pattern.is_some()
            || self.strength.is_some()
            || self.tool_name.is_some()
            || self.tool_name_group.is_some()
            || self.tool_name_json_path.is_some()
            || self.tool_name_mapping.is_some()
            || self.parameter_mapping.is_some()
    }

    /// The row there will be: these values, and those of `stored` for what they leave out.
    pub(crate) fn applied_to(&self, stored: Option<&ToolPatternRow>) -> ToolPatternRow {
        let stored = stored.cloned().unwrap_or_else(|| ToolPatternRow {
            id: 0,
            pattern_name: String::new(),
            pattern_type: Form::Fence.id().to_owned(),
            regex_pattern: String::new(),
            strength: Strength::Strong.id().to_owned(),
            tool_name: None,
            tool_name_group: None,
            tool_name_json_path: None,
            tool_name_mapping: None,
            parameter_mapping: None,
            enabled: 1,
            priority: 0,
            builtin: None,
            created_at: 0,
            updated_at: 0,
            version: 0,
        });
        let draft = self.clone();
        let text = |mapping: Option<BTreeMap<_, _>>| mapping.as_ref().map(mapping_text);
        ToolPatternRow {
            pattern_name: draft.pattern_name.unwrap_or(stored.pattern_name),
            pattern_type: draft
                .pattern_type
                .map_or(stored.pattern_type, |form| form.id().to_owned()),
            regex_pattern: draft.regex_pattern.unwrap_or(stored.regex_pattern),
            strength: draft
                .strength
                .map_or(stored.strength, |strength| strength.id().to_owned()),
            tool_name: draft.tool_name.unwrap_or(stored.tool_name),
            tool_name_group: draft.tool_name_group.unwrap_or(stored.tool_name_group),
            tool_name_json_path: draft
                .tool_name_json_path
                .unwrap_or(stored.tool_name_json_path),
            tool_name_mapping: text(draft.tool_name_mapping).or(stored.tool_name_mapping),
            parameter_mapping: text(draft.parameter_mapping).or(stored.parameter_mapping),
            enabled: draft.enabled.map_or(stored.enabled, i64::from),
            priority: draft.priority.unwrap_or(stored.priority),
            builtin: draft.builtin.unwrap_or(stored.builtin),
            ..stored
        }
    }
}

/// A mapping as its column holds it.
pub(crate) fn mapping_text(mapping: &BTreeMap<String, String>) -> String {
    serde_json::to_string(mapping).unwrap_or_else(|_| "{}".to_owned())
}

fn word<T>(
    input: &mut Input<'_>,
    field: &'static str,
    from_id: impl Fn(&str) -> Option<T>,
    unknown: impl Fn(&str) -> String,
) -> Option<T> {
    let id = input.name(field, 100)?;
    let found = from_id(&id);
    if found.is_none() {
        input.refuse(field, unknown(&id));
    }
    found
}

fn builtin(input: &mut Input<'_>) -> Option<Option<String>> {
    let name = input.text("builtin", 200)?;
    if let Some(name) = &name
        && !BUILTINS.iter().any(|builtin| builtin.name == name)
    {
        input.refuse("builtin", format!("there is no built-in pattern {name:?}"));
        return None;
    }
    Some(name)
}

fn regex_pattern(input: &mut Input<'_>) -> Option<String> {
    let pattern = input.exact_text("regex_pattern", LONGEST_REGEX)?;
    if pattern.is_none() {
        input.refuse("regex_pattern", "must not be empty");
    }
    pattern
}

/// Why a regular expression cannot be used, whatever it is for. Takes milliseconds.
fn regex_fault(regex: Option<&str>) -> Option<String> {
    let error = check_regex(regex?).err()?;
    Some(error.to_string())
}

fn with_regex(mut errors: FieldErrors, fault: Option<String>) -> FieldErrors {
    if let Some(why) = fault {
        errors.add("regex_pattern", why);
    }
    errors
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
