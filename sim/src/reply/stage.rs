//! Puts an answer on the wire: framing of events, writes, silences, cuts and hangs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Event, Reply};
use crate::playback::Step;
use crate::script::{Cut, Hang, Script};

/// How the events of a stream are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events that end with `[DONE]`.
    Sse,
    /// Server-sent events with names, the last of which ends the stream.
    Named,
    /// One JSON object a line.
    Lines,
}

/// A stream of events, with `[DONE]` if `done`.
pub(super) fn stream(events: &[Event], framing: Framing, done: bool, script: &Script) -> Reply {
    let mut frames: Vec<Frame> = events
        .iter()
        .map(|event| Frame {
            bytes: match framing {
                Framing::Sse | Framing::Named => encode(event.name, &event.data, script),
                Framing::Lines => format!("{}\n", event.data),
            },
            content: event.content,
            done: event.last,
        })
        .collect();
    if done {
        frames.push(Frame {
            bytes: encode(None, "[DONE]", script),
            content: false,
            done: true,
        });
    }
    if script.sse.bom
        && let Some(first) = frames.first_mut()
    {
        first.bytes.insert(0, '\u{feff}');
    }
    let length = frames.iter().map(|frame| frame.bytes.len() as u64).sum();
    Reply {
        status: 200,
        content_type: match framing {
            Framing::Sse | Framing::Named => "text/event-stream; charset=utf-8",
            Framing::Lines => "application/x-ndjson",
        },
        headers: match framing {
            Framing::Sse | Framing::Named => {
                vec![("cache-control".to_owned(), "no-cache".to_owned())]
            }
            Framing::Lines => Vec::new(),
        },
        length: script.length.then_some(length),
        steps: steps(frames, script),
    }
}

/// A whole document, for cuts, hangs and gates in two halves.
pub(super) fn whole(json: String, script: &Script) -> Reply {
    let length = json.len() as u64;
    let interrupted = script.cut.is_some() || script.hang.is_some() || script.gate.is_some();
    let frame = |text: &str| Frame {
        bytes: text.to_owned(),
        content: true,
        done: false,
    };
    let frames = if interrupted {
        let mut middle = json.len() / 2;
        while !json.is_char_boundary(middle) {
            middle += 1;
        }
        let (head, tail) = json.split_at(middle);
        vec![frame(head), frame(tail)]
    } else if json.is_empty() {
        Vec::new()
    } else {
        vec![Frame {
            bytes: json,
            content: true,
            done: false,
        }]
    };
    let script = &Script {
        after: Some(1),
        ..script.clone()
    };
    Reply {
        status: 200,
        content_type: "application/json",
        headers: Vec::new(),
        length: (!script.chunked).then_some(length),
        steps: steps(frames, script),
    }
}

struct Frame {
    bytes: String,
    content: bool,
    done: bool,
}

fn encode(name: Option<&str>, data: &str, script: &Script) -> String {
    let sse = script.sse;
    let end = if sse.crlf { "\r\n" } else { "\n" };
    let comment = if sse.comments {
        format!(": keep-alive{end}{end}")
    } else {
        String::new()
    };
    let space = if sse.nospace { "" } else { " " };
    let name = name
        .map(|name| format!("event:{space}{name}{end}"))
        .unwrap_or_default();
    format!("{comment}{name}data:{space}{data}{end}{end}")
}

