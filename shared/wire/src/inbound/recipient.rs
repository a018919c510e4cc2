//! Whom an answer is written for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::CallerDialect;
use crate::dialect::anthropic;
use crate::dialect::ollama::{self, Durations, OllamaCall};
use crate::dialect::openai::{self, ChatWriter, ReplyFault, WriterOptions, write_chat_reply};
use crate::dialect::responses::{self, Addressee, Echo, Namespaces};
use crate::hub::{Answer, ToolNames};
use crate::translation::StreamTo;

/// A caller, and what an answer to it carries that is the gateway's to say.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// What it speaks.
    pub dialect: CallerDialect,
    /// The answer's id, model and time; for OpenAI's writers as they are.
    pub options: WriterOptions,
    /// The request's tokens, estimated: clients of some dialects need a number before
    /// the upstream declares one.
    pub prompt_tokens: u64,
    /// What a response carries besides, of a caller of Responses.
    pub response: Option<Addressee>,
    /// Texts that end the answer, of which the upstream was not told.
    pub stops: Vec<String>,
    /// Since the call came, for a dialect whose whole answers say how long they took.
    pub elapsed: Duration,
}

/// A caller of OpenAI's chat.
impl From<WriterOptions> for Recipient {
    fn from(options: WriterOptions) -> Self {
        Self {
            dialect: CallerDialect::OpenAiChat,
            options,
            prompt_tokens: 0,
            response: None,
            stops: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }
}

impl Recipient {
    /// Whether it speaks Ollama's dialect, which answers to a text as to a chat.
    pub(crate) fn is_ollamas(&self) -> bool {
        matches!(self.dialect, CallerDialect::Ollama(_))
    }

    /// A writer of a streamed chat.
    pub(crate) fn stream(&self) -> StreamTo {
        match self.dialect {
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_) => {
                StreamTo::Chat(ChatWriter::new(self.options.clone()))
            }
            CallerDialect::AnthropicMessages => {
                StreamTo::Messages(anthropic::StreamWriter::new(self.messages()))
            }
            CallerDialect::OpenAiResponses => {
                let writer = responses::StreamWriter::new(self.responses());
                StreamTo::Responses(Box::new(writer))
            }
            CallerDialect::Ollama(called) => {
                StreamTo::Ollama(ollama::StreamWriter::new(self.ollama(called)))
            }
        }
    }

    /// A whole chat.
    pub(crate) fn whole(&self, answer: &Answer, names: &ToolNames) -> Bytes {
        match self.dialect {
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_) => write_chat_reply(answer, names, &self.options),
            CallerDialect::AnthropicMessages => {
                anthropic::write_reply(answer, names, &self.messages())
            }
            CallerDialect::OpenAiResponses => {
                responses::write_reply(answer, names, self.responses())
            }
            CallerDialect::Ollama(called) => {
                let options = self.ollama(called);
                ollama::write_reply(answer, names, &options, &self.durations()).body
            }
        }
    }

    /// The id by which the caller knows a call of a whole answer, whose id is `answer`.
    pub(crate) fn call_id(&self, answer: &str, place: (u32, u32), id: &str) -> String {
        match self.dialect {
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_) => {
                openai::reply_call_id(answer, &self.options.id, place, id).into_owned()
            }
            CallerDialect::AnthropicMessages => {
                anthropic::reply_call_id(answer, &self.options.id, place.1, id)
            }
            CallerDialect::OpenAiResponses => {
                responses::StreamWriter::new(self.responses()).call_id(place.1, id)
            }
            CallerDialect::Ollama(_) => id.to_owned(),
        }
    }

    /// `list`, OpenAI's list of embeddings, in the caller's dialect; `None` where that is
    /// the caller's.
    ///
    /// # Errors
    /// When it holds no vectors.
    pub fn vectors(&self, list: &[u8]) -> Result<Option<Bytes>, ReplyFault> {
        match self.dialect {
            CallerDialect::Ollama(called) if called.embeds() => {
                let model = &self.options.model;
                ollama::write_vectors(called, list, model, &self.durations()).map(Some)
            }
            CallerDialect::Ollama(_)
            | CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_)
            | CallerDialect::AnthropicMessages
            | CallerDialect::OpenAiResponses => Ok(None),
        }
    }

    /// The answer to a request for nothing; `None` in a dialect that has no such thing.
    #[must_use]
    pub fn loaded(&self, loading: ollama::Loading) -> Option<Bytes> {
        match self.dialect {
            CallerDialect::Ollama(called) if called.embeds() => {
                let model = &self.options.model;
                Some(ollama::write_no_vectors(called, model, &self.durations()))
            }
            CallerDialect::Ollama(called) => {
                Some(ollama::write_loading(loading, &self.ollama(called)))
            }
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_)
            | CallerDialect::AnthropicMessages
            | CallerDialect::OpenAiResponses => None,
        }
    }

    fn ollama(&self, called: OllamaCall) -> ollama::WriterOptions {
        ollama::WriterOptions {
            form: called.form(),
            model: self.options.model.clone(),
            created: self.options.created,
        }
    }

    fn durations(&self) -> Durations {
        Durations::whole(u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    fn responses(&self) -> responses::WriterOptions {
        let asked = self.response.as_ref().map(|to| &to.asked);
        let id = self.response.as_ref().map(|to| to.id.clone());
        responses::WriterOptions {
            model: self.options.model.clone(),
            id: id.unwrap_or_else(|| self.options.id.clone()),
            created: self.options.created,
            input_tokens: self.prompt_tokens,
            origin: self.options.origin,
            echo: asked.map_or_else(
                || Arc::new(Echo::of(b"{}")),
                |asked| Arc::clone(&asked.echo),
            ),
            namespaces: self.namespaces(),
        }
    }

    /// How a caller of Responses knows its tools.
    #[must_use]
    pub fn namespaces(&self) -> Arc<Namespaces> {
        let asked = self.response.as_ref().map(|to| &to.asked);
        asked
            .map(|asked| Arc::clone(&asked.namespaces))
            .unwrap_or_default()
    }

    pub(super) fn messages(&self) -> anthropic::WriterOptions {
        anthropic::WriterOptions {
            model: self.options.model.clone(),
            id: self.options.id.clone(),
            input_tokens: self.prompt_tokens,
        }
    }
}
