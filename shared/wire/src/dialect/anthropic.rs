//! Anthropic Messages.

mod reply_writer;

pub use reply_writer::{
    ErrorKind, StreamWriter, WriterOptions, error_body, error_event, write_reply,
};
