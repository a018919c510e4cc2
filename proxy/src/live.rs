//! The configuration as the request path uses it: every lookup prepared, nothing
//! to parse.
//!
//! Built off the request path for each revision of the store. A request works on
//! the one it began with. It is never changed in place.

pub(crate) mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use pingora::http::RequestHeader;
use store::config::Config;
use store::route::{self, NoRoute, QueueIdentity, ai_queue};
use store::{CircuitRow, Endpoint, Problem, Secret, Snapshot, VirtualModel};
use wire::dialect::openai::Defaults;
use wire::edit::json_string;
use wire::provider::{Call, UpstreamUrl, Way};
use wire::redact::scrub;

use crate::upstream::{Limits, Standing, Timeouts, Upstream};

/// Calls that go to an upstream.
const CALLS: [Call; 3] = [Call::Chat, Call::Completions, Call::Embeddings];

/// One revision of the configuration.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) snapshot: Snapshot,
    /// By the virtual model's id.
    targets: HashMap<i64, Arc<Target>>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    queue: Option<Queue>,
    /// The body of `GET /v1/models`.
    pub(crate) model_list: Bytes,
    /// Everything that is not as the operator will want it.
    pub(crate) problems: Vec<Problem>,
    /// Rows that cannot be used, as the problems name them.
    pub(crate) unusable: Vec<String>,
}

/// The AI queue, which takes names that no virtual model has.
#[derive(Debug)]
struct Queue {
    upstream: Arc<Upstream>,
    build: Build,
}

impl Queue {
    /// The queue as configured; `before` is the one of the configuration before.
    fn new(build: &Build, before: Option<&Self>) -> Option<Result<Self, String>> {
        let url = build.queue_url.as_deref()?;
        let upstream = match before {
            Some(known) => Ok(Arc::clone(&known.upstream)),
            None => {
                let endpoint = Arc::new(ai_queue::endpoint(url));
                Upstream::new(&endpoint, build.timeouts).map(Arc::new)
            }
        };
        Some(upstream.map(|upstream| Self {
            upstream,
            build: build.clone(),
        }))
    }

    /// A target for `name`; `None` for a name that cannot stand in a header.
    fn target(&self, name: &str) -> Option<Arc<Target>> {
        let model = Arc::new(ai_queue::passed_on(name));
        // One standing for all names, of which callers can make as many as they like.
        let standing = self.upstream.standing("", &[]);
        let target = Target::with_standing(&model, &self.upstream, &self.build, standing);
        target.ok().map(Arc::new)
    }
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
    /// The calls that its provider serves.
    roads: Vec<Road>,
    /// Every header of a request but those of the single call.
    headers: RequestHeader,
    /// How the model is doing at the endpoint.
    pub(crate) standing: Arc<Standing>,
    /// When its circuit opens.
    pub(crate) limits: Limits,
    /// Calls so far, for strategies that take turns.
    pub(crate) turns: AtomicU64,
    /// Texts that no reply and no log line may hold.
    secrets: Vec<String>,
}

/// The header that carries the request id.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// How one call is put to the endpoint.
#[derive(Debug)]
pub(crate) struct Road {
    of: Call,
    pub(crate) way: Way,
    pub(crate) head: Head,
}

/// The part of a request's head that is the same for every call: everything but
/// length and request id.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// With all headers, for an upstream behind TLS.
    pub(crate) full: RequestHeader,
    /// Method and path alone, for a plain upstream.
    pub(crate) lean: RequestHeader,
    /// The headers that `lean` lacks, as they go over the wire, each with its CRLF.
    pub(crate) lines: Bytes,
}

impl Head {
    /// The header of one request with a body of `length` bytes, made anew, and the
    /// headers in wire form that come on top of it: over TLS none.
    ///
    /// # Errors
    /// Never: the values are checked.
    pub(crate) fn for_body(
        &self,
        tls: bool,
        length: usize,
        id: &HeaderValue,
    ) -> pingora::Result<(Box<RequestHeader>, Bytes)> {
        let (template, lines) = if tls {
            (&self.full, Bytes::new())
        } else {
            (&self.lean, self.lines.clone())
        };
        let mut header = Box::new(template.clone());
        if length > 0 {
            header.insert_header(http::header::CONTENT_LENGTH, length)?;
        }
        header.insert_header(REQUEST_ID, id.clone())?;
        Ok((header, lines))
    }

    fn new(full: RequestHeader) -> pingora::Result<Self> {
        let mut lines = BytesMut::new();
        // The call's own id stands in the place of a custom one, as it does in `full`.
        let constant = full.headers.iter().filter(|(name, _)| *name != REQUEST_ID);
        for (name, value) in constant {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        let path = full.raw_path();
        Ok(Self {
            lean: RequestHeader::build_no_case(full.method.clone(), path, Some(2))?,
            full,
            lines: lines.freeze(),
        })
    }
}

/// Process settings that shape what is built from a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    timeouts: Timeouts,
    queue: QueueIdentity,
    limits: Limits,
    /// Where names go that no virtual model has, when they go to the AI queue.
    queue_url: Option<String>,
}

impl Build {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            timeouts: Timeouts::new(config),
            queue: QueueIdentity::new(config),
            limits: Limits::new(config),
            queue_url: config.use_ai_queue.then(|| config.ai_queue_url.clone()),
        }
    }
}

