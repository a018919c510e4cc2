//! Values for a new tool alias, or changes to one: only the fields the input carries.

use serde_json::Value;

use super::{ToolAliasRow, parse_aliases};
use crate::field_errors::FieldErrors;
use crate::input::Input;
use crate::pattern_export::ExportedAlias;

/// Most keys of one parameter.
const MAX_ALIASES: usize = 100;
/// Longest name of a tool, a parameter or a key, in characters.
const MAX_NAME: usize = 200;

/// Checked values for a new tool alias or for changes to one. A field that is `None` keeps
/// the stored value, or the column's default in a new row; an inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolAliasDraft {
    pub(crate) tool_name: Option<String>,
    pub(crate) parameter: Option<String>,
    pub(crate) aliases: Option<Vec<String>>,
    pub(crate) fill: Option<Option<String>>,
    pub(crate) enabled: Option<bool>,
}

impl ToolAliasDraft {
    /// Checks the values of a new alias: `tool_name` and `parameter` are required, and
    /// `aliases` or `fill`.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_create(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let mut draft = Self::read(&mut input);
        for field in ["tool_name", "parameter"] {
            if value.get(field).is_none() {
                input.refuse(field, "is required");
            }
        }
        draft.aliases.get_or_insert_default();
        let draft = input.finish(draft)?;
        draft.require_effect(None)?;
        Ok(draft)
    }

    /// Checks changes to an alias: only the fields that are there.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_update(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let draft = Self::read(&mut input);
        input.finish(draft)
    }

    /// Checks a whole alias that is imported: as a new one, with every field set.
    pub(crate) fn for_import(value: &Value) -> Result<Self, FieldErrors> {
        let mut draft = Self::for_create(value)?;
        draft.fill.get_or_insert(None);
        draft.enabled.get_or_insert(true);
        Ok(draft)
    }

    /// Refuses an alias that would do nothing, with the values of `stored` for what the
    /// draft leaves out.
    pub(crate) fn require_effect(&self, stored: Option<&ToolAliasRow>) -> Result<(), FieldErrors> {
        let stored_aliases = stored.is_some_and(|row| !row.aliases.is_empty());
        let stored_fill = stored.is_some_and(|row| row.fill.is_some());
        let aliases = self.aliases.as_ref();
        let has_aliases = aliases.map_or(stored_aliases, |aliases| !aliases.is_empty());
        let has_fill = self.fill.as_ref().map_or(stored_fill, Option::is_some);
        if has_aliases || has_fill {
            return Ok(());
        }
        let why = "must not be empty without a fill: the alias would do nothing";
        Err(FieldErrors::one("aliases", why))
    }

    /// The row there will be, as an export has it.
    pub(crate) fn exported(&self) -> ExportedAlias {
        let draft = self.clone();
        ExportedAlias {
            tool_name: draft.tool_name.unwrap_or_default(),
            parameter: draft.parameter.unwrap_or_default(),
            aliases: draft.aliases.unwrap_or_default(),
            fill: draft.fill.flatten(),
            enabled: i64::from(draft.enabled.unwrap_or(true)),
        }
    }

    fn read(input: &mut Input<'_>) -> Self {
        input.ignore(&["id", "created_at", "updated_at", "version"]);
        Self {
            tool_name: input.name("tool_name", MAX_NAME),
            parameter: input.name("parameter", MAX_NAME),
            aliases: aliases(input),
            fill: input.exact_text("fill", 10_000),
            enabled: input.flag("enabled"),
        }
    }
}

/// A list of keys, or its text.
fn aliases(input: &mut Input<'_>) -> Option<Vec<String>> {
    let text = match input.take("aliases")? {
        Value::Null => return Some(Vec::new()),
        Value::String(text) => text.clone(),
        // What is no list is refused as its text would be.
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string()
        }
    };
    let why = match parse_aliases(&text) {
        Ok(aliases) if aliases.len() > MAX_ALIASES => {
            format!("must be at most {MAX_ALIASES} strings")
        }
        Ok(aliases) if aliases.iter().any(|key| !is_key(key)) => {
            format!("must be strings of 1 to {MAX_NAME} characters")
        }
        Ok(aliases) => return Some(aliases),
        Err(why) => why.to_owned(),
    };
    input.refuse("aliases", why);
    None
}

fn is_key(key: &str) -> bool {
    !key.trim().is_empty() && key.chars().count() <= MAX_NAME && !key.contains('\0')
}
