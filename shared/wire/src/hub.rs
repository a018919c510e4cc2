//! What two dialects share: the types that a request, and an answer, pass through on
//! the way from one wire format to another.
//!
//! Readers make these of a body, writers make a body of these; no reader knows a
//! writer. The request is modelled on OpenAI's chat completions, the widest format,
//! and uses its field names in refusals. Same-dialect traffic never comes here: it is
//! edited in place.

mod answer;
mod chat;
mod event;
mod origin;
mod tool_names;

pub use answer::{Answer, AnsweredCall, AnsweredChoice};
pub use chat::{
    CacheMark, Chat, Effort, Message, Number, Part, ResponseFormat, Role, Sampling, Source,
    Thinking, Tool, ToolChoice,
};
pub use event::{Event, Finish, StreamFault};
pub use origin::Origin;
pub use tool_names::ToolNames;

use bytes::Bytes;
use thiserror::Error;

/// A request in an upstream's dialect.
#[derive(Debug)]
pub struct Written {
    /// The body, JSON.
    pub body: Bytes,
    /// What is not in it as the caller sent it.
    pub notes: Vec<Note>,
    /// The tools' names where the upstream has other ones than the caller.
    pub names: ToolNames,
}

/// One thing of a request that its upstream gets otherwise or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The field, such as `logit_bias` or `messages[3].content[0]`.
    pub field: String,
    /// What became of it.
    pub change: Change,
    /// Why, for the operator.
    pub why: &'static str,
}

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is left out.
    Dropped,
    /// It says something else.
    Adapted,
}

impl Note {
    /// The field is left out.
    #[must_use]
    pub fn dropped(field: impl Into<String>, why: &'static str) -> Self {
        Self {
            field: field.into(),
            change: Change::Dropped,
            why,
        }
    }

    /// The field says something else.
    #[must_use]
    pub fn adapted(field: impl Into<String>, why: &'static str) -> Self {
        Self {
            field: field.into(),
            change: Change::Adapted,
            why,
        }
    }
}

/// A request that the upstream's dialect cannot say, and that must not be sent
/// without what it lacks. The caller's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    /// The field of the request.
    pub param: String,
    /// What is wrong with it and what is possible.
    pub message: String,
}

impl Refusal {
    /// A refusal of `param`; `wrong` follows its quoted name.
    #[must_use]
    pub fn field(param: impl Into<String>, wrong: &str) -> Self {
        let param = param.into();
        Self {
            message: format!("'{param}' {wrong}"),
            param,
        }
    }
}
