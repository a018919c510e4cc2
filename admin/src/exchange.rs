//! The whole configuration as one JSON document without secrets: out, and in again.
//!
//! Rows are known by their names. Everything in a document is checked before anything is
//! written. Secrets are not in it: rows that are there keep theirs, new ones have none.
//! Callers' keys cannot be made from a document; the limits of those that are there follow.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{
    EndpointDraft, FieldErrors, InboundKeyDraft, MASK, PatternImport, SettingsDraft, Store,
    StoreError, VirtualModelDraft,
};

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
            for target in targets {
                let id = target
                    .as_object_mut()
                    .and_then(|target| target.remove("virtual_model_id"));
                let name = id.and_then(|id| names.get(&id.as_i64()?));
                if let (Some(target), Some(name)) = (target.as_object_mut(), name) {
                    target.insert("virtual_model".to_owned(), json!(name));
                }
            }
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

/// Takes a document.
///
/// # Errors
/// [`StoreError::Invalid`] for everything that is wrong with it, and then nothing is
/// written; otherwise what the store refuses.
pub(crate) fn import(store: &Store, document: &Value) -> Result<Imported, StoreError> {
    let mut errors = FieldErrors::new();
    if document.get("format") != Some(&json!(FORMAT)) {
        errors.add(
            "format",
            format!("must be {FORMAT:?}: this is another kind of file"),
        );
    }
    if document.get("version").and_then(Value::as_u64) != Some(VERSION) {
        errors.add("version", format!("must be {VERSION}"));
    }
    let endpoints = rows(document, "endpoints", &mut errors);
    let models = rows(document, "virtual_models", &mut errors);
    let keys = rows(document, "keys", &mut errors);
    let settings = document
        .get("settings")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let settings = SettingsDraft::validate(&settings)
        .map_err(|why| errors.add("settings", why.to_string()))
        .ok();
    let patterns = document.get("patterns").map(PatternImport::read);
    let patterns = patterns
        .transpose()
        .map_err(|why| errors.add("patterns", why.to_string()))
        .unwrap_or_default();
    for (place, row) in endpoints.iter().enumerate() {
        let body = Value::Object(without_masks(row.clone()));
        if let Err(why) = EndpointDraft::for_create(&body) {
            errors.add(format!("endpoints, number {}", place + 1), why.to_string());
        }
    }
    for (place, row) in models.iter().enumerate() {
        let mut body = without_masks(row.clone());
        body.remove("routing");
        body.remove("endpoint_name");
        body.insert("endpoint_id".to_owned(), json!(1));
        if let Err(why) = VirtualModelDraft::for_create(&Value::Object(body)) {
            errors.add(
                format!("virtual models, number {}", place + 1),
                why.to_string(),
            );
        }
    }
    errors.into_result(()).map_err(StoreError::from)?;

    let mut done = Imported::default();
    take_endpoints(store, endpoints, &mut done)?;
    take_models(store, models, &mut done)?;
    if let Some(patterns) = patterns {
        let report = store.import_tool_patterns(&patterns)?;
        done.created += report.patterns.created + report.aliases.created;
        done.changed += report.patterns.updated + report.aliases.updated;
    }
    take_keys(store, keys, &mut done)?;
    if let Some(settings) = settings {
        store.save_settings(&settings)?;
    }
    Ok(done)
}

fn rows(document: &Value, name: &str, errors: &mut FieldErrors) -> Vec<Map<String, Value>> {
    let Some(list) = document.get(name) else {
        return Vec::new();
    };
    let objects = list.as_array().and_then(|list| {
        list.iter()
            .map(|row| row.as_object().cloned())
            .collect::<Option<Vec<_>>>()
    });
    objects.unwrap_or_else(|| {
        errors.add(name, "must be a list of objects");
        Vec::new()
    })
}

/// A new row has no secret that a mask could stand for.
fn without_masks(mut row: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(headers)) = row.get_mut("custom_headers") {
        headers.retain(|_, value| value.as_str() != Some(MASK));
    }
    row
}

