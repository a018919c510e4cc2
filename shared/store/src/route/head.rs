//! The headers of a request to an endpoint.

use wire::provider::ProviderKind;

use crate::config::{Config, QueuePriority};
use crate::custom_headers::is_secret_name;
use crate::endpoint::Endpoint;
use crate::secret::Secret;
use crate::virtual_model::VirtualModel;

/// What the process settings say to an AI queue.
#[derive(Debug, Clone)]
pub struct QueueIdentity {
    /// The key for queue endpoints that have none of their own.
    pub key: Option<Secret>,
    /// The urgency of calls that do not say theirs.
    pub priority: QueuePriority,
    /// The name that this gateway goes by.
    pub source: String,
}

impl QueueIdentity {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self {
            key: config.ai_queue_api_key.clone(),
            priority: config.ai_queue_priority,
            source: config.ai_queue_source.clone(),
        }
    }
}

/// Every header that is the same for all calls of `model` to `endpoint`, but for
/// `host` and `content-length`. Names are lower case and may repeat: later ones
/// replace earlier ones, so that the endpoint's custom headers replace the gateway's
/// and the virtual model's the endpoint's.
pub fn headers(
    model: &VirtualModel,
    endpoint: &Endpoint,
    queue: &QueueIdentity,
) -> Vec<(String, String)> {
    let is_queue = endpoint.provider == ProviderKind::Queue;
    let mut headers: Vec<(String, String)> = Vec::with_capacity(16);
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    add("content-type", "application/json");
    add(
        "accept",
        "application/json, text/event-stream, application/x-ndjson",
    );
    // A compressed stream would have to be unpacked to be watched.
    add("accept-encoding", "identity");
    add(
        "user-agent",
        concat!("serverless-proxy/", env!("CARGO_PKG_VERSION")),
    );
    if is_queue {
        add("x-source", &queue.source);
        let priority = model.queue_priority.unwrap_or(queue.priority);
        add("x-priority", priority.as_str());
        add("x-model", &model.actual_model);
    } else {
        add("x-source", "serverless-proxy");
    }
    let key = endpoint.api_key.as_ref();
    let key = key.or(queue.key.as_ref().filter(|_| is_queue));
    let provider = endpoint.provider.provider();
    for (name, value) in provider.headers(key.map(Secret::expose)) {
        add(name, &value);
    }
    for (name, value) in endpoint.custom_headers.iter().chain(&model.custom_headers) {
        add(&name.to_ascii_lowercase(), value);
    }
    headers
}

/// Texts of the configuration that nobody may read in what comes back from `endpoint`:
/// the keys, and the values of headers that carry keys, whole and without the scheme
/// before them.
pub fn secrets(model: &VirtualModel, endpoint: &Endpoint, queue: &QueueIdentity) -> Vec<String> {
    let keys = [endpoint.api_key.as_ref(), queue.key.as_ref()];
    let headers = endpoint.custom_headers.iter().chain(&model.custom_headers);
    let values = headers.filter(|(name, _)| is_secret_name(name));
    keys.into_iter()
        .flatten()
        .map(Secret::expose)
        .chain(values.flat_map(|(_, value)| [value.as_str(), last_word(value)]))
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

fn last_word(text: &str) -> &str {
    text.split_whitespace().next_back().unwrap_or(text)
}
