//! Vendors: where a call goes and how it is authenticated.
//!
//! One vendor is one row of `vendors`. A vendor that speaks a known dialect needs
//! nothing else. Request and reply bodies are not touched here: that is the
//! business of [`crate::dialect`].

mod base_url;
mod model_list;
mod passed;
mod responses;
mod vendors;

use std::borrow::Cow;

use crate::dialect::runpod::Lane;
use crate::usage::CacheCounting;
#[cfg(doc)]
use crate::usage::Usage;
pub use base_url::{BaseUrl, BaseUrlError, UpstreamUrl};
pub use model_list::ModelListError;
pub use passed::Passed;
pub use responses::Responses;
pub(crate) use responses::is_openais;

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
            Self::OpenWebui => &vendors::OPENWEBUI,
            Self::OpenAi => &vendors::OPENAI,
            Self::Ollama => &vendors::OLLAMA,
            Self::Vllm => &vendors::VLLM,
            Self::Together => &vendors::TOGETHER,
            Self::Runpod => &vendors::RUNPOD,
            Self::Anthropic => &vendors::ANTHROPIC,
            Self::DeepInfra => &vendors::DEEPINFRA,
            Self::Queue => &vendors::QUEUE,
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
    /// A call of which nothing but the model's name is read.
    Passed(Passed),
}

impl Call {
    /// Every call.
    pub const ALL: [Self; 12] = [
        Self::Chat,
        Self::Completions,
        Self::Embeddings,
        Self::Models,
        Self::Passed(Passed::ImageGeneration),
        Self::Passed(Passed::ImageEdit),
        Self::Passed(Passed::ImageVariation),
        Self::Passed(Passed::Speech),
        Self::Passed(Passed::Transcription),
        Self::Passed(Passed::Translation),
        Self::Passed(Passed::Moderation),
        Self::Passed(Passed::Rerank),
    ];

    /// What a person calls it, for messages.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Models => "the model list",
            Self::Passed(passed) => passed.noun(),
        }
    }
}

/// The wire format of a call at its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenAI's; the caller's body is edited, not rewritten, when the upstream sees the
    /// same call.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's chat.
    OllamaChat,
    /// Ollama's text completion.
    OllamaGenerate,
    /// Ollama's embeddings.
    OllamaEmbed,
    /// A RunPod job that is submitted and then followed.
    RunpodJob,
    /// OpenAI's Responses, which only callers of Responses are sent to.
    Responses,
}

impl Format {
    /// Whether what the cache took is in the prompt's count or beside it, in this
    /// format's own usage. A server may hand on another's numbers; what is then shown
    /// by them is [`Usage::read`]'s to see.
    #[must_use]
    pub fn cache_counting(self) -> CacheCounting {
        match self {
            Self::Anthropic => CacheCounting::BesidePrompt,
            // Ollama counts the whole prompt, and says nothing of its cache; a job's
            // output is in the form of one of the others.
            Self::OpenAi
            | Self::OllamaChat
            | Self::OllamaGenerate
            | Self::OllamaEmbed
            | Self::RunpodJob
            | Self::Responses => CacheCounting::InPrompt,
        }
    }
}

/// How a call is put to a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where it goes, with POST; the model list with GET.
    pub url: UpstreamUrl,
    /// The format there.
    pub format: Format,
    /// The call that the vendor sees: a chat in the place of a completion where it
    /// has only chat.
    pub call: Call,
}

/// One path of a vendor.
#[derive(Clone, Copy, Debug)]
struct Line {
    path: &'static str,
    format: Format,
    /// Serves completions as chat.
    as_chat: bool,
}

/// How an upstream wants the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Auth {
    /// `Authorization: Bearer <key>`.
    Bearer,
    /// `x-api-key: <key>` and a fixed `anthropic-version`.
    AnthropicKey,
}

/// One vendor: fixed facts about its API.
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
    chat: Option<Line>,
    completions: Option<Line>,
    embeddings: Option<Line>,
    models: Option<Line>,
    responses: Option<Line>,
    /// What it serves of the calls that are passed on.
    passed: &'static [Passed],
    /// Takes `stream_options.include_usage`. Those that do not send usage in every
    /// stream anyway.
    pub takes_stream_options: bool,
    /// Does not document `max_completion_tokens`, and might answer without a limit.
    pub only_max_tokens: bool,
    /// Knows the role `developer`, which is OpenAI's and Azure's.
    pub knows_developer: bool,
    /// Answers in streams; the others are asked for whole answers, which are told
    /// to the caller as a stream.
    pub streams: bool,
    /// Refuses embeddings in any encoding but `float`.
    pub float_embeddings_only: bool,
    auth: Auth,
}