fn name_of(row: &Map<String, Value>) -> String {
    row.get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn take_endpoints(
    store: &Store,
    rows: Vec<Map<String, Value>>,
    done: &mut Imported,
) -> Result<(), StoreError> {
    let known = store.endpoints()?;
    for row in rows {
        let name = name_of(&row);
        match known.iter().find(|known| known.name == name) {
            Some(known) => {
                let mut body = Value::Object(row);
                unmask(&mut body, known.custom_headers.as_deref());
                store.update_endpoint(known.id, &EndpointDraft::for_update(&body)?)?;
                done.changed += 1;
            }
            None => {
                let body = Value::Object(without_masks(row));
                store.create_endpoint(&EndpointDraft::for_create(&body)?)?;
                done.created += 1;
            }
        }
    }
    Ok(())
}

/// Puts the stored values where masks are.
fn unmask(body: &mut Value, stored: Option<&str>) {
    let stored: Map<String, Value> = stored
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    if let Some(headers) = body
        .get_mut("custom_headers")
        .and_then(Value::as_object_mut)
    {
        headers.retain(|name, value| {
            if value.as_str() != Some(MASK) {
                return true;
            }
            stored.get(name).is_some_and(|kept| {
                *value = kept.clone();
                true
            })
        });
    }
}

fn take_models(
    store: &Store,
    rows: Vec<Map<String, Value>>,
    done: &mut Imported,
) -> Result<(), StoreError> {
    let endpoints: HashMap<String, i64> = store
        .endpoints()?
        .into_iter()
        .map(|row| (row.name, row.id))
        .collect();
    let known = store.virtual_models()?;
    let mut ids: HashMap<String, i64> =
        known.iter().map(|row| (row.name.clone(), row.id)).collect();
    let mut routings = Vec::new();
    for mut row in rows {
        let name = name_of(&row);
        let endpoint = row.remove("endpoint_name");
        let endpoint = endpoint
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(endpoint) = endpoints.get(endpoint) else {
            done.left_out.push(format!(
                "virtual model {name:?}: there is no endpoint named {endpoint:?}"
            ));
            continue;
        };
        row.insert("endpoint_id".to_owned(), json!(endpoint));
        if let Some(routing) = row.remove("routing") {
            routings.push((name.clone(), routing));
        }
        match known.iter().find(|known| known.name == name) {
            Some(known) => {
                let mut body = Value::Object(row);
                unmask(&mut body, known.custom_headers.as_deref());
                store.update_virtual_model(known.id, &VirtualModelDraft::for_update(&body)?)?;
                done.changed += 1;
            }
            None => {
                let body = Value::Object(without_masks(row));
                let id = store.create_virtual_model(&VirtualModelDraft::for_create(&body)?)?;
                ids.insert(name, id);
                done.created += 1;
            }
        }
    }
    // Targets may be any of the models, so all of them are there first.
    for (name, mut routing) in routings {
        let Some(id) = ids.get(&name) else { continue };
        if let Some(targets) = routing.get_mut("targets").and_then(Value::as_array_mut) {
            targets.retain_mut(|target| {
                let other = target
                    .as_object_mut()
                    .and_then(|target| target.remove("virtual_model"));
                let other = other.as_ref().and_then(Value::as_str).unwrap_or_default();
                match (ids.get(other), target.as_object_mut()) {
                    (Some(id), Some(target)) => {
                        target.insert("virtual_model_id".to_owned(), json!(id));
                        true
                    }
                    (_, _) => {
                        done.left_out.push(format!(
                            "virtual model {name:?}: its target {other:?} does not exist"
                        ));
                        false
                    }
                }
            });
        }
        let draft = VirtualModelDraft::for_update(&json!({ "routing": routing }))?;
        store.update_virtual_model(*id, &draft)?;
    }
    Ok(())
}

fn take_keys(
    store: &Store,
    rows: Vec<Map<String, Value>>,
    done: &mut Imported,
) -> Result<(), StoreError> {
    let known = store.inbound_keys()?;
    for row in rows {
        let label = row.get("label").and_then(Value::as_str).unwrap_or_default();
        let Some(known) = known.iter().find(|known| known.label == label) else {
            done.left_out.push(format!(
                "key {label:?}: make it anew; a document holds no keys"
            ));
            continue;
        };
        let draft = InboundKeyDraft::for_update(&Value::Object(row))?;
        store.update_inbound_key(known.id, &draft)?;
        done.changed += 1;
    }
    Ok(())
}
