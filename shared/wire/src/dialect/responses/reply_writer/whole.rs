//! A whole answer as one response.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::{StreamWriter, WriterOptions};
use crate::hub::{Answer, AnsweredChoice, Event, Thinking, ToolNames};

/// `answer` as a response; its first choice, the format has no more.
///
/// Made by the writer of streams, whose last event holds the response.
#[must_use]
pub fn write_reply(answer: &Answer, names: &ToolNames, options: WriterOptions) -> Bytes {
    let mut writer = StreamWriter::new(options);
    let mut told = BytesMut::new();
    let mut write = |event: Event<'_>| {
        writer.write(&event, names, &mut told);
        told.clear();
    };
    if let Some(usage) = answer.usage {
        write(Event::Usage(usage));
    }
    if let Some(choice) = answer.choices.first() {
        tell(choice, &mut write);
    }
    write(Event::End);
    writer.take_finished().unwrap_or_default()
}

/// Reasoning, text, refusal, calls: the order in which models make them.
fn tell(choice: &AnsweredChoice, write: &mut dyn FnMut(Event<'_>)) {
    for block in &choice.reasoning {
        match block {
            Thinking::Plain { text, signature } => {
                if !text.is_empty() {
                    write(Event::Reasoning {
                        choice: 0,
                        text: Cow::Borrowed(text),
                    });
                }
                if let Some(signature) = signature {
                    write(Event::Signature {
                        choice: 0,
                        signature: Cow::Borrowed(signature),
                    });
                }
            }
            Thinking::Redacted { data } => write(Event::Redacted {
                choice: 0,
                data: Cow::Borrowed(data),
            }),
        }
    }
    if !choice.text.is_empty() {
        write(Event::Text {
            choice: 0,
            text: Cow::Borrowed(&choice.text),
        });
    }
    if !choice.refusal.is_empty() {
        write(Event::Refusal {
            choice: 0,
            text: Cow::Borrowed(&choice.refusal),
        });
    }
    for (number, call) in (0u32..).zip(&choice.calls) {
        write(Event::Call {
            choice: 0,
            call: number,
            id: Cow::Borrowed(&call.id),
            name: Cow::Borrowed(&call.name),
        });
        if !call.arguments.is_empty() {
            write(Event::Arguments {
                choice: 0,
                call: number,
                text: Cow::Borrowed(&call.arguments),
            });
        }
    }
    if let Some(reason) = choice.finish {
        write(Event::Finish { choice: 0, reason });
    }
}
