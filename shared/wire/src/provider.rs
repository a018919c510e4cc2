//! Vendors: where a call goes and how it is authenticated.
//!
//! One vendor is one row of [`PROVIDERS`]. A vendor that speaks a known dialect
//! needs nothing else. Request and reply bodies are not touched here: that is the
//! business of [`crate::dialect`].

mod base_url;
mod model_list;

pub use base_url::{BaseUrl, BaseUrlError, UpstreamUrl};
pub use model_list::ModelListError;

/// The type of an endpoint, as kept in the store's `endpoint_type` column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// Open WebUI, used as a backend.
    OpenWebui,
    /// OpenAI and every server that speaks its API under a versioned base URL.
    OpenAi,
    /// Ollama.
    Ollama,
    /// vLLM (`vllm serve`).
    Vllm,
    /// Together AI.
    Together,
    /// RunPod Serverless.
    Runpod,
    /// Anthropic Messages.
    Anthropic,
    /// DeepInfra.
    DeepInfra,
    /// An AI Queue: OpenAI calls with priority headers.
    Queue,
}

impl ProviderKind {
    /// Every kind, in the order shown to operators.
    pub const ALL: [Self; 9] = [
        Self::OpenWebui,
        Self::OpenAi,
        Self::Ollama,
        Self::Vllm,
        Self::Together,
        Self::Runpod,
        Self::Anthropic,
        Self::DeepInfra,
        Self::Queue,
    ];

    /// The id used in the store and the admin API.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.provider().id
    }

    /// The kind with this id; `None` for an unknown id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The row of this kind.
    #[must_use]
    pub fn provider(self) -> &'static Provider {
        match self {
            Self::OpenWebui => &OPENWEBUI,
            Self::OpenAi => &OPENAI,
            Self::Ollama => &OLLAMA,
            Self::Vllm => &VLLM,
            Self::Together => &TOGETHER,
            Self::Runpod => &RUNPOD,
            Self::Anthropic => &ANTHROPIC,
            Self::DeepInfra => &DEEPINFRA,
            Self::Queue => &QUEUE,
        }
    }
}

/// What a caller wants from an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A chat completion.
    Chat,
    /// A legacy text completion.
    Completions,
    /// Embeddings.
    Embeddings,
    /// The list of models; costs nothing anywhere.
    Models,
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 4] = [
        Self::Chat,
        Self::Completions,
        Self::Embeddings,
        Self::Models,
    ];

    /// What a person calls it, for messages.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Models => "the model list",
        }
    }
}

/// How an upstream wants the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Auth {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// `x-api-key: <key>` and a fixed `anthropic-version`.
    AnthropicKey,
}

/// One vendor: fixed facts about its API. Sources: the vendors' own API
/// references, and for vLLM and Ollama their servers' source.
#[derive(Debug)]
pub struct Provider {
    /// The id in the store.
    pub id: &'static str,
    /// What a person calls it.
    pub label: &'static str,
    /// Endings of a typed base URL that mean the root itself, longest first.
    roots: &'static [&'static str],
    /// Whether a base URL that already names an API version is complete, so that
    /// call paths are appended to it as they are.
    versioned_base: bool,
    /// Path that every call hangs under.
    prefix: &'static str,
    chat: Option<&'static str>,
    completions: Option<&'static str>,
    embeddings: Option<&'static str>,
    models: Option<&'static str>,
    /// A model list that does not hang under `prefix`, from the root.
    models_from_root: bool,
    /// Takes `stream_options.include_usage`. Those that do not send usage in every
    /// stream anyway.
    pub takes_stream_options: bool,
    /// Ignores `max_completion_tokens` and would answer without a limit.
    pub only_max_tokens: bool,
    /// Answers in streams; the others are asked for whole answers, which are told
    /// to the caller as a stream.
    pub streams: bool,
    /// Refuses embeddings in any encoding but `float`.
    pub float_embeddings_only: bool,
    auth: Auth,
}

/// Servers that speak OpenAI's API below `/v1`.
const OPENAI_LIKE: Provider = Provider {
    id: "",
    label: "",
    roots: &["/v1"],
    versioned_base: true,
    prefix: "/v1",
    chat: Some("/chat/completions"),
    completions: Some("/completions"),
    embeddings: Some("/embeddings"),
    models: Some("/models"),
    models_from_root: false,
    takes_stream_options: true,
    only_max_tokens: false,
    streams: true,
    float_embeddings_only: false,
    auth: Auth::Bearer,
};

