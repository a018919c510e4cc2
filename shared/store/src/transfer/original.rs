//! The original program's database, read as rows of this store.
//!
//! Its defects are expected: JSON that is none, rows whose endpoint is gone, endpoints of one
//! name, types that nobody else has. Each is left out or mended, and told.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Fate, Findings, Incoming, IncomingKey, KeyProof};
use crate::config::SETTINGS;
use crate::endpoint::StoredEndpoint;
use crate::error::StoreError;
use crate::pattern_export::ExportedPattern;
use crate::setting;
use crate::store::Store;
use crate::store::original::{Original, OriginalKey};
use crate::vault::from_hex;
use crate::virtual_model::StoredVirtualModel;

/// What the original wrote into every new database: nobody chose it.
const SEEDED: [(&str, &str); 16] = [
    ("api_port", "8002"),
    ("flask_port", "5001"),
    ("aimenu_url", "http://localhost:5000"),
    ("use_ai_queue", "false"),
    ("ai_queue_url", "http://host.docker.internal:8102"),
    ("debug_mode", "basic"),
    ("payload_audit_enabled", "false"),
    ("auth_enabled", "false"),
    ("deployment_mode", "internal_only"),
    ("trusted_internal_cidrs", "127.0.0.1/32"),
    ("cache_ttl_chat", "300"),
    ("cache_ttl_embeddings", "3600"),
    ("health_check_interval", "60"),
    ("circuit_failure_threshold", "3"),
    ("circuit_failure_window", "60"),
    ("circuit_cooldown_seconds", "300"),
];

/// What to do about settings that do not come over.
const ADVICE: [(&str, &str); 5] = [
    (
        "debug_mode",
        "set RUST_LOG in the environment, for example to debug",
    ),
    (
        "payload_audit_enabled",
        "switch capture_bodies on at a virtual model while you look into its calls",
    ),
    (
        "auth_enabled",
        "the original never looked at it; here AUTH_ENABLED in the environment decides",
    ),
    (
        "aimenu_url",
        "set AIMENU_URL in the environment if people log in there",
    ),
    (
        "display_timezone",
        "set display_timezone in the settings, for example to Europe/Berlin",
    ),
];

/// Fields of a virtual model's row that are none of its configuration.
const OWN: [&str; 8] = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "locked",
    "endpoint_id",
    "endpoint_url",
    "endpoint_name",
];

/// The rows of the file, and what is to be told of them. `target` says which names of tool
/// patterns are taken by built-in ones.
///
/// # Errors
/// When the file is not the original's or cannot be read, or the target cannot.
pub(crate) fn read(path: &Path, target: &Store) -> Result<Incoming, StoreError> {
    let mut original = Original::read(path)?;
    let mut incoming = Incoming::default();
    let endpoints = std::mem::take(&mut original.endpoints);
    let names = read_endpoints(endpoints, &mut incoming);
    let models = std::mem::take(&mut original.models);
    read_models(models, &names, &mut incoming);
    read_patterns(&original, target, &mut incoming)?;
    for key in &original.keys {
        read_key(key, &mut incoming);
    }
    read_settings(&original.settings, &mut incoming);
    if original.cached > 0 {
        incoming.findings.tell(
            Fate::Changed,
            "answers from memory",
            format!(
                "they are off: {} virtual models had them on, which the original did by itself",
                original.cached
            ),
            "switch cache_enabled on at the virtual models that should have it",
        );
    }
    for (table, count) in &original.passing {
        if *count > 0 {
            incoming.findings.tell(
                Fate::LeftOut,
                format!("table {table}"),
                format!("{count} rows of what was going on lately"),
                "",
            );
        }
    }
    incoming.history = Some((original, names));
    Ok(incoming)
}

