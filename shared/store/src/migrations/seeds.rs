//! The tool patterns that the original seeded: its ten, and three that later versions add.
//!
//! Step 1 plants the ten into a store that it has just made; `action` takes bracketed prose
//! for tool calls, so it begins disabled. Step 5 puts the built-in patterns in the place of
//! those that nobody changed.

use rusqlite::{Connection, params};

use crate::tool_pattern::{ToolPatternRow, parse_mapping};

/// Where a pattern takes the tool's name from.
enum NameFrom {
    Group(i64),
    JsonPath(&'static str),
    Tool(&'static str),
    Keywords,
}

/// A pattern as it was seeded.
pub(super) struct Seed {
    pub(super) name: &'static str,
    kind: &'static str,
    priority: i64,
    name_from: NameFrom,
    name_mapping: &'static str,
    parameter_mapping: &'static str,
    regex: &'static str,
    /// Whether step 1 plants it enabled; the original seeds all of them so.
    pub(super) enabled: bool,
}

impl Seed {
    /// Whether `row` still says what was seeded, wherever it stands and enabled or not.
    pub(super) fn is(&self, row: &ToolPatternRow) -> bool {
        let named = match self.name_from {
            NameFrom::Group(group) => (None, Some(group), None),
            NameFrom::JsonPath(path) => (None, None, Some(path)),
            NameFrom::Tool(tool) => (Some(tool), None, None),
            // A group would name the whole text between the brackets: no tool's name.
            NameFrom::Keywords => (None, row.tool_name_group.filter(|group| *group == 1), None),
        };
        let row_named = (
            row.tool_name.as_deref(),
            row.tool_name_group,
            row.tool_name_json_path.as_deref(),
        );
        row.pattern_type == self.kind
            && row.regex_pattern == self.regex
            && row.priority == self.priority
            && row_named == named
            && same_mapping(row.tool_name_mapping.as_deref(), self.name_mapping)
            && same_mapping(row.parameter_mapping.as_deref(), self.parameter_mapping)
    }
}

/// Whether a column holds the seeded mapping, however it is written.
fn same_mapping(column: Option<&str>, seeded: &str) -> bool {
    let seeded = parse_mapping(seeded);
    parse_mapping(column.unwrap_or_default()).is_ok_and(|found| seeded == Ok(found))
}

const ACTION_KEYWORDS: &str = r#"{"searching":"grep","search":"grep","using task":"task","task":"task","reading":"read","read":"read","listing":"glob","ls":"glob","glob":"glob","writing":"write","write":"write","editing":"edit","edit":"edit","running":"bash","bash":"bash","executing":"bash"}"#;

const QWEN_NAMES: &str = r#"{"bash":"bash","read":"read","write":"write","edit":"edit","glob":"glob","grep":"grep","task":"task"}"#;

/// The ten.
pub(super) const SEEDS: [Seed; 10] = [
    Seed {
        name: "fence_json",
        kind: "fence",
        priority: 100,
        name_from: NameFrom::JsonPath("name"),
        name_mapping: "{}",
        parameter_mapping: "{}",
        regex: r"```\s*(\w*)\s*\n?(.*?)```",
        enabled: true,
    },
    Seed {
        name: "inline_json",
        kind: "inline",
        priority: 90,
        name_from: NameFrom::Group(1),
        name_mapping: "{}",
        parameter_mapping: "{}",
        regex: r#"\{.*?"name"\s*:\s*"(\w+)".*?"arguments"\s*:\s*(\{[^}]*\})"#,
        enabled: true,
    },
    Seed {
        name: "tool_call_bare_param",
        kind: "xml",
        priority: 87,
        name_from: NameFrom::Group(1),
        name_mapping: "{}",
        parameter_mapping: r#"{"file_path":"filePath","command":"command"}"#,
        regex: r"<tool_call>\s*(\w+)\s*<parameter=(\w+)>\s*(.*?)\s*</parameter>\s*(?:</function>\s*)?(?:</tool_call>)?",
        enabled: true,
    },
    Seed {
        name: "tool_call_nested_xml",
        kind: "xml",
        priority: 86,
        name_from: NameFrom::Group(1),
        name_mapping: "{}",
        parameter_mapping: r#"{"file_path":"filePath"}"#,
        regex: r"<tool_call>\s*<function=(\w+)>\s*<parameter=(\w+)>\s*(.*?)\s*</parameter>\s*</function>\s*</tool_call>",
        enabled: true,
    },
    Seed {
        name: "tool_call_alt",
        kind: "bracket",
        priority: 85,
        name_from: NameFrom::JsonPath("name"),
        name_mapping: "{}",
        parameter_mapping: "{}",
        regex: r"\[TOOL_CALL\]\s*(\{.*?\})\s*\[/TOOL_CALL\]",
        enabled: true,
    },
    Seed {
        name: "tool_use",
        kind: "xml",
        priority: 80,
        name_from: NameFrom::Group(1),
        name_mapping: "{}",
        parameter_mapping: "{}",
        regex: r#"<tool_use\s+code\s+name="(\w+)"\s*>(.*?)</tool_use>"#,
        enabled: true,
    },
    Seed {
        name: "tool_code",
        kind: "xml",
        priority: 80,
        name_from: NameFrom::JsonPath("name"),
        name_mapping: "{}",
        parameter_mapping: "{}",
        regex: r"<tool_code>(.*?)</tool_code>",
        enabled: true,
    },
    Seed {
        name: "tool_call",
        kind: "xml",
        priority: 80,
        name_from: NameFrom::JsonPath("name"),
        name_mapping: "{}",
        parameter_mapping: "{}",
        regex: r"<tool_call>(.*?)</tool_call>",
        enabled: true,
    },
    Seed {
        name: "bracket_tool",
        kind: "bracket",
        priority: 70,
        name_from: NameFrom::Group(1),
        name_mapping: "{}",
        parameter_mapping: "{}",
        regex: r"\[tool\](\w+)\[/tool\]\s*(\{.*?\})",
        enabled: true,
    },
    Seed {
        name: "action",
        kind: "action",
        priority: 60,
        name_from: NameFrom::Keywords,
        name_mapping: ACTION_KEYWORDS,
        parameter_mapping: r#"{"action":"action"}"#,
        regex: r"\[([a-zA-Z][^\]]+)\]",
        enabled: false,
    },
];

/// What later versions of the original add, and write again at every start.
pub(super) const LATER: [Seed; 3] = [
    Seed {
        name: "qwen_xml_named_params",
        kind: "xml",
        priority: 97,
        name_from: NameFrom::Group(1),
        name_mapping: QWEN_NAMES,
        parameter_mapping: r#"{"file_path":"filePath"}"#,
        regex: r"<tool_call>\s*<function=(\w+)>\s*([\s\S]*?)\s*</function>\s*(?:</tool_call>)?",
        enabled: true,
    },
    Seed {
        name: "qwen_xml_read_filepath",
        kind: "xml",
        priority: 96,
        name_from: NameFrom::Tool("read"),
        name_mapping: "{}",
        parameter_mapping: r#"{"file_path":"filePath"}"#,
        regex: r"<tool_call>\s*<function=read>\s*<parameter=filePath>\s*([\s\S]*?)\s*</parameter>\s*(?:</function>\s*)?(?:</tool_call>)?",
        enabled: true,
    },
    Seed {
        name: "qwen_xml_call",
        kind: "xml",
        priority: 95,
        name_from: NameFrom::Group(1),
        name_mapping: QWEN_NAMES,
        parameter_mapping: "{}",
        regex: r"<tool_call>\s*<function=(\w+)>\s*<parameter=command>\s*([\s\S]*?)\s*</parameter>(?:\s*<parameter=description>\s*[\s\S]*?\s*</parameter>)?\s*(?:</function>\s*)?(?:</tool_call>)?",
        enabled: true,
    },
];

/// Writes the patterns of a new store.
pub(super) fn plant(connection: &Connection) -> rusqlite::Result<()> {
    let mut insert = connection.prepare(
        "INSERT INTO tool_patterns (pattern_name, pattern_type, regex_pattern, \
         tool_name_group, tool_name_json_path, tool_name_mapping, parameter_mapping, enabled, \
         priority) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for seed in &SEEDS {
        let (group, path) = match seed.name_from {
            NameFrom::Group(group) => (Some(group), None),
            NameFrom::JsonPath(path) => (None, Some(path)),
            NameFrom::Tool(_) | NameFrom::Keywords => (None, None),
        };
        insert.execute(params![
            seed.name,
            seed.kind,
            seed.regex,
            group,
            path,
            seed.name_mapping,
            seed.parameter_mapping,
            seed.enabled,
            seed.priority,
        ])?;
    }
    Ok(())
}
