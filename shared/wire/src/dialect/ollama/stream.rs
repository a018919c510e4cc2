//! Answers of `/api/chat` and `/api/generate` into events, streamed or whole.

use crate::dialect::openai::UpstreamError;
use crate::hub::{Event, StreamFault};
use crate::ndjson::{Frame, Reader};
use crate::object::Object;

use super::line::{Line, Message};
use super::time::unix_seconds;

/// Reads a streamed answer. Any split of the bytes gives the same events.
#[derive(Debug, Default)]
pub struct StreamReader {
    lines: Reader,
    answer: Answer,
}

/// What is known of an answer between its lines.
#[derive(Debug, Default)]
struct Answer {
    started: bool,
    ended: bool,
    /// Calls so far; the server numbers them anew in each line.
    calls: u32,
}

impl StreamReader {
    /// Takes the next bytes and hands on what they complete.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) {
        if self.answer.ended {
            return;
        }
        let answer = &mut self.answer;
        self.lines.push(bytes, |frame| answer.frame(&frame, each));
        if self.answer.ended {
            self.lines = Reader::default();
        }
    }

    /// The bytes have ended. Whether cleanly makes no difference: an answer is complete
    /// with its line of `done:true`, whatever becomes of the connection, and broken
    /// without it.
    pub fn finish(&mut self, _cleanly: bool, each: &mut dyn FnMut(Event<'_>)) {
        let answer = &mut self.answer;
        self.lines.finish(|frame| match frame {
            Frame::Line(line) if is_cut(line) => {}
            Frame::Line(_) | Frame::TooLong => answer.frame(&frame, each),
        });
        self.answer.cut_off(each);
    }
}

/// Hands on the events of a whole reply: those of the same answer streamed.
pub fn read_reply(body: &[u8], each: &mut dyn FnMut(Event<'_>)) {
    let mut answer = Answer::default();
    match Line::read(body) {
        Ok(line) => {
            answer.line(&line, body, each);
            answer.cut_off(each);
        }
        // Several objects: the server streams although it was not asked to.
        Err(err) if err.is_syntax() && body.trim_ascii().contains(&b'\n') => {
            let mut reader = StreamReader::default();
            reader.push(body, each);
            reader.finish(true, each);
        }
        Err(err) => answer.fault(StreamFault::BadEvent(err.to_string()), each),
    }
}

/// Whether the end of a last line is missing.
fn is_cut(line: &[u8]) -> bool {
    Line::read(line).is_err_and(|err| err.is_eof())
}

impl Answer {
    fn frame(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) {
        if self.ended {
            return;
        }
        match frame {
            Frame::TooLong => self.fault(StreamFault::TooLong, each),
            Frame::Line(text) => match Line::read(text) {
                Ok(line) => self.line(&line, text, each),
                Err(err) => self.fault(StreamFault::BadEvent(err.to_string()), each),
            },
        }
    }

    fn line(&mut self, line: &Line<'_>, text: &[u8], each: &mut dyn FnMut(Event<'_>)) {
        if line.is_error() {
            return self.fault(StreamFault::Upstream(UpstreamError::read(text)), each);
        }
        if !self.started {
            self.started = true;
            each(Event::Start {
                id: "".into(),
                model: (&*line.model.0).into(),
                created: unix_seconds(&line.created_at.0),
            });
        }
        reasoning(&line.thinking.0, each);
        written(&line.response.0, each);
        if let Some(message) = &line.message
            && let Err(fault) = self.message(message, each)
        {
            return self.fault(fault, each);
        }
        if line.done == Some(true) {
            self.ended = true;
            each(Event::Finish {
                choice: 0,
                reason: line.finish(self.calls > 0),
            });
            if let Some(usage) = line.usage() {
                each(Event::Usage(usage));
            }
            each(Event::End);
        }
    }

    fn message(
        &mut self,
        message: &Message<'_>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        reasoning(&message.thinking.0, each);
        written(&message.content.0, each);
        for Object(call) in message.tool_calls.iter().flatten() {
            let name = &*call.function.0.name.0;
            if name.is_empty() {
                return Err(StreamFault::BadEvent(
                    "a tool call without a function's name".to_owned(),
                ));
            }
            let number = self.calls;
            self.calls += 1;
            each(Event::Call {
                choice: 0,
                call: number,
                id: (&*call.id.0).into(),
                name: name.into(),
            });
            each(Event::Arguments {
                choice: 0,
                call: number,
                text: call.function.0.arguments(),
            });
        }
        Ok(())
    }

    fn fault(&mut self, fault: StreamFault, each: &mut dyn FnMut(Event<'_>)) {
        self.ended = true;
        each(Event::Fault(fault));
    }

    /// Nothing more comes.
    fn cut_off(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        if !self.ended {
            self.fault(StreamFault::Truncated, each);
        }
    }
}

fn written(text: &str, each: &mut dyn FnMut(Event<'_>)) {
    if !text.is_empty() {
        each(Event::Text {
            choice: 0,
            text: text.into(),
        });
    }
}

fn reasoning(text: &str, each: &mut dyn FnMut(Event<'_>)) {
    if !text.is_empty() {
        each(Event::Reasoning {
            choice: 0,
            text: text.into(),
        });
    }
}

#[cfg(test)]
mod tests;
