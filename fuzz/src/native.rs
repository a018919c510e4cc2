//! The laws of tool calls that are mended: of answers within OpenAI's dialect, of their
//! events, and of conversations on their way in.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wire::dialect::openai::{
    End, EventReader, NativeCalls, Reply, Request, StreamEditor, collect, read_reply_events,
};
use wire::hub::{Answer, Event};
use wire::normaliser::{Alias, Native, Tools};
use wire::provider::Call;

use crate::draw::each_split;
use crate::json::is_json;

const MODEL: Bytes = Bytes::from_static(b"\"virtual\"");

const SCHEMA: &str =
    r#"{"type":"object","properties":{"a":{"type":"integer"},"path":{"type":"string"}}}"#;

fn tools() -> Arc<Tools> {
    let offered = [
        ("f", Some(SCHEMA)),
        ("read_file", Some(SCHEMA)),
        ("list", None),
    ];
    Arc::new(Tools::new(offered.into_iter()))
}

fn aliases() -> Arc<[Alias]> {
    Arc::new([Alias {
        tool: "f".to_owned(),
        parameter: "path".to_owned(),
        keys: vec!["file".to_owned()],
        fill: None,
    }])
}

fn calls() -> NativeCalls {
    NativeCalls::new(tools(), aliases(), "fallback".to_owned())
}

/// What an editor makes of a stream, its end, and the calls that it counts.
fn edit(pieces: &[&[u8]]) -> (BytesMut, End, [u32; 2]) {
    let mut editor = StreamEditor::new(MODEL, true).with_native(calls());
    let mut out = BytesMut::new();
    for piece in pieces {
        editor.push(piece, &mut out);
    }
    let end = editor.finish(true, &mut out);
    let counts = editor
        .native()
        .map_or([0, 0], |native| [native.repaired(), native.broken()]);
    (out, end, counts)
}

/// What a stream says, its calls mended as events.
fn told(pieces: &[&[u8]]) -> (Answer, [u32; 2]) {
    let mut reader = EventReader::default();
    let mut native = Native::new(tools(), aliases());
    let mut answer = Answer::default();
    let each = &mut |event: Event<'_>| native.event(event, &mut |event| answer.add(&event));
    for piece in pieces {
        reader.push(piece, each);
    }
    reader.finish(true, each);
    (answer, [native.repaired(), native.broken()])
}

/// Arguments of calls that are no JSON.
fn broken(answer: &Answer) -> usize {
    let calls = answer.choices.iter().flat_map(|choice| &choice.calls);
    calls
        .filter(|call| !is_json(call.arguments.as_bytes()))
        .count()
}

/// An answer whose calls are mended, streamed and whole.
pub fn check(data: &[u8]) {
    let whole = edit(&[data]);
    let events = told(&[data]);
    each_split(data, &mut |pieces| {
        assert_eq!(edit(pieces), whole, "{pieces:?}");
        assert_eq!(told(pieces), events, "{pieces:?}");
    });
    let mut plain = StreamEditor::new(MODEL, true);
    let mut out = BytesMut::new();
    plain.push(data, &mut out);
    assert_eq!(plain.finish(true, &mut out), whole.1, "the end is the same");
    let (answer, [_, count]) = events;
    assert!(broken(&answer) <= count as usize, "{answer:?}");
    if let Ok(reply) = collect(data) {
        check_reply(&reply);
    }
    check_reply(data);
}

fn check_reply(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    let mut native = calls();
    let plain = Reply::read(&body, &MODEL);
    let mended = Reply::mended(&body, &MODEL, Some(&mut native));
    assert_eq!(plain.is_ok(), mended.is_ok());
    let Ok(mended) = mended else { return };
    let out = mended.body.to_bytes();
    if std::str::from_utf8(&body).is_err() {
        return;
    }
    assert!(is_json(&out), "{}", String::from_utf8_lossy(&out));
    let mut again = calls();
    let twice = Reply::mended(&out, &MODEL, Some(&mut again)).expect("what is mended reads");
    assert_eq!(twice.body.to_bytes(), out, "once is enough");
    assert_eq!(again.repaired(), 0, "{}", String::from_utf8_lossy(&out));
    let mut answer = Answer::default();
    read_reply_events(&out, &mut |event| answer.add(&event));
}

/// A conversation on its way in.
pub fn check_history(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let Ok(request) = Request::read(Call::Chat, &body) else {
        return;
    };
    if std::str::from_utf8(data).is_err() {
        return;
    }
    let Some((mended, again, notes)) = request.mended(&body) else {
        assert!(request.refusal().is_none(), "it is mended or refused");
        return;
    };
    let told = || {
        let data = String::from_utf8_lossy(data);
        format!("{} of {data}", String::from_utf8_lossy(&mended))
    };
    assert!(is_json(&mended), "{}", told());
    assert!(!notes.is_empty(), "{}", told());
    assert!(again.refusal().is_none(), "{}", told());
    assert!(again.mended(&mended).is_none(), "{}", told());
    assert_eq!(again.model, request.model);
    assert_eq!(again.stream, request.stream);
}
