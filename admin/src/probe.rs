//! Asking a backend for its model list: the one call that costs nothing anywhere. What more
//! an Ollama server can be asked is in [`ollama`].
//!
//! The same call serves the connection test and the list of models to choose from.
//! It is made as the gateway would make it: same address, same key header, same
//! certificate rules, no proxy of the environment, no redirect followed (a
//! redirect could carry the key to a stranger). The reply is capped. Reasons never
//! contain the key, and never the reply's body: it may echo the key.

mod cache;
mod failure;
pub(crate) mod ollama;

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web;
use futures_util::StreamExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use store::config::Config;
use store::{Endpoint, Secret, is_link_local, names_link_local};
use wire::provider::{BaseUrl, Call, ProviderKind, UpstreamUrl};

use cache::ModelCache;

/// Longest model list that is read; the longest known is a tenth of it.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Longest that a model list may take, however long a call to the model may.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Why an address is not called.
const LINK_LOCAL: &str = "the URL leads to a link-local or metadata address, where clouds answer \
    with credentials; set ALLOW_LINK_LOCAL_ENDPOINTS=true if that is what you want";

/// Makes the calls and remembers the lists.
pub(crate) struct Prober {
    /// What holds where an endpoint says nothing else.
    usual: Times,
    /// The key of `queue` endpoints that have none of their own.
    queue_key: Option<Secret>,
    /// Whether link-local addresses are called.
    allows_link_local: bool,
    cache: ModelCache,
    /// The pulls this program has begun.
    pulls: ollama::Pulls,
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
struct Times {
    connect: Duration,
    /// Until the answer begins.
    first_byte: Duration,
    whole: Duration,
}

impl Times {
    /// As they hold at `endpoint`, which may have times of its own.
    fn at(self, endpoint: &Endpoint) -> Self {
        let own = endpoint.times;
        let whole = own.whole.unwrap_or(self.whole).min(MAX_WAIT);
        Self {
            connect: own.connect.unwrap_or(self.connect),
            first_byte: own.first_byte.unwrap_or(self.first_byte),
            whole,
        }
    }
}

/// What a connection test found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    status: &'static str,
    /// Whether anything answered HTTP at the address.
    pub(crate) reachable: bool,
    /// Whether the backend took the key; null when the answer does not tell, as with
    /// a backend that gives its list to anyone.
    pub(crate) authenticated: Option<bool>,
    pub(crate) latency_ms: u64,
    pub(crate) models: Option<usize>,
    /// HTTP status of the backend's answer.
    pub(crate) endpoint_status: Option<u16>,
    pub(crate) error: Option<String>,
}

/// Why there is no model list.
#[derive(Debug)]
pub(crate) struct Failure {
    /// HTTP status of the backend's answer, if there was one.
    pub(crate) endpoint_status: Option<u16>,
    /// Whether it ran out of time.
    pub(crate) timed_out: bool,
    /// What happened and what to do, for the operator.
    pub(crate) reason: String,
}

impl Failure {
    /// The status with which the admin app passes the failure on. A backend's 401
    /// is not the caller's: it must not look like a missing login.
    pub(crate) fn status(&self) -> StatusCode {
        if self.timed_out {
            StatusCode::GATEWAY_TIMEOUT
        } else {
            StatusCode::BAD_GATEWAY
        }
    }

    fn without_answer(reason: String) -> Self {
        Self {
            endpoint_status: None,
            timed_out: false,
            reason,
        }
    }

    fn with_answer(status: u16, reason: String) -> Self {
        Self {
            endpoint_status: Some(status),
            timed_out: false,
            reason,
        }
    }

    fn of_call(err: &reqwest::Error, endpoint_status: Option<u16>, context: &Context<'_>) -> Self {
        Self {
            endpoint_status,
            timed_out: failure::timed_out(err),
            reason: failure::reason(err, context),
        }
    }
}

/// What a reason may name.
struct Context<'a> {
    url: &'a UpstreamUrl,
    times: Times,
}

