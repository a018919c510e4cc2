//! A model that edits a file: reads it with one tool of its caller, changes a word in it
//! with another, and says that it is done.
//!
//! Which tools these are is told by their names, and what is written into their parameters
//! by theirs, as a model would guess from them; so any coding assistant can be answered.
//! How far the work has come is seen in the conversation: each result of a tool is one
//! step. A caller without tools is given what aider's models write.

use serde_json::{Map, Value};

use crate::validate::Tool;

/// The word that is in the file, and the one that it becomes.
const OLD: &str = "before";
const NEW: &str = "after";

/// Tools that show a file.
const READ: [&str; 4] = ["read", "readfile", "readfiles", "viewfile"];
/// Tools that change one.
const EDIT: [&str; 3] = ["edit", "editor", "strreplaceeditor"];
/// Tools that run a command, for callers who have no tool to change a file.
const SHELL: [&str; 6] = [
    "bash",
    "shell",
    "execcommand",
    "runshellcommand",
    "runcommands",
    "executecommand",
];

/// What the model does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Calls the tool of that name with these arguments.
    Call {
        name: String,
        arguments: String,
        /// How many calls came before.
        number: usize,
    },
    /// Says this.
    Say(String),
}

/// The next step of editing the file at `path`, which is absolute.
pub(super) fn step(path: &str, tools: &[Tool], body: &[u8]) -> Step {
    let named = |names: &[&str]| {
        let known = |tool: &&Tool| names.contains(&plain(&tool.name).as_str());
        tools.iter().find(known)
    };
    let edit = named(&EDIT).or_else(|| named(&SHELL));
    let Some(edit) = edit else {
        return Step::Say(without_tools(path, body));
    };
    let read = named(&READ).filter(|_| EDIT.contains(&plain(&edit.name).as_str()));
    let steps: Vec<_> = read.into_iter().chain([edit]).collect();
    let request = serde_json::from_slice(body).unwrap_or_default();
    let number = results(&request);
    match steps.get(number) {
        Some(tool) => Step::Call {
            name: tool.name.clone(),
            arguments: arguments(&tool.parameters, path),
            number,
        },
        None => Step::Say(format!("Done: '{OLD}' is '{NEW}' now.")),
    }
}

fn without_tools(path: &str, body: &[u8]) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    if memchr::memmem::find(body, b"SEARCH/REPLACE").is_some() {
        format!("{file}\n```\n<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE\n```\n")
    } else {
        "Editing a file".to_owned()
    }
}

/// How many tools have answered, in whatever format.
fn results(value: &Value) -> usize {
    match value {
        Value::Object(fields) => {
            let says = |field: &str| fields.get(field).and_then(Value::as_str);
            let is_result = says("role") == Some("tool")
                || says("type")
                    .is_some_and(|kind| kind == "tool_result" || kind.ends_with("_call_output"));
            usize::from(is_result) + fields.values().map(results).sum::<usize>()
        }
        Value::Array(values) => values.iter().map(results).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// An object for `schema` with everything that is needed and everything that is known.
fn arguments(schema: &Value, path: &str) -> String {
    filled(schema, "", path)
        .unwrap_or_else(|| Value::Object(Map::new()))
        .to_string()
}

/// A value for the parameter `name`; `None` when nothing is known for it.
fn filled(schema: &Value, name: &str, path: &str) -> Option<Value> {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
        let mut fields = Map::new();
        for (name, schema) in properties {
            match filled(schema, name, path) {
                Some(value) => drop(fields.insert(name.clone(), value)),
                None if is_required(name) => {
                    fields.insert(name.clone(), Value::from("Edit the file"));
                }
                None => {}
            }
        }
        return (!fields.is_empty()).then_some(Value::Object(fields));
    }
    if let Some(items) = schema.get("items") {
        return filled(items, name, path).map(|value| Value::Array(vec![value]));
    }
    let text = match plain(name).as_str() {
        "filepath" | "path" | "file" | "files" | "filename" => path.to_owned(),
        "oldstring" | "oldtext" | "oldstr" => OLD.to_owned(),
        "newstring" | "newtext" | "newstr" => NEW.to_owned(),
        "command" | "commands" | "cmd" => format!("sed -i s/{OLD}/{NEW}/ {path}"),
        _ => return None,
    };
    Some(Value::from(text))
}

/// A name without its spelling.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| *letter != '_');
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Step, step};
    use crate::validate::Tool;

    fn tool(name: &str, properties: &Value, required: &[&str]) -> Tool {
        Tool {
            name: name.to_owned(),
            parameters: json!({"type": "object", "properties": properties, "required": required}),
        }
    }

    fn called(tools: &[Tool], results: usize) -> (String, Value) {
        let answers = vec![json!({"role": "tool", "content": "x"}); results];
        let body = json!({"messages": answers}).to_string();
        match step("/a/b", tools, body.as_bytes()) {
            Step::Call {
                name, arguments, ..
            } => (name, serde_json::from_str(&arguments).unwrap_or_default()),
            Step::Say(text) => (text, Value::Null),
        }
    }

    #[test]
    fn a_file_is_read_then_changed_then_done() {
        let text = json!({"type": "string"});
        let edits = json!({"type": "array", "items": {"type": "object",
            "properties": {"oldText": text, "newText": text}}});
        let tools = [
            tool("Bash", &json!({"command": text}), &["command"]),
            tool(
                "edit",
                &json!({"path": text, "edits": edits, "why": text}),
                &["why"],
            ),
            tool(
                "read_files",
                &json!({"files": {"type": "array", "items": text}}),
                &[],
            ),
        ];
        assert_eq!(
            called(&tools, 0),
            ("read_files".to_owned(), json!({"files": ["/a/b"]}))
        );
        let edit = json!({"path": "/a/b", "why": "Edit the file",
            "edits": [{"oldText": "before", "newText": "after"}]});
        assert_eq!(called(&tools, 1), ("edit".to_owned(), edit));
        assert_eq!(called(&tools, 2).1, Value::Null);
        let (name, arguments) = called(&tools[..1], 0);
        assert_eq!(name, "Bash");
        assert_eq!(arguments, json!({"command": "sed -i s/before/after/ /a/b"}));
        assert_eq!(called(&tools[..1], 1).1, Value::Null);
    }
}
