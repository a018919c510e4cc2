//! An answer on its way between two dialects: the upstream's bytes in, the caller's
//! bytes out.
//!
//! Any split of the input gives the same output, and an answer ends once: what comes
//! after its end reaches nobody. Same-dialect answers never come here; they are edited
//! in place ([`crate::dialect::openai::StreamEditor`]).

mod answer_tool;
mod kept;
mod proofs;
mod stops;

use bytes::{Bytes, BytesMut};

pub use crate::dialect::openai::End;
use crate::dialect::openai::ErrorBody;
use crate::dialect::{anthropic, ollama, openai, responses, runpod};
use crate::hub::{Answer, Event, StreamFault, Thinking, ToolNames};
use crate::normaliser::{Manner, Native, Normaliser, Reveal};
use crate::usage::Usage;
pub(crate) use answer_tool::AnswerTool;
pub(crate) use kept::Kept;
pub(crate) use proofs::Proofs;
pub(crate) use stops::Stops;

/// The upstream's side of a stream.
#[derive(Debug)]
pub enum StreamFrom {
    /// Any OpenAI-family server.
    OpenAi(openai::EventReader),
    /// Anthropic's messages.
    Anthropic(anthropic::StreamReader),
    /// Ollama's own API, chat and generate.
    Ollama(ollama::StreamReader),
    /// The outputs of a RunPod worker: one whole output a push. Boxed, because it
    /// holds readers of its own.
    Job(Box<runpod::OutputReader>),
}

/// The caller's side of a stream.
#[derive(Debug)]
pub enum StreamTo {
    /// OpenAI's chat completions.
    Chat(openai::ChatWriter),
    /// OpenAI's text completions.
    Completion(openai::CompletionWriter),
    /// Anthropic's messages.
    Messages(anthropic::StreamWriter),
    /// OpenAI's Responses. Boxed, because it is the largest.
    Responses(Box<responses::StreamWriter>),
    /// Ollama's own API.
    Ollama(ollama::StreamWriter),
}

impl StreamTo {
    /// Appends what the caller gets for `event`.
    fn write(&mut self, event: &Event<'_>, names: &ToolNames, out: &mut BytesMut) {
        match self {
            Self::Chat(writer) => writer.write(event, names, out),
            Self::Completion(writer) => writer.write(event, out),
            Self::Messages(writer) => writer.write(event, names, out),
            Self::Responses(writer) => writer.write(event, names, out),
            Self::Ollama(writer) => writer.write(event, names, out),
        }
    }

    /// The id that the caller knows a call by.
    fn call_id(&self, choice: u32, call: u32, id: &str) -> String {
        match self {
            Self::Chat(writer) => writer.call_id(choice, call, id).into_owned(),
            Self::Completion(_) => id.to_owned(),
            Self::Messages(writer) => writer.call_id(call, id),
            Self::Responses(writer) => writer.call_id(call, id),
            Self::Ollama(_) => id.to_owned(),
        }
    }

    /// Whether clients of the format skip over comments.
    fn takes_comments(&self) -> bool {
        match self {
            Self::Chat(_) | Self::Completion(_) | Self::Messages(_) | Self::Responses(_) => true,
            Self::Ollama(_) => false,
        }
    }
}

/// The dialect of a whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WholeFrom {
    /// Any OpenAI-family server.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's own API, chat and generate.
    Ollama,
    /// The output of a RunPod worker.
    Job {
        /// The limit that the worker was given, which tells why its answer ended.
        max_tokens: Option<u64>,
    },
}

/// One stream between two dialects.
#[derive(Debug)]
pub struct Translation {
    from: StreamFrom,
    caller: Caller,
}

/// Everything behind the reader.
#[derive(Debug)]
struct Caller {
    to: StreamTo,
    /// The caller's names of the tools.
    names: ToolNames,
    usage: Option<Usage>,
    answer_bytes: u64,
    says_why: bool,
    answer_tool: Option<AnswerTool>,
    stops: Option<Stops>,
    kept: Option<Kept>,
    /// Of an answer in a dialect that does not say whose they are.
    proofs: Option<Proofs>,
    native: Option<Native>,
    normaliser: Option<Box<Normaliser>>,
    reveal: Reveal,
    comment: bool,
    /// Calls mended that the upstream gave as such.
    mended: u32,
    end: Option<End>,
}

