//! A tool pattern: how a model writes a tool call into its text, and how to read it out.
//!
//! What a pattern means, and whether it can be used, is in [`wire::normaliser`]; here is
//! its row.

mod draft;
mod judge;

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::Serialize;
use wire::normaliser::{Form, NameFrom, Pattern, Strength};

pub use draft::ToolPatternDraft;
pub(crate) use draft::mapping_text;
pub(crate) use judge::parse_mapping;

use crate::columns::Columns;

/// A tool pattern that can be used: [`wire::normaliser::check`] has nothing against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPattern {
    /// The row's id.
    pub id: i64,
    /// Its name, unique.
    pub pattern_name: String,
    /// What reads the call.
    pub pattern_type: Form,
    /// Regular expression; `.` also matches line ends.
    pub regex_pattern: String,
    /// How sure its opening is.
    pub strength: Strength,
    /// The tool's name, when the pattern is for one tool.
    pub tool_name: Option<String>,
    /// The capture group that holds the tool's name.
    pub tool_name_group: Option<u32>,
    /// Dotted path to the tool's name inside captured JSON.
    pub tool_name_json_path: Option<String>,
    /// Names as the model writes them to names as the client knows them.
    pub tool_name_mapping: BTreeMap<String, String>,
    /// The same for argument names.
    pub parameter_mapping: BTreeMap<String, String>,
    /// Whether it is used.
    pub enabled: bool,
    /// Higher is tried first.
    pub priority: i64,
    /// The built-in pattern it was seeded from, whatever was changed since; `None` for an
    /// operator's own.
    pub builtin: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl ToolPattern {
    /// The pattern for the normaliser, known by the row's id.
    pub fn pattern(&self) -> Pattern {
        Pattern {
            id: self.id,
            name: self.pattern_name.clone(),
            form: self.pattern_type,
            regex: self.regex_pattern.clone(),
            strength: self.strength,
            tool: NameFrom {
                tool: self.tool_name.clone(),
                group: self.tool_name_group,
                json_path: self.tool_name_json_path.clone(),
            },
            tool_names: self.tool_name_mapping.clone(),
            parameters: self.parameter_mapping.clone(),
            priority: self.priority,
        }
    }
}

/// A tool pattern as the admin API shows it, whatever its row holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolPatternRow {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub pattern_name: String,
    /// What reads the call, known or not.
    pub pattern_type: String,
    /// The regular expression.
    pub regex_pattern: String,
    /// How sure its opening is: `strong` or `weak`.
    pub strength: String,
    /// The tool's name, when the pattern is for one tool.
    pub tool_name: Option<String>,
    /// The capture group that holds the tool's name.
    pub tool_name_group: Option<i64>,
    /// Dotted path to the tool's name inside captured JSON.
    pub tool_name_json_path: Option<String>,
    /// A JSON object of strings, as text.
    pub tool_name_mapping: Option<String>,
    /// A JSON object of strings, as text.
    pub parameter_mapping: Option<String>,
    /// 1 when it is used.
    pub enabled: i64,
    /// Higher is tried first.
    pub priority: i64,
    /// The built-in pattern it was seeded from; `null` for an operator's own.
    pub builtin: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Moves with every change; sent back, it keeps one change from undoing another.
    pub version: i64,
}

/// A row as read, before it is judged.
pub(crate) struct StoredToolPattern {
    pub(crate) row: ToolPatternRow,
    faults: Vec<String>,
}

impl StoredToolPattern {
    /// Reads a row of `tool_patterns`.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut columns = Columns::new(row);
        let row = ToolPatternRow {
            id: columns.id()?,
            pattern_name: columns.text("pattern_name").unwrap_or_default(),
            pattern_type: columns.text("pattern_type").unwrap_or_default(),
            regex_pattern: columns.text("regex_pattern").unwrap_or_default(),
            strength: columns
                .text("strength")
                .unwrap_or_else(|| Strength::Strong.id().to_owned()),
            tool_name: columns.text("tool_name"),
            tool_name_group: columns.whole("tool_name_group"),
            tool_name_json_path: columns.text("tool_name_json_path"),
            tool_name_mapping: columns.text("tool_name_mapping"),
            parameter_mapping: columns.text("parameter_mapping"),
            enabled: i64::from(columns.flag("enabled", true)),
            priority: columns.whole("priority").unwrap_or(0),
            builtin: columns.text("builtin"),
            created_at: columns.whole("created_at").unwrap_or(0),
            updated_at: columns.whole("updated_at").unwrap_or(0),
            version: columns.whole("version").unwrap_or(0),
        };
        Ok(Self {
            row,
            faults: columns.faults,
        })
    }

    /// How an operator would name the row.
    pub(crate) fn subject(&self) -> String {
        format!("tool pattern {} {:?}", self.row.id, self.row.pattern_name)
    }

    /// The pattern, or why it cannot be used.
    pub(crate) fn judge(self) -> Result<ToolPattern, Vec<String>> {
        let Self { row, mut faults } = self;
        match row.judge() {
            Ok(pattern) if faults.is_empty() => Ok(pattern),
            Ok(_) => Err(faults),
            Err(errors) => {
                faults.extend(errors.iter().map(|(field, why)| format!("{field}: {why}")));
                Err(faults)
            }
        }
    }
}
