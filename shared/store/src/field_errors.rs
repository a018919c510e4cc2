//! The bad fields of one input, each with the reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Field name to reason, in the order of the names. Serializes as a plain JSON object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors(BTreeMap<String, String>);

impl FieldErrors {
    /// No errors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Just one bad field.
    pub fn one(field: impl Into<String>, why: impl Into<String>) -> Self {
        let mut errors = Self::new();
        errors.add(field, why);
        errors
    }

    /// Notes a bad field. The first reason noted for a field stays.
    pub fn add(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.0.entry(field.into()).or_insert_with(|| why.into());
    }

    /// Whether every field was good.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The reason a field was refused, if it was.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// Field and reason, by field name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(field, why)| (field.as_str(), why.as_str()))
    }

    /// `Ok(value)` when nothing was noted.
    ///
    /// # Errors
    /// The noted fields.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (field, why)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {why}")?;
        }
        Ok(())
    }
}
