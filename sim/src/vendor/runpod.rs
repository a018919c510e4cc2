//! RunPod's platform: its paths, and what stands behind an endpoint.
//!
//! The endpoint's id says which worker runs there, so that one simulator serves them all.

use super::{Flavor, Route};

/// What runs behind an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `vllm`: a worker that forwards to its vLLM; streams are pieces of text.
    Vllm,
    /// `vllm-batch`: the worker before that one; streams are lists of chunks.
    VllmBatch,
    /// `vllm-native`: the oldest one, which knows nothing of OpenAI's format.
    VllmNative,
    /// `ollama`: the community's worker over an Ollama.
    Ollama,
    /// `text`: somebody's own worker, which answers with a text.
    Text,
    /// `embed`: vectors.
    Embed,
}

/// A call about jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobCall {
    Run,
    RunSync,
    Status(String),
    Stream(String),
    Cancel(String),
    Health,
}

impl Form {
    fn from_id(id: &str) -> Option<Form> {
        Some(match id {
            "vllm" => Form::Vllm,
            "vllm-batch" => Form::VllmBatch,
            "vllm-native" => Form::VllmNative,
            "ollama" => Form::Ollama,
            "text" => Form::Text,
            "embed" => Form::Embed,
            _ => return None,
        })
    }

    /// The server inside the worker, if it speaks OpenAI's format.
    pub(crate) fn server(self) -> Option<Flavor> {
        match self {
            Form::Vllm | Form::VllmBatch | Form::Embed => Some(Flavor::Vllm),
            Form::Ollama => Some(Flavor::Ollama),
            Form::VllmNative | Form::Text => None,
        }
    }
}

/// The server a path under `/openai` reaches, and the path there.
pub(crate) fn behind(path: &str) -> Option<(Flavor, &str)> {
    let (id, rest) = path.strip_prefix("/v2/")?.split_once('/')?;
    let inner = rest.strip_prefix("openai")?;
    let server = Form::from_id(id)?.server()?;
    inner.starts_with("/v1/").then_some((server, inner))
}

/// A path of the platform itself.
pub(super) fn route(path: &str) -> Option<Route> {
    let (id, rest) = path.strip_prefix("/v2/")?.split_once('/')?;
    let form = Form::from_id(id)?;
    let call = match rest.split_once('/') {
        None => match rest {
            "run" => JobCall::Run,
            "runsync" => JobCall::RunSync,
            "health" => JobCall::Health,
            _ => return None,
        },
        Some(("status", job)) => JobCall::Status(job.to_owned()),
        Some(("stream", job)) => JobCall::Stream(job.to_owned()),
        Some(("cancel", job)) => JobCall::Cancel(job.to_owned()),
        Some(_) => return None,
    };
    Some(Route::Job(form, call))
}
