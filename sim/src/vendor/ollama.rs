//! What Ollama tells about its models, and what a model of it can do.
//!
//! A model's name says what it lacks: `no-tools`, `no-thinking` or `no-vision` inside it;
//! one with `embed` inside makes vectors and nothing else.

use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::script::Script;
use crate::validate::{Facts, Native};

const CONTEXT: u64 = 131_072;

/// Version the simulator claims to be.
pub(crate) const VERSION: &str = "0.32.0";

/// A name as the server understands it: in lower case and with a tag.
pub(crate) fn full_name(name: &str) -> String {
    let name = name.to_lowercase();
    let last = name.rsplit('/').next().unwrap_or_default();
    if last.contains(':') {
        name
    } else {
        format!("{name}:latest")
    }
}

/// What a model can do.
pub(crate) fn capabilities(model: &str) -> Vec<&'static str> {
    if model.contains("embed") {
        return vec!["embedding"];
    }
    let mut all = vec!["completion"];
    for able in ["tools", "thinking", "vision"] {
        if !model.contains(&format!("no-{able}")) {
            all.push(able);
        }
    }
    all
}

/// Refuses what the model, or the script, cannot do.
pub(crate) fn able(native: Native, facts: &Facts, script: &Script) -> Result<(), Refusal> {
    let model = facts.model.as_str();
    let capabilities = capabilities(model);
    let wanted = [
        ("tools", !facts.tools.is_empty()),
        ("thinking", facts.thinks),
        ("vision", facts.images > 0),
    ];
    let lacks = |able: &&str| {
        !capabilities.contains(able) || script.unsupported.iter().any(|name| name == able)
    };
    let missing = match native {
        Native::Chat if !capabilities.contains(&"completion") => Some("chat"),
        Native::Generate if !capabilities.contains(&"completion") => Some("generate"),
        Native::Embed | Native::Embeddings => None,
        Native::Chat | Native::Generate => wanted
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(able, _)| able)
            .find(lacks),
    };
    match missing {
        None => Ok(()),
        Some(able) => Err(Refusal::new(
            400,
            format!("{model:?} does not support {able}"),
        )),
    }
}

pub(crate) fn no_such_model(model: &str) -> Refusal {
    Refusal::new(404, format!("model '{model}' not found"))
}

/// What the server says to an input of embeddings that it may not cut.
pub(crate) fn too_long() -> Refusal {
    Refusal::new(400, "the input length exceeds the context length")
}

/// `/api/show`.
pub(crate) fn show(model: &str) -> Value {
    json!({
        "license": "", "modelfile": format!("FROM {model}"), "parameters": "stop \"<|end|>\"",
        "template": "{{ .Prompt }}", "details": details(),
        "model_info": {
            "general.architecture": "llama", "general.parameter_count": 3_212_749_888_u64,
            "llama.context_length": CONTEXT, "llama.embedding_length": 3072
        },
        "capabilities": capabilities(model), "modified_at": "2025-10-09T08:53:20Z"
    })
}

/// `/api/ps`.
pub(crate) fn running(models: &[(String, u64)]) -> Value {
    let items: Vec<Value> = models
        .iter()
        .map(|(name, context)| {
            json!({
                "name": name, "model": name, "size": 2_019_393_189_u64, "digest": "sim",
                "details": details(), "expires_at": "2025-10-09T08:58:20Z",
                "size_vram": 2_019_393_189_u64, "context_length": context
            })
        })
        .collect();
    json!({ "models": items })
}

/// The lines of `/api/pull`; a name with `missing` inside is not in any registry.
pub(crate) fn pull(model: &str) -> Vec<Value> {
    let first = json!({"status": "pulling manifest"});
    if model.contains("missing") {
        return vec![
            first,
            json!({"error": "pull model manifest: file does not exist"}),
        ];
    }
    let layer = |completed: u64| {
        json!({
            "status": "pulling sim", "digest": "sha256:sim", "total": 1000,
            "completed": completed
        })
    };
    vec![
        first,
        layer(500),
        layer(1000),
        json!({"status": "verifying sha256 digest"}),
        json!({"status": "success"}),
    ]
}

/// The lines of `/api/push`.
pub(crate) fn push() -> Vec<Value> {
    vec![
        json!({"status": "retrieving manifest"}),
        json!({"status": "pushing sim", "digest": "sha256:sim", "total": 1000}),
        json!({"status": "success"}),
    ]
}

/// The lines of `/api/create`.
pub(crate) fn create() -> Vec<Value> {
    vec![
        json!({"status": "parsing GGUF"}),
        json!({"status": "writing manifest"}),
        json!({"status": "success"}),
    ]
}

fn details() -> Value {
    json!({
        "parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
        "parameter_size": "3.2B", "quantization_level": "Q4_K_M"
    })
}
