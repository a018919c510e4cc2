//! What entries have in common: provider, address and key make an endpoint.

use serde_json::{Map, Value, json};
use url::Url;

use super::provider::Known;
use crate::transfer::{Fate, Incoming};

/// The endpoints so far, each with its own name.
#[derive(Default)]
pub(super) struct Endpoints(Vec<Found>);

struct Found {
    name: String,
    kind: &'static str,
    base: String,
    key: Option<String>,
    times: Map<String, Value>,
}

impl Endpoints {
    /// The name of the endpoint that is this, made when it is new. What has other times is
    /// another one.
    pub(super) fn name(
        &mut self,
        known: &Known,
        base: &str,
        key: Option<String>,
        times: Map<String, Value>,
    ) -> String {
        let kind = known.kind.id();
        let same = |found: &&Found| {
            (found.kind, found.base.as_str()) == (kind, base)
                && found.key == key
                && found.times == times
        };
        if let Some(found) = self.0.iter().find(same) {
            return found.name.clone();
        }
        // What several of its providers are here has one name; OpenAI's are told apart.
        let maker = if kind == "openai" { known.name } else { kind };
        let plain = if known.base == Some(base) {
            maker.to_owned()
        } else {
            format!("{maker} {}", authority(base))
        };
        let name = free_name(&plain, |name| self.0.iter().any(|found| found.name == name));
        self.0.push(Found {
            name: name.clone(),
            kind,
            base: base.to_owned(),
            key,
            times,
        });
        name
    }

    /// Puts them among the rows.
    pub(super) fn into_rows(self, incoming: &mut Incoming) {
        for found in self.0 {
            let key = if found.key.is_some() {
                "with its key"
            } else {
                "without a key"
            };
            incoming.findings.tell(
                Fate::Taken,
                format!("endpoint {:?}", found.name),
                format!(
                    "type {} at {}, {key}",
                    found.kind,
                    without_password(&found.base)
                ),
                "",
            );
            let mut row = Map::new();
            row.insert("name".to_owned(), json!(found.name));
            row.insert("url".to_owned(), json!(found.base));
            row.insert("endpoint_type".to_owned(), json!(found.kind));
            if let Some(key) = found.key {
                row.insert("api_key".to_owned(), Value::String(key));
            }
            row.extend(found.times);
            incoming.endpoints.push(row);
        }
    }
}

/// The first of `plain`, `plain 2`, `plain 3`, ... that is free.
pub(super) fn free_name(plain: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = plain.to_owned();
    let mut number = 2;
    while is_taken(&name) {
        name = format!("{plain} {number}");
        number += 1;
    }
    name
}

fn authority(base: &str) -> String {
    let parsed = Url::parse(base).ok();
    let host = parsed.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    });
    host.unwrap_or_else(|| base.to_owned())
}

fn without_password(base: &str) -> String {
    match Url::parse(base) {
        Ok(mut url) if url.password().is_some() || !url.username().is_empty() => {
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.to_string()
        }
        _ => base.to_owned(),
    }
}
