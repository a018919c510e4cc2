//! What an operator is told of each endpoint type, and of what a RunPod worker takes.

use wire::dialect::runpod::Worker;
use wire::provider::{ProviderKind, Responses};

/// A type, for the form.
pub(super) struct Kind {
    pub(super) label: &'static str,
    /// An address as it is typed.
    pub(super) example: &'static str,
    /// What is special about it.
    pub(super) help: &'static str,
}

/// Every type, in the order shown.
pub(super) fn all() -> Vec<Kind> {
    let kind = |kind: ProviderKind| Kind {
        label: kind.provider().label,
        example: example(kind),
        help: help(kind),
    };
    ProviderKind::ALL.map(kind).into()
}

/// Ids and names, for a choice.
pub(super) fn choices() -> Vec<(&'static str, &'static str)> {
    let choice = |kind: ProviderKind| (kind.id(), kind.provider().label);
    ProviderKind::ALL.map(choice).into()
}

/// The name of a type; an unknown one as it is stored.
pub(super) fn label(id: &str) -> &str {
    ProviderKind::from_id(id).map_or(id, |kind| kind.provider().label)
}

fn example(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::OpenWebui => "http://127.0.0.1:3000",
        ProviderKind::OpenAi => "https://api.openai.com/v1",
        ProviderKind::Ollama => "http://127.0.0.1:11434",
        ProviderKind::Vllm => "http://127.0.0.1:8000/v1",
        ProviderKind::Together => "https://api.together.xyz/v1",
        ProviderKind::Runpod => "https://api.runpod.ai/v2/ENDPOINT_ID",
        ProviderKind::Anthropic => "https://api.anthropic.com",
        ProviderKind::DeepInfra => "https://api.deepinfra.com",
        ProviderKind::Queue => "http://127.0.0.1:8102",
    }
}

fn help(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::OpenWebui => {
            "Its calls are below /api. The key is made in its settings, under Account."
        }
        ProviderKind::OpenAi => {
            "OpenAI, and every server with its API: llama.cpp, LM Studio, LiteLLM, OpenRouter, \
             Groq, Mistral. With a version at the end of the URL the paths follow it; without, \
             /v1 is added."
        }
        ProviderKind::Ollama => {
            "Called by its own API, so that the context fits the prompt. How long a model stays \
             loaded and its largest context are set at the virtual model. Models can be pulled \
             from the page of its models."
        }
        ProviderKind::Vllm => "The server of `vllm serve`.",
        ProviderKind::Together => "Needs a key.",
        ProviderKind::Runpod => {
            "A serverless endpoint: calls are submitted as jobs and followed. Ending the URL in \
             /openai/v1 calls a vLLM worker by OpenAI's API instead. What the worker takes is \
             chosen below."
        }
        ProviderKind::Anthropic => "Anthropic's messages. Has no embeddings.",
        ProviderKind::DeepInfra => "Needs a key. Embeddings come as numbers only.",
        ProviderKind::Queue => {
            "An AI Queue: calls carry a priority, which the virtual model or the caller sets. \
             Without a key of its own it gets AI_QUEUE_API_KEY. It is asked without a stream."
        }
    }
}

/// What a RunPod worker may take, for a choice.
pub(super) fn workers() -> Vec<(&'static str, &'static str)> {
    let name = |worker: Worker| match worker {
        Worker::Auto => "recognise it by its answers",
        Worker::Vllm => "worker-vllm, OpenAI's form",
        Worker::VllmNative => "worker-vllm, messages and sampling_params",
        Worker::Ollama => "an Ollama worker",
        Worker::Text => "plain text in prompt",
    };
    Worker::ALL.map(|worker| (worker.id(), name(worker))).into()
}

/// Whether callers of Responses are sent to an endpoint's own, for a choice.
pub(super) fn responses() -> Vec<(&'static str, &'static str)> {
    let name = |word: Responses| match word {
        Responses::Auto => "by its address",
        Responses::Yes => "its own Responses",
        Responses::No => "chat completions",
    };
    Responses::ALL.map(|word| (word.id(), name(word))).into()
}
