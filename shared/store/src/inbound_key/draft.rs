//! Values for a new key of a caller, or changes to one: only the fields the input carries.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::field_errors::FieldErrors;
use crate::input::Input;
use crate::limits::LimitsDraft;

/// Longest label, in characters.
const MAX_LABEL: usize = 200;
/// Longest notes, in characters.
const MAX_NOTES: usize = 10_000;
/// Most virtual models one key names.
const MAX_MODELS: usize = 1000;
/// The last expiry, in unix seconds: the end of the year 9999.
const LAST: i64 = 253_402_300_799;

/// Checked values for a new key or for changes to one. A field that is `None` keeps the
/// stored value, or the column's default in a new row; an inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InboundKeyDraft {
    pub(crate) label: Option<String>,
    pub(crate) notes: Option<Option<String>>,
    pub(crate) enabled: Option<bool>,
    pub(crate) expires_at: Option<Option<i64>>,
    pub(crate) allowed_models: Option<Option<BTreeSet<String>>>,
    pub(crate) limits: LimitsDraft,
}

impl InboundKeyDraft {
    /// Checks the values of a new key: `label` is required. The key itself is made, never
    /// given.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_create(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let draft = Self::read(&mut input);
        if value.get("label").is_none() {
            input.refuse("label", "is required");
        }
        input.finish(draft)
    }

    /// Checks changes to a key: only the fields that are there, at least one.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_update(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let draft = Self::read(&mut input);
        let draft = input.finish(draft)?;
        if draft == Self::default() {
            return Err(FieldErrors::one(
                "body",
                "changes nothing: give label, notes, enabled, expires_at, allowed_models or a limit",
            ));
        }
        Ok(draft)
    }

    fn read(input: &mut Input<'_>) -> Self {
        input.ignore(&[
            "id",
            "key_prefix",
            "created_at",
            "updated_at",
            "version",
            "last_used_at",
            "last_used_ip",
            "last_used_user_agent",
            "revoked_at",
            "unusable",
        ]);
        Self {
            label: input.name("label", MAX_LABEL),
            notes: input.text("notes", MAX_NOTES),
            enabled: input.flag("enabled"),
            expires_at: input.whole("expires_at", 1, LAST),
            allowed_models: allowed_models(input),
            limits: LimitsDraft::read(input),
        }
    }
}

fn allowed_models(input: &mut Input<'_>) -> Option<Option<BTreeSet<String>>> {
    const FIELD: &str = "allowed_models";
    let items = match input.take(FIELD)? {
        Value::Null => return Some(None),
        Value::Array(items) => items,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            let why = "must be a list of names of virtual models, or null for all";
            input.refuse(FIELD, why);
            return None;
        }
    };
    let names: Option<BTreeSet<String>> = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect();
    match names {
        Some(names) if names.is_empty() => {
            let why = "must name at least one virtual model; null allows all, and enabled: \
                       false none";
            input.refuse(FIELD, why);
            None
        }
        Some(names) if names.len() <= MAX_MODELS => Some(Some(names)),
        Some(_) => {
            input.refuse(
                FIELD,
                format!("must name at most {MAX_MODELS} virtual models"),
            );
            None
        }
        None => {
            input.refuse(FIELD, "must be a list of strings");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use serde_json::json;

    use super::InboundKeyDraft;

    #[test]
    fn bad_fields_are_named() {
        for (value, field) in [
            (json!({}), "label"),
            (json!({"label": " "}), "label"),
            (json!({"label": "a", "api_key": "spk_mine"}), "api_key"),
            (
                json!({"label": "a", "expires_at": "tomorrow"}),
                "expires_at",
            ),
            (json!({"label": "a", "expires_at": 0}), "expires_at"),
            (json!({"label": "a", "enabled": "yes"}), "enabled"),
            (
                json!({"label": "a", "allowed_models": []}),
                "allowed_models",
            ),
            (
                json!({"label": "a", "allowed_models": "m"}),
                "allowed_models",
            ),
            (
                json!({"label": "a", "allowed_models": [1]}),
                "allowed_models",
            ),
        ] {
            let errors = InboundKeyDraft::for_create(&value).unwrap_err();
            let fields = serde_json::to_value(&errors).unwrap();
            assert!(fields.get(field).is_some(), "{value}: {fields}");
        }
        let nothing = InboundKeyDraft::for_update(&json!({})).unwrap_err();
        assert!(nothing.to_string().contains("changes nothing"));
        let all = InboundKeyDraft::for_update(&json!({"allowed_models": null})).unwrap();
        assert_eq!(all.allowed_models, Some(None));
    }
}
