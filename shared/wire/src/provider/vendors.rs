//! The vendors, a row each.
//!
//! A row says only in what a vendor differs from [`OPENAI_LIKE`]. Sources: the vendors'
//! own API references, and for vLLM and Ollama their servers' source.

use super::{Auth, Format, Line, Passed, Provider};

/// Servers that speak OpenAI's API below `/v1`.
const OPENAI_LIKE: Provider = Provider {
    id: "",
    label: "",
    roots: &["/v1"],
    versioned_base: true,
    prefix: "/v1",
    chat: line("/chat/completions", Format::OpenAi),
    completions: line("/completions", Format::OpenAi),
    embeddings: line("/embeddings", Format::OpenAi),
    models: line("/models", Format::OpenAi),
    responses: None,
    passed: &[],
    takes_stream_options: true,
    only_max_tokens: false,
    knows_developer: false,
    streams: true,
    float_embeddings_only: false,
    auth: Auth::Bearer,
};

pub(super) static OPENAI: Provider = Provider {
    id: "openai",
    label: "OpenAI compatible",
    responses: line("/responses", Format::Responses),
    // Which of them a server has, it says itself; OpenAI has all but the ranking.
    passed: &Passed::ALL,
    knows_developer: true,
    ..OPENAI_LIKE
};
pub(super) static VLLM: Provider = Provider {
    id: "vllm",
    label: "vLLM",
    responses: line("/responses", Format::Responses),
    passed: &[
        Passed::Speech,
        Passed::Transcription,
        Passed::Translation,
        Passed::Rerank,
    ],
    ..OPENAI_LIKE
};
pub(super) static TOGETHER: Provider = Provider {
    id: "together",
    label: "Together AI",
    passed: &[
        Passed::ImageGeneration,
        Passed::Speech,
        Passed::Transcription,
        Passed::Translation,
        Passed::Rerank,
    ],
    takes_stream_options: false,
    only_max_tokens: true,
    ..OPENAI_LIKE
};
/// Nothing is known of legacy completions there: they go as chat.
pub(super) static QUEUE: Provider = Provider {
    id: "queue",
    label: "Queue based",
    streams: false,
    completions: as_chat("/chat/completions", Format::OpenAi),
    ..OPENAI_LIKE
};
pub(super) static DEEPINFRA: Provider = Provider {
    id: "deepinfra",
    label: "DeepInfra",
    passed: &[
        Passed::ImageGeneration,
        Passed::ImageEdit,
        Passed::ImageVariation,
        Passed::Speech,
        Passed::Transcription,
        Passed::Translation,
    ],
    roots: &["/v1/openai", "/v1"],
    versioned_base: false,
    prefix: "/v1/openai",
    only_max_tokens: true,
    float_embeddings_only: true,
    ..OPENAI_LIKE
};
/// Open WebUI has no `/v1` and no legacy completions.
pub(super) static OPENWEBUI: Provider = Provider {
    id: "openwebui",
    label: "Open WebUI",
    roots: &["/api/v1", "/api", "/v1"],
    versioned_base: false,
    prefix: "/api",
    completions: as_chat("/chat/completions", Format::OpenAi),
    ..OPENAI_LIKE
};
/// Its own API: the `/v1` paths cut long prompts to the loaded context silently.
pub(super) static OLLAMA: Provider = Provider {
    id: "ollama",
    label: "Ollama",
    roots: &["/v1", "/api"],
    versioned_base: false,
    prefix: "/api",
    chat: line("/chat", Format::OllamaChat),
    completions: line("/generate", Format::OllamaGenerate),
    embeddings: line("/embed", Format::OllamaEmbed),
    models: line("/tags", Format::OpenAi),
    ..OPENAI_LIKE
};
pub(super) static ANTHROPIC: Provider = Provider {
    id: "anthropic",
    label: "Anthropic",
    versioned_base: false,
    chat: line("/messages", Format::Anthropic),
    completions: as_chat("/messages", Format::Anthropic),
    embeddings: None,
    auth: Auth::AnthropicKey,
    ..OPENAI_LIKE
};
/// A job platform. Below `/openai/v1` its endpoints speak OpenAI's dialect: see
/// [`RUNPOD_OPENAI`].
pub(super) static RUNPOD: Provider = Provider {
    id: "runpod",
    label: "RunPod Serverless",
    roots: &["/runsync", "/run"],
    versioned_base: false,
    prefix: "",
    chat: line("/run", Format::RunpodJob),
    completions: line("/run", Format::RunpodJob),
    embeddings: line("/run", Format::RunpodJob),
    models: None,
    ..OPENAI_LIKE
};
pub(super) static RUNPOD_OPENAI: Provider = Provider {
    id: "runpod",
    label: "RunPod Serverless",
    ..OPENAI_LIKE
};

const fn line(path: &'static str, format: Format) -> Option<Line> {
    Some(Line {
        path,
        format,
        as_chat: false,
    })
}

const fn as_chat(path: &'static str, format: Format) -> Option<Line> {
    Some(Line {
        path,
        format,
        as_chat: true,
    })
}
