//! A recorded stream, put together.
//!
//! It may be incomplete, without blank lines between its events or without its end: people
//! copy what they see. Deliberately not here: calls that the upstream gave as such, and
//! other choices than the first.

use super::error::UpstreamError;
use super::event_reader::EventReader;
use crate::hub::{Event, StreamFault};
use crate::normaliser::Sample;

/// Why a recording cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingFault {
    /// An event is not what a chat or a completion streams.
    #[error("line {line} cannot be read: {why}")]
    BadEvent {
        /// The line that completes it, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The upstream reported an error.
    #[error("line {line} is an error: {message}")]
    Upstream {
        /// The line, from 1.
        line: usize,
        /// What the upstream said.
        message: String,
    },
    /// Neither text nor reasoning of the first choice is in it.
    #[error("holds no text and no reasoning of choice 0; each event is a line data: {{...}}")]
    Empty,
}

/// The text and the reasoning of a recorded stream's first choice.
///
/// # Errors
/// The first event that cannot be read or is an error; a stream that breaks off is taken
/// as far as it goes.
pub fn read_recording(stream: &str) -> Result<Sample, RecordingFault> {
    let (mut reader, mut taken, mut at) = (EventReader::default(), Taken::default(), 0);
    for (line, number) in stream.split_inclusive('\n').zip(1..) {
        at = number;
        reader.push(line.as_bytes(), &mut |event| taken.take(event));
        // Every event is one line of data: it ends with it, blank line or not. Half a line
        // at the end is what a cut leaves.
        if line.starts_with("data:") && line.ends_with('\n') {
            reader.push(b"\n", &mut |event| taken.take(event));
        }
        if taken.fault.is_some() {
            break;
        }
    }
    reader.finish(false, &mut |event| taken.take(event));
    let Taken { sample, fault } = taken;
    match fault {
        Some(StreamFault::BadEvent(why)) => Err(RecordingFault::BadEvent { line: at, why }),
        Some(StreamFault::TooLong) => Err(RecordingFault::BadEvent {
            line: at,
            why: "it is too long".to_owned(),
        }),
        Some(StreamFault::Upstream(error)) => Err(RecordingFault::Upstream {
            line: at,
            message: said(error),
        }),
        Some(StreamFault::Truncated) | None if sample == Sample::default() => {
            Err(RecordingFault::Empty)
        }
        Some(StreamFault::Truncated) | None => Ok(sample),
    }
}

/// What has been read.
#[derive(Default)]
struct Taken {
    sample: Sample,
    fault: Option<StreamFault>,
}

impl Taken {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text { choice: 0, text } => self.sample.text.push_str(&text),
            Event::Reasoning { choice: 0, text } => self.sample.reasoning.push_str(&text),
            Event::Fault(fault) => self.fault = Some(fault),
            Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::Start { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. }
            | Event::Usage(_)
            | Event::End
            | Event::KeepAlive => {}
        }
    }
}

fn said(error: UpstreamError) -> String {
    let parts = [error.message, error.code, error.kind];
    let said = parts.into_iter().flatten().next();
    said.unwrap_or_else(|| "it does not say which".to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(stream: &str) -> Result<(String, String), String> {
        let read = read_recording(stream);
        read.map(|sample| (sample.reasoning, sample.text))
            .map_err(|fault| fault.to_string())
    }

    fn chunk(choice: u32, field: &str, text: &str) -> String {
        format!(r#"data: {{"choices":[{{"index":{choice},"delta":{{"{field}":"{text}"}}}}]}}"#)
    }

    #[test]
    fn a_trial_takes_a_recording_however_it_was_copied() {
        let events = [
            chunk(0, "reasoning_content", "Hm"),
            chunk(0, "reasoning_content", "."),
            chunk(1, "content", "other"),
            chunk(0, "content", "<tool"),
            chunk(0, "content", "_call>"),
        ];
        let expected = Ok(("Hm.".to_owned(), "<tool_call>".to_owned()));
        assert_eq!(read(&events.join("\n\n")), expected);
        assert_eq!(read(&events.join("\r\n")), expected);
        let whole = format!(": hello\n\n{}\n\ndata: [DONE]\n\n", events.join("\n"));
        assert_eq!(read(&whole), expected);
        let cut = format!("{}\ndata: {{\"choi", events.join("\n"));
        assert_eq!(read(&cut), expected);
    }

    #[test]
    fn a_recording_for_a_trial_that_cannot_be_used_says_where_and_why() {
        let text = chunk(0, "content", "a");
        for (stream, why) in [
            (String::new(), "holds no text"),
            ("hello".to_owned(), "holds no text"),
            (chunk(1, "content", "a"), "holds no text"),
            (format!("{text}\n\ndata: {{]\n"), "line 3 cannot be read"),
            (
                format!("{text}\ndata: {{\"error\":{{\"message\":\"busy\"}}}}\n"),
                "line 2 is an error: busy",
            ),
        ] {
            let fault = read(&stream).unwrap_err();
            assert!(fault.contains(why), "{fault}");
        }
    }
}
