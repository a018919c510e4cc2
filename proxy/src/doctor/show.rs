//! The report, for people and for programs.

use std::io::{self, IsTerminal as _};

use store::config::process::say;

use super::verdict::{Report, Severity};
use crate::command::told::{clean, pretty, wrapped};

/// How wide a line is, in characters.
const WIDTH: usize = 96;

/// Prints it as JSON.
pub(super) fn json(report: &Report) {
    let mut document = serde_json::json!({
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "notes": report.count(Severity::Note),
    });
    if let (Some(fields), Ok(sections)) = (
        document.as_object_mut(),
        serde_json::to_value(&report.sections),
    ) {
        fields.insert("sections".to_owned(), sections);
    }
    say(&pretty(&document));
}

/// Prints it for a person: in colour on a terminal.
pub(super) fn text(report: &Report) {
    let colours = io::stdout().is_terminal();
    for section in &report.sections {
        say(&paint(colours, "1", section.title));
        for verdict in &section.verdicts {
            let (word, colour) = word(verdict.severity);
            let lines = wrapped(&clean(&verdict.what), WIDTH, "           ");
            for (number, line) in lines.iter().enumerate() {
                if number == 0 {
                    let rest = line.trim_start();
                    say(&format!("  {}  {rest}", paint(colours, colour, word)));
                } else {
                    say(line);
                }
            }
            if !verdict.todo.is_empty() {
                for line in wrapped(&clean(&verdict.todo), WIDTH, "           > ") {
                    say(&line);
                }
            }
        }
        say("");
    }
    say(&summary(report));
}

fn word(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Ok => ("ok     ", "32"),
        Severity::Note => ("note   ", "36"),
        Severity::Warning => ("warning", "33"),
        Severity::Error => ("ERROR  ", "1;31"),
    }
}

fn paint(colours: bool, code: &str, text: &str) -> String {
    if colours {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

fn summary(report: &Report) -> String {
    let count = |severity, one: &str, many: &str| match report.count(severity) {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {many}")),
    };
    let parts: Vec<String> = [
        count(Severity::Error, "error", "errors"),
        count(Severity::Warning, "warning", "warnings"),
        count(Severity::Note, "note", "notes"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        "All is well.".to_owned()
    } else {
        format!("{}.", parts.join(", "))
    }
}
