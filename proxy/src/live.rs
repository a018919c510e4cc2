//! The configuration as the request path uses it: every lookup prepared, nothing
//! to parse.
//!
//! Built off the request path for each revision of the store. A request works on
//! the one it began with. It is never changed in place.

pub(crate) mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pingora::http::RequestHeader;
use store::config::Config;
use store::route::{self, NoRoute};
use store::{Endpoint, Problem, Secret, Snapshot, VirtualModel};
use wire::dialect::openai::Defaults;
use wire::edit::json_string;
use wire::provider::{Call, ProviderKind};
use wire::redact::scrub;

use crate::upstream::{Timeouts, Upstream};

/// Calls that go to an upstream.
const CALLS: [Call; 3] = [Call::Chat, Call::Completions, Call::Embeddings];

/// One revision of the configuration.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) snapshot: Snapshot,
    /// By the virtual model's id.
    targets: HashMap<i64, Arc<Target>>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    /// The body of `GET /v1/models`.
    pub(crate) model_list: Bytes,
    /// Everything that is not as the operator will want it.
    pub(crate) problems: Vec<Problem>,
    /// Rows that cannot be used, as the problems name them.
    pub(crate) unusable: Vec<String>,
}

/// A virtual model with everything a call to it needs.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) model: Arc<VirtualModel>,
    pub(crate) upstream: Arc<Upstream>,
    /// The virtual model's name as a JSON string.
    pub(crate) name: Bytes,
    /// The upstream's model id as a JSON string.
    pub(crate) actual: Bytes,
    pub(crate) defaults: Defaults,
    /// What requests begin with, by call.
    heads: Vec<(Call, Head)>,
    /// Texts that no reply and no log line may hold.
    secrets: Vec<String>,
}

/// The header that carries the request id.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The part of a request's head that is the same for every call: everything but
/// length and request id.
#[derive(Debug)]
pub(crate) struct Head {
    /// With all headers, for an upstream behind TLS.
    pub(crate) full: RequestHeader,
    /// Method and path alone, for a plain upstream.
    pub(crate) lean: RequestHeader,
    /// The headers that `lean` lacks, as they go over the wire, each with its CRLF.
    pub(crate) lines: Bytes,
}

impl Head {
    fn new(full: RequestHeader, path: &str) -> pingora::Result<Self> {
        let mut lines = BytesMut::new();
        // The call's own id stands in the place of a custom one, as it does in `full`.
        let constant = full.headers.iter().filter(|(name, _)| *name != REQUEST_ID);
        for (name, value) in constant {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        Ok(Self {
            lean: RequestHeader::build_no_case("POST", path.as_bytes(), Some(2))?,
            full,
            lines: lines.freeze(),
        })
    }
}

/// Process settings that shape what is built from a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    timeouts: Timeouts,
    queue_key: Option<Secret>,
    queue_priority: &'static str,
    queue_source: String,
}

impl Build {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            timeouts: Timeouts::new(config),
            queue_key: config.ai_queue_api_key.clone(),
            queue_priority: config.ai_queue_priority.as_str(),
            queue_source: config.ai_queue_source.clone(),
        }
    }
}

impl Live {
    /// Prepares `snapshot`. What `before` knows of an unchanged endpoint is kept.
    pub(crate) fn build(snapshot: Snapshot, build: &Build, before: Option<&Self>) -> Self {
        let mut problems = snapshot.problems.clone();
        let mut unusable = snapshot.left_out.clone();
        let mut leave_out = |subject: String, why: String| {
            problems.push(Problem::new(&subject, format!("it cannot be used: {why}")));
            unusable.push(subject);
        };
        let mut upstreams = Vec::new();
        for endpoint in &snapshot.endpoints {
            let kept = before.and_then(|live| live.kept(endpoint));
            let upstream =
                kept.map_or_else(|| Upstream::new(endpoint, build.timeouts).map(Arc::new), Ok);
            match upstream {
                Ok(upstream) => upstreams.push(upstream),
                Err(why) => leave_out(format!("endpoint {} {:?}", endpoint.id, endpoint.name), why),
            }
        }
        let mut targets = HashMap::new();
        for model in snapshot.models.values() {
            let Some(upstream) = upstreams
                .iter()
                .find(|u| u.endpoint.id == model.endpoint_id)
            else {
                continue;
            };
            match Target::new(model, upstream, build) {
                Ok(target) => drop(targets.insert(model.id, Arc::new(target))),
                Err(why) => leave_out(format!("virtual model {} {:?}", model.id, model.name), why),
            }
        }
        Self {
            model_list: model_list(&snapshot),
            snapshot,
            targets,
            upstreams,
            problems,
            unusable,
        }
    }

