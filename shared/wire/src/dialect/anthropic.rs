//! Anthropic's Messages, as the format of an upstream and of a caller.
//!
//! Towards an upstream, a request is written from the hub's types and an answer is read
//! into its events, whole or as a stream; what a model takes and refuses is one table,
//! `model::ROWS`. Towards a caller, the hub's events are written as messages. Server-side
//! tools are deliberately not here: their blocks are skipped in answers.
//!
//! Source: Anthropic's API reference and the types of its published SDKs.

mod answer;
mod counts;
mod model;
mod reply;
mod reply_writer;
mod request;
mod stream;

pub use reply::read_reply;
pub use reply_writer::{
    ErrorKind, StreamWriter, WriterOptions, error_body, error_event, write_reply,
};
pub use request::{Target, write};
pub use stream::StreamReader;