fn steps(frames: Vec<Frame>, script: &Script) -> Arc<[Step]> {
    let mut steps = Vec::new();
    if !script.first.is_zero() {
        steps.push(Step::Wait(script.first));
    }
    let end = interruption(&frames, script);
    let mut frames = frames;
    let cut_off = frames.split_off(end.min(frames.len()));
    send(&mut steps, &frames, script);
    match (script.cut, script.hang) {
        (Some(Cut::Chunk), _) => {
            let inside = cut_off
                .first()
                .map_or("data: {", |frame| frame.bytes.as_str());
            steps.push(Step::Flush);
            // A few bytes are the chunk's own header; the rest is half of the event.
            steps.push(Step::Limit(8 + inside.len() / 2, script.rst));
            steps.push(Step::Send(Bytes::from(inside.to_owned())));
            steps.push(Step::Flush);
            steps.push(Step::Abort);
        }
        (Some(Cut::Between | Cut::Done | Cut::End), _) => {
            steps.push(Step::Flush);
            steps.push(Step::Limit(0, script.rst));
            steps.push(Step::Abort);
        }
        (_, Some(Hang::Stream | Hang::Done)) => steps.push(Step::Hang),
        _ if matches!(script.gate, Some(Hang::Stream | Hang::Done)) => {
            steps.push(Step::Gate);
            send(&mut steps, &cut_off, script);
        }
        _ => {}
    }
    if let Some(close) = script.close {
        // Before the last bytes: a body of announced length is not asked again after them.
        let at = steps.iter().rposition(|step| matches!(step, Step::Send(_)));
        steps.insert(at.unwrap_or(0), Step::Close(close));
    }
    Arc::from(steps)
}

/// Number of frames that go out before the scripted cut, hang or gate.
fn interruption(frames: &[Frame], script: &Script) -> usize {
    let after_content = || {
        let mut content = 0;
        let wanted = script.after();
        let at = frames.iter().position(|frame| {
            let reached = content >= wanted && (wanted > 0 || frame.content);
            content += usize::from(frame.content);
            reached
        });
        at.unwrap_or(frames.len())
    };
    let before_done = || {
        let done = frames.iter().position(|frame| frame.done);
        // A whole document has no such mark: in its middle.
        done.unwrap_or_else(after_content)
    };
    match (script.cut, script.hang) {
        (Some(Cut::Chunk | Cut::Between), _) | (_, Some(Hang::Stream)) => after_content(),
        (Some(Cut::Done), _) | (_, Some(Hang::Done)) => before_done(),
        _ if script.gate == Some(Hang::Stream) => after_content(),
        _ if script.gate == Some(Hang::Done) => before_done(),
        _ => frames.len(),
    }
}

fn send(steps: &mut Vec<Step>, frames: &[Frame], script: &Script) {
    if let Some(size) = script.dribble {
        let all: String = frames.iter().map(|frame| frame.bytes.as_str()).collect();
        for (index, piece) in all.as_bytes().chunks(size.max(1)).enumerate() {
            if index > 0 {
                pause(steps, script.dribble_gap);
            }
            steps.push(Step::Send(Bytes::copy_from_slice(piece)));
        }
        return;
    }
    if script.burst {
        let all: String = frames.iter().map(|frame| frame.bytes.as_str()).collect();
        if !all.is_empty() {
            steps.push(Step::Send(Bytes::from(all)));
        }
        return;
    }
    for frame in frames {
        if frame.content {
            pause(steps, script.gap);
        }
        if script.sse.split {
            for piece in thirds(frame.bytes.as_bytes()) {
                steps.push(Step::Send(Bytes::copy_from_slice(piece)));
                steps.push(Step::Flush);
            }
        } else {
            steps.push(Step::Send(Bytes::from(frame.bytes.clone())));
        }
    }
    // The last write needs no flush of its own, and the body must end with it.
    if script.sse.split && matches!(steps.last(), Some(Step::Flush)) {
        steps.pop();
    }
}

fn pause(steps: &mut Vec<Step>, time: Duration) {
    if !time.is_zero() {
        steps.push(Step::Wait(time));
    }
}

/// Three pieces, cut inside a multi-byte character where there is one.
fn thirds(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inside = |byte: &u8| byte & 0xC0 == 0x80;
    let first = bytes.iter().position(inside).unwrap_or(bytes.len() / 3);
    let second = bytes
        .iter()
        .rposition(inside)
        .filter(|&at| at > first)
        .unwrap_or(first + (bytes.len() - first) / 2);
    let (head, rest) = bytes.split_at(first);
    let (middle, tail) = rest.split_at(second - first);
    [head, middle, tail]
        .into_iter()
        .filter(|piece| !piece.is_empty())
}
