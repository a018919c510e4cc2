//! The table: what becomes of a kind of call on a provider.

use wire::provider::ProviderKind as P;

use super::backend::{Backend, Form};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole answer.
    Chat,
    /// A streamed one, with usage.
    Stream,
    /// A tool is called and its result given back, whole and streamed.
    Tools,
    /// A picture in the conversation.
    Images,
    /// Embeddings, as numbers and as base64.
    Embeddings,
    /// The list of models that the admin app reads.
    Models,
    /// A refusal keeps its status, a failure is a bad gateway, an error ends a stream.
    Errors,
    /// Tokens from the provider's cache are counted.
    CachedUsage,
    /// Log probabilities of a chat's tokens, and of a text completion's.
    Logprobs,
    /// Text completions: whole, streamed, with `echo`, several prompts, `n`.
    Completions,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// By a request to this path of the provider.
    Served(&'static str),
    /// By the gateway, without a call.
    Refused { status: u16, code: &'static str },
    /// By the gateway, once the provider was called and has shown that it lacks the call.
    FoundOut { status: u16, code: &'static str },
    /// The provider is called and cannot.
    Fails { status: u16, code: &'static str },
    /// The provider has no list to be read.
    Unlisted,
}

use Expected::{Fails, FoundOut, Refused, Served, Unlisted};

/// A type that lacks the call.
const LACKS: Expected = Refused {
    status: 400,
    code: "unsupported_operation",
};

/// The same of a worker whose form has to be found out.
const FOUND_OUT: Expected = FoundOut {
    status: 400,
    code: "unsupported_operation",
};

/// A request that this candidate's language cannot say.
const UNSAYABLE: Expected = Refused {
    status: 400,
    code: "unsupported_value",
};

/// The cell.
pub(crate) fn expected(backend: Backend, kind: Kind) -> Expected {
    match backend.provider {
        P::OpenAi | P::Vllm | P::Together => openai(kind),
        P::DeepInfra => deepinfra(kind),
        P::OpenWebui => openwebui(kind),
        P::Queue => queue(kind),
        P::Ollama => ollama(kind),
        P::Anthropic => anthropic(kind),
        P::Runpod => match backend.worker {
            None | Some(Form::OpenAiLane) => lane(kind),
            Some(Form::Vllm) => forwarding(kind),
            Some(Form::Batch) => batch(kind),
            Some(Form::Native) => native(kind),
            Some(Form::Guessed) => guessed(kind),
            Some(Form::Ollama) => ollama_worker(kind),
            Some(Form::Text) => text(kind),
        },
    }
}

fn openai(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::Logprobs
        | Kind::CachedUsage => Served("/v1/chat/completions"),
        Kind::Embeddings => Served("/v1/embeddings"),
        Kind::Models => Served("/v1/models"),
        Kind::Completions => Served("/v1/completions"),
    }
}

fn deepinfra(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::Logprobs
        | Kind::CachedUsage => Served("/v1/openai/chat/completions"),
        Kind::Embeddings => Served("/v1/openai/embeddings"),
        Kind::Models => Served("/v1/openai/models"),
        Kind::Completions => Served("/v1/openai/completions"),
    }
}

fn openwebui(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::Logprobs
        | Kind::CachedUsage
        | Kind::Completions => Served("/api/chat/completions"),
        Kind::Embeddings => Served("/api/embeddings"),
        Kind::Models => Served("/api/models"),
    }
}

fn queue(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::Logprobs
        | Kind::CachedUsage
        | Kind::Completions => Served("/v1/chat/completions"),
        Kind::Embeddings => Served("/v1/embeddings"),
        Kind::Models => Served("/v1/models"),
    }
}

fn ollama(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::CachedUsage => Served("/api/chat"),
        Kind::Embeddings => Served("/api/embed"),
        Kind::Logprobs => UNSAYABLE,
        Kind::Models => Served("/api/tags"),
        Kind::Completions => Served("/api/generate"),
    }
}

fn anthropic(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::CachedUsage
        | Kind::Completions => Served("/v1/messages"),
        Kind::Embeddings => LACKS,
        Kind::Logprobs => UNSAYABLE,
        Kind::Models => Served("/v1/models"),
    }
}

fn lane(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::Logprobs
        | Kind::CachedUsage => Served("/v2/vllm/openai/v1/chat/completions"),
        Kind::Embeddings => Served("/v2/vllm/openai/v1/embeddings"),
        Kind::Models => Served("/v2/vllm/openai/v1/models"),
        Kind::Completions => Served("/v2/vllm/openai/v1/completions"),
    }
}

fn forwarding(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Embeddings
        | Kind::Errors
        | Kind::CachedUsage
        | Kind::Completions => Served("/v2/vllm/run"),
        Kind::Logprobs => UNSAYABLE,
        Kind::Models => Unlisted,
    }
}

fn batch(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::CachedUsage
        | Kind::Completions => Served("/v2/vllm-batch/run"),
        Kind::Embeddings => NO_VECTORS,
        Kind::Logprobs => UNSAYABLE,
        Kind::Models => Unlisted,
    }
}

/// A worker that is thought to know embeddings, and does not.
const NO_VECTORS: Expected = Fails {
    status: 502,
    code: "upstream_job_failed",
};

fn native(kind: Kind) -> Expected {
    match kind {
        Kind::Chat | Kind::Stream | Kind::Errors | Kind::CachedUsage | Kind::Completions => {
            Served("/v2/vllm-native/run")
        }
        Kind::Tools | Kind::Images | Kind::Logprobs => UNSAYABLE,
        Kind::Embeddings => LACKS,
        Kind::Models => Unlisted,
    }
}

fn guessed(kind: Kind) -> Expected {
    match kind {
        Kind::Chat | Kind::Stream | Kind::Errors | Kind::CachedUsage | Kind::Completions => {
            Served("/v2/vllm-native/run")
        }
        Kind::Tools | Kind::Images => NO_VECTORS,
        Kind::Embeddings => FOUND_OUT,
        Kind::Logprobs => UNSAYABLE,
        Kind::Models => Unlisted,
    }
}

fn ollama_worker(kind: Kind) -> Expected {
    match kind {
        Kind::Chat
        | Kind::Stream
        | Kind::Tools
        | Kind::Images
        | Kind::Errors
        | Kind::CachedUsage
        | Kind::Completions => Served("/v2/ollama/run"),
        Kind::Embeddings => LACKS,
        Kind::Logprobs => UNSAYABLE,
        Kind::Models => Unlisted,
    }
}

fn text(kind: Kind) -> Expected {
    match kind {
        Kind::Chat | Kind::Stream | Kind::Errors | Kind::CachedUsage | Kind::Completions => {
            Served("/v2/text/run")
        }
        Kind::Tools | Kind::Images | Kind::Logprobs => UNSAYABLE,
        Kind::Embeddings => LACKS,
        Kind::Models => Unlisted,
    }
}
