//! Ollama's own API: chat, generate and embed, as an upstream.
//!
//! The own API and not the server's `/v1` routes, because only here can the context
//! size be set, and because those routes end a failed stream without a word. Not here:
//! Ollama's API towards a caller.
//!
//! Source: the API reference in Ollama's repository, and its server's types.

mod base64;
mod context;
mod embed;
mod generate;
mod line;
mod models;
mod options;
mod request;
mod stream;
mod time;

pub use context::{ContextNeed, prompt_tokens, was_cut};
pub use embed::{EmbeddingsReply, read_embeddings, write_embed};
pub use generate::{Generate, write_generate};
pub use models::{Loaded, Show, read_ps, read_show, same_model};
pub use options::Target;
pub use request::write;
pub use stream::{StreamReader, read_reply};
