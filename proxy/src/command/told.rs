//! What an import tells, for people.

use serde_json::Value;
use store::config::process::say;
use store::transfer::{Fate, Findings, Told};

/// How wide a line is, in characters.
const WIDTH: usize = 96;

/// Prints every finding, by what became of it.
pub(super) fn findings(findings: &Findings) {
    for (fate, title) in [
        (Fate::Taken, "Came over"),
        (Fate::Changed, "Changed on the way"),
        (Fate::LeftOut, "Left out"),
    ] {
        let all: Vec<&Told> = findings.of(fate).collect();
        if all.is_empty() {
            continue;
        }
        say(&format!("{title} ({})", all.len()));
        for told in all {
            one(told);
        }
        say("");
    }
}

fn one(told: &Told) {
    let Told {
        fate,
        what,
        why,
        todo,
    } = told;
    let line = format!("{}: {}", clean(what), clean(why));
    for text in wrapped(
        &line,
        WIDTH,
        if *fate == Fate::Taken { "  " } else { "  - " },
    ) {
        say(&text);
    }
    if !todo.is_empty() {
        for text in wrapped(&clean(todo), WIDTH, "    > ") {
            say(&text);
        }
    }
}

/// Prints something that did not come over.
pub(super) fn left_out(line: &str) {
    for text in wrapped(&clean(line), WIDTH, "  - ") {
        say(&text);
    }
}

/// A document for people and programs.
pub(crate) fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|_| document.to_string())
}

/// Without characters that would move a terminal's cursor: the text may be a stranger's.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The lines of a text, the first behind `lead`, the others below it.
pub(crate) fn wrapped(text: &str, width: usize, lead: &str) -> Vec<String> {
    let indent = " ".repeat(lead.chars().count());
    let mut lines = Vec::new();
    let mut line = lead.to_owned();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let longer = line.chars().count() + 1 + word.chars().count();
        if !is_empty && longer > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    if !is_empty {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{clean, wrapped};

    #[test]
    fn lines_are_broken_between_words_and_stand_below_each_other() {
        assert_eq!(
            wrapped("one two three four", 12, "- "),
            ["- one two", "  three four"]
        );
        assert_eq!(
            wrapped("averyverylongword b", 6, "> "),
            ["> averyverylongword", "  b"]
        );
        assert_eq!(wrapped("", 10, "- "), Vec::<String>::new());
    }

    #[test]
    fn a_strangers_text_moves_no_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