/// Gives the names here by the ids there.
fn read_endpoints(rows: Vec<StoredEndpoint>, incoming: &mut Incoming) -> HashMap<i64, String> {
    let mut names: HashMap<i64, String> = HashMap::new();
    for mut stored in rows {
        let id = stored.row.id;
        let typed = stored.row.name.trim().to_owned();
        let plain = if typed.is_empty() {
            format!("endpoint {id}")
        } else {
            typed.clone()
        };
        let mut name = plain.clone();
        let mut number = 2;
        while names.values().any(|taken| *taken == name) {
            name = format!("{plain} {number}");
            number += 1;
        }
        let what = format!("endpoint {name:?}");
        if name != typed {
            let why = format!("it was called {typed:?} there, as another one or not at all");
            incoming.findings.tell(Fate::Changed, what.clone(), why, "");
        }
        stored.row.name.clone_from(&name);
        let kind = stored.row.endpoint_type.clone();
        let (endpoint, doubts) = match stored.judge() {
            Ok(judged) => judged,
            Err(faults) => {
                let todo = if kind == "openai_oauth" {
                    "make an endpoint of type openai with an API key of the provider's platform; \
                     logins by OAuth are not taken over"
                } else {
                    "make it by hand, and its virtual models"
                };
                incoming
                    .findings
                    .tell(Fate::LeftOut, what, faults.join("; "), todo);
                continue;
            }
        };
        for doubt in doubts {
            incoming
                .findings
                .tell(Fate::LeftOut, what.clone(), doubt, "set it by hand");
        }
        let key = if endpoint.api_key.is_some() {
            "with its key, encrypted"
        } else {
            "without a key"
        };
        let why = format!("type {}, {key}", endpoint.provider.id());
        incoming.findings.tell(Fate::Taken, what, why, "");
        let mut row = Map::new();
        row.insert("name".to_owned(), json!(name));
        row.insert("url".to_owned(), json!(endpoint.url));
        row.insert("endpoint_type".to_owned(), json!(endpoint.provider.id()));
        row.insert("priority".to_owned(), json!(endpoint.priority));
        row.insert("enabled".to_owned(), json!(endpoint.enabled));
        row.insert(
            "health_check_url".to_owned(),
            json!(endpoint.health_check_url),
        );
        if let Some(key) = endpoint.api_key {
            row.insert("api_key".to_owned(), json!(key.expose()));
        }
        if !endpoint.custom_headers.is_empty() {
            let headers: Map<String, Value> = endpoint
                .custom_headers
                .into_iter()
                .map(|(name, value)| (name, Value::String(value)))
                .collect();
            row.insert("custom_headers".to_owned(), Value::Object(headers));
        }
        names.insert(id, name);
        incoming.endpoints.push(row);
    }
    names
}

fn read_models(
    rows: Vec<StoredVirtualModel>,
    endpoints: &HashMap<i64, String>,
    incoming: &mut Incoming,
) {
    let mut free = Vec::new();
    let ids: HashMap<i64, String> = rows
        .iter()
        .map(|stored| (stored.row.id, stored.row.name.clone()))
        .collect();
    for stored in rows {
        let row = stored.row.clone();
        let what = format!("virtual model {:?}", row.name);
        let Some(endpoint) = endpoints.get(&row.endpoint_id) else {
            let why = match &row.endpoint_name {
                Some(name) => format!("its endpoint {name:?} did not come over"),
                None => format!("its endpoint {} does not exist there", row.endpoint_id),
            };
            incoming.findings.tell(
                Fate::LeftOut,
                what,
                why,
                "make it by hand at another endpoint",
            );
            continue;
        };
        let doubts = match stored.judge() {
            Ok((_, doubts)) => doubts,
            Err(faults) => {
                incoming
                    .findings
                    .tell(Fate::LeftOut, what, faults.join("; "), "make it by hand");
                continue;
            }
        };
        for doubt in doubts {
            incoming
                .findings
                .tell(Fate::LeftOut, what.clone(), doubt, "set it by hand");
        }
        if row.cost_per_1m_tokens_in == Some(0.0) && row.cost_per_1m_tokens_out == Some(0.0) {
            free.push(row.name.clone());
        }
        let why = format!("{} at endpoint {endpoint:?}", row.actual_model);
        incoming.findings.tell(Fate::Taken, what.clone(), why, "");
        let headers = row.custom_headers.clone();
        let targets: Vec<Value> = row
            .routing
            .targets
            .iter()
            .filter(|target| target.virtual_model_id != row.id)
            .map(|target| {
                let id = target.virtual_model_id;
                let name = ids
                    .get(&id)
                    .cloned()
                    .unwrap_or_else(|| format!("number {id}"));
                json!({"virtual_model": name, "weight": target.weight})
            })
            .collect();
        let mut fields = match serde_json::to_value(&row) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        fields.retain(|name, value| !OWN.contains(&name.as_str()) && !value.is_null());
        fields.insert("endpoint_name".to_owned(), json!(endpoint));
        // What makes no sense in it has been told.
        let headers =
            headers.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
        fields.remove("custom_headers");
        if let Some(headers) = headers {
            fields.insert("custom_headers".to_owned(), Value::Object(headers));
        }
        if let Some(Value::Object(routing)) = fields.get_mut("routing") {
            routing.insert("targets".to_owned(), Value::Array(once(targets)));
            routing.retain(|_, value| !value.is_null());
        }
        incoming.virtual_models.push(fields);
    }
    if !free.is_empty() {
        incoming.findings.tell(
            Fate::Changed,
            "prices",
            format!(
                "{} cost nothing there, which could also mean that no price was set; here they \
                 are free",
                list(&free)
            ),
            "where they are not, set the price, or clear it so that it counts as unknown",
        );
    }
}

/// Targets, each once.
fn once(targets: Vec<Value>) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    for target in targets {
        let name = target.get("virtual_model");
        if !seen.iter().any(|known| known.get("virtual_model") == name) {
            seen.push(target);
        }
    }
    seen
}

