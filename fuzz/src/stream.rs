//! The laws of framing, and of a reader of streams in any dialect.

use wire::dialect::{anthropic, ollama, openai};
use wire::hub::Event;
use wire::{ndjson, sse};

use crate::draw::each_split;
use crate::told::Told;
use crate::{chat, lines, messages};

/// A reader of a stream of answers.
pub trait Source: Default {
    /// Takes the next bytes.
    fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>));
    /// The bytes have ended.
    fn finish(&mut self, cleanly: bool, each: &mut dyn FnMut(Event<'_>));
}

macro_rules! source {
    ($reader:ty) => {
        impl Source for $reader {
            fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) {
                Self::push(self, bytes, each);
            }

            fn finish(&mut self, cleanly: bool, each: &mut dyn FnMut(Event<'_>)) {
                Self::finish(self, cleanly, each);
            }
        }
    };
}

source!(openai::EventReader);
source!(anthropic::StreamReader);
source!(ollama::StreamReader);

/// What `pieces` say, read to their end and beyond it.
fn read<S: Source>(pieces: &[&[u8]], cleanly: bool) -> Told {
    Told::by(|each| {
        let mut reader = S::default();
        for piece in pieces {
            reader.push(piece, each);
        }
        reader.finish(cleanly, each);
        // Nothing may follow, whatever comes.
        for piece in pieces {
            reader.push(piece, each);
        }
        reader.finish(!cleanly, each);
    })
}

/// Checks every law of a stream on `data`, and of the streams that are written of it.
pub fn check<S: Source>(data: &[u8]) {
    for cleanly in [true, false] {
        let whole = read::<S>(&[data], cleanly);
        assert!(
            whole.bytes() <= 8 * data.len() + 256,
            "more text than came: {} of {}",
            whole.bytes(),
            data.len()
        );
        each_split(data, &mut |pieces| {
            let split = read::<S>(pieces, cleanly);
            assert_eq!(split.events, whole.events, "{pieces:?}");
        });
        if cleanly {
            chat::check(&whole, data.len());
            messages::check(&whole, data.len());
            lines::check(&whole, data.len());
        }
    }
}

/// A whole reply: told once, and what is written of it says the same.
pub fn check_whole(body: &[u8], read: impl Fn(&[u8], &mut dyn FnMut(Event<'_>))) {
    let told = Told::by(|each| read(body, each));
    assert!(told.bytes() <= 8 * body.len() + 256, "more text than came");
    chat::check(&told, body.len());
    messages::check(&told, body.len());
    lines::check(&told, body.len());
}

/// Frames of server-sent events.
pub fn check_sse(data: &[u8]) {
    let frames = |pieces: &[&[u8]]| {
        let mut frames: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut note = |frame: sse::Frame<'_>| {
            frames.push(match frame {
                sse::Frame::Event { is_error, data } => (u8::from(is_error), data.to_vec()),
                sse::Frame::Comment(text) => (2, text.to_vec()),
                sse::Frame::TooLong => (3, Vec::new()),
            });
        };
        let mut reader = sse::Reader::default();
        for piece in pieces {
            reader.push(piece, &mut note);
        }
        reader.finish(&mut note);
        frames
    };
    let whole = frames(&[data]);
    let bytes: usize = whole.iter().map(|(_, text)| text.len()).sum();
    assert!(bytes <= data.len(), "more data than came");
    for (kind, text) in &whole {
        assert!(!text.contains(&b'\r'), "a line's end in a frame");
        assert!(*kind != 2 || !text.contains(&b'\n'), "a comment of lines");
    }
    each_split(data, &mut |pieces| {
        assert_eq!(frames(pieces), whole, "{pieces:?}")
    });

    // Written again, it reads as the same.
    let mut again = Vec::new();
    for (kind, text) in &whole {
        if *kind == 1 {
            again.extend_from_slice(b"event: error\n");
        }
        let start: &[u8] = if *kind == 2 { b":" } else { b"data: " };
        for line in text.split(|byte| *byte == b'\n') {
            again.extend_from_slice(start);
            again.extend_from_slice(line);
            again.push(b'\n');
        }
        if *kind < 2 {
            again.push(b'\n');
        }
    }
    assert_eq!(frames(&[&again]), whole);
}

/// Lines.
pub fn check_ndjson(data: &[u8]) {
    let lines = |pieces: &[&[u8]]| {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut note = |frame: ndjson::Frame<'_>| match frame {
            ndjson::Frame::Line(line) => lines.push(line.to_vec()),
            ndjson::Frame::TooLong => unreachable!("the input is short"),
        };
        let mut reader = ndjson::Reader::default();
        for piece in pieces {
            reader.push(piece, &mut note);
        }
        reader.finish(&mut note);
        lines
    };
    let whole = lines(&[data]);
    for line in &whole {
        assert!(!line.contains(&b'\n') && !line.trim_ascii().is_empty());
    }
    let expected: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    assert_eq!(whole, expected);
    each_split(data, &mut |pieces| {
        assert_eq!(lines(pieces), whole, "{pieces:?}")
    });
}
