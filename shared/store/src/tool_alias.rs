//! A tool alias: other names under which models write a parameter of a tool, and what it
//! gets when nothing was written.
//!
//! When one is used is in [`wire::normaliser`]; here is its row.

mod draft;

use rusqlite::Row;
use serde::Serialize;
use wire::normaliser::Alias;

pub use draft::ToolAliasDraft;

use crate::columns::Columns;

/// A tool alias that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolAlias {
    /// The row's id.
    pub id: i64,
    /// The tool's name as callers offer it; unique together with the parameter.
    pub tool_name: String,
    /// The parameter.
    pub parameter: String,
    /// Keys that stand for it; the first that is there counts.
    pub aliases: Vec<String>,
    /// Its value where the tool requires it and nothing is there.
    pub fill: Option<String>,
    /// Whether it is used.
    pub enabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl ToolAlias {
    /// The alias for the normaliser.
    pub fn alias(&self) -> Alias {
        Alias {
            tool: self.tool_name.clone(),
            parameter: self.parameter.clone(),
            keys: self.aliases.clone(),
            fill: self.fill.clone(),
        }
    }
}

/// A tool alias as the admin API shows it, whatever its row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolAliasRow {
    /// The row's id.
    pub id: i64,
    /// The tool's name.
    pub tool_name: String,
    /// The parameter.
    pub parameter: String,
    /// Keys that stand for it; none when the column cannot be read.
    pub aliases: Vec<String>,
    /// Its value where the tool requires it and nothing is there.
    pub fill: Option<String>,
    /// 1 when it is used.
    pub enabled: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Moves with every change; sent back, it keeps one change from undoing another.
    pub version: i64,
}

/// A row as read, before it is judged.
pub(crate) struct StoredToolAlias {
    pub(crate) row: ToolAliasRow,
    faults: Vec<String>,
}

impl StoredToolAlias {
    /// Reads a row of `tool_aliases`.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut columns = Columns::new(row);
        let text = columns.text("aliases").unwrap_or_default();
        let aliases = parse_aliases(&text);
        let row = ToolAliasRow {
            id: columns.id()?,
            tool_name: columns.text("tool_name").unwrap_or_default(),
            parameter: columns.text("parameter").unwrap_or_default(),
            aliases: aliases.clone().unwrap_or_default(),
            fill: columns.text("fill"),
            enabled: i64::from(columns.flag("enabled", true)),
            created_at: columns.whole("created_at").unwrap_or(0),
            updated_at: columns.whole("updated_at").unwrap_or(0),
            version: columns.whole("version").unwrap_or(0),
        };
        let mut faults = columns.faults;
        faults.extend(aliases.err().map(|why| format!("aliases {why}")));
        Ok(Self { row, faults })
    }

    /// How an operator would name the row.
    pub(crate) fn subject(&self) -> String {
        let ToolAliasRow {
            id,
            tool_name,
            parameter,
            ..
        } = &self.row;
        format!("tool alias {id} \"{tool_name}.{parameter}\"")
    }

    /// The alias, or why it cannot be used.
    pub(crate) fn judge(self) -> Result<ToolAlias, Vec<String>> {
        let Self { row, mut faults } = self;
        for (column, text) in [("tool_name", &row.tool_name), ("parameter", &row.parameter)] {
            if text.is_empty() {
                faults.push(format!("{column} is empty"));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(ToolAlias {
            id: row.id,
            tool_name: row.tool_name,
            parameter: row.parameter,
            aliases: row.aliases,
            fill: row.fill,
            enabled: row.enabled != 0,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// The keys in a column's text: empty, or a JSON list of strings.
fn parse_aliases(text: &str) -> Result<Vec<String>, &'static str> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|_| "must be a JSON list of strings")
}

/// Keys as their column holds them.
pub(crate) fn aliases_text(aliases: &[String]) -> String {
    serde_json::to_string(aliases).unwrap_or_else(|_| "[]".to_owned())
}
