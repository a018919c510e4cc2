//! A worker's output as events, whatever worker it is.
//!
//! Told apart are: text of server-sent events, in pieces that may be cut anywhere;
//! OpenAI's objects, one or several in a chunk, also as JSON inside a string;
//! worker-vllm's native `tokens`; objects with the text in a member; and plain text.
//! One reader stays with the flavour that it found first. Lists are their elements in
//! order, so that an output that collects all chunks reads as the chunks did.
//!
//! Deliberately not mended: a replacement character where a worker decoded half a
//! character; what was there is lost before it arrives.

mod own;
mod shape;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::envelope::string;
use super::failure::{output_error, unwrapped};
use crate::dialect::openai::{EventReader, read_reply_events};
use crate::hub::{Event, StreamFault};
use own::Own;
use shape::{Object, is_list_of_vectors};

/// Lists in lists, and objects in objects, are read up to this depth.
const DEEPEST: usize = 6;

/// Blanks before the first text that are waited for, to see what it is.
const LONGEST_HELD: usize = 4096;

/// How server-sent events begin.
const EVENT_STARTS: [&str; 4] = ["data:", "event:", ": ", ":\n"];

/// Reads the outputs of a job's chunks.
#[derive(Debug)]
pub struct OutputReader {
    max_tokens: Option<u64>,
    flavour: Flavour,
    own: Own,
    /// A single object is a whole reply and not a chunk of one.
    is_whole: bool,
    is_ended: bool,
}

#[derive(Debug)]
enum Flavour {
    /// Not known yet; the text so far, which is blank or the start of a mark.
    Unknown(String),
    OpenAi {
        reader: Box<EventReader>,
        /// Strings are server-sent events and no objects.
        is_text: bool,
    },
    /// Any other form.
    Own,
}

impl OutputReader {
    /// For a call with this limit of tokens: workers that give no reason for the end
    /// have stopped there when they put out as many.
    #[must_use]
    pub fn new(max_tokens: Option<u64>) -> Self {
        Self {
            max_tokens,
            flavour: Flavour::Unknown(String::new()),
            own: Own::default(),
            is_whole: false,
            is_ended: false,
        }
    }

