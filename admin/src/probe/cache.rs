//! Model lists of the last five minutes.
//!
//! An entry is valid only for the exact endpoint it was fetched from: any change of
//! address, key or type makes it unreachable. One entry an endpoint is kept.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::Endpoint;

/// How long a list is good for.
const LIFETIME: Duration = Duration::from_secs(300);

/// Lists by endpoint id.
#[derive(Default)]
pub(super) struct ModelCache {
    lists: Mutex<HashMap<i64, Entry>>,
}

struct Entry {
    fingerprint: u64,
    fetched: Instant,
    models: Vec<String>,
}

impl ModelCache {
    /// The list of `endpoint` if one was fetched within five minutes before `now`.
    pub(super) fn get(&self, endpoint: &Endpoint, now: Instant) -> Option<Vec<String>> {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = lists.get(&endpoint.id)?;
        let valid = entry.fingerprint == fingerprint(endpoint)
            && now.saturating_duration_since(entry.fetched) < LIFETIME;
        valid.then(|| entry.models.clone())
    }

    /// Keeps a list whose fetch began at `now`.
    pub(super) fn put(&self, endpoint: &Endpoint, models: &[String], now: Instant) {
        let entry = Entry {
            fingerprint: fingerprint(endpoint),
            fetched: now,
            models: models.to_vec(),
        };
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, old| now.saturating_duration_since(old.fetched) < LIFETIME);
        lists.insert(endpoint.id, entry);
    }
}

/// Everything that decides which list an endpoint gives. `updated_at` alone would
/// not do: it counts whole seconds.
fn fingerprint(endpoint: &Endpoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        endpoint.updated_at,
        &endpoint.url,
        endpoint.provider,
        endpoint.api_key.as_ref().map(store::Secret::expose),
        &endpoint.custom_headers,
        &endpoint.ca_file,
        endpoint.tls_insecure,
    )
        .hash(&mut hasher);
    hasher.finish()
}
