//! OpenAI's chat completions, completions and embeddings.
//!
//! Source: OpenAI's published API description, and the references of the servers
//! that follow it for where they deviate.

mod collect;
mod conversation;
mod error;
mod raw;
mod replay;
mod reply;
mod request;
mod stream;

pub use crate::hub::StreamFault;
pub use collect::collect;
pub use conversation::{ConversationMark, conversation};
pub use error::{ErrorBody, UpstreamError};
pub use replay::replay;
pub use reply::{Reply, ReplyFault};
pub use request::{BadRequest, Defaults, Request, StreamOptions, Target};
pub use stream::{End, StreamEditor};
