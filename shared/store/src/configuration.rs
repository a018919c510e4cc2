//! The whole configuration as one document: out, and in again.
//!
//! Rows are known by their names. A document is taken whole or not at all ([`import`]).
//! Without secrets in it, rows that are there keep theirs and new ones have none. Callers'
//! keys cannot be made from a document; the limits of those that are there follow.

mod import;

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

pub use import::import;

use crate::custom_headers::is_secret_name;
use crate::endpoint::EndpointRow;
use crate::error::StoreError;
use crate::masked_url::masked_url;
use crate::secret::MASK;
use crate::store::Store;
use crate::virtual_model::VirtualModelRow;

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

/// What becomes of secrets in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// None is in it; a mask stands for those in headers and addresses.
    Masked,
    /// Those that can be read are in it as they are.
    Plain,
}

/// What an import did.
#[derive(Debug, Default, Serialize)]
pub struct Imported {
    /// Rows that were not there before.
    pub created: usize,
    /// Rows that were there.
    pub changed: usize,
    /// What could not follow, a sentence each.
    pub left_out: Vec<String>,
}

/// The document.
///
/// # Errors
/// When the store cannot be read.
pub fn export(store: &Store, secrets: Secrets) -> Result<Value, StoreError> {
    let endpoints = store.endpoints()?;
    let models = store.virtual_models()?;
    let names: HashMap<i64, String> = models
        .iter()
        .map(|model| (model.id, model.name.clone()))
        .collect();
    let mut all_endpoints = Vec::new();
    for row in &endpoints {
        all_endpoints.push(Value::Object(endpoint(store, row, secrets)));
    }
    let all_models: Vec<_> = models
        .iter()
        .map(|row| Value::Object(virtual_model(row, &names, secrets)))
        .collect();
    let keys = store.inbound_keys()?;
    let keys: Vec<_> = keys.iter().map(|key| fields(key, &OF_KEYS)).collect();
    Ok(json!({
        "format": FORMAT,
        "version": VERSION,
        "settings": store.settings()?,
        "endpoints": all_endpoints,
        "virtual_models": all_models,
        "patterns": store.export_tool_patterns()?,
        "keys": keys,
    }))
}

/// The document as YAML.
///
/// # Errors
/// Why it cannot be written, which does not happen.
pub fn to_yaml(document: &Value) -> Result<String, String> {
    serde_saphyr::to_string(document).map_err(|error| format!("it cannot be written: {error}"))
}

/// The value in a text of JSON or YAML: a document as [`export`] makes it, or anything else.
///
/// # Errors
/// Why it is neither. Nothing of the text is in it but for a word: keys may be there.
pub fn from_text(text: &str) -> Result<Value, String> {
    // JSON is YAML too, but its own reader is exact about numbers and tells errors better.
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"));
    }
    from_yaml(text).map_err(|error| {
        // The rest shows lines of the file.
        let error = error.to_string();
        let first = error.lines().next().unwrap_or_default();
        format!("it is no YAML: {first}")
    })
}

/// YAML, in which nothing but true and false is a flag: a model may be called `n`.
pub(crate) fn from_yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
}

fn endpoint(store: &Store, row: &EndpointRow, secrets: Secrets) -> Map<String, Value> {
    let mut fields = fields(row, &[]);
    headers(&mut fields, row.custom_headers.as_deref(), secrets);
    match secrets {
        Secrets::Masked => {
            fields.insert("url".to_owned(), json!(masked_url(&row.url)));
            let health = row.health_check_url.as_deref().map(masked_url);
            fields.insert("health_check_url".to_owned(), json!(health));
        }
        Secrets::Plain => {
            // A row that cannot be used has no key that could be read.
            let key = store
                .endpoint(row.id)
                .ok()
                .and_then(|endpoint| endpoint.api_key);
            if let Some(key) = key {
                fields.insert("api_key".to_owned(), json!(key.expose()));
            }
        }
    }
    fields
}

fn virtual_model(
    row: &VirtualModelRow,
    names: &HashMap<i64, String>,
    secrets: Secrets,
) -> Map<String, Value> {
    let mut fields = fields(row, &[]);
    headers(&mut fields, row.custom_headers.as_deref(), secrets);
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
    fields
}

fn fields(row: &impl Serialize, without: &[&str]) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(row) else {
        return Map::new();
    };
    fields.retain(|name, _| !OWN.contains(&name.as_str()) && !without.contains(&name.as_str()));
    fields
}

/// The headers as an object. Those that cannot be read are not in the document: nothing
/// could be made of them.
fn headers(fields: &mut Map<String, Value>, text: Option<&str>, secrets: Secrets) {
    let Some(text) = text else { return };
    let Ok(Value::Object(mut headers)) = serde_json::from_str(text) else {
        fields.remove("custom_headers");
        return;
    };
    if secrets == Secrets::Masked {
        for (name, value) in &mut headers {
            if is_secret_name(name) {
                *value = json!(MASK);
            }
        }
    }
    fields.insert("custom_headers".to_owned(), Value::Object(headers));
}

fn targets_of(fields: &mut Map<String, Value>) -> Option<&mut Vec<Value>> {
    fields
        .get_mut("routing")?
        .get_mut("targets")?
        .as_array_mut()
}