impl Prober {
    /// A prober with the timeouts and the keys of the gateway's calls.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            usual: Times {
                connect: config.connect_timeout,
                // To begin late is no fault where no other candidate is left.
                first_byte: Duration::MAX,
                whole: config.timeout,
            },
            queue_key: config.ai_queue_api_key.clone(),
            allows_link_local: config.allow_link_local_endpoints,
            cache: ModelCache::default(),
            pulls: ollama::Pulls::default(),
        }
    }

    /// Calls the backend now and says how that went.
    pub(crate) async fn test(&self, endpoint: &Endpoint) -> Report {
        let started = Instant::now();
        let outcome = self.call(endpoint, self.key(endpoint)).await;
        let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(models) => Report {
                status: "ok",
                reachable: true,
                authenticated: self.key_was_needed(endpoint).await.then_some(true),
                latency_ms,
                models: Some(models.len()),
                endpoint_status: Some(200),
                error: None,
            },
            Err(failure) => Report {
                status: "error",
                reachable: failure.endpoint_status.is_some(),
                authenticated: match failure.endpoint_status {
                    Some(401 | 403) => Some(false),
                    Some(_) | None => None,
                },
                latency_ms,
                models: None,
                endpoint_status: failure.endpoint_status,
                error: Some(failure.reason),
            },
        }
    }

    /// The backend's model ids, sorted; from the last five minutes unless `fresh`.
    ///
    /// # Errors
    /// When the backend does not give a list; failures are not remembered.
    pub(crate) async fn models(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
    ) -> Result<Vec<String>, Failure> {
        let now = Instant::now();
        if !fresh && let Some(models) = self.cache.get(endpoint, now) {
            return Ok(models);
        }
        let models = self.call(endpoint, self.key(endpoint)).await?;
        self.cache.put(endpoint, &models, now);
        Ok(models)
    }

    /// The key that the gateway would send.
    fn key<'a>(&'a self, endpoint: &'a Endpoint) -> Option<&'a Secret> {
        let of_queue = self.queue_key.as_ref();
        let shared = of_queue.filter(|_| endpoint.provider == ProviderKind::Queue);
        endpoint.api_key.as_ref().or(shared)
    }

    /// Whether the list that came with the key is refused without it. Any other failure
    /// of that second call proves nothing.
    async fn key_was_needed(&self, endpoint: &Endpoint) -> bool {
        if self.key(endpoint).is_none() {
            return false;
        }
        let without = self.call(endpoint, None).await;
        without.is_err_and(|failure| matches!(failure.endpoint_status, Some(401 | 403)))
    }

    async fn call(
        &self,
        endpoint: &Endpoint,
        key: Option<&Secret>,
    ) -> Result<Vec<String>, Failure> {
        let provider = endpoint.provider.provider();
        let base = BaseUrl::parse(&endpoint.url)
            .map_err(|err| Failure::without_answer(format!("the URL {err}")))?;
        let way = provider.way(&base, Call::Models).ok_or_else(|| {
            Failure::without_answer(format!(
                "{} has no model list to ask for: type the model's name by hand",
                provider.label
            ))
        })?;
        let url = way.url;
        let (status, body) = self.get(endpoint, key, &url).await?;
        provider.model_ids(&body).map_err(|err| Failure {
            endpoint_status: Some(status),
            timed_out: false,
            reason: format!(
                "{url} answered, but {err}; check that the URL is the API's and the type fits"
            ),
        })
    }

    /// The body at `url`, with the status of success it came with.
    async fn get(
        &self,
        endpoint: &Endpoint,
        key: Option<&Secret>,
        url: &UpstreamUrl,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let times = self.usual.at(endpoint);
        let context = Context { url, times };
        let client = self.client(endpoint, url).await?;
        let call = client
            .get(url.to_string())
            .timeout(times.whole)
            .headers(headers(endpoint, key)?)
            .send();
        let response = actix_web::rt::time::timeout(times.first_byte, call)
            .await
            .map_err(|_elapsed| Failure {
                endpoint_status: None,
                timed_out: true,
                reason: failure::late(url, times.first_byte),
            })?
            .map_err(|err| Failure::of_call(&err, None, &context))?;
        let status = response.status();
        if !status.is_success() {
            let target = response.headers().get(reqwest::header::LOCATION);
            return Err(Failure {
                endpoint_status: Some(status.as_u16()),
                timed_out: false,
                reason: refusal(status.as_u16(), target, endpoint, key, url),
            });
        }
        Ok((status.as_u16(), read_capped(response, &context).await?))
    }

    /// A client for this endpoint alone: each may have its own certificate rules. How long
    /// a call may take is said at the call.
    async fn client(
        &self,
        endpoint: &Endpoint,
        url: &UpstreamUrl,
    ) -> Result<reqwest::Client, Failure> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.usual.at(endpoint).connect)
            .user_agent(concat!(
                "serverless-proxy-admin/",
                env!("CARGO_PKG_VERSION")
            ));
        if !self.allows_link_local {
            let host = url.base().host();
            if names_link_local(host) {
                return Err(Failure::without_answer(LINK_LOCAL.to_owned()));
            }
            // A name that does not resolve is for the call itself to report. The addresses
            // looked at are the ones called.
            if let Ok(found) = tokio::net::lookup_host((host, url.base().port())).await {
                let found: Vec<_> = found.collect();
                if found.iter().any(|address| is_link_local(address.ip())) {
                    return Err(Failure::without_answer(LINK_LOCAL.to_owned()));
                }
                builder = builder.resolve_to_addrs(host, &found);
            }
        }
        if !url.is_https() {
            // No certificate is needed, so a machine without any is no obstacle.
            builder = builder.tls_certs_only([]);
        } else if endpoint.tls_insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        } else if let Some(path) = &endpoint.ca_file {
            let unusable =
                |why: String| Failure::without_answer(format!("the CA file {path} {why}"));
            let file = path.clone();
            let pem = web::block(move || std::fs::read(file))
                .await
                .map_err(|_cancelled| unusable("was not read: the app is stopping".to_owned()))?
                .map_err(|err| unusable(format!("cannot be read: {err}")))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|err| unusable(format!("is no PEM certificate bundle: {err}")))?;
            if certificates.is_empty() {
                return Err(unusable("holds no certificate".to_owned()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        builder.build().map_err(|err| {
            Failure::without_answer(format!(
                "TLS cannot be set up: {}; are the system's CA certificates installed?",
                failure::chain(&err)
            ))
        })
    }
}

/// The headers the gateway would send: the key, then the endpoint's own, which win.
fn headers(endpoint: &Endpoint, key: Option<&Secret>) -> Result<HeaderMap, Failure> {
    let own = endpoint
        .provider
        .provider()
        .headers(key.map(Secret::expose));
    let mut all: Vec<(String, String)> = own
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    all.extend(endpoint.custom_headers.iter().cloned());
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_str(&value).ok());
        let Some((parsed_name, mut parsed_value)) = parsed else {
            return Err(Failure::without_answer(format!(
                "the value of the header {name} cannot be sent: it has characters that no header \
                 may have (a line break in a pasted key?)"
            )));
        };
        parsed_value.set_sensitive(true);
        headers.insert(parsed_name, parsed_value);
    }
    Ok(headers)
}