    /// Rows that cannot be used and were no trouble `before`.
    fn newly_unusable(&self, before: &Self) -> Vec<String> {
        // By kind and id: a row that is renamed is the same row.
        let same = |a: &str, b: &str| a.split(' ').take(2).eq(b.split(' ').take(2));
        let is_new = |row: &&String| !before.unusable.iter().any(|known| same(known, row));
        self.unusable.iter().filter(is_new).cloned().collect()
    }

    fn kept(&self, endpoint: &Arc<Endpoint>) -> Option<Arc<Upstream>> {
        let same = |upstream: &&Arc<Upstream>| {
            let known = &upstream.endpoint;
            known.id == endpoint.id
                && known.updated_at == endpoint.updated_at
                && **known == **endpoint
        };
        self.upstreams.iter().find(same).cloned()
    }

    /// The target for the model a caller names; `Ok(None)` when the virtual model
    /// exists but could not be prepared.
    ///
    /// # Errors
    /// When no virtual model answers to the name.
    pub(crate) fn target(&self, asked: Option<&str>) -> Result<Option<&Arc<Target>>, NoRoute> {
        let (model, _) = self.snapshot.resolve(asked)?;
        Ok(self.targets.get(&model.id))
    }
}

impl Target {
    fn new(
        model: &Arc<VirtualModel>,
        upstream: &Arc<Upstream>,
        build: &Build,
    ) -> Result<Self, String> {
        let number = |value: f64| Bytes::from(value.to_string());
        let mut heads = Vec::new();
        for call in CALLS {
            if let Some(url) = upstream.provider.url(&upstream.base, call) {
                let head = request_header(model, upstream, build, url.path(), &url.authority())
                    .and_then(|full| Head::new(full, url.path()))
                    .map_err(|err| format!("its request headers cannot be built: {err}"))?;
                heads.push((call, head));
            }
        }
        Ok(Self {
            name: json_string(&model.name),
            actual: json_string(&model.actual_model),
            defaults: Defaults {
                max_tokens: model.max_tokens.map(|n| Bytes::from(n.to_string())),
                temperature: model.temperature.map(number),
                top_p: model.top_p.map(number),
                system_prompt: model.system_prompt.clone().filter(|text| !text.is_empty()),
            },
            model: Arc::clone(model),
            upstream: Arc::clone(upstream),
            heads,
            secrets: secrets(model, upstream, build),
        })
    }

    /// An upstream's words as a caller may read them: no key, no address.
    pub(crate) fn scrub_for_caller(&self, words: &str) -> String {
        let addresses = self.upstream.addresses();
        let hidden = self.secrets.iter().chain(&addresses);
        scrub(words, &hidden.map(String::as_str).collect::<Vec<_>>())
    }

    /// The same words as the log may hold them: no key.
    pub(crate) fn scrub_for_log(&self, words: &str) -> String {
        let hidden = self.secrets.iter();
        scrub(words, &hidden.map(String::as_str).collect::<Vec<_>>())
    }

    /// What a request for `call` begins with; `None` when the provider does not
    /// serve it.
    pub(crate) fn head(&self, call: Call) -> Option<&Head> {
        let found = self.heads.iter().find(|(of, _)| *of == call);
        found.map(|(_, head)| head)
    }
}

