//! One JSON object of a request, under the path the vendor names in its refusals.

use serde_json::{Map, Value};

use crate::vendor::refusal::Refusal;

/// An object and where it stands, as in `messages.0.content.1.text`.
pub(super) struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The body itself.
    pub(super) fn root(map: &'a Map<String, Value>) -> Object<'a> {
        Object {
            path: String::new(),
            map,
        }
    }

    pub(super) fn at(path: String, value: &'a Value) -> Result<Object<'a>, Refusal> {
        match value.as_object() {
            Some(map) => Ok(Object { path, map }),
            None => Err(refuse(&path, "Input should be an object")),
        }
    }

    /// The object in `field`, if there is one.
    pub(super) fn object(&self, field: &str) -> Result<Option<Object<'a>>, Refusal> {
        self.get(field)
            .map(|value| Object::at(self.name(field), value))
            .transpose()
    }

    /// The same object under a longer path: a union names the member it has chosen.
    pub(super) fn chosen(&self, member: &str) -> Object<'a> {
        Object {
            path: self.name(member),
            map: self.map,
        }
    }

    /// The path of a field.
    pub(super) fn name(&self, field: &str) -> String {
        if self.path.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.path)
        }
    }

    /// 400 about a field.
    pub(super) fn refuse(&self, field: &str, words: &str) -> Refusal {
        refuse(&self.name(field), words)
    }

    /// Refuses fields that are not known.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.map.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(self.refuse(name, "Extra inputs are not permitted")),
        }
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn required(&self, field: &str) -> Result<&'a Value, Refusal> {
        self.get(field)
            .ok_or_else(|| self.refuse(field, "Field required"))
    }

    pub(super) fn required_string(&self, field: &str) -> Result<&'a str, Refusal> {
        let value = self.required(field)?;
        value
            .as_str()
            .ok_or_else(|| self.refuse(field, "Input should be a valid string"))
    }

    pub(super) fn string(&self, field: &str) -> Result<Option<&'a str>, Refusal> {
        self.typed(field, "Input should be a valid string", Value::as_str)
    }

    pub(super) fn boolean(&self, field: &str) -> Result<Option<bool>, Refusal> {
        self.typed(field, "Input should be a valid boolean", Value::as_bool)
    }

    pub(super) fn list(&self, field: &str) -> Result<Option<&'a [Value]>, Refusal> {
        self.typed(field, "Input should be a valid list", |value| {
            value.as_array().map(Vec::as_slice)
        })
    }

    pub(super) fn integer(&self, field: &str, min: i64) -> Result<Option<i64>, Refusal> {
        let value = self.typed(field, "Input should be a valid integer", Value::as_i64)?;
        match value {
            Some(value) if value < min => {
                let words = format!("Input should be greater than or equal to {min}");
                Err(self.refuse(field, &words))
            }
            Some(_) | None => Ok(value),
        }
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self, field: &str) -> Result<Option<f64>, Refusal> {
        let value = self.typed(field, "Input should be a valid number", Value::as_f64)?;
        match value {
            Some(value) if value > 1.0 => {
                Err(self.refuse(field, "Input should be less than or equal to 1"))
            }
            Some(value) if value < 0.0 => {
                Err(self.refuse(field, "Input should be greater than or equal to 0"))
            }
            Some(_) | None => Ok(value),
        }
    }

    /// A string that is one of `known`.
    pub(super) fn one_of(&self, field: &str, known: &[&str]) -> Result<Option<&'a str>, Refusal> {
        match self.string(field)? {
            Some(value) if !known.contains(&value) => {
                let known: Vec<String> = known.iter().map(|name| format!("'{name}'")).collect();
                let words = format!("Input should be {}", known.join(" or "));
                Err(self.refuse(field, &words))
            }
            value => Ok(value),
        }
    }

    fn typed<T>(
        &self,
        field: &str,
        words: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(self.refuse(field, words)),
            },
        }
    }
}

/// 400 in the form `path: words`.
pub(super) fn refuse(path: &str, words: &str) -> Refusal {
    Refusal::new(400, format!("{path}: {words}"))
}

/// 400 for a `type` the vendor does not know at this place.
pub(super) fn unknown_tag(path: &str, tag: &str, known: &[&str]) -> Refusal {
    let known: Vec<String> = known.iter().map(|name| format!("'{name}'")).collect();
    let words = format!(
        "Input tag '{tag}' found using 'type' does not match any of the expected tags: {}",
        known.join(", ")
    );
    refuse(path, &words)
}
