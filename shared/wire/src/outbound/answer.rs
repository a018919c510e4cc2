//! An answer on its way back: from the candidate's dialect into the caller's.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::dialect::openai::End;
use crate::dialect::openai::{
    self, CompletionPart, CompletionWriter, ReplyFault, total_usage, write_completion_replies,
};
use crate::dialect::{anthropic, ollama, responses, runpod};
use crate::hub::{Answer, Event, StreamFault, ToolNames};
use crate::inbound::{CallerDialect, Recipient};
use crate::normaliser::{Manner, Normaliser, Reveal};
use crate::translation::{
    self, AnswerTool, Kept, Proofs, Stops, StreamFrom, StreamTo, Translation, WholeFrom,
};
use crate::usage::Usage;

/// How an answer becomes the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// It is in the caller's dialect and is edited.
    Edited,
    /// A chat in the caller's dialect is written from it.
    Chat(Dialect),
    /// A text completion is written from it, or from several; each after its prompt
    /// where that is wanted.
    Completion(Dialect, Vec<Option<Arc<str>>>),
    /// Ollama's embeddings.
    Embeddings {
        /// The caller wants them as base64.
        base64: bool,
    },
    /// Embeddings in OpenAI's form inside a job's output.
    JobEmbeddings {
        /// The caller wants them as base64.
        base64: bool,
    },
}

/// The dialect of an answer that is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Ollama's.
    Ollama,
    /// Outputs of a RunPod worker.
    Job {
        /// The limit that the worker was given: not every worker says that its answer
        /// ended there.
        max_tokens: Option<u64>,
    },
}

/// A whole answer in the caller's dialect.
#[derive(Debug)]
pub struct Completed {
    /// The body, JSON.
    pub body: Bytes,
    /// Usage as declared.
    pub usage: Option<Usage>,
    /// The tokens that were counted of each request's prompt, in their order; 0 where
    /// none were. Nothing of embeddings.
    pub prompts: Vec<u64>,
    /// Bytes of text, reasoning and tool calls in it.
    pub answer_bytes: u64,
    /// Why nothing is in it, if nothing is, is said.
    pub says_why: bool,
    /// The signed reasoning before each tool call; see
    /// [`Translation::take_thinking`].
    pub thinking: Vec<(String, Vec<crate::hub::Thinking>)>,
    /// See [`Translation::take_proofs`].
    pub proofs: Vec<String>,
    /// What was made of its text, where something was looked for.
    pub normaliser: Option<Normaliser>,
    /// Calls that the upstream gave as such and that were mended.
    pub repaired: u32,
}

impl Dialect {
    /// A reader of its streams.
    #[must_use]
    pub fn stream(self) -> StreamFrom {
        match self {
            Self::OpenAi => StreamFrom::OpenAi(openai::EventReader::default()),
            Self::Anthropic => StreamFrom::Anthropic(anthropic::StreamReader::default()),
            Self::Ollama => StreamFrom::Ollama(ollama::StreamReader::default()),
            Self::Job { max_tokens } => {
                StreamFrom::Job(Box::new(runpod::OutputReader::new(max_tokens)))
            }
        }
    }

    /// What an answer amounts to that was read to its end; `is_stream` says in which
    /// form it came.
    #[must_use]
    pub fn whole(self, body: &[u8], is_stream: bool) -> Answer {
        let mut answer = Answer::default();
        self.read(body, is_stream, &mut |event| answer.add(&event));
        answer
    }

    fn read(self, body: &[u8], is_stream: bool, each: &mut dyn FnMut(Event<'_>)) {
        let from = match self {
            // Outputs come one by one or in a list, which is no stream.
            Self::Job { max_tokens } => WholeFrom::Job { max_tokens },
            Self::OpenAi | Self::Anthropic | Self::Ollama if is_stream => {
                let mut from = self.stream();
                from.push(body, each);
                return from.finish(true, each);
            }
            Self::OpenAi => WholeFrom::OpenAi,
            Self::Anthropic => WholeFrom::Anthropic,
            Self::Ollama => WholeFrom::Ollama,
        };
        translation::read_whole(from, body, each);
    }
}

impl AnswerForm {
    /// The translation of a streamed answer; `None` for one that is edited or never
    /// streamed. Chats are normalised as `manner` says.
    #[must_use]
    pub fn translation(
        &self,
        recipient: &Recipient,
        names: ToolNames,
        manner: Option<&Manner>,
    ) -> Option<Translation> {
        let (dialect, to) = match self {
            Self::Edited | Self::Embeddings { .. } | Self::JobEmbeddings { .. } => return None,
            Self::Chat(dialect) => (dialect, recipient.stream()),
            Self::Completion(dialect, _) if recipient.is_ollamas() => (dialect, recipient.stream()),
            Self::Completion(dialect, echoes) => {
                let echo = echoes.first().cloned().flatten();
                let echo = echo.map(|echo| echo.to_string());
                let part = CompletionPart::only(echo);
                let writer = CompletionWriter::new(recipient.options.clone(), part);
                (dialect, StreamTo::Completion(writer))
            }
        };
        let translation = Translation::new(dialect.stream(), to, names);
        let translation = translation.ending_before(&recipient.stops);
        Some(match (manner, self) {
            (Some(manner), Self::Chat(_)) => translation.normalising(manner),
            _ => translation,
        })
    }

