//! Reads the fields of a JSON object one by one, noting every bad one.
//!
//! A field that is absent is `None`: the stored value stays. A field that is `null` or a
//! blank text is cleared where the column may be empty. Numbers may also come as text, as
//! forms send them, and flags as 0 and 1, as the rows go out.

use serde_json::{Map, Value};

use crate::custom_headers::{self, CustomHeaders};
use crate::field_errors::FieldErrors;

/// A JSON object being read, and what was found wrong with it so far.
pub(crate) struct Input<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    errors: FieldErrors,
}

impl<'a> Input<'a> {
    /// Begins to read `value`, which must be a JSON object.
    pub(crate) fn new(value: &'a Value) -> Result<Self, FieldErrors> {
        let object = value
            .as_object()
            .ok_or_else(|| FieldErrors::one("body", "must be a JSON object"))?;
        Ok(Self {
            object,
            known: Vec::new(),
            errors: FieldErrors::new(),
        })
    }

    /// Notes a bad field.
    pub(crate) fn refuse(&mut self, field: &str, why: impl Into<String>) {
        self.errors.add(field, why);
    }

    /// The raw value of `field`, marking it as known.
    pub(crate) fn take(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.push(field);
        self.object.get(field)
    }

    /// A text that must be there once given: trimmed, not blank, no control characters.
    pub(crate) fn name(&mut self, field: &'static str, max_chars: usize) -> Option<String> {
        match self.text(field, max_chars)? {
            Some(text) if text.chars().any(char::is_control) => {
                self.refuse(field, "must not hold control characters");
                None
            }
            Some(text) => Some(text),
            None => {
                self.refuse(field, "must not be empty");
                None
            }
        }
    }

    /// A text, trimmed; `Some(None)` clears it.
    pub(crate) fn text(&mut self, field: &'static str, max_chars: usize) -> Option<Option<String>> {
        self.exact_text(field, max_chars)
            .map(|text| text.map(|text| text.trim().to_owned()))
    }

    /// A text as it was typed, blanks at its ends included; a blank one clears it.
    pub(crate) fn exact_text(
        &mut self,
        field: &'static str,
        max_chars: usize,
    ) -> Option<Option<String>> {
        match self.take(field)? {
            Value::Null => Some(None),
            Value::String(text) if text.trim().is_empty() => Some(None),
            Value::String(text) if text.chars().count() > max_chars => {
                self.refuse(
                    field,
                    format!("must be at most {max_chars} characters long"),
                );
                None
            }
            Value::String(text) if text.contains('\0') => {
                self.refuse(field, "must not hold a NUL character");
                None
            }
            Value::String(text) => Some(Some(text.clone())),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.refuse(field, "must be a string");
                None
            }
        }
    }

    /// A whole number from `min` to `max`; `Some(None)` clears it.
    pub(crate) fn whole(&mut self, field: &'static str, min: i64, max: i64) -> Option<Option<i64>> {
        let number = match self.take(field)? {
            Value::Null => return Some(None),
            Value::String(text) if text.trim().is_empty() => return Some(None),
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_i64(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match number {
            Some(number) if (min..=max).contains(&number) => Some(Some(number)),
            _ => {
                self.refuse(field, format!("must be a whole number from {min} to {max}"));
                None
            }
        }
    }

    /// A finite number from `min` to `max`; `Some(None)` clears it.
    pub(crate) fn real(&mut self, field: &'static str, min: f64, max: f64) -> Option<Option<f64>> {
        let number = match self.take(field)? {
            Value::Null => return Some(None),
            Value::String(text) if text.trim().is_empty() => return Some(None),
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_f64(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match number {
            Some(number) if (min..=max).contains(&number) => Some(Some(number)),
            _ => {
                self.refuse(field, format!("must be a number from {min} to {max}"));
                None
            }
        }
    }

    /// `true`, `false`, 1 or 0.
    pub(crate) fn flag(&mut self, field: &'static str) -> Option<bool> {
        match self.take(field)? {
            Value::Bool(flag) => Some(*flag),
            Value::Number(number) if number.as_i64() == Some(0) => Some(false),
            Value::Number(number) if number.as_i64() == Some(1) => Some(true),
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                self.refuse(field, "must be true, false, 1 or 0");
                None
            }
        }
    }

    /// The fields of an object inside this one: `read` takes them, and what is wrong with
    /// them is noted under `field.name`. `Some(None)` when it is `null`.
    pub(crate) fn object<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Input<'_>) -> T,
    ) -> Option<Option<T>> {
        let value = self.take(field)?;
        if value.is_null() {
            return Some(None);
        }
        let Ok(mut inner) = Input::new(value) else {
            self.refuse(field, "must be a JSON object");
            return None;
        };
        let read = read(&mut inner);
        match inner.finish(read) {
            Ok(read) => Some(Some(read)),
            Err(errors) => {
                for (name, why) in errors.iter() {
                    self.refuse(&format!("{field}.{name}"), why);
                }
                None
            }
        }
    }

    /// A JSON object of strings, or its text, as rows go out.
    pub(crate) fn object_text(&mut self, field: &'static str) -> Option<String> {
        match self.take(field)? {
            Value::Null => Some(String::new()),
            Value::String(text) => Some(text.clone()),
            value @ Value::Object(_) => Some(value.to_string()),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                self.refuse(field, "must be a JSON object of strings");
                None
            }
        }
    }

    /// Custom headers: a JSON object of strings, or its text; empty clears them.
    pub(crate) fn headers(&mut self, field: &'static str) -> Option<CustomHeaders> {
        let text = self.object_text(field)?;
        match custom_headers::parse(&text) {
            Ok(headers) => Some(headers),
            Err(faults) => {
                self.refuse(field, faults.join("; "));
                None
            }
        }
    }

    /// Fields that go out with a row but are not the caller's to set: taken and ignored.
    pub(crate) fn ignore(&mut self, fields: &[&'static str]) {
        self.known.extend_from_slice(fields);
    }

    /// Refuses fields nobody asked for, and gives `value` when nothing was refused.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, FieldErrors> {
        for field in self.object.keys() {
            if !self.known.contains(&field.as_str()) {
                self.errors.add(field.clone(), "is not a known field");
            }
        }
        self.errors.into_result(value)
    }
}
