//! The laws of Anthropic's callers: requests are read and edited, streams passed on.

use bytes::{Bytes, BytesMut};
use wire::dialect::anthropic::{
    SameTarget, StreamEditor, edit_request, estimate_request, read_chat,
};
use wire::dialect::openai::{Defaults, End};
use wire::hub::{StreamFault, Thinking};

use crate::draw::Draw;
use crate::json::{Members, must_be_object};
use crate::requests::check_written;

/// A body of a caller.
pub fn check(data: &[u8]) {
    let read = match read_chat(data) {
        Ok(read) => read,
        Err(bad) => {
            assert!(!bad.message.is_empty());
            return;
        }
    };
    assert!(!read.chat.messages.is_empty());
    let _ = estimate_request(&read.chat);
    check_written(&read.chat, data);
    check_edited(data);
}

/// Edited, every member but the named ones is as it was.
fn check_edited(data: &[u8]) {
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
    let recalls = draw.once_in(2);
    let recall = |_: &str| {
        let thinking = Thinking::Plain {
            text: "so".to_owned(),
            signature: Some("proof".to_owned()),
        };
        recalls.then(|| vec![thinking])
    };
    let target = SameTarget {
        model: "up/stream",
        model_json: &Bytes::from_static(b"\"up/stream\""),
        stream: draw.one_of(&[None, Some(true), Some(false)]),
        defaults: &defaults,
        default_max_tokens: draw.one_of(&[None, Some(9)]),
        auto_cache: draw.once_in(2),
        recall: &recall,
        is_foreign: &|proof| proof.len() % 2 == 1,
        samples: draw.once_in(2),
        most: draw.one_of(&[None, Some(7)]),
    };
    let body = Bytes::copy_from_slice(data);
    let (edited, notes) = edit_request(&body, &target);
    let edited = edited.to_bytes();
    must_be_object("an edited request", &edited);
    let before = Members::read(data).expect("a request is an object");
    let after = Members::read(&edited).expect("an object");
    let mut named = vec!["model"];
    named.extend(notes.iter().map(|note| {
        let field = note.field.as_str();
        field.split(['[', '.']).next().unwrap_or(field)
    }));
    assert_eq!(after.without(&named), before.without(&named));
    assert_eq!(after.get("model"), Some("\"up/stream\""));
}

/// A stream of an upstream.
pub fn check_stream(data: &[u8]) {
    let whole = passed(std::iter::once(data));
    let mut draw = Draw::of(data);
    let at = draw.below(data.len() + 1);
    let (first, rest) = data.split_at(at);
    assert_eq!(passed([first, rest].into_iter()), whole, "cut at {at}");
    assert_eq!(passed(data.chunks(1)), whole, "byte by byte");
}

fn passed<'d>(pieces: impl Iterator<Item = &'d [u8]>) -> (Vec<u8>, End, u64) {
    let mut editor = StreamEditor::new(Bytes::from_static(b"\"virtual\""));
    let mut out = BytesMut::new();
    for piece in pieces {
        editor.push(piece, &mut out);
    }
    let mut end = editor.finish(true, &mut out);
    let length = out.len();
    assert_eq!(editor.finish(true, &mut out), end, "one end");
    assert_eq!(out.len(), length, "nothing behind the end");
    if let End::Fault(StreamFault::BadEvent(why)) = &mut end {
        // The place that it tells is the parser's.
        why.clear();
    }
    (out.to_vec(), end, editor.answer_bytes())
}
