#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{LONGEST_KEPT, Mended, Mender};
use crate::normaliser::cases::rows;

#[derive(Deserialize)]
struct Case {
    note: String,
    text: String,
    out: String,
    mended: String,
    /// What becomes of it when it is cut off there.
    cut: String,
}

fn cases() -> Vec<Case> {
    rows(include_str!("../../../cases/normaliser/mend.jsonl"))
}

fn word(mended: Mended) -> &'static str {
    match mended {
        Mended::Unchanged => "unchanged",
        Mended::Repaired => "repaired",
        Mended::Broken => "broken",
    }
}

fn mend<'t>(pieces: impl Iterator<Item = &'t str>) -> (String, &'static str) {
    let (mut mender, mut out) = (Mender::new(), String::new());
    pieces.for_each(|piece| mender.push(piece, &mut out));
    let mended = mender.finish(&mut out);
    (out, word(mended))
}

/// Every letter on its own.
fn letters(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(|_: char| true)
}

#[test]
fn every_case_comes_out_as_it_says_at_any_split() {
    let cases = cases();
    assert!(cases.len() > 60, "{}", cases.len());
    for case in cases {
        let (note, text) = (&case.note, case.text.as_str());
        let expected = (case.out.clone(), case.mended.as_str());
        assert_eq!(mend([text].into_iter()), expected, "{note}");
        assert_eq!(mend(letters(text)), expected, "{note}, letter by letter");
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (one, other) = text.split_at(at);
            assert_eq!(mend([one, other].into_iter()), expected, "{note} at {at}");
        }
    }
}

#[test]
fn what_is_cut_off_gets_no_brackets() {
    for case in cases() {
        let (mut mender, mut out) = (Mender::new(), String::new());
        letters(&case.text).for_each(|piece| mender.push(piece, &mut out));
        assert_eq!(word(mender.cut(&mut out)), case.cut, "{}", case.note);
        let expected = match case.cut.as_str() {
            "broken" => case.text,
            _ => case.out,
        };
        assert_eq!(out, expected, "{}", case.note);
    }
}

#[test]
fn what_comes_out_is_json_or_what_came_in() {
    for case in cases() {
        let is_json = serde_json::from_str::<IgnoredAny>(&case.out).is_ok();
        assert_eq!(is_json, case.mended != "broken", "{}", case.note);
        if case.mended != "repaired" {
            assert_eq!(case.out, case.text, "{}", case.note);
        }
    }
}

#[test]
fn strict_json_leaves_with_its_bytes() {
    let objects = cases().into_iter().filter(|case| {
        case.mended == "unchanged" && case.text.trim_start().starts_with(['{', '['])
    });
    for case in objects {
        let (mut mender, mut out) = (Mender::new(), String::new());
        let mut came = String::new();
        for piece in letters(&case.text) {
            mender.push(piece, &mut out);
            came.push_str(piece);
            let kept = came.strip_prefix(out.as_str()).unwrap();
            let trimmed = kept.trim_start_matches(',').trim_start();
            let is_open = trimmed.is_empty() || trimmed.starts_with("\\");
            assert!(is_open, "{}: {kept:?} is kept", case.note);
        }
    }
}

#[test]
fn what_is_kept_has_an_end() {
    let long = "x".repeat(LONGEST_KEPT);
    for text in [
        format!("{{'a':'{long}'}}"),
        format!("{{\"a\":\"\n{long}\"}}"),
        format!("\"{long}\""),
        format!("{{\"a\":[1,{}]}}", " ".repeat(LONGEST_KEPT + 1)),
        format!("{{\"a\":{}}}", "1".repeat(LONGEST_KEPT + 1)),
    ] {
        let whole = mend([text.as_str()].into_iter());
        assert_eq!((whole.0.len(), whole.1), (text.len(), "broken"));
        let pieces = text.as_bytes().chunks(60_000);
        let pieces = pieces.map(|piece| std::str::from_utf8(piece).unwrap());
        assert_eq!(mend(pieces), whole);
    }
    let text = format!("{{\"a\":\"{long}{long}\",\"b\":True}}");
    let (out, mended) = mend([text.as_str()].into_iter());
    assert_eq!((out.len(), mended), (text.len(), "repaired"));
}
