//! What happens in an answer, one thing at a time.

use std::borrow::Cow;

use crate::dialect::openai::UpstreamError;
use crate::usage::Usage;

/// One thing that happens in an answer.
///
/// An answer is a sequence of these with exactly one terminal event ([`Self::End`] or
/// [`Self::Fault`]), its last. A whole reply is the same sequence as the stream of it.
/// Of one choice, a tool call begins before its arguments, calls are numbered 0, 1, 2 in
/// order of appearance, and each choice finishes at most once.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// What is known of the answer as such; at most once, before all else.
    Start {
        /// The upstream's id of it; empty when it has none.
        id: Cow<'a, str>,
        /// The model that the upstream names.
        model: Cow<'a, str>,
        /// Unix seconds; `None` when the upstream does not say.
        created: Option<i64>,
    },
    /// Text of the answer, never empty.
    Text {
        /// Which answer, 0 unless several were asked for.
        choice: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// What the model thinks, never empty.
    Reasoning {
        /// Which answer.
        choice: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// The vendor's proof of the reasoning so far; ends its block.
    Signature {
        /// Which answer.
        choice: u32,
        /// Opaque.
        signature: Cow<'a, str>,
    },
    /// A whole block of reasoning that only the vendor can read.
    Redacted {
        /// Which answer.
        choice: u32,
        /// Opaque.
        data: Cow<'a, str>,
    },
    /// Text of a refusal, never empty.
    Refusal {
        /// Which answer.
        choice: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// A tool call begins.
    Call {
        /// Which answer.
        choice: u32,
        /// The call's number in it.
        call: u32,
        /// The upstream's id of it; empty when it gives none, then the writer makes
        /// one.
        id: Cow<'a, str>,
        /// The function's name as the upstream writes it, never empty.
        name: Cow<'a, str>,
    },
    /// Text of a call's arguments, never empty.
    Arguments {
        /// Which answer.
        choice: u32,
        /// Which call of it.
        call: u32,
        /// JSON text, or a piece of it.
        text: Cow<'a, str>,
    },
    /// A choice is complete.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why it ended.
        reason: Finish,
    },
    /// Tokens spent so far; replaces what was said before.
    Usage(Usage),
    /// The upstream is alive and has nothing to say.
    KeepAlive,
    /// The answer is complete.
    End,
    /// The answer is broken; nothing follows.
    Fault(StreamFault),
}

impl Event<'_> {
    /// The same of the answer with this number, where each of several answers came as the only
    /// one.
    #[must_use]
    pub fn in_choice(mut self, number: u32) -> Self {
        match &mut self {
            Self::Text { choice, .. }
            | Self::Reasoning { choice, .. }
            | Self::Signature { choice, .. }
            | Self::Redacted { choice, .. }
            | Self::Refusal { choice, .. }
            | Self::Call { choice, .. }
            | Self::Arguments { choice, .. }
            | Self::Finish { choice, .. } => *choice = number,
            Self::Start { .. } | Self::Usage(_) | Self::KeepAlive | Self::End | Self::Fault(_) => {}
        }
        self
    }

    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Start { id, model, created } => Event::Start {
                id: own(id),
                model: own(model),
                created,
            },
            Self::Text { choice, text } => Event::Text {
                choice,
                text: own(text),
            },
            Self::Reasoning { choice, text } => Event::Reasoning {
                choice,
                text: own(text),
            },
            Self::Signature { choice, signature } => Event::Signature {
                choice,
                signature: own(signature),
            },
            Self::Redacted { choice, data } => Event::Redacted {
                choice,
                data: own(data),
            },
            Self::Refusal { choice, text } => Event::Refusal {
                choice,
                text: own(text),
            },
            Self::Call {
                choice,
                call,
                id,
                name,
            } => Event::Call {
                choice,
                call,
                id: own(id),
                name: own(name),
            },
            Self::Arguments { choice, call, text } => Event::Arguments {
                choice,
                call,
                text: own(text),
            },
            Self::Finish { choice, reason } => Event::Finish { choice, reason },
            Self::Usage(usage) => Event::Usage(usage),
            Self::KeepAlive => Event::KeepAlive,
            Self::End => Event::End,
            Self::Fault(fault) => Event::Fault(fault),
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model had no more to say, or a stop text came.
    Stop,
    /// The limit of tokens was reached.
    Length,
    /// The model waits for tools.
    ToolCalls,
    /// A filter or the model itself refused.
    ContentFilter,
}

impl Finish {
    /// Whether it explains an answer with nothing in it.
    #[must_use]
    pub fn explains_emptiness(self) -> bool {
        match self {
            Self::Length | Self::ContentFilter => true,
            Self::Stop | Self::ToolCalls => false,
        }
    }
}

/// What broke an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// The connection ended before the answer was complete.
    Truncated,
    /// The upstream reported an error inside the answer.
    Upstream(UpstreamError),
    /// Something was not JSON of the expected form; the text says why.
    BadEvent(String),
    /// One event was longer than a reader takes.
    TooLong,
}
