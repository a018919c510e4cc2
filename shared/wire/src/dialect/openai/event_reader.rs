//! An answer of any OpenAI-family server, chat or text completion, as events.
//!
//! The servers differ in where they put reasoning, usage, tool calls and errors; the
//! reader takes every form in use and tells the same events. The first finish reason
//! of a choice holds, but is told only at the end of the answer: some servers send
//! more of a choice, or its usage, behind it. Deliberately not here: log
//! probabilities, audio, annotations and other things that no other dialect has.
//! Source: the references and recorded streams of the servers.

mod choice;
mod chunk;

use std::borrow::Cow;

use super::error::UpstreamError;
use super::finish;
use super::repair::read_mended;
use crate::hub::{Event, StreamFault};
use crate::sse::{Frame, Reader};
use crate::usage::Usage;
use choice::Choice;
use chunk::{Chunk, Content, Delta};

/// More choices than any server gives.
const MOST_CHOICES: i64 = 128;

/// Reads a stream of server-sent events.
#[derive(Debug, Default)]
pub struct EventReader {
    reader: Reader,
    fold: Fold,
}

/// Everything but the framing.
#[derive(Debug, Default)]
struct Fold {
    /// A whole reply, not the pieces of one.
    whole: bool,
    started: bool,
    ended: bool,
    usage: Option<Usage>,
    choices: Vec<Choice>,
}

impl EventReader {
    /// Takes the upstream's next bytes and tells what they complete.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) {
        let fold = &mut self.fold;
        self.reader
            .push(bytes, |frame| fold.frame(&frame, false, each));
    }

    /// Whether every choice has its finish reason; what may still come is usage and the
    /// mark of the end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.fold.is_finished()
    }

    /// The upstream's bytes have ended. Tells the terminal event unless it has been
    /// told: an answer whose choices have all finished is complete, however the
    /// connection ended.
    pub fn finish(&mut self, _cleanly: bool, each: &mut dyn FnMut(Event<'_>)) {
        let fold = &mut self.fold;
        self.reader.finish(|frame| fold.frame(&frame, true, each));
        if fold.ended {
            return;
        }
        if fold.is_finished() {
            fold.close(each);
        } else {
            fold.fault(StreamFault::Truncated, each);
        }
    }
}

