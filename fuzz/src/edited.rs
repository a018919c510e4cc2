//! The laws of bytes that stay within OpenAI's dialect: what is edited changes where it
//! must and nowhere else, and a stream and a whole reply become each other.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use wire::dialect::openai::{
    EventReader, Reply, StreamEditor, UpstreamError, collect, read_reply_events, replay,
};
use wire::hub::Answer;
use wire::sse::{Frame, Reader};
use wire::usage::Usage;

use crate::draw::each_split;
use crate::json::{Members, is_json, must_be_object};
use crate::stream::check_whole;
use crate::told::Told;
use wire::dialect::openai::End;

const MODEL: Bytes = Bytes::from_static(b"\"virtual\"");

/// What an editor makes of a stream, and what it saw.
#[derive(Debug, PartialEq)]
struct Edited {
    out: BytesMut,
    end: End,
    usage: Option<Usage>,
    answer_bytes: u64,
    says_why: bool,
}

fn edit(pieces: &[&[u8]], hide_usage: bool, cleanly: bool) -> Edited {
    let mut editor = StreamEditor::new(MODEL, hide_usage);
    let mut out = BytesMut::new();
    for piece in pieces {
        editor.push(piece, &mut out);
    }
    let end = editor.finish(cleanly, &mut out);
    let edited = Edited {
        out: out.clone(),
        end,
        usage: editor.usage(),
        answer_bytes: editor.answer_bytes(),
        says_why: editor.says_why(),
    };
    for piece in pieces {
        editor.push(piece, &mut out);
    }
    assert_eq!(editor.end(), Some(&edited.end));
    assert_eq!(out, edited.out, "something after the end");
    edited
}

/// A stream that is edited.
pub fn check_stream(data: &[u8]) {
    for (hide, cleanly) in [(false, true), (false, false), (true, true)] {
        let whole = edit(&[data], hide, cleanly);
        assert!(whole.out.len() <= 4 * data.len() + 64);
        each_split(data, &mut |pieces| {
            assert_eq!(edit(pieces, hide, cleanly), whole, "{pieces:?}");
        });
        let is_complete = whole.end == End::Complete;
        let is_done = ends_done(&whole.out);
        assert_eq!(is_done, is_complete, "{:?}", whole.end);
        if std::str::from_utf8(data).is_ok() {
            // Members that are not read are not looked into.
            check_members(data, &whole.out, hide);
        }
        if is_complete {
            let again = edit(&[&whole.out], false, true);
            assert_eq!(again.out, whole.out, "edited again");
            if !hide {
                assert_eq!(again, whole, "edited again");
            }
        }
    }
}

/// Whether the mark of the end is the last thing in `stream`, as an event of its own and
/// not as part of a comment.
fn ends_done(stream: &[u8]) -> bool {
    let mut done = false;
    let mut note = |frame: Frame<'_>| {
        done = matches!(frame, Frame::Event { data, .. } if data.trim_ascii() == b"[DONE]");
    };
    let mut reader = Reader::default();
    reader.push(stream, &mut note);
    done && stream.ends_with(b"data: [DONE]\n\n")
}

/// The JSON of a stream's events up to its end.
fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    let mut done = false;
    let mut note = |frame: Frame<'_>| {
        if let Frame::Event { data, .. } = frame {
            let data = data.trim_ascii();
            done |= data == b"[DONE]";
            if !done && !data.is_empty() {
                events.push(data.to_vec());
            }
        }
    };
    let mut reader = Reader::default();
    reader.push(stream, &mut note);
    reader.finish(&mut note);
    events
}

/// What an editor must leave as it came: all members but the model, the choices
/// without their ends, and usage unless it is hidden. `None` when `json` is no object.
fn kept(json: &[u8], hide: bool) -> Option<(Members, Option<Value>)> {
    let members = Members::read(json)?;
    let mut choices = members.get("choices").map_or_else(
        || Some(Value::Array(Vec::new())),
        |text| serde_json::from_str(text).ok(),
    );
    if let Some(choices) = &mut choices {
        match choices.as_array_mut() {
            Some(list) => list.iter_mut().for_each(|choice| {
                choice.as_object_mut().map(|c| c.remove("finish_reason"));
            }),
            None => *choices = Value::Array(Vec::new()),
        }
    }
    let all: &[&str] = &["model", "choices", "usage"];
    let others = if hide { all } else { &all[..2] };
    Some((members.without(others), choices))
}

