//! An object of somebody else's configuration, taken apart field by field: what nobody took
//! is left and can be told.

use serde_json::{Map, Value};

/// The fields that have not been taken yet.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Those of an object; none of anything else.
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self(fields),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Self::default(),
        }
    }

    /// Takes a field that is there and not null.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes an object; no fields when it is none.
    pub(super) fn object(&mut self, name: &str) -> Self {
        self.take(name).map(Self::of).unwrap_or_default()
    }

    /// Takes a list; an empty one when it is none.
    pub(super) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.take(name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        }
    }

    /// Takes a text, or the text of a number.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).as_ref().and_then(text_of)
    }

    /// Takes a number that is positive and whole, or was written as the text of one.
    pub(super) fn count(&mut self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let number: f64 = text.parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded up, checked to be from 1 to 10^12"
        )]
        (number > 0.0 && number <= 1e12).then(|| number.ceil() as u64)
    }

    /// Takes a flag, also as the words that YAML once had for it.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            },
            Value::Number(number) => number.as_i64().map(|number| number != 0),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The names of what is left, sorted.
    pub(super) fn left(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .0
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// Puts a field where none is.
    pub(super) fn fill(&mut self, name: &str, value: &Value) {
        if self.0.get(name).is_none_or(Value::is_null) {
            self.0.insert(name.to_owned(), value.clone());
        }
    }

    /// Every field that is left.
    pub(super) fn into_inner(self) -> Map<String, Value> {
        self.0
    }
}

/// A text, or the text of a number.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        }
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
