//! The dialects in which calls come in, and what differs between their callers besides
//! requests and answers: how a stream is framed, what keeps it alive, how an error looks.

use bytes::Bytes;

use crate::dialect::ollama::OllamaCall;
use crate::dialect::openai::{self, ErrorBody};
use crate::dialect::{anthropic, ollama, responses};
use crate::provider::{Call, Format, Passed};
use crate::translation::{StreamFrom, StreamTo, Translation, WholeFrom};

use super::Recipient;
use crate::hub::{Event, Finish, ToolNames};

/// What a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerDialect {
    /// OpenAI's chat completions.
    OpenAiChat,
    /// OpenAI's text completions.
    OpenAiCompletions,
    /// OpenAI's embeddings.
    OpenAiEmbeddings,
    /// Calls of OpenAI's family of which nothing but the model's name is read.
    OpenAiPassed(Passed),
    /// Anthropic's messages.
    AnthropicMessages,
    /// OpenAI's Responses.
    OpenAiResponses,
    /// Ollama's own API.
    Ollama(OllamaCall),
}

/// A comment in a stream of events, which every client skips over.
const COMMENT: &[u8] = b": keep-alive\n\n";

/// What may stand before any line of JSON. An empty line would not do: clients read each
/// one as JSON.
const SPACE: &[u8] = b" ";

impl CallerDialect {
    /// Every dialect but for calls that are passed on.
    pub const ALL: [Self; 9] = [
        Self::OpenAiChat,
        Self::OpenAiCompletions,
        Self::OpenAiEmbeddings,
        Self::AnthropicMessages,
        Self::OpenAiResponses,
        Self::Ollama(OllamaCall::Chat),
        Self::Ollama(OllamaCall::Generate),
        Self::Ollama(OllamaCall::Embed),
        Self::Ollama(OllamaCall::Embeddings),
    ];

    /// What a call of it wants of an upstream.
    #[must_use]
    pub fn call(self) -> Call {
        match self {
            Self::OpenAiChat | Self::AnthropicMessages | Self::OpenAiResponses => Call::Chat,
            Self::OpenAiCompletions => Call::Completions,
            Self::OpenAiEmbeddings => Call::Embeddings,
            Self::Ollama(called) if called.embeds() => Call::Embeddings,
            Self::Ollama(_) => Call::Chat,
            Self::OpenAiPassed(passed) => Call::Passed(passed),
        }
    }

    /// The format of an upstream to which a caller's own bytes go; none where every request
    /// is written anew. Ollama's is: how much context a model is loaded with is not the
    /// caller's to say, and what it would be without is not either.
    #[must_use]
    pub fn format(self) -> Option<Format> {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiPassed(_) => Some(Format::OpenAi),
            Self::AnthropicMessages => Some(Format::Anthropic),
            Self::OpenAiResponses => Some(Format::Responses),
            Self::Ollama(_) => None,
        }
    }

    /// One byte that stands for it, in keys of what is kept.
    #[must_use]
    pub fn mark(self) -> u8 {
        match self {
            Self::OpenAiChat => 0,
            Self::OpenAiCompletions => 1,
            Self::OpenAiEmbeddings => 2,
            // Nothing of it is kept.
            Self::OpenAiPassed(_) => 3,
            Self::AnthropicMessages => 4,
            Self::OpenAiResponses => 5,
            Self::Ollama(OllamaCall::Chat) => 6,
            Self::Ollama(OllamaCall::Generate) => 7,
            Self::Ollama(OllamaCall::Embed) => 8,
            Self::Ollama(OllamaCall::Embeddings) => 9,
        }
    }

    /// What an id of an answer begins with.
    #[must_use]
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::OpenAiCompletions => "cmpl-",
            // Ollama's answers have no ids.
            Self::OpenAiChat | Self::OpenAiEmbeddings | Self::OpenAiPassed(_) | Self::Ollama(_) => {
                "chatcmpl-"
            }
            Self::AnthropicMessages => "msg_",
            Self::OpenAiResponses => "resp_",
        }
    }

    /// The header that its clients look for the request's id in, besides `x-request-id`.
    #[must_use]
    pub fn id_header(self) -> Option<&'static str> {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiResponses
            | Self::OpenAiPassed(_)
            | Self::Ollama(_) => None,
            Self::AnthropicMessages => Some("request-id"),
        }
    }

    /// The media type of its streams.
    #[must_use]
    pub fn stream_type(self) -> &'static str {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiResponses
            | Self::OpenAiPassed(_)
            | Self::AnthropicMessages => "text/event-stream; charset=utf-8",
            Self::Ollama(_) => "application/x-ndjson",
        }
    }

    /// What shows a caller that its call is being served, before there is an answer;
    /// nothing where the dialect has nothing that its clients skip over.
    #[must_use]
    pub fn company(self) -> &'static [u8] {
        match self {
            // A ping comes after the message's start, so it is none.
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiResponses
            | Self::OpenAiPassed(_)
            | Self::AnthropicMessages => COMMENT,
            Self::Ollama(_) => SPACE,
        }
    }

    /// The status and the body of an answer that is an error. `status` is as OpenAI's
    /// clients know it, but for 529.
    #[must_use]
    pub fn error(self, status: u16, error: &ErrorBody, request_id: &str) -> (u16, Bytes) {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiPassed(_) => {
                // That an upstream is overloaded is 529 only in Anthropic's dialect.
                let status = if status == 529 { 503 } else { status };
                (status, error.to_json())
            }
            Self::AnthropicMessages => {
                let told = anthropic::Told::of(status, error);
                (told.status, told.body(request_id))
            }
            Self::OpenAiResponses => responses::told(status, error),
            Self::Ollama(_) => {
                let status = if status == 529 { 503 } else { status };
                (status, ollama::error_body(&error.message))
            }
        }
    }

    /// The last event of a stream that an error with `status` breaks.
    #[must_use]
    pub fn error_event(self, status: u16, error: &ErrorBody, request_id: &str) -> Bytes {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiPassed(_) => error.to_event(),
            Self::AnthropicMessages => anthropic::Told::of(status, error).event(request_id),
            Self::OpenAiResponses => responses::failure(error, request_id),
            Self::Ollama(_) => ollama::error_line(&error.message),
        }
    }

    /// Whether `reply`, a whole answer in this dialect to `request`, which is in OpenAI's
    /// form, may be given again: it is complete and calls no tool.
    #[must_use]
    pub fn is_keepable(self, request: &[u8], reply: &[u8]) -> bool {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiPassed(_) => openai::is_keepable(self.call(), request, reply),
            Self::AnthropicMessages => says_all(|each| anthropic::read_reply(reply, each)),
            Self::Ollama(called) if called.embeds() => ollama::is_keepable(called, request, reply),
            Self::Ollama(_) => says_all(|each| ollama::read_reply(reply, each)),
            Self::OpenAiResponses => responses::is_keepable(reply),
        }
    }

    /// A whole answer in this dialect told as a stream, with usage where the caller wants
    /// it; `None` when it is no answer.
    #[must_use]
    pub fn replay(self, reply: &[u8], recipient: &Recipient) -> Option<Bytes> {
        match self {
            Self::OpenAiChat
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings
            | Self::OpenAiPassed(_) => openai::replay(reply, recipient.options.include_usage),
            Self::OpenAiResponses => responses::replay(reply),
            // One line is a stream too.
            Self::Ollama(_) => {
                let is_answer = reply.starts_with(b"{");
                is_answer.then(|| [reply, b"\n"].concat().into())
            }
            Self::AnthropicMessages => {
                let from = StreamFrom::Anthropic(anthropic::StreamReader::default());
                let to = StreamTo::Messages(anthropic::StreamWriter::new(recipient.messages()));
                let mut translation = Translation::new(from, to, ToolNames::default());
                let mut out = bytes::BytesMut::new();
                match translation.replay(WholeFrom::Anthropic, reply, &mut out) {
                    openai::End::Complete => Some(out.freeze()),
                    openai::End::Fault(_) => None,
                }
            }
        }
    }
}

