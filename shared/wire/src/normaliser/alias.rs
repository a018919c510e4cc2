//! Parameters that models write under other names, tool by tool.

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