    /// The whole answer that `replies` make, one for each request that was sent;
    /// `None` when it is edited instead. Each comes with whether it is a stream.
    ///
    /// # Errors
    /// When a reply is none, or carries an error.
    pub fn completed(
        &self,
        replies: &[(Bytes, bool)],
        recipient: &Recipient,
        names: &ToolNames,
        manner: Option<&Manner>,
    ) -> Result<Option<Completed>, Failed> {
        let options = &recipient.options;
        let first = replies.first().map(|(body, _)| body.clone());
        let first = first.unwrap_or_default();
        let (dialect, echoes) = match self {
            Self::Edited => return Ok(None),
            Self::Embeddings { base64 } => {
                let reply = ollama::read_embeddings(&first, &options.model, *base64)
                    .map_err(Failed::Reply)?;
                return Ok(Some(Completed::embeddings(
                    reply.body,
                    reply.usage,
                    reply.vectors,
                )));
            }
            Self::JobEmbeddings { base64 } => {
                let text = std::str::from_utf8(&first).unwrap_or_default();
                let list = runpod::read_embeddings_output(text).ok_or_else(|| {
                    Failed::Reply(ReplyFault::NotJson("it holds no embeddings".to_owned()))
                })?;
                let list = if *base64 { openai::coded(&list) } else { list };
                let reply = openai::Reply::read(&list, &options.model).map_err(Failed::Reply)?;
                return Ok(Some(Completed::embeddings(
                    reply.body.to_bytes(),
                    reply.usage,
                    reply.vectors,
                )));
            }
            Self::Chat(dialect) => (*dialect, None),
            Self::Completion(dialect, echoes) => (*dialect, Some(echoes)),
        };
        let mut answers = Vec::new();
        let mut kept = Kept::default();
        let mut proofs = Proofs::default();
        let keeps = dialect == Dialect::Anthropic && echoes.is_none();
        let manner = manner.filter(|_| echoes.is_none());
        let mut normaliser = manner.map(Normaliser::whole);
        let mut repaired = 0;
        // Several replies to a chat are its choices, one each.
        let is_several = echoes.is_none() && replies.len() > 1;
        let mut stops = Stops::of(&recipient.stops);
        for (number, (body, is_stream)) in (0..).zip(replies) {
            let mut answer = Answer::default();
            let mut native = manner.and_then(Manner::native_whole);
            let mut reveal = Reveal::new(manner.map(|manner| manner.shown).unwrap_or_default());
            let mut each = |event: Event<'_>| {
                if keeps {
                    kept.add(&event, |choice, call, id| {
                        recipient.call_id(&answer.id, (choice, call), id)
                    });
                }
                if recipient.dialect == CallerDialect::AnthropicMessages {
                    proofs.add(&event);
                }
                reveal.event(event, &mut |event| answer.add(&event));
            };
            let mut normalise = |event: Event<'_>| match &mut normaliser {
                Some(normaliser) => normaliser.event(event, &mut each),
                None => each(event),
            };
            let mut mend = |event: Event<'_>| match &mut native {
                Some(native) => native.event(event, &mut normalise),
                None => normalise(event),
            };
            let mut answer_tool = AnswerTool::of(names);
            let mut answer_of = |event: Event<'_>| match &mut answer_tool {
                Some(tool) => tool.event(event, &mut mend),
                None => mend(event),
            };
            dialect.read(body, *is_stream, &mut |event| {
                let event = if is_several {
                    event.in_choice(number)
                } else {
                    event
                };
                match &mut stops {
                    Some(stops) => stops.event(event, &mut answer_of),
                    None => answer_of(event),
                }
            });
            repaired += native.map_or(0, |native| native.repaired());
            match answer.end {
                // Of a whole reply there are no events that the caller should read of.
                Some(Err(StreamFault::BadEvent(why))) if !is_stream => {
                    return Err(Failed::Reply(ReplyFault::NotJson(why)));
                }
                Some(Err(fault)) => return Err(Failed::Stream(fault)),
                Some(Ok(())) | None => {}
            }
            answers.push(answer);
        }
        let body = match echoes {
            None => recipient.whole(&Answer::joined(&answers), names),
            Some(_) if recipient.is_ollamas() => recipient.whole(&Answer::joined(&answers), names),
            Some(echoes) => {
                let echo = |n: usize| echoes.get(n).and_then(Option::as_deref);
                let parts: Vec<_> = answers
                    .iter()
                    .enumerate()
                    .map(|(n, answer)| (answer, echo(n)))
                    .collect();
                write_completion_replies(&parts, &options.model, options.created, &options.id)
            }
        };
        Ok(Some(Completed {
            body,
            usage: answers
                .iter()
                .fold(None, |sum, a| total_usage(sum, a.usage)),
            prompts: answers
                .iter()
                .map(|answer| answer.usage.map_or(0, |usage| usage.prompt_tokens))
                .collect(),
            answer_bytes: answers.iter().map(Answer::bytes).sum(),
            says_why: answers.iter().any(Answer::says_why),
            thinking: kept.take(),
            proofs: proofs.take(),
            normaliser,
            repaired,
        }))
    }
}

