use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Problem, Schema};
use crate::normaliser::cases::{self, plain, rows};

#[derive(Deserialize)]
struct Typed {
    note: String,
    property: Box<RawValue>,
    text: String,
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct Fitted {
    note: String,
    schema: Option<Box<RawValue>>,
    arguments: Box<RawValue>,
    fitted: Box<RawValue>,
    changed: bool,
    problems: Vec<String>,
    valid: bool,
}

fn fits() -> Vec<Fitted> {
    rows(include_str!("../../../cases/normaliser/fit.jsonl"))
}

fn words(problem: &Problem) -> String {
    match problem {
        Problem::UnknownKey(key) => format!("UnknownKey {key}"),
        Problem::Missing(key) => format!("Missing {key}"),
        Problem::WrongType { key, wanted } => format!("WrongType {key}: {wanted}"),
        Problem::NotAnObject => "NotAnObject".to_owned(),
    }
}

#[test]
fn text_takes_the_type_that_the_schema_says() {
    let table: Vec<Typed> = rows(include_str!("../../../cases/normaliser/typed.jsonl"));
    for case in table {
        let schema = format!(
            r#"{{"type": "object", "properties": {{"key": {}}},
                "$defs": {{"level": {{"type": "integer"}}}}}}"#,
            case.property
        );
        let value = Schema::new(Some(&schema)).typed("key", &case.text);
        assert_eq!(
            plain(&value),
            plain(&cases::value(&case.value)),
            "{}",
            case.note
        );
    }
}

#[test]
fn text_of_a_key_that_nobody_knows_stays_text() {
    for schema in [
        None,
        Some("{}"),
        Some(r#"{"properties": {"a": {}}}"#),
        Some("no"),
    ] {
        let value = Schema::new(schema).typed("key", " 5");
        assert_eq!(value.as_text(), Some(" 5"), "{schema:?}");
    }
}

#[test]
fn arguments_are_made_to_fit_as_they_say() {
    for case in fits() {
        let schema = Schema::new(case.schema.as_deref().map(RawValue::get));
        let fit = schema.fit(cases::value(&case.arguments));
        let mut problems: Vec<String> = fit.problems.iter().map(words).collect();
        let mut expected = case.problems;
        problems.sort();
        expected.sort();
        assert_eq!(problems, expected, "{}", case.note);
        assert_eq!(
            plain(&fit.arguments),
            plain(&cases::value(&case.fitted)),
            "{}",
            case.note
        );
        assert_eq!(fit.changed, case.changed, "{}", case.note);
        assert_eq!(
            schema.validates(&fit.arguments),
            case.valid,
            "{}",
            case.note
        );
    }
}

#[test]
fn what_fits_is_left_alone() {
    for case in fits() {
        let schema = Schema::new(case.schema.as_deref().map(RawValue::get));
        let once = schema.fit(cases::value(&case.arguments));
        let again = schema.fit(once.arguments.clone());
        assert_eq!(again.arguments, once.arguments, "{}", case.note);
        assert_eq!(
            (again.changed, again.problems),
            (false, once.problems),
            "{}",
            case.note
        );
    }
}

#[test]
fn the_only_required_text_is_the_meaning_of_mere_text() {
    for (schema, expected) in [
        (
            r#"{"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}"#,
            Some("a"),
        ),
        (r#"{"properties": {"a": {}}, "required": ["a"]}"#, Some("a")),
        (
            r#"{"properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}"#,
            Some("a"),
        ),
        (
            r#"{"properties": {"a": {"type": "integer"}}, "required": ["a"]}"#,
            None,
        ),
        (
            r#"{"properties": {"a": {}, "b": {}}, "required": ["a", "b"]}"#,
            None,
        ),
        (r#"{"properties": {"a": {"type": "string"}}}"#, None),
        ("{}", None),
    ] {
        assert_eq!(
            Schema::new(Some(schema)).only_required_text(),
            expected,
            "{schema}"
        );
    }
}

#[test]
fn a_schema_that_branches_into_itself_is_walked_in_bounded_steps() {
    let branch =
        r##"{"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["KEY"]}"##;
    let branches: Vec<String> = (0..8)
        .map(|key| branch.replace("KEY", &key.to_string()))
        .collect();
    let branches = branches.join(",");
    let text = format!(
        r##"{{"properties": {{"a": {{"$ref": "#/$defs/n"}}}}, "$defs": {{"n": {{"anyOf": [{branches}]}}}}}}"##
    );
    let schema = Schema::new(Some(&text));
    let deep = format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60));
    let arguments = cases::value(&RawValue::from_string(deep).unwrap_or_default());
    assert!(!schema.validates(&arguments));
    assert_eq!(schema.fit(arguments.clone()).arguments, arguments);
}
