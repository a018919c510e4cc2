//! What the caller and the ledger must have of a cell.

use serde_json::Value;
use store::CallRow;

use super::faults::{Broken, Empty, Never, Next, Told};
use super::{Cell, GOOD};
use crate::crowd::{attempts, text};
use crate::scene::Answer;

pub(super) fn check(cell: &Cell, got: &Answer, row: &CallRow) {
    let name = &cell.name;
    let tried = attempts(row);
    assert_eq!(got.header("x-request-id"), name);
    assert_eq!(
        got.header("x-gateway-attempts"),
        tried.len().to_string(),
        "{name}: {row:?}"
    );
    let asked: Vec<_> = tried.iter().map(|(endpoint, ..)| *endpoint).collect();
    let both = cell
        .endpoints
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>();
    assert_eq!(row.stream, i64::from(cell.stream), "{name}");
    match cell.fault.meant(cell.stream) {
        Next(status, code) => {
            // Who was away is asked once more when the other has taken its time to fail, as
            // anything may on a busy machine.
            let (first, again) = asked.split_at(asked.len().min(both.len()));
            assert_eq!(first, both, "{name}");
            let mut once = again.iter().all(|one| both.contains(one));
            once &= again.len() <= if cell.all { both.len() } else { 0 };
            assert!(once, "{name}: {tried:?}");
            for (_, found, why) in tried.iter().take(if cell.all { tried.len() } else { 1 }) {
                assert_eq!(*found, status, "{name}: {tried:?}");
                assert!(
                    why.is_some() && (code.is_none() || code == *why),
                    "{name}: {tried:?}"
                );
            }
            if cell.all {
                refused(got, row, status, code, name);
            } else {
                assert_eq!(tried[1], ("good", 200, None), "{name}");
                well(got, row, GOOD, name);
            }
        }
        Never => panic!("{name} is no cell"),
        Told(status) => {
            assert_eq!(asked, both[..1], "{name}");
            refused(got, row, status, None, name);
            assert_eq!(row.outcome.as_deref(), Some("client_error"), "{name}");
        }
        Broken(code, outcome) => {
            assert_eq!(tried, [(both[0], 200, None)], "{name}");
            broken(got, row, code, outcome, name);
        }
        Empty => {
            assert_eq!(asked, both, "{name}");
            assert_eq!(
                tried[0],
                (both[0], 502, Some("upstream_empty_answer")),
                "{name}"
            );
            assert_eq!(tried[1].1, 200, "{name}");
            well(got, row, if cell.all { "" } else { GOOD }, name);
        }
    }
}

fn well(got: &Answer, row: &CallRow, words: &str, name: &str) {
    assert_eq!(got.status, 200, "{name}: {got:?}");
    assert_eq!(text(got), words, "{name}: {got:?}");
    assert_eq!(row.outcome.as_deref(), Some("success"), "{name}: {row:?}");
    assert_eq!(
        (row.status, row.error_code.as_deref()),
        (Some(200), None),
        "{name}"
    );
    if !words.is_empty() {
        assert!(
            row.prompt_tokens > 0 && row.completion_tokens > 0,
            "{name}: {row:?}"
        );
        assert_eq!(row.endpoint_name.as_deref(), Some("good"), "{name}");
    }
}

fn refused(got: &Answer, row: &CallRow, status: u16, code: Option<&str>, name: &str) {
    // Callers of OpenAI's dialect know no 529.
    let told = if status == 529 { 503 } else { status };
    assert_eq!(got.status, told, "{name}: {got:?}");
    assert!(
        got.header("content-type").starts_with("application/json"),
        "{name}: {got:?}"
    );
    let told = got.error();
    assert!(
        !told["message"].as_str().unwrap().is_empty(),
        "{name}: {told}"
    );
    assert!(!got.body.contains("<html"), "{name}: {got:?}");
    if let Some(code) = code {
        assert_eq!(told["code"], code, "{name}: {got:?}");
    }
    assert_ne!(row.outcome.as_deref(), Some("success"), "{name}: {row:?}");
    assert_eq!(row.status, Some(i64::from(status)), "{name}: {row:?}");
    assert_eq!(row.error_code.as_deref(), told["code"].as_str(), "{name}");
    let is_late = code == Some("upstream_timeout");
    assert_eq!(
        row.outcome.as_deref() == Some("timeout"),
        is_late,
        "{name}: {row:?}"
    );
}

fn broken(got: &Answer, row: &CallRow, code: &str, outcome: &str, name: &str) {
    assert_eq!(got.status, 200, "{name}: {got:?}");
    let events = got.events();
    let (last, before) = events.split_last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{name}: {got:?}"));
    assert!(last["error"]["message"].is_string(), "{name}: {got:?}");
    if !code.is_empty() {
        assert_eq!(last["error"]["code"], code, "{name}: {got:?}");
    }
    assert!(
        before.iter().all(|event| !event.contains("\"error\"")),
        "{name}: {got:?}"
    );
    assert!(got.body.contains("word "), "{name}: {got:?}");
    assert!(!got.body.contains("[DONE]"), "{name}: {got:?}");
    assert_eq!(row.outcome.as_deref(), Some(outcome), "{name}: {row:?}");
    assert!(row.completion_tokens > 0, "{name}: {row:?}");
}
