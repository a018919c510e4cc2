//! What holds for the readers and for the engine whatever the text: the laws that the tests check on
//! texts made up of likely pieces, and the fuzz target on any.
//!
//! Only with the feature `laws`, which nothing but the fuzz crate switches on.

mod machine;

use serde::de::IgnoredAny;

use super::json::{self, End};
use super::mend::{Mended, Mender};
use super::python;
use super::scan::Scan;
use super::schema::Schema;
use super::value::Value;

/// Checks every law on one text; where one is broken it panics.
pub fn check(text: &str) {
    check_readers(text);
    machine::check(text);
}

/// Checks the laws of the readers alone.
fn check_readers(text: &str) {
    check_json(text);
    check_closed(text);
    check_python(text);
    check_mend(text);
    if let Some((schema, arguments)) = text.split_once('\n') {
        check_schema(schema, arguments);
    }
}

fn check_json(text: &str) {
    let reach = json::reach(text);
    assert!(text.is_char_boundary(reach), "it stops between characters");
    let (json, length) = match json::value(text) {
        Scan::Done(json, length) => (json, length),
        Scan::More => return assert_eq!(reach, text.len(), "it stops before it ends"),
        Scan::No => return,
    };
    assert_eq!(reach, length, "it ends where it stops");
    let strict = serde_json::from_str::<IgnoredAny>(&text[..length]).is_ok();
    assert!(
        strict || json.repaired,
        "what is damaged is called repaired"
    );
    let mut written = String::new();
    json.value.write(&mut written);
    written.push(' ');
    let Scan::Done(again, _) = json::value(&written) else {
        return assert_eq!(written, "", "what is written reads");
    };
    assert_eq!((again.value, again.repaired), (json.value, false));
    if text.trim_start().starts_with(['{', '[', '"', '\'']) {
        for part in parts(text, length) {
            assert_eq!(json::value(part), Scan::More, "a part asks for more");
        }
        assert_eq!(ends_at(text), Some(length), "both find the same end");
    }
}

/// Where the value ends, by the scanner and in small pieces.
fn ends_at(text: &str) -> Option<usize> {
    let mut state = End::default();
    let mut letters = text.char_indices();
    letters.find_map(|(at, letter)| {
        let piece = &text[at..at + letter.len_utf8()];
        json::end(&mut state, piece).map(|taken| at + taken)
    })
}

fn check_closed(text: &str) {
    let all = json::closed(text, true);
    let outermost = json::closed(text, false);
    if let Scan::Done(json, length) = json::value(text) {
        assert_eq!(
            all,
            Some((json, length)),
            "what is complete needs no closing"
        );
    }
    if outermost.is_some() {
        assert_eq!(all, outermost, "one bracket is some of all brackets");
    }
    if let Some((_, length)) = all
        && json::value(text) == Scan::More
    {
        assert_eq!(length, text.len(), "what is closed is the whole text");
        let marked = format!("{text}<");
        let reach = json::reach(&marked);
        assert_eq!(reach, text.len(), "nothing is closed inside a string");
    }
}

fn check_python(text: &str) {
    if let Scan::Done(_, length) = python::call(text) {
        for part in parts(text, length) {
            assert_eq!(python::call(part), Scan::More, "a part asks for more");
        }
    }
    if let Scan::Done(value, _) = python::literal(text) {
        let mut written = String::new();
        value.write(&mut written);
        let read = json::whole(&written).map(|json| (json.value, json.repaired));
        assert_eq!(read, Some((value, false)), "a literal is JSON when written");
    }
    if let Scan::Done(calls, length) = python::list(text) {
        let closed = python::closed_list(&text[..length]);
        assert_eq!(closed, Some(calls), "a list that is complete is closed");
        for part in parts(text, length) {
            assert_eq!(python::list(part), Scan::More, "a part asks for more");
        }
    }
}

fn check_mend(text: &str) {
    let (out, mended) = mend([text].into_iter());
    let letters = text.split_inclusive(|_: char| true);
    let split = mend(letters);
    assert_eq!(split, (out.clone(), mended), "a split changes nothing");
    if mended != Mended::Repaired {
        assert_eq!(out, text, "what is not repaired leaves as it came");
    }
    if mended != Mended::Broken {
        let strict = serde_json::from_str::<IgnoredAny>(&out);
        assert!(strict.is_ok(), "what is not broken is JSON: {out:?}");
    }
    let is_container = text.trim_ascii_start().starts_with(['{', '[']);
    if is_container && serde_json::from_str::<serde_json::Value>(text).is_ok() {
        assert_eq!(mended, Mended::Unchanged, "JSON is not repaired");
    }
    let reads = |value: &Value| matches!(value, Value::Object(_) | Value::List(_));
    let whole = json::whole(text).filter(|json| reads(&json.value));
    match mended {
        Mended::Repaired if is_container => {
            let again = json::whole(&out).map(|json| (json.value, json.repaired));
            let expected = whole.map(|json| (json.value, false));
            assert_eq!(again, expected, "both readings are one");
        }
        Mended::Repaired => {
            let again = mend([out.as_str()].into_iter());
            assert_eq!(again.0, out, "what is mended needs nothing");
        }
        Mended::Unchanged => {}
        Mended::Broken => {
            if let Scan::Done(json, length) = json::value(text)
                && reads(&json.value)
                && text[length..].trim_ascii().is_empty()
            {
                let depth = text.matches(['{', '[']).count();
                assert!(depth > 127, "what is complete can be mended");
            }
        }
    }
}

fn mend<'t>(pieces: impl Iterator<Item = &'t str>) -> (String, Mended) {
    let (mut mender, mut out) = (Mender::new(), String::new());
    pieces.for_each(|piece| mender.push(piece, &mut out));
    let mended = mender.finish(&mut out);
    (out, mended)
}

fn check_schema(schema: &str, arguments: &str) {
    let schema = Schema::new(Some(schema));
    schema.typed("a", arguments);
    let Some(json) = json::whole(arguments) else {
        return;
    };
    if schema.validates(&json.value) {
        let problems = schema.fit(json.value.clone()).problems;
        assert_eq!(problems, Vec::new(), "what is valid has no problems");
    }
    let fit = schema.fit(json.value);
    if fit.problems.is_empty() {
        let valid = schema.validates(&fit.arguments);
        assert!(valid, "what has no problems is valid: {:?}", fit.arguments);
    }
}

/// Some of the proper beginnings of the first `length` bytes: all of a short text.
fn parts(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let step = length / 64 + 1;
    let cuts = (0..length).step_by(step);
    cuts.filter_map(|at| text.get(..at))
}

#[cfg(test)]
mod tests;
