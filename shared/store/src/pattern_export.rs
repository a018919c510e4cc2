//! The tool patterns and aliases of a store as one document, for another store.
//!
//! It holds what an operator can set and no ids or times. Rows that cannot be used are in it
//! as they are.

use serde::Serialize;
use serde_json::Value;

use crate::tool_alias::ToolAliasRow;
use crate::tool_pattern::{ToolPatternRow, parse_mapping};

/// The version of the document.
pub(crate) const VERSION: u64 = 1;

/// The document; [`crate::PatternImport`] reads it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatternExport {
    /// Its version.
    pub version: u64,
    /// Every pattern, highest priority first.
    pub patterns: Vec<ExportedPattern>,
    /// Every alias, by tool and parameter.
    pub aliases: Vec<ExportedAlias>,
}

/// What an operator can set of a pattern; the fields are those of its row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "as in ToolPatternRow")]
pub struct ExportedPattern {
    pub pattern_name: String,
    pub pattern_type: String,
    pub regex_pattern: String,
    pub strength: String,
    pub tool_name: Option<String>,
    pub tool_name_group: Option<i64>,
    pub tool_name_json_path: Option<String>,
    /// An object of strings; the column's text where it is none.
    pub tool_name_mapping: Value,
    /// The same.
    pub parameter_mapping: Value,
    pub enabled: i64,
    pub priority: i64,
    pub builtin: Option<String>,
}

/// What an operator can set of an alias; the fields are those of its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "as in ToolAliasRow")]
pub struct ExportedAlias {
    pub tool_name: String,
    pub parameter: String,
    pub aliases: Vec<String>,
    pub fill: Option<String>,
    pub enabled: i64,
}

impl From<ToolPatternRow> for ExportedPattern {
    fn from(row: ToolPatternRow) -> Self {
        Self {
            pattern_name: row.pattern_name,
            pattern_type: row.pattern_type,
            regex_pattern: row.regex_pattern,
            strength: row.strength,
            tool_name: row.tool_name,
            tool_name_group: row.tool_name_group,
            tool_name_json_path: row.tool_name_json_path,
            tool_name_mapping: mapping(row.tool_name_mapping),
            parameter_mapping: mapping(row.parameter_mapping),
            enabled: row.enabled,
            priority: row.priority,
            builtin: row.builtin,
        }
    }
}

impl From<ToolAliasRow> for ExportedAlias {
    fn from(row: ToolAliasRow) -> Self {
        Self {
            tool_name: row.tool_name,
            parameter: row.parameter,
            aliases: row.aliases,
            fill: row.fill,
            enabled: row.enabled,
        }
    }
}

fn mapping(text: Option<String>) -> Value {
    let text = text.unwrap_or_default();
    match parse_mapping(&text) {
        Ok(mapping) => {
            let pairs = mapping.into_iter();
            pairs.map(|(from, to)| (from, Value::String(to))).collect()
        }
        Err(_) => Value::String(text),
    }
}
