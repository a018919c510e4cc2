use super::check_readers as check;
use crate::normaliser::cases::rows;

/// Pieces that texts near to calls, values and schemas are made of.
const PIECES: [&str; 64] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ",",
    ":",
    "=",
    "\"",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\",
    "\\\"",
    "\\'",
    "\\u00e9",
    "\\ud83d",
    "\\ude00",
    "\\x4",
    "\\1",
    "\\\n",
    "\n",
    " ",
    "a",
    "\"a\"",
    "\"a\":",
    "'a':",
    "{\"a\":",
    "a=",
    "f(",
    "print(",
    "f.call(",
    "functions.f(",
    "r\"",
    "f'",
    "**",
    "#",
    "é",
    "😀",
    "1",
    "-",
    "2.5",
    "0x1F",
    "1e3",
    ".5",
    "1_0",
    "true",
    "None",
    "null",
    "Tru",
    "\"type\":",
    "\"integer\"",
    "\"properties\":",
    "\"required\":",
    "\"anyOf\":",
    "\"items\":",
    "\"arguments\":",
];

#[test]
fn the_laws_hold_for_texts_of_likely_pieces() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from((state >> 16) % below).unwrap_or_default()
    };
    for _ in 0..20_000 {
        let text: String = (0..draw(16)).map(|_| PIECES[draw(64)]).collect();
        check(&text);
    }
}

#[test]
fn the_laws_hold_for_every_case_with_one_piece_changed() {
    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
    }
    for table in [
        include_str!("../../../cases/normaliser/json.jsonl"),
        include_str!("../../../cases/normaliser/closed.jsonl"),
        include_str!("../../../cases/normaliser/mend.jsonl"),
        include_str!("../../../cases/normaliser/python.jsonl"),
        include_str!("../../../cases/normaliser/python_lists.jsonl"),
    ] {
        for case in rows::<Case>(table) {
            check(&case.text);
            for at in (0..case.text.len()).filter(|at| case.text.is_char_boundary(*at)) {
                let (before, after) = case.text.split_at(at);
                let piece = PIECES[at % PIECES.len()];
                check(&format!("{before}{piece}{after}"));
                check(&format!("{before}{}", after.get(1..).unwrap_or_default()));
            }
        }
    }
}

#[test]
fn the_laws_hold_for_every_schema_and_its_arguments() {
    #[derive(serde::Deserialize)]
    struct Case {
        schema: Option<Box<serde_json::value::RawValue>>,
        arguments: Box<serde_json::value::RawValue>,
    }
    let cases: Vec<Case> = rows(include_str!("../../../cases/normaliser/fit.jsonl"));
    for schema in &cases {
        let schema = schema.schema.as_deref().map_or("", |raw| raw.get());
        for arguments in &cases {
            check(&format!("{schema}\n{}", arguments.arguments.get()));
        }
    }
}
