use serde::Deserialize;
use serde_json::value::RawValue;

use super::{call, closed_list, list, literal};
use crate::normaliser::cases::{self, plain, rows};
use crate::normaliser::scan::{DEEPEST, Scan};
use crate::normaliser::value::Value;

#[derive(Deserialize)]
struct Case {
    note: String,
    text: String,
    outcome: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: Box<RawValue>,
    #[serde(default)]
    positional: Box<RawValue>,
    #[serde(default)]
    length: usize,
}

#[derive(Deserialize)]
struct Listed {
    note: String,
    text: String,
    names: Option<Vec<String>>,
    /// Whether the closing bracket is missing.
    open: bool,
}

fn calls() -> Vec<Case> {
    rows(include_str!("../../../cases/normaliser/python.jsonl"))
}

fn lists() -> Vec<Listed> {
    rows(include_str!("../../../cases/normaliser/python_lists.jsonl"))
}

#[test]
fn every_case_reads_as_it_says() {
    for case in calls() {
        let note = &case.note;
        let found = match call(&case.text) {
            Scan::Done(call, length) => {
                let positional = Value::List(call.positional);
                assert_eq!(
                    plain(&positional),
                    plain(&cases::value(&case.positional)),
                    "{note}"
                );
                let arguments = Value::Object(call.arguments);
                assert_eq!(
                    plain(&arguments),
                    plain(&cases::value(&case.arguments)),
                    "{note}"
                );
                assert_eq!((call.name, length), (case.name, case.length), "{note}");
                None
            }
            Scan::More => Some("more"),
            Scan::No => Some("no"),
        };
        assert_eq!(found, case.outcome.as_deref(), "{note}");
    }
}

#[test]
fn a_part_of_a_call_asks_for_more() {
    for case in calls().iter().filter(|case| case.outcome.is_none()) {
        for at in (0..case.length).filter(|at| case.text.is_char_boundary(*at)) {
            let part = &case.text[..at];
            assert_eq!(call(part), Scan::More, "{}: {part}", case.note);
        }
    }
}

#[test]
fn lists_of_calls_read_as_they_say() {
    for case in lists() {
        let names = |calls: Vec<super::PyCall>| -> Vec<String> {
            calls.into_iter().map(|call| call.name).collect()
        };
        let closed = closed_list(&case.text).map(names);
        assert_eq!(closed, case.names, "{}", case.note);
        match (list(&case.text), case.open, &case.names) {
            (Scan::Done(calls, length), false, Some(expected)) => {
                assert_eq!((&names(calls), length), (expected, case.text.len()));
            }
            (Scan::More, true, _) | (Scan::No, false, None) => {}
            (other, ..) => assert_eq!(format!("{other:?}"), "", "{}", case.note),
        }
    }
}

#[test]
fn nesting_has_an_end() {
    for (open, close) in [("[", "]"), ("{'a':", "}"), ("(", ",)")] {
        let deep = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(matches!(literal(&deep(DEEPEST)), Scan::Done(..)));
        assert_eq!(literal(&deep(DEEPEST + 1)), Scan::No);
        assert_eq!(literal(&open.repeat(1_000_000)), Scan::No);
    }
    assert_eq!(call(&"print(".repeat(1_000_000)), Scan::No);
}