/// Whether what `read` tells is a complete answer in words, without calls.
fn says_all(read: impl FnOnce(&mut dyn FnMut(Event<'_>))) -> bool {
    let (mut whole, mut says) = (false, false);
    let mut calls = false;
    read(&mut |event| match event {
        Event::Text { text, .. } | Event::Reasoning { text, .. } => says |= !text.is_empty(),
        Event::Call { .. } => calls = true,
        Event::Finish { reason, .. } => {
            whole = matches!(reason, Finish::Stop | Finish::Length);
        }
        Event::Fault(_) => whole = false,
        Event::Start { .. }
        | Event::Signature { .. }
        | Event::Redacted { .. }
        | Event::Refusal { .. }
        | Event::Arguments { .. }
        | Event::Usage(_)
        | Event::KeepAlive
        | Event::End => {}
    });
    whole && says && !calls
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_dialects_share_what_is_kept() {
        let marks: HashSet<u8> = CallerDialect::ALL.map(CallerDialect::mark).into();
        assert_eq!(marks.len(), CallerDialect::ALL.len());
    }

    #[test]
    fn only_a_complete_answer_in_words_is_given_again_to_a_caller_of_ollama() {
        let chat = CallerDialect::Ollama(OllamaCall::Chat);
        let keeps = |message: &str, done: bool| {
            let reply = format!(r#"{{"model":"m","message":{message},"done":{done}}}"#);
            chat.is_keepable(b"{}", reply.as_bytes())
        };
        let text = r#"{"role":"assistant","content":"a"}"#;
        let call = r#"{"content":"a","tool_calls":[{"function":{"name":"f","arguments":{}}}]}"#;
        assert!(keeps(text, true));
        assert!(!keeps(text, false));
        assert!(!keeps(call, true));
        assert!(!keeps(r#"{"content":""}"#, true));
        assert!(!chat.is_keepable(b"{}", br#"{"error":"m"}"#));
    }

    #[test]
    fn a_message_with_a_call_or_a_refusal_is_not_given_again() {
        let keeps = |content: &str, reason: &str| {
            let reply = format!(
                r#"{{"type":"message","id":"msg_1","model":"m","content":{content},"stop_reason":"{reason}"}}"#
            );
            CallerDialect::AnthropicMessages.is_keepable(b"{}", reply.as_bytes())
        };
        let text = r#"[{"type":"text","text":"a"}]"#;
        let call =
            r#"[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{}}]"#;
        assert!(keeps(text, "end_turn"));
        assert!(keeps(text, "max_tokens"));
        assert!(!keeps(text, "refusal"));
        assert!(!keeps("[]", "end_turn"));
        assert!(!keeps(call, "tool_use"));
        let error = br#"{"type":"error","error":{"type":"api_error","message":"m"}}"#;
        assert!(!CallerDialect::AnthropicMessages.is_keepable(b"{}", error));
    }
}
