//! Parameters that models write under other names, tool by tool.

use super::schema::Schema;
use super::tools::folded;
use super::value::Value;

/// One parameter of a tool and what models write instead of it.
///
/// It holds only toward the schema that is offered: a parameter that the schema does not
/// know, or that is there already, is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The tool's name as callers offer it; letter case, `_` and `-` do not matter.
    pub tool: String,
    /// The parameter.
    pub parameter: String,
    /// Keys that stand for it, the first that is there counts.
    pub keys: Vec<String>,
    /// Its value where the schema requires it and nothing is there.
    pub fill: Option<String>,
}

impl Alias {
    /// Whether it is about the tool of this name.
    pub(super) fn is_for(&self, tool: &str) -> bool {
        self.tool == tool || folded(&self.tool) == folded(tool)
    }

    /// Gives the parameter its name or its value; whether something changed.
    pub(super) fn apply(&self, schema: &Schema, members: &mut Vec<(String, Value)>) -> bool {
        if !schema.knows(&self.parameter) || members.iter().any(|(key, _)| *key == self.parameter) {
            return false;
        }
        let keys = self.keys.iter().filter(|key| !schema.knows(key));
        let at = keys
            .filter_map(|key| members.iter().position(|(member, _)| member == key))
            .next();
        if let Some(at) = at {
            self.parameter.clone_into(&mut members[at].0);
            return true;
        }
        match &self.fill {
            Some(fill) if schema.requires(&self.parameter) => {
                let value = schema.typed(&self.parameter, fill);
                members.push((self.parameter.clone(), value));
                true
            }
            Some(_) | None => false,
        }
    }
}
