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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use store::{DeniedBetas, Endpoint, Secret};
    use wire::dialect::runpod::Worker;
    use wire::provider::{ProviderKind, Responses};

    use super::{LIFETIME, ModelCache};

    fn endpoint() -> Endpoint {
        Endpoint {
            id: 1,
            name: "home".to_owned(),
            url: "http://127.0.0.1:9".to_owned(),
            api_key: Some(Secret::new("first")),
            provider: ProviderKind::OpenAi,
            custom_headers: Vec::new(),
            priority: 0,
            enabled: true,
            ca_file: None,
            tls_insecure: false,
            health_check_url: None,
            times: store::EndpointTimes::default(),
            worker_form: Worker::default(),
            responses: Responses::default(),
            denied_betas: DeniedBetas::default(),
            limits: store::Limits::default(),
            created_at: 1,
            updated_at: 1,
        }
    }

    #[test]
    fn a_list_lives_five_minutes() {
        let cache = ModelCache::default();
        let fetched = Instant::now();
        cache.put(&endpoint(), &["a".to_owned()], fetched);
        let just_before = fetched + LIFETIME - Duration::from_nanos(1);
        assert_eq!(
            cache.get(&endpoint(), just_before),
            Some(vec!["a".to_owned()])
        );
        assert_eq!(cache.get(&endpoint(), fetched + LIFETIME), None);
    }

    #[test]
    fn any_change_that_matters_makes_it_unreachable() {
        let cache = ModelCache::default();
        let now = Instant::now();
        cache.put(&endpoint(), &[], now);
        let changes: [fn(&mut Endpoint); 6] = [
            |e| e.url.push('1'),
            |e| e.api_key = Some(Secret::new("second")),
            |e| e.provider = ProviderKind::Ollama,
            |e| e.custom_headers.push(("x-a".to_owned(), "1".to_owned())),
            |e| e.updated_at = 2,
            |e| e.id = 2,
        ];
        for change in changes {
            let mut other = endpoint();
            change(&mut other);
            assert_eq!(cache.get(&other, now), None, "{other:?}");
        }
        assert!(cache.get(&endpoint(), now).is_some());
    }
}
