//! The laws of Responses: requests are read, edited and expanded, streams passed on.

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use wire::dialect::openai::{Defaults, End};
use wire::dialect::responses::{Earlier, Echo, Request, Target, Watcher, expand, read_response};
use wire::hub::ToolNames;
use wire::normaliser::{HOLD, Manner, Patterns, Rules, Shown, Thoughts, Tools};

use crate::draw::Draw;
use crate::json::{Members, must_be_object};
use crate::requests::check_written;

/// A body of a caller.
pub fn check_request(data: &[u8]) {
    let echo = Echo::of(data);
    drop(echo);
    match read_response(data) {
        Ok(request) => {
            assert!(!request.chat.messages.is_empty());
            check_written(&request.chat, data);
            for tool in &request.chat.tools {
                let (namespace, name) = request.namespaces.split(&tool.name);
                assert!(namespace.is_some() || name == tool.name);
            }
            for custom in &request.chat.custom_tools {
                assert!(request.chat.tools.iter().any(|tool| tool.name == *custom));
            }
        }
        Err(bad) => assert!(!bad.message.is_empty()),
    }
    check_edited(data);
    check_expanded(data);
}

/// Edited, every member but the named ones is as it was.
fn check_edited(data: &[u8]) {
    let Ok(request) = Request::read(data) else {
        return;
    };
    if std::str::from_utf8(data).is_err() {
        return;
    }
    let mut draw = Draw::of(data);
    let defaults = Defaults {
        max_tokens: draw.once_in(2).then(|| Bytes::from_static(b"77")),
        temperature: draw.once_in(2).then(|| Bytes::from_static(b"0.5")),
        top_p: draw.once_in(2).then(|| Bytes::from_static(b"0.25")),
        system_prompt: draw.once_in(3).then(|| "Be \"brief\".\n".to_owned()),
    };
    let target = Target {
        model: &Bytes::from_static(b"\"up/stream\""),
        stream: draw.one_of(&[None, Some(true), Some(false)]),
        defaults: &defaults,
        is_foreign: &|proof| proof.len() % 2 == 1,
    };
    let body = Bytes::copy_from_slice(data);
    let (edited, notes) = request.edited(&body, &target);
    let edited = edited.to_bytes();
    must_be_object("an edited request", &edited);
    let before = Members::read(data).expect("a request is an object");
    let after = Members::read(&edited).expect("an object");
    let mut named = vec![
        "model",
        "stream",
        "max_output_tokens",
        "temperature",
        "top_p",
        "instructions",
    ];
    if !notes.is_empty() {
        named.push("input");
    }
    assert_eq!(after.without(&named), before.without(&named));
    assert_eq!(after.get("model"), Some("\"up/stream\""));
}

/// Expanded, it is an object still, and what it refers to is in it.
fn check_expanded(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let first = Bytes::from_static(br#"{"input":"first"}"#);
    let first = expand(&first, &Earlier::NONE).expect("nothing is referred to");
    let answer =
        Bytes::from_static(br#"{"id":"resp_1","output":[{"id":"msg_1","type":"message"}]}"#);
    let turn = Arc::new(first.answered(answer).expect("a response"));
    let item = Bytes::from_static(br#"{"id":"msg_1","type":"message"}"#);
    let earlier = Earlier {
        turn: &|_| Some(Arc::clone(&turn)),
        item: &|_| Some(item.clone()),
    };
    match expand(&body, &earlier) {
        Ok(expanded) if expanded.body != body => {
            must_be_object("an expanded request", &expanded.body);
        }
        Ok(_) => {}
        Err(bad) => assert!(!bad.message.is_empty()),
    }
}

/// A stream goes out as it came, at every split, up to an event that is none. What the
/// normaliser makes of it is the same at every split.
pub fn check_watcher(data: &[u8]) {
    let mut draw = Draw::of(data);
    let made = normalised(&[data]);
    let (one, other) = data.split_at(draw.below(data.len() + 1));
    assert_eq!(normalised(&[one, other]), made);
    let mut draw = Draw::of(data);
    let (expected, end) = watched(&[data]);
    let cut = draw.below(data.len() + 1);
    let (one, other) = data.split_at(cut);
    let (told, other_end) = watched(&[one, other]);
    assert_eq!(told, expected, "cut at {cut}");
    assert_eq!(other_end, end, "cut at {cut}");
    let passed = expected.strip_suffix(b"\n\n").unwrap_or(&expected);
    assert!(data.starts_with(passed) || data.starts_with(&expected));
}

fn watched(pieces: &[&[u8]]) -> (Vec<u8>, End) {
    watched_by(Watcher::default(), pieces)
}

fn normalised(pieces: &[&[u8]]) -> (Vec<u8>, End) {
    static MANNER: LazyLock<Manner> = LazyLock::new(|| {
        let tools = [("get_weather", None)];
        let tools = Arc::new(Tools::new(tools.into_iter()));
        Manner {
            rules: Rules {
                patterns: Arc::new(Patterns::builtin()),
                tools: Arc::clone(&tools),
                aliases: Arc::new([]),
                thoughts: Thoughts::Tagged,
                hold: HOLD,
            },
            id: "made".to_owned(),
            native: Some(tools),
            shown: Shown::Apart,
            choices: 1,
            comment: true,
        }
    });
    let watcher = Watcher::default();
    let watcher = watcher.normalising(&MANNER, &ToolNames::default(), &Arc::default());
    watched_by(watcher, pieces)
}

fn watched_by(mut watcher: Watcher, pieces: &[&[u8]]) -> (Vec<u8>, End) {
    let mut out = BytesMut::new();
    for piece in pieces {
        watcher.push(piece, &mut out);
    }
    let end = watcher.finish(true, &mut out);
    (out.to_vec(), end)
}