/// Why a reply is not the caller's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The reply as such.
    Reply(ReplyFault),
    /// Something in it.
    Stream(StreamFault),
}

impl Completed {
    /// A whole reply in Anthropic's form, for a caller that speaks it too: it stays what it
    /// is but for the model's name. One that came as a stream is written as one body.
    ///
    /// # Errors
    /// When it is no reply, or carries an error.
    pub fn messages(body: &Bytes, is_stream: bool, recipient: &Recipient) -> Result<Self, Failed> {
        if is_stream {
            let names = ToolNames::default();
            let replies = [(body.clone(), true)];
            let form = AnswerForm::Chat(Dialect::Anthropic);
            let completed = form.completed(&replies, recipient, &names, None)?;
            return completed.ok_or(Failed::Stream(StreamFault::Truncated));
        }
        let edited = anthropic::edited_reply(body, &recipient.options.model);
        let edited = edited.map_err(|fault| match fault {
            StreamFault::BadEvent(why) => Failed::Reply(ReplyFault::NotJson(why)),
            fault @ (StreamFault::Truncated | StreamFault::Upstream(_) | StreamFault::TooLong) => {
                Failed::Stream(fault)
            }
        })?;
        let answer = edited.answer;
        Ok(Self {
            body: edited.body,
            usage: answer.usage,
            prompts: Vec::new(),
            answer_bytes: answer.bytes(),
            says_why: answer.says_why(),
            thinking: edited.thinking,
            proofs: edited.proofs,
            normaliser: None,
            repaired: 0,
        })
    }

    /// A whole response, for a caller that speaks it too: it stays as it is, unless something
    /// is made of what it says. Of one that came as a stream the last event holds it.
    ///
    /// # Errors
    /// When it is no response, or one that has failed.
    pub fn response(
        body: &Bytes,
        is_stream: bool,
        recipient: &Recipient,
        names: &ToolNames,
        manner: Option<&Manner>,
    ) -> Result<Self, Failed> {
        let body = if is_stream {
            let mut watcher = responses::Watcher::default();
            let mut passed = BytesMut::new();
            watcher.push(body, &mut passed);
            match watcher.finish(true, &mut passed) {
                End::Complete => watcher.take_response().unwrap_or_default(),
                End::Fault(fault) => return Err(Failed::Stream(fault)),
            }
        } else {
            body.clone()
        };
        let whole = responses::Whole::read(&body).map_err(|said| match said.message {
            Some(_) => Failed::Stream(StreamFault::Upstream(said)),
            None => Failed::Reply(ReplyFault::NotJson("it is no response".to_owned())),
        })?;
        let made = manner.map(|manner| {
            responses::normalised_response(&body, manner, names, &recipient.namespaces())
        });
        let (body, normaliser, repaired) = match made {
            Some(made) => (made.body, Some(made.normaliser), made.repaired),
            None => (body, None, 0),
        };
        Ok(Self {
            body,
            usage: whole.usage,
            prompts: Vec::new(),
            answer_bytes: whole.answer_bytes,
            says_why: whole.says_why,
            thinking: Vec::new(),
            proofs: whole.proofs,
            normaliser,
            repaired,
        })
    }

    /// One without a vector is as empty as an answer without a word.
    fn embeddings(body: Bytes, usage: Option<Usage>, vectors: usize) -> Self {
        Self {
            body,
            usage,
            prompts: Vec::new(),
            answer_bytes: 0,
            says_why: vectors > 0,
            thinking: Vec::new(),
            proofs: Vec::new(),
            normaliser: None,
            repaired: 0,
        }
    }
}
