//! The tool patterns a new store begins with: the original's ten.
//!
//! They are planted once, into a store that has just been made. Afterwards they are the
//! operator's: never overwritten, never brought back. `action` takes bracketed prose for
//! tool calls, so it begins disabled.

use rusqlite::{Connection, params};

/// Where a pattern takes the tool's name from.
enum NameFrom {
    Group(i64),
    JsonPath(&'static str),
    Keywords,
}

struct Seed {
    name: &'static str,
    kind: &'static str,
    priority: i64,
    name_from: NameFrom,
    name_mapping: &'static str,
    parameter_mapping: &'static str,
    regex: &'static str,
    enabled: bool,
}

const ACTION_KEYWORDS: &str = r#"{"searching":"grep","search":"grep","using task":"task","task":"task","reading":"read","read":"read","listing":"glob","ls":"glob","glob":"glob","writing":"write","write":"write","editing":"edit","edit":"edit","running":"bash","bash":"bash","executing":"bash"}"#;

const SEEDS: [Seed; 10] = [
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
            NameFrom::Keywords => (None, None),
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