/// Parts of header names whose values are secrets.
const SECRET_NAMES: [&str; 6] = ["auth", "key", "token", "secret", "password", "cookie"];

/// The keys, and the values of headers that carry keys, whole and without the
/// scheme before them.
fn secrets(model: &VirtualModel, upstream: &Upstream, build: &Build) -> Vec<String> {
    let endpoint = &upstream.endpoint;
    let keys = [endpoint.api_key.as_ref(), build.queue_key.as_ref()];
    let headers = endpoint.custom_headers.iter().chain(&model.custom_headers);
    let values = headers.filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        SECRET_NAMES.iter().any(|part| name.contains(part))
    });
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

/// Later headers replace earlier ones of the same name: the endpoint's custom
/// headers may replace the gateway's, the virtual model's the endpoint's.
fn request_header(
    model: &VirtualModel,
    upstream: &Upstream,
    build: &Build,
    path: &str,
    authority: &str,
) -> pingora::Result<RequestHeader> {
    let endpoint = &upstream.endpoint;
    let is_queue = endpoint.provider == ProviderKind::Queue;
    let mut header = RequestHeader::build_no_case("POST", path.as_bytes(), Some(16))?;
    header.insert_header("host", authority)?;
    header.insert_header("content-type", "application/json")?;
    header.insert_header("accept", "application/json, text/event-stream")?;
    // A compressed stream would have to be unpacked to be watched.
    header.insert_header("accept-encoding", "identity")?;
    header.insert_header(
        "user-agent",
        concat!("serverless-proxy/", env!("CARGO_PKG_VERSION")),
    )?;
    if is_queue {
        header.insert_header("x-source", build.queue_source.as_str())?;
        header.insert_header("x-priority", build.queue_priority)?;
        header.insert_header("x-model", model.actual_model.as_str())?;
    } else {
        header.insert_header("x-source", "serverless-proxy")?;
    }
    let key = endpoint.api_key.as_ref();
    let key = key.or(build.queue_key.as_ref().filter(|_| is_queue));
    if let Some(key) = key {
        for (name, value) in upstream.provider.auth_headers(key.expose()) {
            header.insert_header(name, value)?;
        }
    }
    for (name, value) in endpoint.custom_headers.iter().chain(&model.custom_headers) {
        header.insert_header(name.to_ascii_lowercase(), value.as_str())?;
    }
    Ok(header)
}

/// The body of `GET /v1/models`.
fn model_list(snapshot: &Snapshot) -> Bytes {
    let mut data: Vec<_> = snapshot
        .offered()
        .into_iter()
        .map(|(model, endpoint)| model_entry(&model.name, model, endpoint))
        .collect();
    if snapshot.default_model.is_some()
        && !snapshot.models.contains_key(route::DEFAULT_NAME)
        && let Ok((model, endpoint)) = snapshot.resolve(None)
    {
        data.push(model_entry(route::DEFAULT_NAME, model, endpoint));
    }
    serde_json::json!({"object": "list", "data": data})
        .to_string()
        .into()
}

/// One entry of the list; `created` is when the virtual model was made and never
/// moves.
pub(crate) fn model_entry(
    id: &str,
    model: &VirtualModel,
    endpoint: &Endpoint,
) -> serde_json::Value {
    serde_json::json!({
        "id": id,
        "object": "model",
        "created": model.created_at,
        "owned_by": endpoint.name,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn the_lines_hold_every_header_but_the_calls_own() {
        let mut full = RequestHeader::build_no_case("POST", b"/v1/x", None).unwrap();
        for (name, value) in [("host", "a:1"), (REQUEST_ID, "custom"), ("x-b", "c")] {
            full.insert_header(name, value).unwrap();
        }
        let head = Head::new(full, "/v1/x").unwrap();
        assert_eq!(head.lines, "host: a:1\r\nx-b: c\r\n");
        assert_eq!(head.lean.uri.path(), "/v1/x");
        assert!(head.lean.headers.is_empty());
    }
}