impl StreamFrom {
    /// Takes the upstream's next bytes and tells what they complete.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::OpenAi(reader) => reader.push(bytes, each),
            Self::Anthropic(reader) => reader.push(bytes, each),
            Self::Ollama(reader) => reader.push(bytes, each),
            // JSON is UTF-8; what is none is no output either.
            Self::Job(reader) => reader.push(std::str::from_utf8(bytes).unwrap_or("null"), each),
        }
    }

    /// Whether the answer is complete although its end has not been told: what may
    /// still come is usage and the mark of the end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self {
            Self::OpenAi(reader) => reader.is_finished(),
            Self::Anthropic(reader) => reader.is_finished(),
            // Its last line is all of that at once.
            Self::Ollama(_) => false,
            Self::Job(reader) => reader.is_finished(),
        }
    }

    /// The upstream's bytes have ended; tells the terminal event if none was told.
    pub fn finish(&mut self, cleanly: bool, each: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::OpenAi(reader) => reader.finish(cleanly, each),
            Self::Anthropic(reader) => reader.finish(cleanly, each),
            Self::Ollama(reader) => reader.finish(cleanly, each),
            Self::Job(reader) => reader.finish(cleanly, each),
        }
    }
}

impl Translation {
    /// A stream that has not begun. `names` are those that the request was written
    /// with.
    #[must_use]
    pub fn new(from: StreamFrom, to: StreamTo, names: ToolNames) -> Self {
        let kept = match &from {
            StreamFrom::Anthropic(_) => Some(Kept::default()),
            StreamFrom::OpenAi(_) | StreamFrom::Ollama(_) | StreamFrom::Job(_) => None,
        };
        let proofs = matches!(to, StreamTo::Messages(_)).then(Proofs::default);
        Self {
            from,
            caller: Caller {
                to,
                proofs,
                answer_tool: AnswerTool::of(&names),
                names,
                usage: None,
                answer_bytes: 0,
                says_why: false,
                stops: None,
                kept,
                native: None,
                normaliser: None,
                reveal: Reveal::default(),
                comment: false,
                mended: 0,
                end: None,
            },
        }
    }

    /// The same with text that is a tool call made into one, and reasoning shown as
    /// `manner` says.
    #[must_use]
    pub fn normalising(mut self, manner: &Manner) -> Self {
        self.caller.reveal = Reveal::new(manner.shown);
        self.caller.comment = manner.comment;
        self.caller.native = manner.native();
        self.caller.normaliser = Some(Box::new(Normaliser::new(manner)));
        self
    }

    /// The same with its text ended before the first of `texts`, of which the upstream was not
    /// told.
    #[must_use]
    pub fn ending_before(mut self, texts: &[String]) -> Self {
        self.caller.stops = Stops::of(texts);
        self
    }

    /// What was made of the answer's text, where something was looked for.
    #[must_use]
    pub fn normaliser(&self) -> Option<&Normaliser> {
        self.caller.normaliser.as_deref()
    }

