//! Ollama's own API, as the format of an upstream and of a caller.
//!
//! Towards an upstream: chat, generate and embed; the own API and not the server's `/v1`
//! routes, because only here can the context size be set, and because those routes end
//! a failed stream without a word. Towards a caller: requests of chat and generate are
//! read into the hub's types, those for vectors into OpenAI's form, and the hub's events
//! are written as lines. Deliberately not here: what is no model call, such as lists of
//! models and their lifecycle.
//!
//! Source: the API reference in Ollama's repository, and its server's types.

mod call;
mod context;
mod embed;
mod generate;
mod hub_request;
mod line;
mod models;
mod options;
mod reply_writer;
mod request;
mod stream;
mod time;
mod vectors;

pub use call::OllamaCall;
pub use context::{ContextNeed, prompt_tokens, was_cut};
pub use embed::{EmbeddingsReply, longest_input, read_embeddings, write_embed};
pub use generate::{Generate, write_generate};
pub use hub_request::{
    CallerRequest, EmbedRequest, Loading, Wanted, read_chat, read_embed, read_generate,
};
pub use models::{Loaded, Show, read_ps, read_show, same_model};
pub use options::Target;
pub use reply_writer::{
    Durations, Form, Reply, StreamWriter, WriterOptions, error_body, error_line, write_loading,
    write_reply,
};
pub use request::write;
pub use stream::{StreamReader, read_reply};
pub use vectors::{is_keepable, write_no_vectors, write_vectors};