    /// Takes the output of the next chunk, JSON text.
    pub fn push(&mut self, output: &str, each: &mut dyn FnMut(Event<'_>)) {
        self.telling(each, |reader, each| reader.value(output, DEEPEST, each));
    }

    /// Whether the worker has said why the answer ends; what may still come is usage
    /// and the mark of the end. Only OpenAI's form says so before the job does.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.flavour {
            Flavour::OpenAi { reader, .. } => reader.is_finished(),
            Flavour::Own | Flavour::Unknown(_) => false,
        }
    }

    /// No chunk follows. `cleanly`: the job has completed. Tells the terminal event
    /// unless it has been told.
    pub fn finish(&mut self, cleanly: bool, each: &mut dyn FnMut(Event<'_>)) {
        self.telling(each, |reader, each| {
            if let Flavour::Unknown(held) = &mut reader.flavour {
                let held = std::mem::take(held);
                if held.is_empty() {
                    let fault = if cleanly {
                        let why = "the job completed without any output";
                        StreamFault::BadEvent(why.to_owned())
                    } else {
                        StreamFault::Truncated
                    };
                    return each(Event::Fault(fault));
                }
                reader.own().text(0, &held, each);
            }
            let max_tokens = reader.max_tokens;
            match &mut reader.flavour {
                Flavour::OpenAi { reader, .. } => reader.finish(cleanly, each),
                Flavour::Own if cleanly => reader.own.finish(max_tokens, each),
                Flavour::Own | Flavour::Unknown(_) => each(Event::Fault(StreamFault::Truncated)),
            }
        });
    }

    /// Sees to it that nothing follows the terminal event.
    fn telling(
        &mut self,
        each: &mut dyn FnMut(Event<'_>),
        act: impl FnOnce(&mut Self, &mut dyn FnMut(Event<'_>)),
    ) {
        let mut is_ended = self.is_ended;
        if is_ended {
            return;
        }
        act(self, &mut |event| {
            if !is_ended {
                is_ended = matches!(event, Event::End | Event::Fault(_));
                each(event);
            }
        });
        self.is_ended = is_ended;
        if is_ended {
            self.flavour = Flavour::Unknown(String::new());
        }
    }

    fn value(&mut self, json: &str, depth: usize, each: &mut dyn FnMut(Event<'_>)) {
        let json = json.trim_ascii();
        let is_read = match json.as_bytes().first() {
            Some(b'"') => string(json).map(|text| self.text(&text, depth, each)),
            Some(b'[') => self.list(json, depth, each),
            Some(b'{') => Object::read(json).map(|object| self.object(&object, depth, each)),
            _ if json == "null" => Some(()),
            _ => serde_json::from_str::<IgnoredAny>(json)
                .ok()
                .map(|_| self.text(json, 0, each)),
        };
        if is_read.is_none() {
            each(bad(
                "a chunk of the job's output is not JSON that can be read",
            ));
        }
    }

    fn list(&mut self, json: &str, depth: usize, each: &mut dyn FnMut(Event<'_>)) -> Option<()> {
        let list: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let depth = depth.checked_sub(1)?;
        self.is_whole &= list.len() == 1;
        for element in list {
            self.value(element.get(), depth, each);
        }
        Some(())
    }

    fn object(&mut self, object: &Object<'_>, depth: usize, each: &mut dyn FnMut(Event<'_>)) {
        if object.may_be_error()
            && let Some(failure) = output_error(object.json)
        {
            return each(Event::Fault(StreamFault::Upstream(failure.error)));
        }
        let is_openai = matches!(self.flavour, Flavour::OpenAi { .. });
        let native = object.native_choices();
        let is_other = match self.flavour {
            Flavour::Unknown(_) => false,
            Flavour::OpenAi { .. } => native.is_some(),
            Flavour::Own => native.is_none() && object.choices.is_some(),
        };
        if is_other {
            let why = "the worker's output changes its form inside the answer";
            return each(bad(why));
        }
        if let Some(choices) = native {
            let own = self.own();
            for (number, tokens) in (0u32..).zip(&choices) {
                own.seen(number);
                for text in tokens {
                    own.text(number, text, each);
                }
            }
            return own.usage(object, each);
        }
        if is_openai || object.choices.is_some() {
            return self.openai_object(object, each);
        }
        match (object.answer(), depth.checked_sub(1)) {
            (Some(answer), Some(depth)) => {
                self.value(answer, depth, each);
                if matches!(self.flavour, Flavour::Own) {
                    self.own.usage(object, each);
                }
            }
            (None, _) if object.has_usage() => self.own().usage(object, each),
            (None | Some(_), _) => each(bad(
                "the worker's output has none of the members in which an answer is looked for: \
                 choices, response, generated_text, message, content, text, output",
            )),
        }
    }

    fn openai_object(&mut self, object: &Object<'_>, each: &mut dyn FnMut(Event<'_>)) {
        let is_first = matches!(self.flavour, Flavour::Unknown(_));
        if self.is_whole && is_first && !object.is_chunk() {
            return read_reply_events(object.json.as_bytes(), each);
        }
        // An event ends a line where a JSON text may have blanks.
        let line = object.json.replace(['\n', '\r'], " ");
        self.openai(false, each, &["data: ", &line, "\n\n"]);
    }

    fn text(&mut self, text: &str, depth: usize, each: &mut dyn FnMut(Event<'_>)) {
        match &mut self.flavour {
            Flavour::Own => self.own.text(0, text, each),
            Flavour::OpenAi { is_text: true, .. } => self.openai(true, each, &[text]),
            Flavour::OpenAi { is_text: false, .. } => {
                if let Some(depth) = depth.checked_sub(1).filter(|_| text.starts_with('{')) {
                    self.value(text, depth, each);
                } else {
                    self.openai(true, each, &[text]);
                }
            }
            Flavour::Unknown(held) => {
                held.push_str(text);
                let start = held.trim_start();
                let is_undecided = held.len() <= LONGEST_HELD
                    && EVENT_STARTS.iter().any(|mark| mark.starts_with(start));
                if is_undecided {
                    return;
                }
                let held = std::mem::take(held);
                self.first_text(&held, depth, each);
            }
        }
    }

    /// Text that is enough to tell what it is.
    fn first_text(&mut self, text: &str, depth: usize, each: &mut dyn FnMut(Event<'_>)) {
        let start = text.trim_start_matches('\u{feff}').trim_start();
        if EVENT_STARTS.iter().any(|mark| start.starts_with(mark)) {
            return self.openai(true, each, &[text]);
        }
        // A model may well write JSON; only OpenAI's objects are more than its text.
        if depth > 0
            && start.starts_with('{')
            && let Some(object) = Object::read(start.trim_end())
            && object.choices.is_some()
        {
            return self.object(&object, depth - 1, each);
        }
        self.own().text(0, text, each);
    }

    fn openai(&mut self, text: bool, each: &mut dyn FnMut(Event<'_>), pieces: &[&str]) {
        if !matches!(self.flavour, Flavour::OpenAi { .. }) {
            self.flavour = Flavour::OpenAi {
                reader: Box::default(),
                is_text: text,
            };
        }
        if let Flavour::OpenAi { reader, is_text } = &mut self.flavour {
            *is_text |= text;
            for piece in pieces {
                reader.push(piece.as_bytes(), each);
            }
        }
    }

    /// The state of an answer that is not in OpenAI's form.
    fn own(&mut self) -> &mut Own {
        if !matches!(self.flavour, Flavour::Own) {
            self.flavour = Flavour::Own;
            self.own = Own::default();
        }
        &mut self.own
    }
}

fn bad(why: &str) -> Event<'static> {
    Event::Fault(StreamFault::BadEvent(why.to_owned()))
}

/// Tells the whole output of a completed job as the events of its stream, the
/// terminal one included.
pub fn read_output(output: &str, max_tokens: Option<u64>, each: &mut dyn FnMut(Event<'_>)) {
    let mut reader = OutputReader::new(max_tokens);
    reader.is_whole = true;
    reader.push(output, each);
    reader.finish(true, each);
}

/// OpenAI's list of embeddings, as it is in the output; `None` when it is something
/// else, which [`super::output_error`] may know.
#[must_use]
pub fn read_embeddings_output(output: &str) -> Option<Bytes> {
    let mut output = output.trim_ascii().to_owned();
    for _ in 0..DEEPEST {
        if output.starts_with('{') {
            let is_list = is_list_of_vectors(&output);
            return is_list.then(|| output.into());
        }
        output = if output.starts_with('"') {
            unwrapped(&output)?
        } else {
            let list: Vec<&RawValue> = serde_json::from_str(&output).ok()?;
            let [only] = list[..] else { return None };
            only.get().to_owned()
        };
    }
    None
}

#[cfg(test)]
mod tests;
