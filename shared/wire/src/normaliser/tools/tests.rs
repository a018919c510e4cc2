use serde::Deserialize;

use super::Tools;
use crate::normaliser::cases::rows;

#[derive(Deserialize)]
struct Case {
    note: String,
    offered: Vec<String>,
    written: String,
    found: Option<String>,
}

#[test]
fn tools_are_found_by_the_names_that_models_write() {
    let table: Vec<Case> = rows(include_str!("../../../cases/normaliser/names.jsonl"));
    for case in table {
        let tools = Tools::new(case.offered.iter().map(|name| (name.as_str(), None)));
        let found = tools.find(&case.written).map(|tool| tool.name.clone());
        assert_eq!(found, case.found, "{}", case.note);
        assert_eq!(tools.is_empty(), case.offered.is_empty(), "{}", case.note);
        for name in tools.names() {
            assert_eq!(tools.find(name).map(|tool| tool.name.as_str()), Some(name));
            assert_eq!(tools.exact(name).map(|tool| tool.name.as_str()), Some(name));
        }
    }
}

#[test]
fn of_two_tools_with_one_name_the_first_counts() {
    let schema = r#"{"properties": {"a": {"type": "string"}}, "required": ["a"]}"#;
    let tools = Tools::new([("read", Some(schema)), ("read", None)].into_iter());
    assert_eq!(tools.names().count(), 1);
    let meant = tools
        .find("read")
        .and_then(|tool| tool.only_required_text());
    assert_eq!(meant, Some("a"));
}
