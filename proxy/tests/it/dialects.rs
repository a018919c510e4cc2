//! Every dialect in which calls come in, on every kind of backend, as one table: what is
//! asked ([`Case`]), who answers ([`Backend`]), in which words ([`Spoken`]), as a stream or
//! whole. What the caller hears is the same whatever the words are.
//!
//! A dialect, a backend or a case that has no row does not compile.

mod chat;
mod completions;
mod heard;
pub(crate) mod messages;
pub(crate) mod ollama;
pub(crate) mod responses;
mod same;
mod told;

use serde_json::{Value, json};
use sim::{Flavor, Image, Options};

use crate::scene::{Answer, MODEL, Props, Scene};
use heard::{Broken, Heard, Stop};

/// A PNG of one pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// What a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Chat,
    Completions,
    Messages,
    Responses,
    OllamaChat,
    OllamaGenerate,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    OpenAi,
    /// With Responses of its own.
    Responses,
    Anthropic,
    Ollama,
    Runpod,
}

/// What is asked, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Text,
    Tools,
    ParallelTools,
    /// Calls that the model writes as text.
    WrittenTools,
    Image,
    Reasoning,
    Error,
    Truncated,
}

/// A question in nobody's words.
struct Question {
    /// What the backend is told to do.
    script: String,
    has_tool: bool,
    has_image: bool,
    thinks: bool,
    stream: bool,
}

impl Spoken {
    const ALL: [Self; 6] = [
        Self::Chat,
        Self::Completions,
        Self::Messages,
        Self::Responses,
        Self::OllamaChat,
        Self::OllamaGenerate,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
            Self::OllamaChat => "/api/chat",
            Self::OllamaGenerate => "/api/generate",
        }
    }

    fn body(self, question: &Question) -> Value {
        match self {
            Self::Chat => chat::body(question),
            Self::Completions => completions::body(question),
            Self::Messages => messages::body(question),
            Self::Responses => responses::body(question),
            Self::OllamaChat => ollama::body(question, ollama::Form::Chat),
            Self::OllamaGenerate => ollama::body(question, ollama::Form::Generate),
        }
    }

    /// A complete answer.
    fn hear(self, got: &Answer, stream: bool) -> Heard {
        match self {
            Self::Chat => chat::hear(got, stream),
            Self::Completions => completions::hear(got, stream),
            Self::Messages => messages::hear(got, stream),
            Self::Responses => responses::hear(got, stream),
            Self::OllamaChat => ollama::hear(got, stream, ollama::Form::Chat),
            Self::OllamaGenerate => ollama::hear(got, stream, ollama::Form::Generate),
        }
    }

    /// A stream that breaks: what came before, and the error at its end.
    fn hear_broken(self, got: &Answer) -> Broken {
        match self {
            Self::Chat => chat::hear_broken(got),
            Self::Completions => completions::hear_broken(got),
            Self::Messages => messages::hear_broken(got),
            Self::Responses => responses::hear_broken(got),
            Self::OllamaChat => ollama::hear_broken(got, ollama::Form::Chat),
            Self::OllamaGenerate => ollama::hear_broken(got, ollama::Form::Generate),
        }
    }

    /// The type of an error that is the whole answer.
    fn error(self, got: &Answer) -> String {
        match self {
            Self::Chat | Self::Completions | Self::Responses => {
                got.error()["type"].as_str().unwrap().to_owned()
            }
            Self::Messages => messages::error(got),
            Self::OllamaChat | Self::OllamaGenerate => ollama::error(got),
        }
    }

    /// The type of an error that says that there are too many calls.
    fn too_many(self) -> &'static str {
        match self {
            Self::Chat | Self::Completions | Self::Messages | Self::Responses => "rate_limit_error",
            // The status alone tells.
            Self::OllamaChat | Self::OllamaGenerate => "error",
        }
    }

    /// The field that would ask for the case and that the dialect lacks; `None` where it can
    /// be asked for.
    fn lacks(self, case: Case) -> Option<&'static str> {
        match (self, case) {
            (
                Self::OllamaGenerate | Self::Completions,
                Case::Tools | Case::ParallelTools | Case::WrittenTools,
            ) => Some("tools"),
            (Self::Completions, Case::Image) => Some("images"),
            (Self::Completions, Case::Reasoning) => Some("reasoning_effort"),
            (
                Self::Chat
                | Self::Completions
                | Self::Messages
                | Self::Responses
                | Self::OllamaChat
                | Self::OllamaGenerate,
                _,
            ) => None,
        }
    }
}

