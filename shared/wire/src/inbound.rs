//! A caller's request, read once, in whatever dialect it comes.
//!
//! The road of a call looks at one form of a request, OpenAI's: which model, whether a
//! stream, which tools, how long, whose conversation. What comes in another dialect is
//! read into the hub's chat, and the same chat in OpenAI's form stands beside it. An
//! upstream of the caller's own dialect still gets the caller's bytes, edited; any other
//! one is written from the chat.

mod dialect;
mod recipient;

use bytes::Bytes;

use crate::dialect::anthropic;
use crate::dialect::ollama::{self, Loading, OllamaCall, Wanted};
use crate::dialect::openai::{self, BadRequest, ChatTarget, Request};
use crate::dialect::responses::{Asked, Earlier};
use crate::hub::{Chat, Part, Source};
use crate::provider::Call;
pub use dialect::CallerDialect;
pub use recipient::Recipient;

/// A caller's request.
#[derive(Debug)]
pub struct Inbound {
    /// What its caller speaks.
    pub dialect: CallerDialect,
    /// What is wanted of an upstream.
    pub call: Call,
    /// The body in OpenAI's form; of OpenAI's own dialects as it came.
    pub body: Bytes,
    /// What was read of that body.
    pub request: Request,
    /// What a caller of another dialect has sent.
    pub own: Option<Box<Own>>,
    /// What else there is of a request that is no chat.
    pub wordless: Option<Box<Wordless>>,
}

/// A request in a dialect that is not OpenAI's and is no chat: for vectors, for a text to go on
/// with, or for nothing.
#[derive(Debug)]
pub struct Wordless {
    /// The body as it came.
    pub body: Bytes,
    /// What it does that asks for nothing; no upstream is sent that.
    pub loading: Option<Loading>,
    /// What of it has no place in OpenAI's form.
    pub left_out: Vec<String>,
}

/// A request in a dialect that is not OpenAI's.
#[derive(Debug)]
pub struct Own {
    /// What a response needs of it, of a caller of Responses.
    pub asked: Option<Asked>,
    /// The body as it came; `None` when its conversation had to be mended, so that it is
    /// not to be sent to anyone.
    pub body: Option<Bytes>,
    /// What it says.
    pub chat: Chat,
}

impl Inbound {
    /// Reads `body`, which came to a path of `dialect`.
    ///
    /// # Errors
    /// When it is not a request of that dialect.
    pub fn read(dialect: CallerDialect, body: Bytes) -> Result<Self, BadRequest> {
        Self::read_after(dialect, body, &Earlier::NONE)
    }

    /// The same for a caller that may go on with `earlier` answers.
    ///
    /// # Errors
    /// As [`Self::read`], and when it refers to an answer that is not kept.
    pub fn read_after(
        dialect: CallerDialect,
        body: Bytes,
        earlier: &Earlier<'_>,
    ) -> Result<Self, BadRequest> {
        match dialect {
            CallerDialect::OpenAiChat
            | CallerDialect::OpenAiCompletions
            | CallerDialect::OpenAiEmbeddings
            | CallerDialect::OpenAiPassed(_) => {
                let call = dialect.call();
                let request = Request::read(call, &body)?;
                Ok(Self {
                    dialect,
                    call,
                    body,
                    request,
                    own: None,
                    wordless: None,
                })
            }
            CallerDialect::Ollama(called) => Self::read_ollama(called, body),
            CallerDialect::OpenAiResponses => {
                let (read, body, asked) = Asked::read(&body, earlier)?;
                let mut inbound = Self::of_chat(dialect, body, Some(&read.model), read.chat)?;
                if let Some(own) = &mut inbound.own {
                    own.asked = Some(asked);
                }
                Ok(inbound)
            }
            CallerDialect::AnthropicMessages => {
                let read = anthropic::read_chat(&body)?;
                Self::of_chat(dialect, body, read.model.as_deref(), read.chat)
            }
        }
    }

    fn read_ollama(called: OllamaCall, body: Bytes) -> Result<Self, BadRequest> {
        let read = match called {
            OllamaCall::Chat => ollama::read_chat(&body)?,
            OllamaCall::Generate => ollama::read_generate(&body)?,
            OllamaCall::Embed | OllamaCall::Embeddings => {
                let read = ollama::read_embed(called, &body)?;
                let (form, loading) = match read.wants {
                    Ok(form) => (Some(form), None),
                    Err(loading) => (None, Some(loading)),
                };
                let wordless = Wordless {
                    body,
                    loading,
                    left_out: read.left_out,
                };
                let call = Call::Embeddings;
                return Self::wordless(called, call, &read.model, form, wordless);
            }
        };
        match read.wants {
            Wanted::Answer(chat) => {
                let dialect = CallerDialect::Ollama(called);
                Self::of_chat(dialect, body, Some(&read.model), *chat)
            }
            Wanted::Complete { form, left_out } => {
                let wordless = Wordless {
                    body,
                    loading: None,
                    left_out,
                };
                let call = Call::Completions;
                Self::wordless(called, call, &read.model, Some(form), wordless)
            }
            Wanted::Nothing(loading) => {
                let wordless = Wordless {
                    body,
                    loading: Some(loading),
                    left_out: Vec::new(),
                };
                let call = CallerDialect::Ollama(called).call();
                Self::wordless(called, call, &read.model, None, wordless)
            }
        }
    }

