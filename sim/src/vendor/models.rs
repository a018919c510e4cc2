//! Model lists in each vendor's shape.

use serde_json::{Value, json};

use super::Flavor;

/// A fixed creation time: everything a simulator says is the same on each run.
pub(crate) const CREATED: u64 = 1_760_000_000;

/// Models a simulator of that flavour has when it is not told otherwise.
pub(crate) fn standard(flavor: Flavor) -> Vec<String> {
    let names: &[&str] = match flavor {
        Flavor::OpenAi => &[
            "gpt-4o",
            "gpt-4o-mini",
            "gpt-3.5-turbo-instruct",
            "o4-mini",
            "text-embedding-3-small",
        ],
        Flavor::Vllm | Flavor::Runpod => &["Qwen/Qwen3-8B"],
        Flavor::Together => &[
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "BAAI/bge-base-en-v1.5",
        ],
        Flavor::DeepInfra => &["meta-llama/Llama-3.3-70B-Instruct", "BAAI/bge-m3"],
        Flavor::OpenWebui => &["qwen3:8b", "workspace-helper"],
        Flavor::Queue => &["queue-model"],
        Flavor::Anthropic => &[
            "claude-opus-4-7",
            "claude-opus-4-6",
            "claude-sonnet-4-5",
            "claude-haiku-4-5",
            "claude-opus-4-1",
        ],
        Flavor::Ollama => &["llama3.2:3b", "nomic-embed-text:latest"],
    };
    let mut names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    // One name every simulator knows, for tests that run against all of them.
    names.push("sim-model".to_owned());
    names
}

/// The whole list.
pub(crate) fn list(flavor: Flavor, models: &[String], query: &str) -> Value {
    let items: Vec<Value> = models.iter().map(|id| item(flavor, id)).collect();
    match flavor {
        Flavor::Together => Value::Array(items),
        Flavor::OpenWebui => json!({ "data": items }),
        Flavor::Anthropic => page(&items, query),
        Flavor::OpenAi
        | Flavor::Vllm
        | Flavor::DeepInfra
        | Flavor::Queue
        | Flavor::Ollama
        | Flavor::Runpod => {
            json!({"object": "list", "data": items})
        }
    }
}

/// A page of Anthropic's list: 20 models if the query does not say how many.
fn page(items: &[Value], query: &str) -> Value {
    let said = |name: &str| {
        query
            .split('&')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let limit = said("limit").and_then(|limit| limit.parse().ok());
    let start = said("after_id")
        .and_then(|after| items.iter().position(|item| item["id"] == *after))
        .map_or(0, |at| at + 1);
    let rest = items.get(start..).unwrap_or_default();
    let shown: Vec<&Value> = rest.iter().take(limit.unwrap_or(20)).collect();
    let id = |item: Option<&&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    json!({
        "data": shown,
        "has_more": shown.len() < rest.len(),
        "first_id": id(shown.first()),
        "last_id": id(shown.last()),
    })
}

/// One model.
pub(crate) fn item(flavor: Flavor, id: &str) -> Value {
    match flavor {
        Flavor::OpenAi => json!({
            "id": id, "object": "model", "created": CREATED, "owned_by": "system"
        }),
        Flavor::Vllm | Flavor::Runpod => json!({
            "id": id, "object": "model", "created": CREATED, "owned_by": "vllm", "root": id,
            "parent": null, "max_model_len": 32768,
            "permission": [{"id": "modelperm-sim", "object": "model_permission"}]
        }),
        Flavor::Together => json!({
            "id": id, "object": "model", "created": CREATED, "type": "chat", "display_name": id,
            "organization": "sim", "context_length": 131_072,
            "pricing": {"hourly": 0, "input": 0.88, "output": 0.88, "base": 0, "finetune": 0}
        }),
        Flavor::DeepInfra => json!({
            "id": id, "object": "model", "created": CREATED, "owned_by": "deepinfra",
            "metadata": {"description": "simulated", "context_length": 131_072,
                         "pricing": {"input_tokens": 0.23, "output_tokens": 0.4}}
        }),
        Flavor::OpenWebui => json!({
            "id": id, "name": id, "object": "model", "created": CREATED, "owned_by": "ollama",
            "connection_type": "local", "tags": [], "actions": [], "filters": []
        }),
        Flavor::Queue => {
            json!({"id": id, "object": "model", "created": CREATED, "owned_by": "queue"})
        }
        Flavor::Anthropic => json!({
            "type": "model", "id": id, "display_name": id, "created_at": "2025-10-09T08:53:20Z"
        }),
        Flavor::Ollama => json!({
            "id": id, "object": "model", "created": CREATED, "owned_by": "library"
        }),
    }
}

/// Ollama's own list, `/api/tags`.
pub(crate) fn tags(models: &[String]) -> Value {
    let items: Vec<Value> = models
        .iter()
        .map(|id| {
            json!({
                "name": id, "model": id, "modified_at": "2025-10-09T08:53:20Z",
                "size": 2_019_393_189_u64, "digest": "sim",
                "details": {"format": "gguf", "family": "llama", "parameter_size": "3.2B",
                            "quantization_level": "Q4_K_M"}
            })
        })
        .collect();
    json!({ "models": items })
}
