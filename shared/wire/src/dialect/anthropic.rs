//! Anthropic's Messages, as the format of an upstream and of a caller.
//!
//! Towards an upstream, a request is written from the hub's types and an answer is read
//! into its events, whole or as a stream; what a model takes and refuses is one table,
//! `model::ROWS`. Towards a caller, requests are read into the hub's types and its events
//! are written as messages. Between a caller and an upstream that both speak it, requests
//! and answers are edited and stay what they are otherwise. Server-side tools are
//! deliberately not here: but for such edited answers, their blocks are skipped.
//!
//! Source: Anthropic's API reference and the types of its published SDKs.

mod answer;
mod count;
mod counts;
mod editor;
mod hub_request;
mod model;
mod reply;
mod reply_writer;
mod request;
mod same;
mod stream;

pub use count::estimate_request;
pub use editor::{EditedReply, StreamEditor, edited_reply};
pub use hub_request::{CallerRequest, read_chat};
pub use reply::read_reply;
use reply_writer::PING;
pub(crate) use reply_writer::reply_call_id;
pub use reply_writer::{
    ErrorKind, StreamWriter, Told, WriterOptions, error_body, error_event, write_reply,
};
pub use request::{Target, write};
pub use same::{SameTarget, edit_request};
pub use stream::StreamReader;