impl Provider {
    /// How `call` is put to the vendor at `base`; `None` when it does not serve it.
    #[must_use]
    pub fn way(&self, base: &BaseUrl, call: Call) -> Option<Way> {
        let (row, base) = self.at(base);
        let line = match call {
            Call::Chat => row.chat?,
            Call::Completions => row.completions?,
            Call::Embeddings => row.embeddings?,
            Call::Models => row.models?,
            Call::Passed(passed) => row.passed.contains(&passed).then_some(Line {
                path: passed.path(),
                format: Format::OpenAi,
                as_chat: false,
            })?,
        };
        Some(Way {
            url: row.below(&base, line.path),
            format: line.format,
            call: if line.as_chat { Call::Chat } else { call },
        })
    }

    /// How a chat in the form of Responses is put to the vendor at `base`; `None` when it
    /// has no such form.
    #[must_use]
    pub fn responses_way(&self, base: &BaseUrl) -> Option<Way> {
        let (row, base) = self.at(base);
        let line = row.responses?;
        Some(Way {
            url: row.below(&base, line.path),
            format: line.format,
            call: Call::Chat,
        })
    }

    /// The address of `path` in the vendor's API at `base`, for what is no call: Ollama's
    /// `/pull`.
    #[must_use]
    pub fn beside(&self, base: &BaseUrl, path: &str) -> UpstreamUrl {
        let (row, base) = self.at(base);
        row.below(&base, path)
    }

    fn below(&self, base: &BaseUrl, path: &str) -> UpstreamUrl {
        let typed = self.without_call(base.path());
        let root = self
            .roots
            .iter()
            .find_map(|ending| typed.strip_suffix(ending));
        let prefix = match root {
            None if self.versioned_base && names_a_version(typed) => "",
            Some(_) | None => self.prefix,
        };
        base.with_path(format!("{}{prefix}{path}", root.unwrap_or(typed)))
    }

    /// The row that holds for `base`, and the base itself: RunPod has two rows, and behind
    /// the second one's whatever was pasted belongs to some call.
    fn at<'b>(&self, base: &'b BaseUrl) -> (&Self, Cow<'b, BaseUrl>) {
        if self.id == vendors::RUNPOD.id
            && let Lane::OpenAi { base } = Lane::of(base)
        {
            return (&vendors::RUNPOD_OPENAI, Cow::Owned(base));
        }
        (self, Cow::Borrowed(base))
    }

    /// A pasted call URL means its base, and so does one that ends in the middle of
    /// `/chat/completions`.
    fn without_call<'p>(&self, path: &'p str) -> &'p str {
        if let Some(version) = path.strip_suffix("/chat")
            && names_a_version(version)
        {
            return version;
        }
        let lines = [
            self.chat,
            self.completions,
            self.embeddings,
            self.models,
            self.responses,
        ];
        let passed = self.passed.iter().map(|passed| passed.path());
        let paths = lines.into_iter().flatten().map(|line| line.path);
        let mut bases = paths.chain(passed).filter_map(|end| path.strip_suffix(end));
        bases.next().unwrap_or(path)
    }

    /// The headers that every request to the vendor carries, with `key` if there is
    /// one.
    #[must_use]
    pub fn headers(&self, key: Option<&str>) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(key) = key {
            headers.push(match self.auth {
                Auth::Bearer => ("authorization", format!("Bearer {key}")),
                Auth::AnthropicKey => ("x-api-key", key.to_owned()),
            });
        }
        if self.auth == Auth::AnthropicKey {
            headers.push(("anthropic-version", "2023-06-01".to_owned()));
        }
        headers
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
                .way(&BaseUrl::parse(typed).unwrap(), call)
                .map_or("-".to_owned(), |way| way.url.to_string());
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
    fn what_is_no_call_has_its_place_beside_the_calls() {
        let ollama = ProviderKind::Ollama.provider();
        for typed in ["http://h:1", "http://h:1/v1", "http://h:1/api/chat"] {
            let url = ollama.beside(&BaseUrl::parse(typed).unwrap(), "/pull");
            assert_eq!(url.to_string(), "http://h:1/api/pull", "{typed}");
        }
    }

    #[test]
    fn keys_travel_in_the_vendors_header() {
        assert_eq!(
            ProviderKind::Vllm.provider().headers(Some("k")),
            [("authorization", "Bearer k".to_owned())]
        );
        let anthropic = ProviderKind::Anthropic.provider();
        assert_eq!(
            anthropic.headers(Some("k"))[0],
            ("x-api-key", "k".to_owned())
        );
        assert_eq!(anthropic.headers(None).len(), 1, "the version, always");
    }
}
