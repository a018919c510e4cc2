//! Virtual models as Ollama's clients expect a server to describe its own.
//!
//! What such a server knows of files and nobody knows here is empty or left out, not made
//! up: clients have their own way with what is missing.

use std::fmt::Write;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use store::{Endpoint, VirtualModel};
use wire::outbound::LocalModel;

use super::timestamp;

/// The architecture that a virtual model is said to have; only a name to put its context
/// under.
const ARCHITECTURE: &str = "gateway";

/// One entry of `/api/tags`. The digest is of what the name stands for, so that it is
/// another one when that changes.
pub(super) fn entry(name: &str, model: &VirtualModel, endpoint: &Endpoint) -> Value {
    let stands_for = [
        name,
        &endpoint.name,
        &model.actual_model,
        &model.updated_at.to_string(),
    ];
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, stands_for.join("\n").as_bytes()).as_ref() {
        // Text takes all of it.
        let _ = write!(hex, "{byte:02x}");
    }
    json!({
        "name": name,
        "model": name,
        "modified_at": timestamp(model.updated_at),
        "size": 0,
        "digest": hex,
        "details": details(),
    })
}

/// The answer of `/api/show`, with what the model's server has told of it so far.
pub(crate) fn show(model: &VirtualModel, known: LocalModel) -> Value {
    let mut capabilities = vec!["completion"];
    if known.takes_tools != Some(false) {
        capabilities.push("tools");
    }
    if known.thinks == Some(true) {
        capabilities.push("thinking");
    }
    if known.sees == Some(true) {
        capabilities.push("vision");
    }
    let context = match (model.num_ctx, known.longest) {
        (Some(ceiling), Some(longest)) => Some(ceiling.min(longest)),
        (one, other) => one.or(other),
    };
    let mut info = json!({ "general.architecture": ARCHITECTURE });
    if let Some(context) = context {
        info[format!("{ARCHITECTURE}.context_length")] = json!(context);
    }
    json!({
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": details(),
        "model_info": info,
        "capabilities": capabilities,
        "modified_at": timestamp(model.updated_at),
    })
}

fn details() -> Value {
    json!({
        "parent_model": "",
        "format": "",
        "family": "",
        "families": [],
        "parameter_size": "",
        "quantization_level": "",
    })
}
