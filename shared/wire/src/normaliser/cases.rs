//! Reading the case tables of the readers' tests.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::json;
use super::scan::Scan;
use super::value::Value;

/// The rows of a table: one JSON object a line.
pub(super) fn rows<T: DeserializeOwned>(table: &str) -> Vec<T> {
    let rows: Vec<T> = table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() > 3, "a table of cases is not empty");
    rows
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
