//! RunPod Serverless: what goes into a job and what comes out of it.
//!
//! An endpoint below `/openai/v1` speaks OpenAI's dialect and has nothing to do with
//! this; see [`Lane`]. Otherwise a call is a job: [`job`] writes it, [`Envelope`] and
//! [`StreamPage`] read what the platform says of it, [`OutputReader`] and
//! [`read_output`] make events of what its worker put out, and [`failure`] says why it
//! failed. What a worker puts out is recognised whatever it was asked for: one image
//! answers in different forms from release to release.
//!
//! Deliberately not here: submitting, polling, cancelling, and all times; those are
//! the gateway's. Sources: RunPod's API reference, and the source of the Python SDK, of
//! worker-vllm and of the community's Ollama worker.

mod addresses;
mod envelope;
mod failure;
mod job;
mod output;
mod python;

pub use addresses::{Addresses, Lane};
pub use envelope::{Envelope, EnvelopeError, JobStatus, StreamPage};
pub use failure::{Failure, failure, output_error, wants_native};
pub use job::{JobRoute, Policy, Worker, job};
pub use output::{OutputReader, read_embeddings_output, read_output};
