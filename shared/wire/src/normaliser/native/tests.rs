use std::sync::Arc;

use super::Native;
use crate::hub::{Answer, AnsweredCall, Event, Finish, StreamFault};
use crate::normaliser::cases::rows;
use crate::normaliser::{Alias, Tools};

const SCHEMA: &str = r#"{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer"}},"required":["path"]}"#;

fn tools() -> Arc<Tools> {
    let offered = [("read_file", Some(SCHEMA)), ("list", None)];
    Arc::new(Tools::new(offered.into_iter()))
}

fn aliases() -> Arc<[Alias]> {
    Arc::new([Alias {
        tool: "readFile".to_owned(),
        parameter: "path".to_owned(),
        keys: vec!["file".to_owned()],
        fill: None,
    }])
}

fn start(call: u32, id: &'static str, name: &'static str) -> Event<'static> {
    Event::Call {
        choice: 0,
        call,
        id: id.into(),
        name: name.into(),
    }
}

fn piece(call: u32, text: &str) -> Event<'_> {
    Event::Arguments {
        choice: 0,
        call,
        text: text.into(),
    }
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason }
}

/// What the events amount to, with the numbers of repaired and broken calls.
fn told(mut native: Native, events: Vec<Event<'_>>) -> (Vec<AnsweredCall>, u32, u32) {
    let mut answer = Answer::default();
    for event in events {
        native.event(event, &mut |event| answer.add(&event));
    }
    let calls = answer.choices.pop().unwrap_or_default().calls;
    (calls, native.repaired(), native.broken())
}

#[derive(serde::Deserialize)]
struct Case {
    note: String,
    name: String,
    arguments: String,
    finish: String,
    called: String,
    out: String,
    /// Of a whole reply, where they are others.
    whole: Option<String>,
    repaired: u32,
    broken: u32,
}

#[test]
fn every_case_streams_as_it_says_at_any_split() {
    for case in rows::<Case>(include_str!("../../../cases/normaliser/native.jsonl")) {
        let reason = match case.finish.as_str() {
            "length" => Finish::Length,
            _ => Finish::ToolCalls,
        };
        let text = case.arguments.as_str();
        let run = |native: Native, pieces: &[&str]| {
            let mut events = vec![Event::Call {
                choice: 0,
                call: 0,
                id: "c".into(),
                name: case.name.as_str().into(),
            }];
            let pieces = pieces.iter().filter(|text| !text.is_empty());
            events.extend(pieces.map(|text| piece(0, text)));
            events.extend([finish(reason), Event::End]);
            told(native, events)
        };
        let expected = |out: &str| AnsweredCall {
            id: "c".to_owned(),
            name: case.called.clone(),
            arguments: out.to_owned(),
        };
        let note = &case.note;
        let out = expected(&case.out);
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (one, other) = text.split_at(at);
            let got = run(Native::new(tools(), aliases()), &[one, other]);
            assert_eq!(
                got,
                (vec![out.clone()], case.repaired, case.broken),
                "{note} at {at}"
            );
        }
        let letters: Vec<&str> = text.split_inclusive(|_: char| true).collect();
        let got = run(Native::new(tools(), aliases()), &letters);
        assert_eq!(got, (vec![out], case.repaired, case.broken), "{note}");
        let (calls, repaired, broken) = run(Native::whole(tools(), aliases()), &[text]);
        let whole = case.whole.as_ref();
        assert_eq!(calls, [expected(whole.unwrap_or(&case.out))], "{note}");
        let count = if whole.is_some() { 1 } else { case.repaired };
        assert_eq!((repaired, broken), (count, case.broken), "{note}");
    }
}

#[test]
fn strict_arguments_pass_piece_by_piece() {
    let mut native = Native::new(tools(), aliases());
    let mut texts = Vec::new();
    let events = [
        start(0, "a", "read_file"),
        piece(0, r#"{"path""#),
        piece(0, r#": "a"#),
        piece(0, r#"b.md"}"#),
        finish(Finish::ToolCalls),
        Event::End,
    ];
    for event in events {
        native.event(event, &mut |event| {
            if let Event::Arguments { text, .. } = event {
                texts.push(text.into_owned());
            }
        });
    }
    assert_eq!(texts, [r#"{"path""#, r#": "a"#, r#"b.md"}"#]);
    assert_eq!((native.repaired(), native.broken()), (0, 0));
}

#[test]
fn numbers_are_stable_and_ids_are_unique() {
    let events = vec![
        start(1, "a", "list"),
        start(1, "a", "read_file"),
        piece(1, r#"{"path":"x"}"#),
        start(7, "", "list"),
        piece(7, "{}"),
        finish(Finish::Stop),
        Event::End,
    ];
    let (calls, repaired, broken) = told(Native::new(tools(), aliases()), events);
    let calls: Vec<_> = calls
        .iter()
        .map(|call| {
            [
                call.id.as_str(),
                call.name.as_str(),
                call.arguments.as_str(),
            ]
        })
        .collect();
    let expected = [
        ["a", "list", "{}"],
        ["", "read_file", r#"{"path":"x"}"#],
        ["", "list", "{}"],
    ];
    assert_eq!(calls, expected);
    // The first had no arguments at all.
    assert_eq!((repaired, broken), (1, 0));
}

#[test]
fn calls_that_alternate_stay_apart() {
    let events = vec![
        start(0, "a", "list"),
        start(1, "b", "list"),
        piece(0, r#"{"a":"#),
        piece(1, r#"{'b':"#),
        piece(0, "1,}"),
        piece(1, "True"),
        Event::End,
    ];
    let (calls, repaired, broken) = told(Native::new(tools(), aliases()), events);
    let arguments: Vec<_> = calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, [r#"{"a":1}"#, r#"{"b":true}"#]);
    assert_eq!((repaired, broken), (2, 0));
}

#[test]
fn a_broken_answer_keeps_what_came() {
    let events = vec![
        start(0, "a", "list"),
        piece(0, r#"{"a":True"#),
        Event::Fault(StreamFault::Truncated),
    ];
    let (calls, repaired, broken) = told(Native::new(tools(), aliases()), events);
    assert_eq!(calls[0].arguments, r#"{"a":True"#);
    assert_eq!((repaired, broken), (0, 1));
}

#[test]
fn without_tools_names_stay() {
    let events = vec![start(0, "a", "functions.x"), piece(0, "null"), Event::End];
    let native = Native::new(Arc::default(), Arc::new([]));
    let (calls, repaired, broken) = told(native, events);
    assert_eq!(calls[0].name, "functions.x");
    assert_eq!(calls[0].arguments, "{}");
    assert_eq!((repaired, broken), (1, 0));
}

/// The cases of the mender, each as the only call of an answer.
#[test]
fn what_leaves_is_what_the_mender_says() {
    #[derive(serde::Deserialize)]
    struct Mend {
        text: String,
        out: String,
    }
    for case in rows::<Mend>(include_str!("../../../cases/normaliser/mend.jsonl")) {
        let mut events = vec![start(0, "a", "unknown")];
        if !case.text.is_empty() {
            events.push(piece(0, &case.text));
        }
        events.push(Event::End);
        let (calls, ..) = told(Native::new(tools(), aliases()), events);
        assert_eq!(calls[0].arguments, case.out);
    }
}