impl Live {
    /// Prepares `snapshot`. What `before` knows of an unchanged endpoint is kept.
    ///
    /// `saved` are the circuits that were open when the program ended.
    pub(crate) fn build(
        snapshot: Snapshot,
        build: &Build,
        before: Option<&Self>,
        saved: &[CircuitRow],
    ) -> Self {
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
            match Target::new(model, upstream, build, saved) {
                Ok(target) => drop(targets.insert(model.id, Arc::new(target))),
                Err(why) => leave_out(format!("virtual model {} {:?}", model.id, model.name), why),
            }
        }
        let known = before.and_then(|live| live.queue.as_ref());
        let queue = match Queue::new(build, known) {
            Some(Ok(queue)) => Some(queue),
            Some(Err(why)) => {
                leave_out("setting AI_QUEUE_URL".to_owned(), why);
                None
            }
            None => None,
        };
        Self {
            model_list: model_list(&snapshot),
            queue,
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

    /// Closes the circuits that are not among the `saved` any more: an operator has
    /// taken them out.
    fn close_forgotten(&self, saved: &[CircuitRow]) {
        for upstream in &self.upstreams {
            for standing in upstream.standings() {
                let is_saved = saved.iter().any(|row| {
                    row.endpoint_id == upstream.endpoint.id && row.model == standing.model
                });
                if standing.is_saved_open() && !is_saved {
                    standing.reset();
                }
            }
        }
    }

    /// The target for the model a caller names; `Ok(None)` when the virtual model
    /// exists but could not be prepared. A name that no virtual model has goes to the
    /// AI queue when that is in use.
    ///
    /// # Errors
    /// When no virtual model answers to the name.
    pub(crate) fn target(&self, asked: Option<&str>) -> Result<Option<Arc<Target>>, NoRoute> {
        match (self.snapshot.resolve(asked), &self.queue) {
            (Ok((model, _)), _) => Ok(self.by_id(model.id).cloned()),
            (Err(NoRoute::Unknown(name)), Some(queue)) => {
                queue.target(&name).ok_or(NoRoute::Unknown(name)).map(Some)
            }
            (Err(none), _) => Err(none),
        }
    }

    /// The target of the virtual model with this id.
    pub(crate) fn by_id(&self, id: i64) -> Option<&Arc<Target>> {
        self.targets.get(&id)
    }
}

impl Target {
    fn new(
        model: &Arc<VirtualModel>,
        upstream: &Arc<Upstream>,
        build: &Build,
        saved: &[CircuitRow],
    ) -> Result<Self, String> {
        let standing = upstream.standing(&model.actual_model, saved);
        Self::with_standing(model, upstream, build, standing)
    }

    fn with_standing(
        model: &Arc<VirtualModel>,
        upstream: &Arc<Upstream>,
        build: &Build,
        standing: Arc<Standing>,
    ) -> Result<Self, String> {
        let unbuilt =
            |err: Box<pingora::Error>| format!("its request headers cannot be built: {err}");
        let headers = request_header(model, upstream, build).map_err(unbuilt)?;
        let mut roads = Vec::new();
        for call in CALLS {
            if let Some(way) = upstream.provider.way(&upstream.base, call) {
                let head = head(&headers, "POST", &way.url).map_err(unbuilt)?;
                roads.push(Road {
                    of: call,
                    way,
                    head,
                });
            }
        }
        Ok(Self {
            name: json_string(&model.name),
            actual: json_string(&model.actual_model),
            defaults: model.defaults(),
            model: Arc::clone(model),
            upstream: Arc::clone(upstream),
            roads,
            headers,
            standing,
            limits: build.limits.with(&model.routing),
            turns: AtomicU64::new(0),
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

    /// How `call` is put to the endpoint; `None` when its provider type does not
    /// serve it.
    pub(crate) fn road(&self, call: Call) -> Option<&Road> {
        self.roads.iter().find(|road| road.of == call)
    }

    /// What a request to another address of the endpoint begins with.
    ///
    /// # Errors
    /// When the address cannot stand in a request.
    pub(crate) fn head(&self, method: &str, url: &UpstreamUrl) -> pingora::Result<Head> {
        head(&self.headers, method, url)
    }
}

fn head(headers: &RequestHeader, method: &str, url: &UpstreamUrl) -> pingora::Result<Head> {
    let count = headers.headers.len() + 3;
    let mut full = RequestHeader::build_no_case(method, url.path().as_bytes(), Some(count))?;
    full.insert_header("host", url.authority())?;
    for (name, value) in &headers.headers {
        full.insert_header(name.clone(), value.clone())?;
    }
    Head::new(full)
}

/// Parts of header names whose values are secrets.
const SECRET_NAMES: [&str; 6] = ["auth", "key", "token", "secret", "password", "cookie"];

/// The keys, and the values of headers that carry keys, whole and without the
/// scheme before them.
fn secrets(model: &VirtualModel, upstream: &Upstream, build: &Build) -> Vec<String> {
    let endpoint = &upstream.endpoint;
    let keys = [endpoint.api_key.as_ref(), build.queue.key.as_ref()];
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

/// The headers of every request of `model`, in a header without an address.
fn request_header(
    model: &VirtualModel,
    upstream: &Upstream,
    build: &Build,
) -> pingora::Result<RequestHeader> {
    let mut header = RequestHeader::build_no_case("POST", b"/", Some(16))?;
    for (name, value) in route::headers(model, &upstream.endpoint, &build.queue) {
        header.insert_header(name, value)?;
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
        let head = Head::new(full).unwrap();
        assert_eq!(head.lines, "host: a:1\r\nx-b: c\r\n");
        assert_eq!(head.lean.uri.path(), "/v1/x");
        assert!(head.lean.headers.is_empty());
    }
}
