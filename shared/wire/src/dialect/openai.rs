//! OpenAI's chat completions, completions and embeddings.
//!
//! Source: OpenAI's published API description, and the references of the servers
//! that follow it for where they deviate.

pub(crate) mod base64;
mod chat_request;
mod chat_writer;
mod collect;
mod completion_writer;
mod completions_request;
mod conversation;
mod error;
mod event_reader;
mod finish;
mod hub_request;
mod keepable;
mod lenient;
mod normalised;
mod pieces;
mod raw;
mod recording;
mod repair;
mod replay;
mod reply;
mod request;
mod situation;
mod stream;
mod vectors;

pub use crate::hub::StreamFault;
pub use chat_request::{ChatTarget, write_chat};
pub(crate) use chat_writer::json::{put_number, put_string};
pub use chat_writer::{ChatWriter, WriterOptions, write_chat_reply};
pub(crate) use chat_writer::{custom_input, reply_call_id};
pub use collect::collect;
pub use completion_writer::{
    CompletionPart, CompletionWriter, total_usage, write_completion_replies, write_completion_reply,
};
pub use completions_request::{Completion, read_completion};
pub use conversation::{ConversationMark, beginning, conversation, user};
pub use error::{ErrorBody, UpstreamError};
pub use event_reader::{EventReader, read_reply_events};
pub use hub_request::read_chat;
pub(crate) use hub_request::{
    CUSTOM_SCHEMA, EFFORTS, Fields, LeftOut, Place, custom_arguments, effort_of, file, located,
    text,
};
pub use keepable::is_keepable;
pub use normalised::normalised_reply;
pub(crate) use normalised::put_comment;
pub(crate) use raw::present;
pub use recording::{RecordingFault, read_recording};
pub use replay::replay;
pub use reply::{Reply, ReplyFault};
pub use request::{BadRequest, CallForm, Defaults, Request, Stops, StreamOptions, Target};
pub use situation::Situation;
pub use stream::{End, NativeCalls, StreamEditor};
pub use vectors::coded;
pub(crate) use vectors::put_vector;