/// Whether half a character may be in it, which an editor replaces.
fn has_half_characters(text: &[u8]) -> bool {
    contains(&text.to_ascii_lowercase(), b"\\ud")
}

/// Each event of the output is one of the input, in order, with another model, with
/// choices whose ends are in OpenAI's words, and when it is hidden, without usage. Line
/// breaks between its tokens are blanks. What is no object is left out.
fn check_members(input: &[u8], out: &[u8], hide: bool) {
    if has_half_characters(input) {
        return;
    }
    let came = events(input).into_iter().filter_map(|data| {
        let line = String::from_utf8_lossy(&data).replace('\n', " ");
        let kept = kept(line.as_bytes(), hide)?;
        Some((line, kept))
    });
    let mut came = came.enumerate();
    for (at, event) in events(out).into_iter().enumerate() {
        assert!(is_json(&event), "{}", String::from_utf8_lossy(&event));
        let wanted = kept(&event, hide).expect("an event that is an object");
        let found = came.find(|(_, (_, kept))| *kept == wanted);
        let (from, (line, _)) = found.expect("an event that did not come");
        assert!(hide || from == at, "an event was left out");
        let has_model = Members::read(line.as_bytes()).is_some_and(|m| m.get("model").is_some());
        let model = Members::read(&event).and_then(|m| m.get("model").map(str::to_owned));
        assert_eq!(model, has_model.then(|| "\"virtual\"".to_owned()));
    }
}

/// A whole reply: edited, read into events, told again as a stream.
pub fn check_reply(body: &[u8]) {
    check_whole(body, |body, each| read_reply_events(body, each));
    let came = Bytes::copy_from_slice(body);
    // Members that are not read are not looked into.
    let is_text = std::str::from_utf8(body).is_ok();
    if let (Ok(reply), true) = (Reply::read(&came, &MODEL), is_text) {
        let out = reply.body.to_bytes();
        must_be_object("a reply", &out);
        if !has_half_characters(body) {
            assert_eq!(kept(&out, false), kept(body, false));
        }
        let [before, after] = [body, &out].map(Members::read);
        assert_eq!(after.is_some(), before.is_some());
        if let (Some(before), Some(after)) = (before, after) {
            assert_eq!(after.0.len(), before.0.len());
            if before.get("model").is_some() {
                assert_eq!(after.get("model"), Some("\"virtual\""));
            }
        }
    }
    for usage in [true, false] {
        let Some(stream) = replay(body, usage) else {
            continue;
        };
        let edited = edit(&[&stream], false, true);
        if UpstreamError::read(body) == UpstreamError::default() {
            must_be_stream(&stream);
        }
        if edited.end == End::Complete && usage {
            let again = Told::by(|each| {
                let mut reader = EventReader::default();
                reader.push(&stream, each);
                reader.finish(true, each);
            });
            let whole = Told::by(|each| read_reply_events(body, each));
            if again.is_complete() && whole.is_complete() {
                assert_eq!(texts(&again.answer), texts(&whole.answer), "replayed");
            }
        }
    }
}

fn must_be_stream(stream: &[u8]) {
    let text = std::str::from_utf8(stream).expect("a stream is text");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    for event in events(stream) {
        must_be_object("an event", &event);
    }
}

/// What has one place only in both forms.
fn texts(answer: &Answer) -> Vec<(String, String)> {
    let each = answer.choices.iter();
    each.map(|choice| (choice.text.clone(), choice.refusal.clone()))
        .collect()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A stream that is put together.
pub fn check_collected(stream: &[u8]) {
    let Ok(reply) = collect(stream) else { return };
    must_be_object("a collected reply", &reply);
    assert!(reply.len() <= 16 * stream.len() + 64 * 1024);
    let streamed = Told::by(|each| {
        let mut reader = EventReader::default();
        reader.push(stream, each);
        reader.finish(true, each);
    });
    let whole = Told::by(|each| read_reply_events(&reply, each));
    // Together says its text under two names, of which a reader takes one.
    let says_twice = contains(stream, b"\"text\"");
    if streamed.is_complete() && whole.is_complete() && !says_twice {
        assert_eq!(texts(&whole.answer), texts(&streamed.answer), "collected");
    }
}
