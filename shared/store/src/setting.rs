//! Settings an operator changes at run time: which keys there are and what they may hold.
//!
//! They are `default_model`, `display_timezone` and those of the process settings that have a stored key
//! ([`crate::config::SETTINGS`]). Whether the admin asks for a login is deliberately not
//! among them: a row in a file must not open it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{SETTINGS, Setting};
use crate::field_errors::FieldErrors;
use crate::zone::{DISPLAY_TIMEZONE, Zone};

/// The virtual model that stands for `default` and for a missing model name.
pub const DEFAULT_MODEL: &str = "default_model";

/// The time between two looks at an endpoint's health; a running gateway follows it.
pub const HEALTH_CHECK_INTERVAL: &str = "health_check_interval";

/// Who must show a key; a running gateway follows it.
pub const DEPLOYMENT_MODE: &str = "deployment_mode";

/// The networks whose callers need no key; a running gateway follows them.
pub const TRUSTED_INTERNAL_CIDRS: &str = "trusted_internal_cidrs";

/// The address under which clients reach the gateway; a running admin app follows it.
pub const PUBLIC_GATEWAY_URL: &str = "public_gateway_url";

/// For how many days the audit is kept; a running admin app follows it.
pub const AUDIT_DAYS: &str = "audit_days";

/// Whether this program knows the stored key.
pub(crate) fn is_known(key: &str) -> bool {
    key == DEFAULT_MODEL || key == DISPLAY_TIMEZONE || stored(key).is_some()
}

/// Every stored key, sorted.
pub fn setting_keys() -> Vec<&'static str> {
    let mut keys: Vec<_> = SETTINGS
        .iter()
        .filter_map(|setting| setting.stored)
        .collect();
    keys.extend([DEFAULT_MODEL, DISPLAY_TIMEZONE]);
    keys.sort_unstable();
    keys
}

fn stored(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.stored == Some(key))
}

/// Checked changes to stored settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsDraft {
    values: BTreeMap<String, Option<String>>,
}

impl SettingsDraft {
    /// Checks a JSON object of keys and values. Numbers and booleans are taken as their
    /// text; `null` and blank text clear the key.
    ///
    /// # Errors
    /// Every unknown key and every bad value with the reason.
    pub fn validate(value: &Value) -> Result<Self, FieldErrors> {
        let object = value
            .as_object()
            .ok_or_else(|| FieldErrors::one("body", "must be a JSON object"))?;
        let mut errors = FieldErrors::new();
        let mut values = BTreeMap::new();
        for (key, value) in object {
            match text(key, value) {
                Ok(text) => {
                    values.insert(key.clone(), text);
                }
                Err(why) => errors.add(key.clone(), why),
            }
        }
        errors.into_result(Self { values })
    }

    /// Keys and their new values; `None` clears one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.values
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_deref()))
    }
}

fn text(key: &str, value: &Value) -> Result<Option<String>, String> {
    if !is_known(key) {
        return Err(format!(
            "is not a known setting; known are {}",
            setting_keys().join(", ")
        ));
    }
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err("must be a string, a number or a boolean".to_owned());
        }
    };
    if text.is_empty() {
        return Ok(None);
    }
    match stored(key) {
        Some(setting) => setting
            .check(&text)
            .map_err(|accepted| format!("must be {accepted}"))?,
        None if key == DISPLAY_TIMEZONE => drop(Zone::of(Some(&text))?),
        None if text.chars().count() > 200 => {
            return Err("must be at most 200 characters long".to_owned());
        }
        None => {}
    }
    Ok(Some(text))
}