    /// Takes upstream bytes and appends what the caller gets to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let caller = &mut self.caller;
        let each = &mut |event: Event<'_>| caller.take(event, out);
        self.from.push(bytes, each);
    }

    /// Appends what keeps the caller's stream alive while the upstream is silent.
    pub fn keep_alive(&mut self, out: &mut BytesMut) {
        let caller = &mut self.caller;
        caller.to.write(&Event::KeepAlive, &caller.names, out);
    }

    /// The upstream's bytes have ended: `cleanly` says whether its message was
    /// complete as HTTP. After a fault the caller of this function sends
    /// [`StreamFault::public`].
    pub fn finish(&mut self, cleanly: bool, out: &mut BytesMut) -> End {
        let caller = &mut self.caller;
        let each = &mut |event: Event<'_>| caller.take(event, out);
        self.from.finish(cleanly, each);
        let end = &mut self.caller.end;
        end.get_or_insert(End::Fault(StreamFault::Truncated))
            .clone()
    }

    /// Takes a whole reply of `from` in the place of a stream, from an upstream that
    /// gave none, and appends the stream of it.
    pub fn replay(&mut self, from: WholeFrom, body: &[u8], out: &mut BytesMut) -> End {
        let caller = &mut self.caller;
        read_whole(from, body, &mut |event| caller.take(event, out));
        let end = &mut self.caller.end;
        end.get_or_insert(End::Fault(StreamFault::Truncated))
            .clone()
    }

    /// The end of a broken answer, in a dialect in which that goes on with what was told
    /// before; `None` where it stands for itself. The error's text has no secrets in it.
    pub fn fail(&mut self, error: &ErrorBody) -> Option<Bytes> {
        match &mut self.caller.to {
            StreamTo::Chat(_)
            | StreamTo::Completion(_)
            | StreamTo::Messages(_)
            | StreamTo::Ollama(_) => None,
            StreamTo::Responses(writer) => {
                let mut out = BytesMut::new();
                writer.fail(error, &mut out);
                Some(out.freeze())
            }
        }
    }

    /// The response that a caller of Responses was told, once the answer is complete.
    pub fn take_response(&mut self) -> Option<Bytes> {
        match &mut self.caller.to {
            StreamTo::Chat(_)
            | StreamTo::Completion(_)
            | StreamTo::Messages(_)
            | StreamTo::Ollama(_) => None,
            StreamTo::Responses(writer) => writer.take_finished(),
        }
    }

    /// Whether the caller's dialect says at its end how long the answer took.
    #[must_use]
    pub fn tells_time(&self) -> bool {
        matches!(self.caller.to, StreamTo::Ollama(_))
    }

    /// How long the answer has taken so far; to be said before what may be its end.
    pub fn took(&mut self, durations: ollama::Durations) {
        match &mut self.caller.to {
            StreamTo::Ollama(writer) => writer.took(durations),
            StreamTo::Chat(_)
            | StreamTo::Completion(_)
            | StreamTo::Messages(_)
            | StreamTo::Responses(_) => {}
        }
    }

    /// The end, once it is known: nothing after it reaches the caller.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.caller.end.as_ref()
    }

    /// See [`StreamFrom::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.from.is_finished()
    }

    /// The last usage that the upstream declared.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.caller.usage
    }

    /// Bytes of text, reasoning, tool names and tool arguments so far; 0 until the
    /// first token has arrived.
    #[must_use]
    pub fn answer_bytes(&self) -> u64 {
        self.caller.answer_bytes
    }

    /// Whether a choice ended for a reason that explains an answer without content.
    #[must_use]
    pub fn says_why(&self) -> bool {
        self.caller.says_why
    }

    /// The signed and the redacted reasoning that came before each tool call, by the
    /// id that the caller knows the call by. Callers that drop reasoning from their
    /// history cannot give it back, and the upstream wants it unchanged. Only for
    /// Anthropic; calls without reasoning of their own are not in it.
    #[must_use]
    pub fn take_thinking(&mut self) -> Vec<(String, Vec<Thinking>)> {
        let kept = self.caller.kept.as_mut();
        kept.map(Kept::take).unwrap_or_default()
    }

    /// The proofs that its caller was given without whose they are.
    #[must_use]
    pub fn take_proofs(&mut self) -> Vec<String> {
        let proofs = self.caller.proofs.as_mut();
        proofs.map(Proofs::take).unwrap_or_default()
    }
}

impl Caller {
    /// Takes an event as the upstream's reader tells it.
    fn take(&mut self, event: Event<'_>, out: &mut BytesMut) {
        match self.stops.take() {
            Some(mut stops) => {
                stops.event(event, &mut |event| self.answer(event, out));
                self.stops = Some(stops);
            }
            None => self.answer(event, out),
        }
    }