impl Backend {
    const ALL: [Self; 5] = [
        Self::OpenAi,
        Self::Responses,
        Self::Anthropic,
        Self::Ollama,
        Self::Runpod,
    ];

    async fn scene(self) -> Scene {
        let (flavor, path, endpoint) = match self {
            Self::OpenAi => (Flavor::OpenAi, "", json!({})),
            Self::Responses => (Flavor::OpenAi, "", json!({"responses": "yes"})),
            Self::Anthropic => (Flavor::Anthropic, "", json!({})),
            Self::Ollama => (Flavor::Ollama, "", json!({})),
            Self::Runpod => (Flavor::Runpod, "/v2/vllm", json!({"worker_form": "vllm"})),
        };
        // Answers of the caller's own dialect come as they are, with the endpoint's name.
        let named = self == Self::Responses;
        Scene::with(Props {
            options: Options {
                flavor,
                models: named.then(|| MODEL.to_owned()).into_iter().collect(),
                ..Options::default()
            },
            path,
            endpoint,
            model: if named {
                json!({"actual_model": MODEL})
            } else {
                json!({})
            },
            ..Props::default()
        })
        .await
    }

    /// Breaks an answer in the middle.
    fn breaking(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Responses | Self::Anthropic | Self::Ollama => {
                "chunks=40 cut=between cut_after=5"
            }
            Self::Runpod => "chunks=40 job=failed",
        }
    }
}

impl Case {
    const ALL: [Self; 8] = [
        Self::Text,
        Self::Tools,
        Self::ParallelTools,
        Self::WrittenTools,
        Self::Image,
        Self::Reasoning,
        Self::Error,
        Self::Truncated,
    ];

    fn question(self, backend: Backend, stream: bool) -> Question {
        let script = match self {
            Self::Text | Self::Image => "say=a+blue+dot".to_owned(),
            Self::Tools => "tools=1".to_owned(),
            Self::ParallelTools => "tools=2".to_owned(),
            Self::WrittenTools => "tools=2 written".to_owned(),
            Self::Reasoning => "reasoning say=a+blue+dot".to_owned(),
            Self::Error => "status=429 message=slow+down".to_owned(),
            Self::Truncated => backend.breaking().to_owned(),
        };
        Question {
            script,
            has_tool: matches!(self, Self::Tools | Self::ParallelTools | Self::WrittenTools),
            has_image: self == Self::Image,
            thinks: self == Self::Reasoning,
            stream,
        }
    }
}

/// One cell of the table.
async fn cell(scene: &Scene, spoken: Spoken, backend: Backend, case: Case, stream: bool) {
    let at = format!("{spoken:?} on {backend:?}: {case:?}, stream: {stream}");
    let question = case.question(backend, stream);
    let got = scene.post(spoken.path(), &spoken.body(&question)).await;
    match case {
        Case::Text | Case::Image | Case::Reasoning => {
            let heard = spoken.hear(&got, stream);
            assert_eq!(heard.text, "a blue dot", "{at}: {got:?}");
            assert_eq!(heard.stop, Stop::End, "{at}");
            assert_eq!(heard.calls, [], "{at}");
            assert_ne!(heard.prompt, Some(0), "{at}");
            assert_ne!(heard.answer, Some(0), "{at}");
            let thought = !heard.reasoning.is_empty();
            assert_eq!(thought, case == Case::Reasoning, "{at}: {got:?}");
            if case == Case::Image {
                sees(scene, backend, &at);
            }
        }
        Case::Tools | Case::ParallelTools | Case::WrittenTools => {
            let heard = spoken.hear(&got, stream);
            let wanted = if case == Case::Tools { 1 } else { 2 };
            assert_eq!(heard.calls.len(), wanted, "{at}: {got:?}");
            assert_eq!(heard.stop, Stop::Calls, "{at}");
            for (number, call) in heard.calls.iter().enumerate() {
                assert_eq!(call.name, "get_weather", "{at}");
                assert!(call.arguments["city"].is_string(), "{at}: {call:?}");
                assert!(!call.id.is_empty(), "{at}");
                let others = &heard.calls[number + 1..];
                assert!(others.iter().all(|other| other.id != call.id), "{at}");
            }
        }
        Case::Error => {
            assert_eq!(got.status, 429, "{at}: {got:?}");
            assert_eq!(spoken.error(&got), spoken.too_many(), "{at}");
            assert!(got.body.contains("slow down"), "{at}: {got:?}");
        }
        Case::Truncated if stream => {
            let broken = spoken.hear_broken(&got);
            assert!(!broken.text.is_empty(), "{at}: {got:?}");
            assert!(!broken.message.is_empty(), "{at}: {got:?}");
        }
        Case::Truncated => {
            assert_eq!(got.status, 502, "{at}: {got:?}");
            assert!(!spoken.error(&got).is_empty(), "{at}");
        }
    }
}

