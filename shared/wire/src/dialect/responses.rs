//! OpenAI's Responses, as the format of a caller and of an upstream.
//!
//! Towards a caller: a request is read into the hub's types, and the hub's events are
//! written as a response, whole or as a stream. To an upstream of the same format a body
//! is edited and its answer passed on as it comes, with a watcher beside it. What a
//! caller refers to by an id of an earlier answer is put in its place before anything
//! else reads the body. Deliberately not here: the tools that run at the vendor, and
//! where answers are kept.
//!
//! Source: OpenAI's published API description; the published SDKs and Codex for what
//! clients rely on.

mod asked;
mod conversation;
mod echo;
mod edited;
mod event;
mod hub_request;
mod normalised;
mod replay;
mod reply_writer;
mod sealed;
mod watcher;

pub use asked::{Addressee, Asked};
pub use conversation::{Earlier, Expanded, Turn, expand};
pub use echo::Echo;
pub use edited::{Request, Target};
pub use hub_request::{CallerRequest, Namespaces, read_response};
pub use normalised::{Made, normalised_response};
pub use replay::{is_keepable, replay};
pub use reply_writer::{StreamWriter, WriterOptions, failure, failure_code, told, write_reply};
pub use watcher::{Watcher, Whole};