    fn answer(&mut self, event: Event<'_>, out: &mut BytesMut) {
        match self.answer_tool.take() {
            Some(mut tool) => {
                tool.event(event, &mut |event| self.mend(event, out));
                self.answer_tool = Some(tool);
            }
            None => self.mend(event, out),
        }
    }

    fn mend(&mut self, event: Event<'_>, out: &mut BytesMut) {
        match self.native.take() {
            Some(mut native) => {
                self.mended = native.repaired();
                native.event(event, &mut |event| self.normalise(event, out));
                self.native = Some(native);
            }
            None => self.normalise(event, out),
        }
    }

    fn normalise(&mut self, event: Event<'_>, out: &mut BytesMut) {
        let Some(mut normaliser) = self.normaliser.take() else {
            return self.event(&event, out);
        };
        let comment =
            self.comment && event == Event::End && self.end.is_none() && self.to.takes_comments();
        let mut last = None;
        normaliser.event(event, &mut |event| match event {
            // Behind what the normaliser still has to say.
            Event::End if comment => last = Some(Event::End),
            event @ (Event::Start { .. }
            | Event::Text { .. }
            | Event::Reasoning { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::Refusal { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Finish { .. }
            | Event::Usage(_)
            | Event::KeepAlive
            | Event::End
            | Event::Fault(_)) => self.event(&event, out),
        });
        if let Some(last) = last {
            openai::put_comment(&normaliser, self.mended, out);
            self.event(&last, out);
        }
        self.normaliser = Some(normaliser);
    }

    fn event(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        if self.end.is_some() {
            return;
        }
        match event {
            Event::Text { text, .. }
            | Event::Reasoning { text, .. }
            | Event::Refusal { text, .. }
            | Event::Arguments { text, .. } => self.answer_bytes += text.len() as u64,
            Event::Call { name, .. } => self.answer_bytes += name.len() as u64,
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::End => self.end = Some(End::Complete),
            Event::Fault(fault) => self.end = Some(End::Fault(fault.clone())),
            Event::Finish { reason, .. } => self.says_why |= reason.explains_emptiness(),
            Event::Start { .. }
            | Event::Signature { .. }
            | Event::Redacted { .. }
            | Event::KeepAlive => {}
        }
        let (to, names) = (&mut self.to, &self.names);
        let mut write = |event: &Event<'_>| to.write(event, names, out);
        if self.reveal.shows_all() {
            write(event);
        } else {
            self.reveal.event(event.clone(), &mut |event| write(&event));
        }
        if let Some(proofs) = &mut self.proofs {
            proofs.add(event);
        }
        if let Some(kept) = &mut self.kept {
            let to = &self.to;
            kept.add(event, |choice, call, id| to.call_id(choice, call, id));
        }
    }
}

/// What a whole reply amounts to. An error inside it, and a body that is no reply, is
/// a fault at its end.
#[must_use]
pub fn whole(from: WholeFrom, body: &[u8]) -> Answer {
    let mut answer = Answer::default();
    read_whole(from, body, &mut |event| answer.add(&event));
    answer
}

/// What a stream amounts to, for a caller that wants none from an upstream that gave
/// one.
#[must_use]
pub fn collected(mut from: StreamFrom, stream: &[u8]) -> Answer {
    let mut answer = Answer::default();
    let each = &mut |event: Event<'_>| answer.add(&event);
    from.push(stream, each);
    from.finish(true, each);
    answer
}

/// Tells what a whole reply says.
pub(crate) fn read_whole(from: WholeFrom, body: &[u8], each: &mut dyn FnMut(Event<'_>)) {
    match from {
        WholeFrom::OpenAi => openai::read_reply_events(body, each),
        WholeFrom::Anthropic => anthropic::read_reply(body, each),
        WholeFrom::Ollama => ollama::read_reply(body, each),
        WholeFrom::Job { max_tokens } => {
            let output = std::str::from_utf8(body).unwrap_or("null");
            runpod::read_output(output, max_tokens, each);
        }
    }
}

#[cfg(test)]
mod tests;
