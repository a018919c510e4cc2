//! The whole configuration as one JSON document without secrets: out, and in again.
//!
//! Rows are known by their names. A document is taken whole or not at all ([`import`]).
//! Secrets are not in it: rows that are there keep theirs, new ones have none. Callers' keys
//! cannot be made from a document; the limits of those that are there follow.

mod import;

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{MASK, Store, StoreError};

pub(crate) use import::import;

use crate::shown;

/// What every document says it is.
const FORMAT: &str = "serverless-proxy configuration";
const VERSION: u64 = 1;

/// Fields that belong to a row in this store alone.
const OWN: [&str; 8] = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "locked",
    "api_key",
    "endpoint_id",
    "endpoint_url",
];

/// Of a key: what is not its configuration.
const OF_KEYS: [&str; 6] = [
    "key_prefix",
    "last_used_at",
    "last_used_ip",
    "last_used_user_agent",
    "revoked_at",
    "unusable",
];

/// What an import did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Imported {
    pub(crate) created: usize,
    pub(crate) changed: usize,
    /// What could not follow, a sentence each.
    pub(crate) left_out: Vec<String>,
}

/// The document.
pub(crate) fn export(store: &Store) -> Result<Value, StoreError> {
    let endpoints = shown::endpoints(store)?;
    let models = shown::virtual_models(store)?;
    let names: HashMap<i64, String> = models
        .iter()
        .map(|model| (model.id, model.name.clone()))
        .collect();
    let mut all_models = Vec::new();
    for model in &models {
        let mut fields = fields(model, &[]);
        if let Some(targets) = targets_of(&mut fields) {
            // One that is gone is no target.
            targets.retain_mut(|target| {
                let target = target.as_object_mut();
                let named = target.and_then(|target| {
                    let id = target.remove("virtual_model_id")?.as_i64()?;
                    target.insert("virtual_model".to_owned(), json!(names.get(&id)?));
                    Some(())
                });
                named.is_some()
            });
        }
        all_models.push(Value::Object(fields));
    }
    let keys = store.inbound_keys()?;
    let keys: Vec<_> = keys.iter().map(|key| fields(key, &OF_KEYS)).collect();
    let endpoints: Vec<_> = endpoints.iter().map(|row| fields(row, &[])).collect();
    Ok(json!({
        "format": FORMAT,
        "version": VERSION,
        "settings": store.settings()?,
        "endpoints": endpoints,
        "virtual_models": all_models,
        "patterns": store.export_tool_patterns()?,
        "keys": keys,
    }))
}

fn fields(row: &impl Serialize, without: &[&str]) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(row) else {
        return Map::new();
    };
    fields.retain(|name, _| !OWN.contains(&name.as_str()) && !without.contains(&name.as_str()));
    if let Some(Value::String(text)) = fields.get("custom_headers")
        && let Ok(Value::Object(mut headers)) = serde_json::from_str(text)
    {
        for value in headers.values_mut() {
            if value.as_str().is_some_and(|value| value.starts_with(MASK)) {
                *value = json!(MASK);
            }
        }
        fields.insert("custom_headers".to_owned(), Value::Object(headers));
    }
    fields
}

fn targets_of(fields: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    fields
        .get_mut("routing")?
        .get_mut("targets")?
        .as_array_mut()
}
