//! OpenAI's chat completions, completions and embeddings.
//!
//! Source: OpenAI's published API description and the deviations of its
//! look-alikes collected in the `provider-wire` notes, sections 1, 4 and 5.

mod collect;
mod error;
mod raw;
mod replay;
mod reply;
mod request;
mod stream;

pub use collect::collect;
pub use error::{ErrorBody, UpstreamError};
pub use replay::replay;
pub use reply::{Reply, ReplyFault};
pub use request::{BadRequest, Defaults, Request, StreamOptions, Target};
pub use stream::{End, StreamEditor, StreamFault};
