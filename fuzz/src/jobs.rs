//! The laws of RunPod's jobs: what the platform says of them, and what workers put out.

use wire::dialect::openai::EventReader;
use wire::dialect::runpod::{
    Envelope, OutputReader, StreamPage, failure, output_error, read_embeddings_output, read_output,
    wants_native,
};
use wire::hub::Event;

use crate::draw::{Draw, each_split};
use crate::json::{is_json, must_be_object};
use crate::told::Told;
use crate::{chat, messages};

/// What the platform answers.
pub fn check_job(data: &[u8]) {
    if let Ok(envelope) = Envelope::read(data) {
        let failure = failure(&envelope);
        assert!((400..600).contains(&failure.status), "{failure:?}");
        let _ = wants_native(&envelope);
        if let Some(output) = envelope.output {
            assert!(is_json(output.as_bytes()), "{output}");
            check_whole(output);
        }
    }
    if let Ok(page) = StreamPage::read(data) {
        for chunk in &page.chunks {
            assert!(is_json(chunk.as_bytes()), "{chunk}");
        }
        check_chunks(&page.chunks, data.len());
    }
}

/// What a worker puts out: a chunk a line.
pub fn check_output(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    check_whole(text);
    let lines: Vec<&str> = text.lines().collect();
    let told = check_chunks(&lines, data.len());
    let are_json = lines.iter().all(|line| is_json(line.as_bytes()));
    if lines.len() > 1 && are_json {
        // An output that collects all chunks reads as the chunks did.
        let list = format!("[{}]", lines.join(","));
        let collected = Told::by(|each| read_output(&list, Some(5), each));
        if collected.is_complete() && told.is_complete() {
            assert_eq!(collected.answer, told.answer, "collected");
        }
    }
    check_text(text);
}

fn check_whole(output: &str) {
    let told = Told::by(|each| read_output(output, Some(5), each));
    assert!(told.bytes() <= 8 * output.len() + 256);
    chat::check(&told, output.len());
    messages::check(&told, output.len());
    let _ = output_error(output);
    if let Some(list) = read_embeddings_output(output) {
        must_be_object("embeddings", &list);
    }
}

fn read(chunks: &[&str], cleanly: bool) -> Told {
    Told::by(|each| {
        let mut reader = OutputReader::new(Some(5));
        for chunk in chunks {
            reader.push(chunk, each);
        }
        reader.finish(cleanly, each);
        for chunk in chunks {
            reader.push(chunk, each);
        }
        reader.finish(!cleanly, each);
    })
}

fn check_chunks(chunks: &[&str], input: usize) -> Told {
    let told = read(chunks, true);
    assert!(told.bytes() <= 8 * input + 256);
    chat::check(&told, input);
    messages::check(&told, input);
    assert!(!read(chunks, false).events.is_empty());
    told
}

/// Text of server-sent events may be cut anywhere; it means what it does without a job.
fn check_text(text: &str) {
    if !text.starts_with("data:") {
        return;
    }
    let plain = Told::by(|each: &mut dyn FnMut(Event<'_>)| {
        let mut reader = EventReader::default();
        reader.push(text.as_bytes(), each);
        reader.finish(true, each);
    });
    let mut draw = Draw::of(text.as_bytes());
    each_split(text.as_bytes(), &mut |pieces| {
        let mut chunks: Vec<String> = Vec::new();
        let mut held: Vec<u8> = Vec::new();
        for piece in pieces {
            held.extend_from_slice(piece);
            // A chunk is text: it ends between characters.
            if let Ok(whole) = std::str::from_utf8(&held) {
                chunks.push(serde_json::to_string(whole).expect("a text"));
                held.clear();
            }
        }
        if draw.once_in(4) {
            chunks.insert(0, "\"\"".to_owned());
        }
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        assert_eq!(read(&chunks, true).events, plain.events, "{chunks:?}");
    });
}
