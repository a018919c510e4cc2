//! A tool pattern: how a model writes a tool call into its text, and how to read it out.

mod draft;

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::Serialize;

pub use draft::ToolPatternDraft;
pub(crate) use draft::{check_group, check_regex};

use crate::columns::Columns;

/// The form a call takes in the text; it decides where the arguments are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternType {
    /// A fenced code block.
    Fence,
    /// Bare JSON in the text.
    Inline,
    /// XML-like tags.
    Xml,
    /// Square-bracket tags.
    Bracket,
    /// An announcement of an action in words.
    Action,
}

impl PatternType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::Fence,
        Self::Inline,
        Self::Xml,
        Self::Bracket,
        Self::Action,
    ];

    /// The text in the column `pattern_type`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Inline => "inline",
            Self::Xml => "xml",
            Self::Bracket => "bracket",
            Self::Action => "action",
        }
    }

    /// The type with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// A tool pattern that can be used: its regex compiles and its mappings are JSON objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPattern {
    /// The row's id.
    pub id: i64,
    /// Its name, unique.
    pub pattern_name: String,
    /// The form of the call.
    pub pattern_type: PatternType,
    /// Regular expression; `.` also matches line ends.
    pub regex_pattern: String,
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
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// A tool pattern as the admin API shows it, whatever its row holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolPatternRow {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub pattern_name: String,
    /// The form of the call, known or not.
    pub pattern_type: String,
    /// The regular expression.
    pub regex_pattern: String,
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
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
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
            tool_name: columns.text("tool_name"),
            tool_name_group: columns.whole("tool_name_group"),
            tool_name_json_path: columns.text("tool_name_json_path"),
            tool_name_mapping: columns.text("tool_name_mapping"),
            parameter_mapping: columns.text("parameter_mapping"),
            enabled: i64::from(columns.flag("enabled", true)),
            priority: columns.whole("priority").unwrap_or(0),
            created_at: columns.whole("created_at").unwrap_or(0),
            updated_at: columns.whole("updated_at").unwrap_or(0),
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
        let pattern_type = PatternType::from_id(&row.pattern_type);
        if pattern_type.is_none() {
            faults.push(draft::unknown_type(&row.pattern_type));
        }
        let groups = check_regex(&row.regex_pattern)
            .map_err(|why| faults.push(format!("regex_pattern {why}")))
            .ok();
        let group = row
            .tool_name_group
            .and_then(|group| u32::try_from(group).ok());
        if let (Some(group), Some(groups)) = (row.tool_name_group, groups)
            && let Err(why) = check_group(group, groups)
        {
            faults.push(format!("tool_name_group {why}"));
        }
        let mut mapping = |field: &str, text: Option<&str>| {
            draft::parse_mapping(text.unwrap_or_default())
                .map_err(|why| faults.push(format!("{field} {why}")))
                .unwrap_or_default()
        };
        let tool_name_mapping = mapping("tool_name_mapping", row.tool_name_mapping.as_deref());
        let parameter_mapping = mapping("parameter_mapping", row.parameter_mapping.as_deref());
        let (Some(pattern_type), true) = (pattern_type, faults.is_empty()) else {
            return Err(faults);
        };
        Ok(ToolPattern {
            id: row.id,
            pattern_name: row.pattern_name,
            pattern_type,
            regex_pattern: row.regex_pattern,
            tool_name: row.tool_name,
            tool_name_group: group,
            tool_name_json_path: row.tool_name_json_path,
            tool_name_mapping,
            parameter_mapping,
            enabled: row.enabled != 0,
            priority: row.priority,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