fn read_patterns(
    original: &Original,
    target: &Store,
    incoming: &mut Incoming,
) -> Result<(), StoreError> {
    let here = target.tool_patterns()?;
    for row in &original.patterns {
        let there = row.pattern_name.clone();
        if row.builtin.is_some() {
            // The one that guesses by keywords is off here for everybody.
            if row.enabled == 0 && there != "action" {
                incoming.findings.tell(
                    Fate::LeftOut,
                    format!("tool pattern {there:?}"),
                    "it was switched off there; the built-in one here is as it was",
                    "switch it off on the page of tool patterns if it is unwanted",
                );
            }
            continue;
        }
        let is_builtin = |name: &str| {
            here.iter()
                .any(|row| row.pattern_name == name && row.builtin.is_some())
        };
        let mut row = row.clone();
        if is_builtin(&there) {
            row.pattern_name = format!("{there}_of_original");
            incoming.findings.tell(
                Fate::Changed,
                format!("tool pattern {:?}", row.pattern_name),
                format!("it was called {there:?} there, as a built-in one is here"),
                "compare both on the page of tool patterns: the built-in one may be enough",
            );
        } else {
            incoming.findings.tell(
                Fate::Taken,
                format!("tool pattern {there:?}"),
                format!("type {}", row.pattern_type),
                "",
            );
        }
        let exported = serde_json::to_value(ExportedPattern::from(row)).unwrap_or(Value::Null);
        incoming.patterns.push(exported);
    }
    Ok(())
}

fn read_key(key: &OriginalKey, incoming: &mut Incoming) {
    let what = format!("key {:?}", key.label);
    let digest = from_hex(key.hash.trim()).filter(|digest| digest.len() == 32);
    let Some(digest) = digest else {
        incoming.findings.tell(
            Fate::LeftOut,
            what,
            "its hash is no SHA-256",
            "make a new key for this caller",
        );
        return;
    };
    incoming
        .findings
        .tell(Fate::Taken, what, "callers go on with the same key", "");
    let mut fields = Map::new();
    fields.insert("label".to_owned(), json!(key.label));
    fields.insert("enabled".to_owned(), json!(key.is_enabled));
    if !key.notes.trim().is_empty() {
        fields.insert("notes".to_owned(), json!(key.notes));
    }
    incoming.keys.push(IncomingKey {
        fields,
        proof: KeyProof::Digest {
            prefix: key.prefix.chars().take(12).collect(),
            digest,
        },
    });
}

fn read_settings(settings: &[(String, String)], incoming: &mut Incoming) {
    for (key, value) in settings {
        let value = value.trim();
        let is_seeded = SEEDED
            .iter()
            .any(|(known, seeded)| known == key && *seeded == value);
        let default = SETTINGS
            .iter()
            .find(|setting| setting.stored == Some(key.as_str()))
            .and_then(|setting| setting.default);
        if value.is_empty() || is_seeded || default == Some(value) {
            continue;
        }
        let what = format!("setting {key}");
        let advice = ADVICE
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, todo)| *todo);
        let is_zone_of_server = key == "display_timezone" && value == "Server Local Time";
        if is_zone_of_server {
            continue;
        }
        match advice {
            Some(todo) if key != "display_timezone" => {
                incoming
                    .findings
                    .tell(Fate::LeftOut, what, "there is no such setting here", todo);
            }
            _ if setting::is_known(key) => {
                incoming
                    .findings
                    .tell(Fate::Taken, what, format!("{value:?}"), "");
                incoming.settings.insert(key.clone(), json!(value));
            }
            _ => incoming
                .findings
                .tell(Fate::LeftOut, what, "there is no such setting here", ""),
        }
    }
}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}

/// Adds the calls of before to the sums, once endpoints and keys are here.
pub(super) fn take_history(
    store: &Store,
    original: &Original,
    names: &HashMap<i64, String>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let by_name: HashMap<String, i64> = store
        .endpoints()?
        .into_iter()
        .map(|row| (row.name, row.id))
        .collect();
    let endpoints = names
        .iter()
        .filter_map(|(there, name)| Some((*there, (*by_name.get(name)?, name.clone()))))
        .collect();
    let keys = store
        .inbound_keys()?
        .into_iter()
        .map(|row| (row.label, row.id))
        .collect();
    let history = store.take_history(original, &endpoints, &keys)?;
    if history.taken > 0 {
        findings.tell(
            Fate::Changed,
            "usage",
            format!(
                "{} calls are in the sums by hour and day; the single calls stay in the \
                 original's file",
                history.taken
            ),
            "",
        );
    }
    if history.left > 0 {
        findings.tell(
            Fate::LeftOut,
            "usage",
            format!(
                "{} calls are in hours for which this store has calls of its own, or that came \
                 over before",
                history.left
            ),
            "",
        );
    }
    Ok(())
}
