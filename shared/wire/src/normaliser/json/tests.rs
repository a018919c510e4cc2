#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{End, Json, closed, end, reach, surplus, value, whole};
use crate::normaliser::cases::{self, plain, rows};
use crate::normaliser::scan::{DEEPEST, Scan};

#[derive(Deserialize)]
struct Case {
    note: String,
    text: String,
    outcome: Option<String>,
    #[serde(default)]
    value: Box<RawValue>,
    #[serde(default)]
    repaired: bool,
    #[serde(default)]
    length: usize,
}

#[derive(Deserialize)]
struct Closed {
    note: String,
    text: String,
    all: Option<Box<RawValue>>,
    outermost: Option<Box<RawValue>>,
}

fn readings() -> Vec<Case> {
    rows(include_str!("../../../cases/normaliser/json.jsonl"))
}

fn values() -> impl Iterator<Item = Case> {
    readings().into_iter().filter(|case| case.outcome.is_none())
}

#[test]
fn every_case_reads_as_it_says() {
    for case in readings() {
        let note = &case.note;
        match (value(&case.text), case.outcome.as_deref()) {
            (Scan::Done(json, length), None) => {
                assert_eq!(
                    plain(&json.value),
                    plain(&cases::value(&case.value)),
                    "{note}"
                );
                assert_eq!(json.repaired, case.repaired, "{note}");
                assert_eq!(length, case.length, "{note}");
            }
            (Scan::More, Some("more")) | (Scan::No, Some("no")) => {}
            (other, expected) => {
                assert_eq!(format!("{other:?}"), format!("{expected:?}"), "{note}");
            }
        }
    }
}

#[test]
fn what_is_unrepaired_is_what_a_strict_reader_takes() {
    for case in values() {
        let text = &case.text[..case.length];
        let strict = serde_json::from_str::<serde_json::Value>(text);
        assert_eq!(strict.is_ok(), !case.repaired, "{}", case.note);
    }
}

#[test]
fn what_is_written_reads_back_unrepaired() {
    for case in values() {
        let mut text = String::new();
        let read = cases::value(&case.value);
        read.write(&mut text);
        text.push(' ');
        let expected = Json {
            value: read,
            repaired: false,
        };
        let found = value(&text);
        assert_eq!(found, Scan::Done(expected, text.len() - 1), "{}", case.note);
    }
}

#[test]
fn a_part_of_a_value_asks_for_more() {
    for case in values().filter(|case| case.text.trim_start().starts_with(['{', '[', '"'])) {
        for at in (0..case.length).filter(|at| case.text.is_char_boundary(*at)) {
            let found = value(&case.text[..at]);
            assert_eq!(found, Scan::More, "{}, {at} bytes", case.note);
            assert_eq!(reach(&case.text[..at]), at, "{}, {at} bytes", case.note);
        }
    }
}

#[test]
fn the_end_is_found_over_pieces_and_is_where_the_reader_ends() {
    for case in values() {
        for size in [1, 3, 7, 1000] {
            let mut state = End::default();
            let mut from = 0;
            let mut found = None;
            while from < case.text.len() && found.is_none() {
                let mut to = (from + size).min(case.text.len());
                while !case.text.is_char_boundary(to) {
                    to += 1;
                }
                found = end(&mut state, &case.text[from..to]).map(|at| from + at);
                from = to;
            }
            assert_eq!(
                found,
                Some(case.length).filter(|_| ends(&case)),
                "{}",
                case.note
            );
            assert_eq!(end(&mut state, "} ] \" x "), None, "{}", case.note);
        }
    }
}

/// Whether the text shows where its value ends.
fn ends(case: &Case) -> bool {
    case.text.len() > case.length || case.text.ends_with(['}', ']', '"'])
}

#[test]
fn a_text_that_ended_is_closed_as_it_says() {
    for case in rows::<Closed>(include_str!("../../../cases/normaliser/closed.jsonl")) {
        for (all, expected) in [(true, &case.all), (false, &case.outermost)] {
            let found = closed(&case.text, all).map(|(json, _)| plain(&json.value));
            let expected = expected.as_deref().map(|raw| plain(&cases::value(raw)));
            assert_eq!(found, expected, "{}, all: {all}", case.note);
        }
    }
}

#[test]
fn nothing_is_closed_that_ends_inside_a_string() {
    for case in values() {
        for at in (0..case.length).filter(|at| case.text.is_char_boundary(*at)) {
            let part = &case.text[..at];
            if let Some((json, length)) = closed(part, true) {
                assert!(
                    json.repaired || length == part.len(),
                    "{}: {part}",
                    case.note
                );
                let marked = format!("{part}</tool_call>");
                assert_eq!(reach(&marked), part.len(), "{}: {part}", case.note);
            }
        }
    }
}

#[test]
fn surplus_brackets_are_told_from_what_follows() {
    for (text, length) in [
        ("}\n</t>", 1),
        (" }]\n}\nx", 5),
        ("\n</t>", 0),
        ("", 0),
        ("x}", 0),
    ] {
        assert_eq!(surplus(text), length, "{text:?}");
    }
    assert!(whole("{\"a\": 1}} ]\n").unwrap().repaired);
    assert!(!whole(" {\"a\": 1} \n").unwrap().repaired);
    assert_eq!(whole("{\"a\": 1} x"), None);
}

#[test]
fn nesting_has_an_end() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(matches!(value(&deep(DEEPEST)), Scan::Done(..)));
        assert_eq!(value(&deep(DEEPEST + 1)), Scan::No);
        assert_eq!(value(&open.repeat(1_000_000)), Scan::No);
        assert!(end(&mut End::default(), &deep(DEEPEST)).is_some());
        assert_eq!(end(&mut End::default(), &deep(DEEPEST + 1)), None);
    }
}
