//! The simulated vendors: which paths each one serves and whom it lets in.
//!
//! Deliberately not taken from the product's own provider table: a mistake there must
//! show against an independent statement of the same facts. Error bodies are in
//! [`refusal`], model lists in [`models`], what only one of them has in [`ollama`],
//! [`runpod`] and `anthropic`.

mod anthropic;
pub(crate) mod models;
pub(crate) mod ollama;
pub(crate) mod refusal;
pub(crate) mod runpod;

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method};

use crate::media::Media;
use crate::validate::Native;
use refusal::Refusal;
use runpod::{Form, JobCall};

/// A simulated vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// api.openai.com.
    #[default]
    OpenAi,
    /// `vllm serve`.
    Vllm,
    /// Together AI.
    Together,
    /// DeepInfra, under `/v1/openai`.
    DeepInfra,
    /// Open WebUI, under `/api`.
    OpenWebui,
    /// AI Queue Master: whole answers only.
    Queue,
    /// Ollama: its own API and the `/v1` surface.
    Ollama,
    /// api.anthropic.com: its own format only.
    Anthropic,
    /// RunPod's serverless platform; an endpoint's id says what runs behind it: `vllm`,
    /// `vllm-batch`, `vllm-native`, `ollama`, `text` or `embed`.
    Runpod,
}

/// What a path of the vendor stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Chat,
    Completions,
    Embeddings,
    Messages,
    Responses,
    CountTokens,
    /// The tokens of a request of Responses.
    CountInput,
    Models,
    Model(String),
    /// Ollama's own calls.
    Native(Native),
    /// Ollama's own list.
    Tags,
    /// What Ollama has in memory.
    Running,
    /// What Ollama knows of one model.
    Show,
    Pull,
    /// The other things that are done with Ollama's models.
    Push,
    Create,
    Copy,
    Delete,
    /// A file of a model, by its digest: asked for, or sent.
    Blob(String, bool),
    Version,
    /// Pictures, sound, moderations and rankings.
    Media(Media),
    /// Jobs of RunPod.
    Job(Form, JobCall),
    Health,
}

/// In whose words something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Voice {
    pub(crate) flavor: Flavor,
    /// An error is nothing but its text, as in Ollama's own API.
    pub(crate) plain: bool,
}

impl Flavor {
    /// All that serve OpenAI's format.
    pub const OPENAI_FORMAT: [Flavor; 7] = [
        Flavor::OpenAi,
        Flavor::Vllm,
        Flavor::Together,
        Flavor::DeepInfra,
        Flavor::OpenWebui,
        Flavor::Queue,
        Flavor::Ollama,
    ];

    /// Those that do not.
    pub const OWN_FORMAT: [Flavor; 2] = [Flavor::Anthropic, Flavor::Runpod];

    /// All of them, in the order of the demo.
    pub fn every() -> impl Iterator<Item = Flavor> {
        Flavor::OPENAI_FORMAT.into_iter().chain(Flavor::OWN_FORMAT)
    }

