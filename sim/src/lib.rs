//! Simulated providers on real sockets, for tests, the demo and benchmarks.
//!
//! A [`Sim`] listens on loopback and behaves as one vendor: its paths, authentication,
//! checks, error bodies, model list and stream peculiarities. What it does differently is
//! told by the request itself ([`Script`]), so a test needs no conversation with the
//! simulator, and the same request always gets the same bytes. Two vendors remember
//! something between requests, as the real ones do: RunPod its jobs, which advance by being
//! looked at, and Ollama the models it has loaded.
//!
//! Nothing here is part of a release, and nothing depends on the product's own crates:
//! what the vendors do is stated a second time, independently.

mod base64;
mod jobs;
mod line;
mod loaded;
mod media;
mod playback;
mod record;
mod reply;
mod script;
mod server;
mod service;
mod signature;
mod tls;
mod validate;
mod vendor;
mod worker;

pub use media::digest;
pub use record::{Image, RecordedRequest, Served, WaitedTooLong};
pub use script::{Close, Cut, Empty, Hang, JobEnd, Script, ScriptError, Sse, Usage};
pub use server::{Options, Sim};
pub use tls::Tls;
pub use vendor::Flavor;
