//! What a tool's JSON schema says about its arguments, and arguments made to fit it.
//!
//! Nothing is guessed: a value is converted only where the schema disagrees with the
//! type that the model wrote and the conversion loses nothing. Whatever else does not
//! fit stays as it is and is reported.

mod fit;
mod graph;
mod kinds;

use std::sync::OnceLock;

use self::fit::{Walk, container, is_null, spelled};
use self::graph::Graph;
use self::kinds::Kinds;
use super::value::Value;

/// The schema of a tool's arguments.
#[derive(Debug)]
pub struct Schema {
    text: Box<str>,
    /// Read when first asked: most of the tools that a request offers are not called.
    graph: OnceLock<Graph>,
}

/// Arguments and how they suit a schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    /// The arguments: an object, unless the problem is [`Problem::NotAnObject`].
    pub(super) arguments: Value,
    /// Whether they differ from what was given.
    pub(super) changed: bool,
    /// What does not fit, the first few.
    pub(super) problems: Vec<Problem>,
}

/// One thing in which arguments do not suit their schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A key that the schema does not know.
    UnknownKey(String),
    /// A required key that is not there.
    Missing(String),
    /// A value of another type, or none of those listed.
    WrongType {
        /// The key, with the way to it: `todos[0].status`.
        key: String,
        /// What the schema wants, in words.
        wanted: String,
    },
    /// The arguments are not an object and do not spell one.
    NotAnObject,
}

impl Problem {
    /// Whether something required is not there.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Self::Missing(_) => true,
            Self::UnknownKey(_) | Self::WrongType { .. } | Self::NotAnObject => false,
        }
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::UnknownKey(key) => format!("'{key}' is not one of its parameters"),
            Self::Missing(key) => format!("'{key}' is missing"),
            Self::WrongType { key, wanted } => format!("'{key}' has to be {wanted}"),
            Self::NotAnObject => "the arguments are no object".to_owned(),
        }
    }
}

/// The keys under which models wrap arguments once more.
const WRAPPERS: [&str; 4] = ["arguments", "parameters", "input", "args"];

/// Wrappings, and strings within strings, that are taken off at most.
const WRAPPINGS: usize = 4;

impl Schema {
    /// The schema with this JSON text; none, or one that says nothing, is that of a
    /// tool without parameters.
    #[must_use]
    pub fn new(parameters: Option<&str>) -> Self {
        Self {
            text: parameters.unwrap_or_default().into(),
            graph: OnceLock::new(),
        }
    }

    /// The value of the parameter `key` that a model wrote as plain text: text where
    /// the schema allows text or says nothing, else what the text spells, else text.
    pub(super) fn typed(&self, key: &str, text: &str) -> Value {
        let graph = self.graph();
        let Some(id) = graph.property(graph.root, key) else {
            return Value::Text(text.to_owned());
        };
        let kinds = graph.node(id).kinds;
        if kinds == Kinds::ALL {
            return Value::Text(text.to_owned());
        }
        if kinds.has(Kinds::NULL) && is_null(text.trim()) {
            return Value::Null;
        }
        let value = match spelled(kinds, text) {
            Some(value) if !kinds.has(Kinds::TEXT) => value,
            Some(_) | None => return Value::Text(text.to_owned()),
        };
        Walk::new(graph, &value).fit(id, value, 1)
    }

    /// `arguments` as an object with everything that the schema wants otherwise
    /// converted where nothing is lost by it.
    ///
    /// Nothing at all (`null`, an empty string) is the empty object, a string is what
    /// it spells, and a single key such as `arguments` that the schema does not know
    /// is taken off.
    pub(super) fn fit(&self, arguments: Value) -> Fit {
        let graph = self.graph();
        let (arguments, unwrapped) = self.unwrapped(arguments);
        let Value::Object(members) = &arguments else {
            return Fit {
                arguments,
                changed: unwrapped,
                problems: vec![Problem::NotAnObject],
            };
        };
        let unknown = members.iter().filter(|(key, _)| !self.knows(key));
        let unknown: Vec<Problem> = unknown
            .take(WRAPPINGS)
            .map(|(key, _)| Problem::UnknownKey(key.clone()))
            .collect();
        let mut walk = Walk::new(graph, &arguments);
        let arguments = walk.fit(graph.root, arguments, 0);
        let mut problems = walk.problems;
        for problem in unknown {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        Fit {
            arguments,
            changed: unwrapped || walk.changed,
            problems,
        }
    }

    /// Whether `arguments` are all that the schema asks for and nothing that it does
    /// not know.
    pub(super) fn validates(&self, arguments: &Value) -> bool {
        let graph = self.graph();
        let known = |members: &[(String, Value)]| members.iter().all(|(key, _)| self.knows(key));
        arguments.members().is_some_and(known)
            && Walk::new(graph, arguments).suits(graph.root, arguments, 0)
    }

    /// The one parameter that is required, when it takes text.
    pub(super) fn only_required_text(&self) -> Option<&str> {
        let graph = self.graph();
        let [only] = graph.node(graph.root).required.as_slice() else {
            return None;
        };
        let id = graph.property(graph.root, only)?;
        graph.node(id).kinds.has(Kinds::TEXT).then_some(only)
    }

    fn graph(&self) -> &Graph {
        self.graph.get_or_init(|| Graph::new(&self.text))
    }

    /// Whether the arguments have to have this key.
    pub(super) fn requires(&self, key: &str) -> bool {
        let graph = self.graph();
        let required = &graph.node(graph.root).required;
        required.iter().any(|name| **name == *key)
    }

    /// Whether the arguments may have this key.
    pub(super) fn knows(&self, key: &str) -> bool {
        let graph = self.graph();
        let required = &graph.node(graph.root).required;
        graph.property(graph.root, key).is_some() || required.iter().any(|name| **name == *key)
    }

    /// The arguments themselves, and whether something had to be taken off.
    fn unwrapped(&self, mut arguments: Value) -> (Value, bool) {
        for taken in 0..WRAPPINGS {
            let inner = match &mut arguments {
                Value::Null => Some(Value::Object(Vec::new())),
                Value::Text(text) => nothing_or_container(text),
                Value::Object(members) => match members.as_mut_slice() {
                    [(key, inner)] if self.is_wrapper(key) => match inner {
                        Value::Null => Some(Value::Object(Vec::new())),
                        Value::Text(text) => nothing_or_container(text),
                        Value::Object(_) => Some(std::mem::replace(inner, Value::Null)),
                        Value::Bool(_) | Value::Number(_) | Value::List(_) => None,
                    },
                    _ => None,
                },
                Value::Bool(_) | Value::Number(_) | Value::List(_) => None,
            };
            match inner {
                Some(inner) => arguments = inner,
                None => return (arguments, taken > 0),
            }
        }
        (arguments, true)
    }

    fn is_wrapper(&self, key: &str) -> bool {
        WRAPPERS.contains(&key) && !self.knows(key)
    }
}

fn nothing_or_container(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() || is_null(text) {
        return Some(Value::Object(Vec::new()));
    }
    // A string within the string.
    if text.starts_with('"') {
        let inner = super::json::whole(text)?.value;
        return inner.as_text().is_some().then_some(inner);
    }
    container(text).filter(|value| value.members().is_some())
}

#[cfg(test)]
mod tests;