/// Why the backend's status is no list, and what to do.
fn refusal(
    status: u16,
    location: Option<&HeaderValue>,
    endpoint: &Endpoint,
    key: Option<&Secret>,
    url: &UpstreamUrl,
) -> String {
    match status {
        401 | 403 if key.is_none() => {
            format!("{url} answered {status}: it wants an API key and none is set")
        }
        401 | 403 => format!("{url} answered {status}: it does not accept the API key"),
        404 | 405 => format!(
            "{url} answered {status}: the path is wrong; check the URL and that the type {} fits{}",
            endpoint.provider.id(),
            if endpoint.provider == ProviderKind::Ollama {
                ""
            } else {
                " (an OpenAI-like API usually ends in /v1)"
            }
        ),
        300..=399 => {
            let target = location
                .and_then(|value| value.to_str().ok())
                .and_then(|value| url::Url::parse(value).ok())
                .and_then(|target| Some(format!("{}://{}", target.scheme(), target.host_str()?)));
            let target = target.unwrap_or_else(|| "another address".to_owned());
            format!(
                "{url} answered {status}, a redirect to {target}; redirects are not followed: \
                 enter the final address"
            )
        }
        429 => format!("{url} answered 429: too many requests; try again later"),
        500..=599 => format!("{url} answered {status}: the backend itself failed"),
        _ => format!("{url} answered {status}"),
    }
}

async fn read_capped(
    response: reqwest::Response,
    context: &Context<'_>,
) -> Result<Vec<u8>, Failure> {
    let status = Some(response.status().as_u16());
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|err| Failure::of_call(&err, status, context))?;
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Failure {
                endpoint_status: status,
                timed_out: false,
                reason: format!(
                    "{} answered with more than {MAX_BODY} bytes: that is no model list",
                    context.url
                ),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