    /// The name used on the command line.
    pub fn id(self) -> &'static str {
        match self {
            Flavor::OpenAi => "openai",
            Flavor::Vllm => "vllm",
            Flavor::Together => "together",
            Flavor::DeepInfra => "deepinfra",
            Flavor::OpenWebui => "openwebui",
            Flavor::Queue => "queue",
            Flavor::Ollama => "ollama",
            Flavor::Anthropic => "anthropic",
            Flavor::Runpod => "runpod",
        }
    }

    /// The vendor with that name.
    pub fn from_id(id: &str) -> Option<Flavor> {
        Flavor::every().find(|flavor| flavor.id() == id)
    }

    /// In whose words a call to that path is refused.
    pub(crate) fn voice(self, path: &str) -> Voice {
        Voice {
            flavor: self,
            plain: self == Flavor::Runpod || (self == Flavor::Ollama && path.starts_with("/api/")),
        }
    }

    /// What `method path` asks for; a refusal in the vendor's words if it serves no such thing.
    pub(crate) fn route(self, method: &Method, path: &str) -> Result<Route, Refusal> {
        let route = match self {
            Flavor::Together => self.openai_route("/v1", path),
            Flavor::OpenAi => match path {
                "/v1/responses" => Some(Route::Responses),
                "/v1/responses/input_tokens" => Some(Route::CountInput),
                _ => self.openai_route("/v1", path),
            },
            Flavor::Vllm => match path {
                "/health" => Some(Route::Health),
                "/v1/responses" => Some(Route::Responses),
                // vLLM has no route for one model.
                _ => self
                    .openai_route("/v1", path)
                    .filter(|route| !matches!(route, Route::Model(_))),
            },
            Flavor::DeepInfra => self.openai_route("/v1/openai", path),
            Flavor::OpenWebui => match path {
                "/api/chat/completions" | "/openai/chat/completions" => Some(Route::Chat),
                "/api/embeddings" | "/api/v1/embeddings" => Some(Route::Embeddings),
                "/api/models" | "/openai/models" => Some(Route::Models),
                "/health" => Some(Route::Health),
                _ => None,
            },
            Flavor::Queue => match path {
                "/v1/chat/completions" => Some(Route::Chat),
                "/v1/embeddings" => Some(Route::Embeddings),
                "/v1/models" => Some(Route::Models),
                "/health" => Some(Route::Health),
                _ => None,
            },
            Flavor::Ollama => match path {
                "/api/tags" => Some(Route::Tags),
                "/api/version" => Some(Route::Version),
                "/api/ps" => Some(Route::Running),
                "/api/show" => Some(Route::Show),
                "/api/pull" => Some(Route::Pull),
                "/api/push" => Some(Route::Push),
                "/api/create" => Some(Route::Create),
                "/api/copy" => Some(Route::Copy),
                "/api/delete" => Some(Route::Delete),
                "/api/chat" => Some(Route::Native(Native::Chat)),
                "/api/generate" => Some(Route::Native(Native::Generate)),
                "/api/embed" => Some(Route::Native(Native::Embed)),
                "/api/embeddings" => Some(Route::Native(Native::Embeddings)),
                _ => match path.strip_prefix("/api/blobs/") {
                    Some(digest) => {
                        let is_sent = *method != Method::HEAD;
                        Some(Route::Blob(digest.to_owned(), is_sent))
                    }
                    None => self.openai_route("/v1", path),
                },
            },
            Flavor::Runpod => runpod::route(path),
            Flavor::Anthropic => match path {
                "/v1/messages" => Some(Route::Messages),
                "/v1/messages/count_tokens" => Some(Route::CountTokens),
                _ => self
                    .openai_route("/v1", path)
                    .filter(|route| matches!(route, Route::Models | Route::Model(_))),
            },
        };
        let route = route.ok_or_else(|| refusal::no_such_path(self, method, path))?;
        let wanted = match route {
            Route::Chat
            | Route::Completions
            | Route::Embeddings
            | Route::Messages
            | Route::Responses
            | Route::CountTokens
            | Route::CountInput
            | Route::Native(_)
            | Route::Show
            | Route::Pull
            | Route::Push
            | Route::Create
            | Route::Copy
            | Route::Blob(_, true)
            | Route::Media(_)
            | Route::Job(_, JobCall::Run | JobCall::RunSync | JobCall::Cancel(_)) => Method::POST,
            Route::Models
            | Route::Model(_)
            | Route::Tags
            | Route::Running
            | Route::Version
            | Route::Job(_, JobCall::Status(_) | JobCall::Stream(_) | JobCall::Health)
            | Route::Health => Method::GET,
            Route::Delete => Method::DELETE,
            Route::Blob(_, false) => Method::HEAD,
        };
        if *method == wanted {
            Ok(route)
        } else {
            Err(refusal::wrong_method(self, method, path))
        }
    }

    /// The routes of OpenAI's API that the vendor has below `base`.
    fn openai_route(self, base: &str, path: &str) -> Option<Route> {
        let below = path.strip_prefix(base)?;
        let media = Media::route(self, below).map(Route::Media);
        media.or_else(|| openai_route(below))
    }

    /// Lets a caller in who shows `key` the vendor's way; without a key everyone is let in.
    pub(crate) fn authenticate(
        self,
        route: &Route,
        headers: &HeaderMap,
        key: Option<&str>,
    ) -> Result<(), Refusal> {
        if self == Flavor::Anthropic {
            return anthropic::authenticate(headers, key);
        }
        if self == Flavor::Queue {
            queue_priority(headers)?;
        }
        let Some(key) = key else { return Ok(()) };
        let open = match self {
            Flavor::DeepInfra => matches!(route, Route::Models),
            Flavor::Vllm | Flavor::OpenWebui | Flavor::Queue => matches!(route, Route::Health),
            Flavor::OpenAi
            | Flavor::Together
            | Flavor::Ollama
            | Flavor::Anthropic
            | Flavor::Runpod => false,
        };
        let shown = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .or_else(|| {
                let other = (self == Flavor::OpenWebui).then(|| headers.get("x-api-key"))?;
                other?.to_str().ok()
            });
        if open || shown == Some(key) {
            Ok(())
        } else {
            Err(refusal::no_entry(self, shown))
        }
    }
}

/// The queue's `X-Priority`; without one a call is of normal priority.
fn queue_priority(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get("x-priority").map(|value| value.to_str()) {
        None | Some(Ok("HIGH" | "NORMAL" | "LOW")) => Ok(()),
        Some(_) => {
            let message = "X-Priority must be HIGH, NORMAL or LOW";
            Err(Refusal::new(400, message))
        }
    }
}

fn openai_route(below: &str) -> Option<Route> {
    Some(match below {
        "/chat/completions" => Route::Chat,
        "/completions" => Route::Completions,
        "/embeddings" => Route::Embeddings,
        "/models" => Route::Models,
        rest => Route::Model(rest.strip_prefix("/models/")?.replace("%2F", "/")),
    })
}