    /// A request with `form`, its body as OpenAI has it, or one for nothing.
    fn wordless(
        called: OllamaCall,
        call: Call,
        model: &str,
        form: Option<Bytes>,
        wordless: Wordless,
    ) -> Result<Self, BadRequest> {
        let dialect = CallerDialect::Ollama(called);
        let (body, request) = match form {
            Some(form) => {
                let request = Request::read(call, &form)?;
                (form, request)
            }
            None => {
                let mut request = Request::default();
                request.model = Some(model.to_owned());
                (wordless.body.clone(), request)
            }
        };
        Ok(Self {
            dialect,
            call,
            body,
            request,
            own: None,
            wordless: Some(Box::new(wordless)),
        })
    }

    /// A chat that `body`, in `dialect`, asks of `model`.
    ///
    /// # Errors
    /// When the chat is none that a model could answer.
    pub fn of_chat(
        dialect: CallerDialect,
        body: Bytes,
        model: Option<&str>,
        chat: Chat,
    ) -> Result<Self, BadRequest> {
        let form = openai_form(model.unwrap_or_default(), &chat)?;
        let request = Request::read(Call::Chat, &form)?;
        Ok(Self {
            dialect,
            call: Call::Chat,
            body: form,
            request,
            own: Some(Box::new(Own {
                asked: None,
                body: Some(body),
                chat,
            })),
            wordless: None,
        })
    }

    /// The same with `body`, its mended form in OpenAI's dialect, and what was read of it.
    ///
    /// # Errors
    /// When the mended form cannot be read as a chat.
    pub(crate) fn mended(&self, body: Bytes, request: Request) -> Result<Self, BadRequest> {
        let own = match &self.own {
            None => None,
            Some(own) => {
                let mut chat = openai::read_chat(&body)?;
                // Of what OpenAI's form has no place for the least is lost.
                chat.cache.clone_from(&own.chat.cache);
                chat.left_out.clone_from(&own.chat.left_out);
                chat.custom_tools.clone_from(&own.chat.custom_tools);
                let asked = own.asked.clone();
                Some(Box::new(Own {
                    asked,
                    body: None,
                    chat,
                }))
            }
        };
        Ok(Self {
            dialect: self.dialect,
            call: self.call,
            body,
            request,
            own,
            wordless: None,
        })
    }

    /// Whether it asks for nothing, so that no upstream is sent it.
    #[must_use]
    pub fn loads(&self) -> bool {
        let wordless = self.wordless.as_ref();
        wordless.is_some_and(|rest| rest.loading.is_some())
    }

    /// The body as the caller sent it, for an upstream of the same dialect.
    #[must_use]
    pub fn raw(&self) -> Option<&Bytes> {
        match (&self.own, &self.wordless) {
            (Some(own), _) => own.body.as_ref(),
            (None, Some(wordless)) => Some(&wordless.body),
            (None, None) => Some(&self.body),
        }
    }
}

/// `chat` in OpenAI's form, as the road looks at it; it goes to nobody.
fn openai_form(model: &str, chat: &Chat) -> Result<Bytes, BadRequest> {
    let target = ChatTarget {
        model,
        only_max_tokens: true,
        developer_role: false,
        ask_usage: false,
        string_content: true,
        stop_limit: None,
        plain_tool_names: false,
    };
    let refused = |refusal: crate::hub::Refusal| BadRequest {
        param: Some(refusal.param),
        message: refusal.message,
    };
    if !has_located_document(chat) {
        return Ok(openai::write_chat(chat, &target).map_err(refused)?.body);
    }
    // The form has no place for a document by its address.
    let mut placed = chat.clone();
    for message in &mut placed.messages {
        locate(&mut message.parts);
    }
    Ok(openai::write_chat(&placed, &target).map_err(refused)?.body)
}

fn has_located_document(chat: &Chat) -> bool {
    fn any(parts: &[Part]) -> bool {
        parts.iter().any(|part| match part {
            Part::Document { source, .. } => matches!(source, Source::Url(_)),
            Part::ToolResult { parts, .. } => any(parts),
            Part::Text { .. } | Part::Image { .. } | Part::Thinking(..) | Part::ToolCall { .. } => {
                false
            }
        })
    }
    chat.messages.iter().any(|message| any(&message.parts))
}

/// Puts the address itself in the place of a document by its address.
fn locate(parts: &mut [Part]) {
    for part in parts {
        match part {
            Part::Document {
                source: source @ Source::Url(_),
                ..
            } => {
                if let Source::Url(url) = source {
                    *source = Source::Text(std::mem::take(url));
                }
            }
            Part::ToolResult { parts, .. } => locate(parts),
            Part::Document { .. }
            | Part::Text { .. }
            | Part::Image { .. }
            | Part::Thinking(..)
            | Part::ToolCall { .. } => {}
        }
    }
}
