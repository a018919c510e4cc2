//! The provider types, RunPod in the forms that its workers have.

use serde_json::{Value, json};
use sim::{Flavor, Options};
use wire::provider::ProviderKind;

use crate::scene::{Props, Scene};

/// One column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) provider: ProviderKind,
    /// What runs on RunPod; elsewhere nothing.
    pub(crate) worker: Option<Form>,
}

/// What a RunPod endpoint is called as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The platform's own OpenAI path.
    OpenAiLane,
    /// vLLM behind a worker that forwards.
    Vllm,
    /// The worker before that one, whose streams are lists of chunks.
    Batch,
    /// The oldest one, with `messages` and `sampling_params`.
    Native,
    /// The same, found out by trying.
    Guessed,
    /// The community's Ollama worker.
    Ollama,
    /// Somebody's own worker: text in, text out.
    Text,
}

/// The language a request is in when the provider reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    OpenAi,
    Anthropic,
    Ollama,
    /// OpenAI's inside a job.
    Routed,
    /// worker-vllm's own, inside a job.
    Native,
    /// A prompt inside a job.
    Text,
}

impl Backend {
    /// All of them.
    pub(crate) fn every() -> Vec<Self> {
        let forms = |provider: ProviderKind| -> Vec<Option<Form>> {
            match provider {
                ProviderKind::Runpod => Form::ALL.into_iter().map(Some).collect(),
                ProviderKind::OpenWebui
                | ProviderKind::OpenAi
                | ProviderKind::Ollama
                | ProviderKind::Vllm
                | ProviderKind::Together
                | ProviderKind::Anthropic
                | ProviderKind::DeepInfra
                | ProviderKind::Queue => vec![None],
            }
        };
        let of = |provider| {
            let each = forms(provider).into_iter();
            each.map(move |worker| Self { provider, worker })
        };
        ProviderKind::ALL.into_iter().flat_map(of).collect()
    }

    /// The simulated vendor.
    pub(crate) fn flavor(self) -> Flavor {
        match self.provider {
            ProviderKind::OpenWebui => Flavor::OpenWebui,
            ProviderKind::OpenAi => Flavor::OpenAi,
            ProviderKind::Ollama => Flavor::Ollama,
            ProviderKind::Vllm => Flavor::Vllm,
            ProviderKind::Together => Flavor::Together,
            ProviderKind::Runpod => Flavor::Runpod,
            ProviderKind::Anthropic => Flavor::Anthropic,
            ProviderKind::DeepInfra => Flavor::DeepInfra,
            ProviderKind::Queue => Flavor::Queue,
        }
    }

    /// What is spoken there.
    pub(crate) fn speech(self) -> Speech {
        match self.provider {
            ProviderKind::OpenWebui
            | ProviderKind::OpenAi
            | ProviderKind::Vllm
            | ProviderKind::Together
            | ProviderKind::DeepInfra
            | ProviderKind::Queue => Speech::OpenAi,
            ProviderKind::Ollama => Speech::Ollama,
            ProviderKind::Anthropic => Speech::Anthropic,
            ProviderKind::Runpod => match self.worker {
                None | Some(Form::OpenAiLane) => Speech::OpenAi,
                Some(Form::Vllm | Form::Batch | Form::Ollama) => Speech::Routed,
                Some(Form::Native | Form::Guessed) => Speech::Native,
                Some(Form::Text) => Speech::Text,
            },
        }
    }

    /// Whether calls are jobs there.
    pub(crate) fn is_job(self) -> bool {
        match self.speech() {
            Speech::OpenAi | Speech::Anthropic | Speech::Ollama => false,
            Speech::Routed | Speech::Native | Speech::Text => true,
        }
    }

    /// Whether the provider counts tokens.
    pub(crate) fn counts(self) -> bool {
        self.worker != Some(Form::Text)
    }

    /// Path of the endpoint's URL, and the worker form that is set.
    pub(crate) fn endpoint(self) -> (&'static str, Value) {
        let (path, form) = match self.worker {
            None => return ("", json!({})),
            Some(Form::OpenAiLane) => ("/v2/vllm/openai/v1", "auto"),
            Some(Form::Vllm) => ("/v2/vllm", "vllm"),
            Some(Form::Batch) => ("/v2/vllm-batch", "vllm"),
            Some(Form::Native) => ("/v2/vllm-native", "vllm_native"),
            Some(Form::Guessed) => ("/v2/vllm-native", "auto"),
            Some(Form::Ollama) => ("/v2/ollama", "ollama"),
            Some(Form::Text) => ("/v2/text", "text"),
        };
        (path, json!({ "worker_form": form }))
    }

    /// A gateway before it.
    pub(crate) async fn scene(self) -> Scene {
        self.scene_with(json!({})).await
    }

    /// The same with fields of the virtual model.
    pub(crate) async fn scene_with(self, model: Value) -> Scene {
        let (path, endpoint) = self.endpoint();
        Scene::with(Props {
            options: Options {
                flavor: self.flavor(),
                ..Options::default()
            },
            path,
            endpoint,
            model,
            ..Props::default()
        })
        .await
    }
}

impl Form {
    const ALL: [Self; 7] = [
        Self::OpenAiLane,
        Self::Vllm,
        Self::Batch,
        Self::Native,
        Self::Guessed,
        Self::Ollama,
        Self::Text,
    ];
}