/// A cell that cannot be: what asks for it is a field that the dialect does not have. A server
/// of the same dialect says what it makes of it; for any other it is left out, and named.
async fn impossible(scene: &Scene, spoken: Spoken, backend: Backend, field: &str, stream: bool) {
    let at = format!("{spoken:?} on {backend:?} with {field}, stream: {stream}");
    let mut body = spoken.body(&Case::Text.question(backend, stream));
    body[field] = json!([]);
    let got = scene.post(spoken.path(), &body).await;
    let is_same = spoken == Spoken::Completions;
    match backend {
        Backend::OpenAi | Backend::Responses if is_same => {
            assert_eq!(got.status, 400, "{at}: {got:?}");
            assert_eq!(got.error()["code"], "unknown_parameter", "{at}");
        }
        Backend::Runpod if is_same => {
            assert_eq!(spoken.hear(&got, stream).text, "a blue dot", "{at}");
        }
        Backend::OpenAi
        | Backend::Responses
        | Backend::Anthropic
        | Backend::Ollama
        | Backend::Runpod => {
            assert_eq!(spoken.hear(&got, stream).text, "a blue dot", "{at}");
            let changed = got.header("x-gateway-changed");
            assert!(
                changed.split(", ").any(|one| one == field),
                "{at}: {changed}"
            );
        }
    }
}

/// The picture has arrived as it was sent.
fn sees(scene: &Scene, backend: Backend, at: &str) {
    let sent = scene.sim.requests();
    let sent = sent
        .iter()
        .rev()
        .find(|request| !request.images().is_empty());
    let sent = sent.unwrap_or_else(|| panic!("{at}: no picture has arrived"));
    let media_type = match backend {
        // It finds the type out by itself.
        Backend::Ollama => None,
        Backend::OpenAi | Backend::Responses | Backend::Anthropic | Backend::Runpod => {
            Some("image/png".to_owned())
        }
    };
    let data = PIXEL.to_owned();
    assert_eq!(sent.images(), [Image::Inline { media_type, data }], "{at}");
}

async fn every(backend: Backend) {
    let scene = backend.scene().await;
    let mut cells = 0;
    for spoken in Spoken::ALL {
        for case in Case::ALL {
            for stream in [false, true] {
                match spoken.lacks(case) {
                    Some(field) => impossible(&scene, spoken, backend, field, stream).await,
                    None => cell(&scene, spoken, backend, case, stream).await,
                }
                cells += 1;
            }
        }
    }
    let rows = scene.ground.rows(cells).await;
    for row in &rows {
        assert!(row.outcome.is_some(), "{row:?}");
    }
}

#[tokio::test]
async fn every_dialect_is_served_by_openai() {
    every(Backend::OpenAi).await;
}

#[tokio::test]
async fn every_dialect_is_served_by_openai_with_its_responses() {
    every(Backend::Responses).await;
}

#[tokio::test]
async fn every_dialect_is_served_by_anthropic() {
    every(Backend::Anthropic).await;
}

#[tokio::test]
async fn every_dialect_is_served_by_ollama() {
    every(Backend::Ollama).await;
}

#[tokio::test]
async fn every_dialect_is_served_by_a_job() {
    every(Backend::Runpod).await;
}

#[test]
fn every_backend_has_its_test() {
    assert_eq!(Backend::ALL.len(), 5);
}