static OPENAI: Provider = Provider {
    id: "openai",
    label: "OpenAI compatible",
    ..OPENAI_LIKE
};
static VLLM: Provider = Provider {
    id: "vllm",
    label: "vLLM",
    ..OPENAI_LIKE
};
static TOGETHER: Provider = Provider {
    id: "together",
    label: "Together AI",
    takes_stream_options: false,
    ..OPENAI_LIKE
};
static QUEUE: Provider = Provider {
    id: "queue",
    label: "Queue based",
    streams: false,
    ..OPENAI_LIKE
};
static DEEPINFRA: Provider = Provider {
    id: "deepinfra",
    label: "DeepInfra",
    roots: &["/v1/openai", "/v1"],
    versioned_base: false,
    prefix: "/v1/openai",
    float_embeddings_only: true,
    ..OPENAI_LIKE
};
/// Open WebUI has no `/v1` and no legacy completions.
static OPENWEBUI: Provider = Provider {
    id: "openwebui",
    label: "Open WebUI",
    roots: &["/api/v1", "/api", "/v1"],
    versioned_base: false,
    prefix: "/api",
    completions: None,
    ..OPENAI_LIKE
};
static OLLAMA: Provider = Provider {
    id: "ollama",
    label: "Ollama",
    roots: &["/v1", "/api"],
    versioned_base: false,
    models: Some("/api/tags"),
    models_from_root: true,
    only_max_tokens: true,
    ..OPENAI_LIKE
};
/// Reached for its model list only: it does not speak OpenAI's dialect.
static ANTHROPIC: Provider = Provider {
    id: "anthropic",
    label: "Anthropic",
    versioned_base: false,
    chat: None,
    completions: None,
    embeddings: None,
    auth: Auth::AnthropicKey,
    ..OPENAI_LIKE
};
/// A job platform: none of its calls has the form of an OpenAI call.
static RUNPOD: Provider = Provider {
    id: "runpod",
    label: "RunPod Serverless",
    roots: &[],
    versioned_base: true,
    prefix: "",
    chat: None,
    completions: None,
    embeddings: None,
    models: None,
    ..OPENAI_LIKE
};

impl Provider {
    /// The address of `call` below `base`; `None` when the vendor does not serve
    /// it in OpenAI's dialect.
    #[must_use]
    pub fn url(&self, base: &BaseUrl, call: Call) -> Option<UpstreamUrl> {
        let path = match call {
            Call::Chat => self.chat?,
            Call::Completions => self.completions?,
            Call::Embeddings => self.embeddings?,
            Call::Models => self.models?,
        };
        let typed = self.without_call(base.path());
        let root = self
            .roots
            .iter()
            .find_map(|ending| typed.strip_suffix(ending));
        let prefix = match root {
            _ if call == Call::Models && self.models_from_root => "",
            None if self.versioned_base && names_a_version(typed) => "",
            Some(_) | None => self.prefix,
        };
        Some(base.with_path(format!("{}{prefix}{path}", root.unwrap_or(typed))))
    }

    /// A pasted call URL means its base.
    fn without_call<'p>(&self, path: &'p str) -> &'p str {
        [self.chat, self.completions, self.embeddings, self.models]
            .into_iter()
            .flatten()
            .find_map(|call| path.strip_suffix(call))
            .unwrap_or(path)
    }

    /// The headers that carry `key`.
    #[must_use]
    pub fn auth_headers(&self, key: &str) -> Vec<(&'static str, String)> {
        match self.auth {
            Auth::Bearer => vec![("authorization", format!("Bearer {key}"))],
            Auth::AnthropicKey => vec![
                ("x-api-key", key.to_owned()),
                ("anthropic-version", "2023-06-01".to_owned()),
            ],
        }
    }

    /// The model ids of a model list, sorted, each once. Every list shape in use
    /// is read whatever the vendor: OpenAI's, Ollama's, Together's bare array.
    ///
    /// # Errors
    /// When the body is not JSON or not a model list.
    pub fn model_ids(&self, body: &[u8]) -> Result<Vec<String>, ModelListError> {
        model_list::model_ids(body)
    }
}

/// Whether a segment of `path` is an API version such as `v1`, `v4` or `v1beta`.
fn names_a_version(path: &str) -> bool {
    path.split('/').any(|segment| {
        segment
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    /// kind, base as typed, call, expected URL ("-" = not served).
    const URLS: &str = include_str!("../cases/provider-urls.txt");

    #[test]
    fn every_url_case() {
        let mut seen = 0;
        for line in URLS
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [kind, typed, call, expected] = fields[..] else {
                unreachable!("four fields: {line}");
            };
            let provider = ProviderKind::from_id(kind).unwrap().provider();
            let call = Call::ALL
                .into_iter()
                .find(|c| format!("{c:?}").to_lowercase() == call)
                .unwrap();
            let got = provider
                .url(&BaseUrl::parse(typed).unwrap(), call)
                .map_or("-".to_owned(), |url| url.to_string());
            assert_eq!(got, expected, "{line}");
            seen += 1;
        }
        assert!(seen > 30, "the case file is read");
    }

    #[test]
    fn ids_are_unique_and_round_trip() {
        for kind in ProviderKind::ALL {
            assert_eq!(ProviderKind::from_id(kind.id()), Some(kind));
        }
        assert_eq!(ProviderKind::from_id("openai_oauth"), None);
    }

    #[test]
    fn keys_travel_in_the_vendors_header() {
        assert_eq!(
            ProviderKind::Vllm.provider().auth_headers("k"),
            [("authorization", "Bearer k".to_owned())]
        );
        assert_eq!(
            ProviderKind::Anthropic.provider().auth_headers("k")[0],
            ("x-api-key", "k".to_owned())
        );
    }
}
