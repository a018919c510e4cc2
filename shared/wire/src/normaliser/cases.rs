//! Reading the case tables of the readers' tests.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::json;
use super::scan::Scan;
use super::value::Value;

/// The rows of a table: one JSON object a line.
pub(crate) fn rows<T: DeserializeOwned>(table: &str) -> Vec<T> {
    let rows: Vec<T> = table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() > 3, "a table of cases is not empty");
    rows
}

/// The lines of the corpus of tool calls: of the copy in the tree, and of the corpus that
/// lies beside it, if it does. Lines that are there twice come once.
#[expect(
    clippy::disallowed_methods,
    reason = "only the tests read it, which is too large to be part of them"
)]
pub(super) fn corpus() -> Vec<String> {
    let tree = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![tree.join("cases/tool-calls")];
    let beside = std::fs::read_dir(tree.join("../../../shared/corpus/tool-calls"));
    let beside = beside.into_iter().flatten().flatten();
    folders.extend(
        beside
            .map(|entry| entry.path())
            .filter(|path| path.is_dir()),
    );
    let mut lines = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for folder in folders {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_none_or(|extension| extension != "jsonl")
            {
                continue;
            }
            let table = std::fs::read_to_string(path).unwrap();
            let new = table.lines().filter(|line| !line.trim().is_empty());
            let new = new.filter(|line| seen.insert((*line).to_owned()));
            lines.extend(new.map(str::to_owned));
        }
    }
    assert!(lines.len() >= 415, "{} cases", lines.len());
    lines
}

/// A value that a row holds, which is strict JSON.
pub(super) fn value(raw: &RawValue) -> Value {
    let read = json::value(&format!("{} ", raw.get()));
    let Scan::Done(json, _) = read else {
        panic!("{read:?}");
    };
    assert!(!json.repaired, "{json:?}");
    json.value
}

/// JSON without needless digits, so that numbers compare by value.
pub(super) fn plain(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Number(digits) if digits.contains(['.', 'e', 'E']) => {
            let number: f64 = digits.parse().unwrap();
            text = number.to_string();
        }
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            text = format!("[{}]", items.join(","));
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{key:?}:{}", plain(value)))
                .collect();
            text = format!("{{{}}}", members.join(","));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => value.write(&mut text),
    }
    text
}