/// Tells a whole reply as the events of its stream, the terminal one included.
pub fn read_reply_events(body: &[u8], each: &mut dyn FnMut(Event<'_>)) {
    let mut fold = Fold {
        whole: true,
        ..Fold::default()
    };
    let mut mended = Vec::new();
    let (body, chunk) = read_mended::<Chunk<'_>>(body.trim_ascii(), &mut mended);
    match chunk {
        Ok(Some(chunk)) if chunk.is_error() => fold.upstream_fault(body, each),
        Ok(Some(chunk)) if chunk.choices.0.is_empty() => fold.fault(no_choices(), each),
        Ok(Some(chunk)) => {
            fold.chunk(chunk, each);
            fold.close(each);
        }
        // Google wraps its errors in a list.
        Ok(None) if UpstreamError::read(body) != UpstreamError::default() => {
            fold.upstream_fault(body, each);
        }
        Ok(None) => fold.fault(no_choices(), each),
        Err(err) => fold.fault(StreamFault::BadEvent(err.to_string()), each),
    }
}

fn no_choices() -> StreamFault {
    StreamFault::BadEvent("the reply has no choices".to_owned())
}

impl Fold {
    fn frame(&mut self, frame: &Frame<'_>, at_end: bool, each: &mut dyn FnMut(Event<'_>)) {
        if self.ended {
            return;
        }
        match frame {
            Frame::Comment(_) => each(Event::KeepAlive),
            Frame::TooLong => self.fault(StreamFault::TooLong, each),
            Frame::Event { is_error, data } => {
                let data = data.trim_ascii();
                if data.is_empty() {
                } else if data.starts_with(b"[DONE]") {
                    self.close(each);
                } else {
                    self.event(data, *is_error, at_end, each);
                }
            }
        }
    }

    fn event(
        &mut self,
        data: &[u8],
        is_error: bool,
        at_end: bool,
        each: &mut dyn FnMut(Event<'_>),
    ) {
        let mut mended = Vec::new();
        let (data, chunk) = read_mended::<Chunk<'_>>(data, &mut mended);
        match chunk {
            // Half an event is what a cut leaves behind, not nonsense.
            Err(_) if at_end => {}
            _ if is_error => self.upstream_fault(data, each),
            Ok(Some(chunk)) if chunk.is_error() => {
                let own = chunk.own_error().map(|raw| raw.get().as_bytes());
                self.upstream_fault(own.unwrap_or(data), each);
            }
            Ok(Some(chunk)) => self.chunk(chunk, each),
            Ok(None) => {}
            Err(err) => self.fault(StreamFault::BadEvent(err.to_string()), each),
        }
    }

    /// Takes a chunk, or a whole reply, that is no error.
    fn chunk(&mut self, chunk: Chunk<'_>, each: &mut dyn FnMut(Event<'_>)) {
        let usage = chunk.usage().and_then(|raw| Usage::read(raw.get()));
        // Zeros are what some servers write before they have counted.
        let usage = usage.filter(|usage| !usage.is_nothing());
        let is_named = !chunk.id.0.is_empty() || !chunk.model.0.is_empty();
        // Azure's first chunk has neither id nor choices.
        if !self.started && (is_named || usage.is_some() || !chunk.choices.0.is_empty()) {
            self.started = true;
            each(Event::Start {
                id: chunk.id.0,
                model: chunk.model.0,
                created: chunk.created.0.filter(|created| *created > 0),
            });
        }
        let mut broken = None;
        for (position, choice) in chunk.choices.0.into_iter().enumerate() {
            broken = self.choice(position, choice, each).err();
            if broken.is_some() {
                break;
            }
        }
        if usage.is_some() && usage != self.usage {
            self.usage = usage;
            usage
                .into_iter()
                .for_each(|usage| each(Event::Usage(usage)));
        }
        if let Some(fault) = broken {
            self.fault(fault, each);
        }
    }

    fn choice(
        &mut self,
        position: usize,
        choice: chunk::Choice<'_>,
        each: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        if let Some(error) = choice.error() {
            let error = UpstreamError::read(error.get().as_bytes());
            return Err(StreamFault::Upstream(error));
        }
        let index = choice.index.0.or(i64::try_from(position).ok());
        let Some(number) = index
            .filter(|index| (0..MOST_CHOICES).contains(index))
            .and_then(|index| u32::try_from(index).ok())
        else {
            return Err(StreamFault::BadEvent(format!(
                "choice index {}",
                index.unwrap_or(i64::MAX)
            )));
        };
        let at = number as usize;
        if self.choices.len() <= at {
            self.choices.resize_with(at + 1, Choice::default);
        }
        let state = &mut self.choices[at];
        state.seen = true;
        let has_content = [&choice.delta, &choice.message]
            .into_iter()
            .any(|delta| delta.0.as_ref().is_some_and(|d| !d.content.is_empty()));
        for delta in [choice.delta.0, choice.message.0].into_iter().flatten() {
            put_delta(number, delta, state, self.whole, each)?;
        }
        // Together repeats the text of a chat under the older name.
        if !has_content {
            put_text(number, choice.text.0, each);
        }
        if state.finish.is_none() && !choice.finish_reason.0.is_empty() {
            let reason = finish::read(&choice.finish_reason.0);
            state.finish = Some(reason.map_err(StreamFault::Upstream)?);
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        let mut seen = self.choices.iter().filter(|choice| choice.seen).peekable();
        seen.peek().is_some() && seen.all(|choice| choice.finish.is_some())
    }

    /// The answer is complete, unless it has ended otherwise.
    fn close(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        if self.ended {
            return;
        }
        for (number, choice) in (0u32..).zip(&mut self.choices) {
            if choice.seen
                && let Err(fault) = choice.close(number, each)
            {
                return self.fault(fault, each);
            }
        }
        self.ended = true;
        self.choices = Vec::new();
        each(Event::End);
    }

    fn upstream_fault(&mut self, data: &[u8], each: &mut dyn FnMut(Event<'_>)) {
        self.fault(StreamFault::Upstream(UpstreamError::read(data)), each);
    }

    fn fault(&mut self, fault: StreamFault, each: &mut dyn FnMut(Event<'_>)) {
        self.ended = true;
        self.choices = Vec::new();
        each(Event::Fault(fault));
    }
}

fn put_delta(
    number: u32,
    delta: Delta<'_>,
    state: &mut Choice,
    whole: bool,
    each: &mut dyn FnMut(Event<'_>),
) -> Result<(), StreamFault> {
    let details = delta.reasoning_details.0;
    // The same reasoning comes under up to three names; the one that can be signed
    // is the best, and two are never joined.
    let told_in_details = details
        .iter()
        .any(|detail| !detail.text.0.is_empty() || !detail.summary.0.is_empty());
    if !told_in_details {
        let [first, second] = [delta.reasoning_content.0, delta.reasoning.0];
        put_reasoning(number, if first.is_empty() { second } else { first }, each);
    }
    for detail in details {
        put_reasoning(number, detail.text.0, each);
        put_reasoning(number, detail.summary.0, each);
        put_signature(number, detail.signature.0, each);
        if !detail.data.0.is_empty() {
            each(Event::Redacted {
                choice: number,
                data: detail.data.0,
            });
        }
    }
    put_content(number, delta.content, each);
    put_refusal(number, delta.refusal.0, each);
    if let Some(function) = delta.function_call.0 {
        state.function_call(number, &function, each)?;
    }
    state.calls(number, delta.tool_calls.0, whole, each)
}

fn put_content(choice: u32, content: Content<'_>, each: &mut dyn FnMut(Event<'_>)) {
    let parts = match content {
        Content::Text(text) => return put_text(choice, text, each),
        Content::Parts(parts) => parts,
    };
    for part in parts {
        match part.thinking {
            Content::Text(text) => put_reasoning(choice, text, each),
            Content::Parts(inner) => {
                for part in inner {
                    put_reasoning(choice, part.text.0, each);
                }
            }
        }
        put_signature(choice, part.signature.0, each);
        put_text(choice, part.text.0, each);
        put_refusal(choice, part.refusal.0, each);
    }
}

fn put_text(choice: u32, text: Cow<'_, str>, each: &mut dyn FnMut(Event<'_>)) {
    if !text.is_empty() {
        each(Event::Text { choice, text });
    }
}

fn put_reasoning(choice: u32, text: Cow<'_, str>, each: &mut dyn FnMut(Event<'_>)) {
    if !text.is_empty() {
        each(Event::Reasoning { choice, text });
    }
}

fn put_refusal(choice: u32, text: Cow<'_, str>, each: &mut dyn FnMut(Event<'_>)) {
    if !text.is_empty() {
        each(Event::Refusal { choice, text });
    }
}

fn put_signature(choice: u32, signature: Cow<'_, str>, each: &mut dyn FnMut(Event<'_>)) {
    if !signature.is_empty() {
        each(Event::Signature { choice, signature });
    }
}
