//! An endpoint: one configured backend, with its address, key and provider type.

mod betas;
mod draft;
mod times;
mod trial;

use std::fmt;

use rusqlite::Row;
use serde::Serialize;
use wire::dialect::runpod::Worker;
use wire::provider::{BaseUrl, BaseUrlError, ProviderKind, Responses, UpstreamUrl};

pub use betas::DeniedBetas;
pub(crate) use draft::ApiKeyChange;
pub use draft::EndpointDraft;
pub(crate) use times::SECONDS;
pub use times::{EndpointTimes, EndpointTimesRow};

use crate::columns::Columns;
use crate::custom_headers::{self, CustomHeaders};
use crate::limits::{Limits, LimitsRow};
use crate::secret::{MASK, Secret};
use crate::vault::{Keys, Place};

/// An endpoint the gateway can call: its URL parses and its type is known.
#[derive(Clone, PartialEq)]
pub struct Endpoint {
    /// The row's id.
    pub id: i64,
    /// Its name, unique among rows this program wrote.
    pub name: String,
    /// The base URL as typed; [`BaseUrl::parse`] takes it.
    pub url: String,
    /// The provider's key, if it needs one.
    pub api_key: Option<Secret>,
    /// The vendor, column `endpoint_type`.
    pub provider: ProviderKind,
    /// Headers added to every request to it.
    pub custom_headers: CustomHeaders,
    /// Higher is preferred.
    pub priority: i64,
    /// Whether calls may go there.
    pub enabled: bool,
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<String>,
    /// Whether its certificate is not verified at all.
    pub tls_insecure: bool,
    /// Where its health is looked up, as typed; [`Self::health_check`] has the address.
    pub health_check_url: Option<String>,
    /// What runs behind a RunPod endpoint.
    pub worker_form: Worker,
    /// Whether callers of Responses are sent to its own.
    pub responses: Responses,
    /// How long its calls may take.
    pub times: EndpointTimes,
    /// Betas of Anthropic's that it is not told of.
    pub denied_betas: DeniedBetas,
    /// What all calls to it together may use.
    pub limits: Limits,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// An endpoint as the admin API shows it, whatever its row holds. The key is masked.
#[derive(Clone, PartialEq, Serialize)]
pub struct EndpointRow {
    /// The row's id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The base URL as typed.
    pub url: String,
    /// The mask of the key ([`Secret::masked`]); `None` when there is none.
    pub api_key: Option<String>,
    /// The provider type's id, known or not.
    pub endpoint_type: String,
    /// A JSON object of strings, as text.
    pub custom_headers: Option<String>,
    /// Higher is preferred.
    pub priority: i64,
    /// 1 when calls may go there.
    pub enabled: i64,
    /// A PEM file of certificate authorities.
    pub ca_file: Option<String>,
    /// 1 when its certificate is not verified.
    pub tls_insecure: i64,
    /// Where its health is looked up.
    pub health_check_url: Option<String>,
    /// What runs behind a RunPod endpoint, known or not.
    pub worker_form: String,
    /// Whether callers of Responses are sent to its own, known or not.
    pub responses: String,
    /// How long its calls may take.
    #[serde(flatten)]
    pub times: EndpointTimesRow,
    /// Betas of Anthropic's that it is not told of, as a list with commas.
    pub denied_betas: Option<String>,
    /// What all calls to it together may use.
    #[serde(flatten)]
    pub limits: LimitsRow,
    /// Why its key or its headers cannot be read; `None` when they can.
    pub locked: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Moves with every change; sent back, it keeps one change from undoing another.
    pub version: i64,
}

impl Endpoint {
    /// Where its health is looked up, if it has such a place.
    pub fn health_check(&self) -> Option<UpstreamUrl> {
        health_check(&self.url, self.health_check_url.as_deref()?).ok()
    }
}

/// Names the row only: custom headers may carry keys.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("url", &self.url)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// Names the row only: custom headers may carry keys.
impl fmt::Debug for EndpointRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("url", &self.url)
            .field("endpoint_type", &self.endpoint_type)
            .finish_non_exhaustive()
    }
}

/// A row as read, before it is judged.
pub(crate) struct StoredEndpoint {
    pub(crate) row: EndpointRow,
    /// As stored, until [`Self::open`] has been called.
    api_key: Option<Secret>,
    /// As stored, encrypted values too.
    headers: Option<String>,
    faults: Vec<String>,
}

impl StoredEndpoint {
    /// Reads a row of `endpoints`.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut columns = Columns::new(row);
        let api_key = columns.text("api_key").map(|key| Secret::new(key.trim()));
        let row = EndpointRow {
            id: columns.id()?,
            name: columns.text("name").unwrap_or_default(),
            url: columns.text("url").unwrap_or_default(),
            api_key: None,
            endpoint_type: columns.text("endpoint_type").unwrap_or_default(),
            custom_headers: columns.text("custom_headers"),
            priority: columns.whole("priority").unwrap_or(0),
            enabled: i64::from(columns.flag("enabled", true)),
            ca_file: columns.text("ca_file"),
            tls_insecure: i64::from(columns.flag("tls_insecure", false)),
            health_check_url: columns.text("health_check_url"),
            worker_form: columns
                .text("worker_form")
                .unwrap_or_else(|| Worker::default().id().to_owned()),
            responses: columns
                .text("responses")
                .unwrap_or_else(|| Responses::default().id().to_owned()),
            times: EndpointTimesRow::read(&mut columns),
            denied_betas: columns.text("denied_betas"),
            limits: LimitsRow::read(&mut columns),
            created_at: columns.whole("created_at").unwrap_or(0),
            locked: None,
            updated_at: columns.whole("updated_at").unwrap_or(0),
            version: columns.whole("version").unwrap_or(0),
        };
        Ok(Self {
            headers: row.custom_headers.clone(),
            row,
            api_key,
            faults: columns.faults,
        })
    }

    /// Decrypts what is encrypted. What no key opens is a fault.
    pub(crate) fn open(&mut self, keys: &Keys) {
        let mut locked = Vec::new();
        if let Some(stored) = self.api_key.take() {
            match keys.open(Self::api_key_place(self.row.id), stored.expose()) {
                Ok(key) => {
                    self.row.api_key = Some(key.masked());
                    self.api_key = Some(key);
                }
                Err(why) => {
                    self.row.api_key = Some(MASK.to_owned());
                    locked.push(format!("api_key {why}"));
                }
            }
        }
        if let Some(stored) = self.headers.as_deref() {
            let opened = keys.open_headers("endpoints", self.row.id, stored);
            self.row.custom_headers = Some(opened.text);
            locked.extend(opened.locked);
        }
        if !locked.is_empty() {
            self.row.locked = Some(locked.join("; "));
            self.faults.extend(locked);
        }
    }

    /// What the key of the row `id` is.
    pub(crate) fn api_key_place(id: i64) -> Place<'static> {
        Place {
            table: "endpoints",
            id,
            column: "api_key",
            part: "",
        }
    }

    /// Whether `mask` is how its key is shown.
    pub(crate) fn shows_key_as(&self, mask: &str) -> bool {
        self.row.api_key.as_deref() == Some(mask)
    }

    /// Its headers as stored.
    pub(crate) fn stored_headers(&self) -> Option<&str> {
        self.headers.as_deref()
    }

    /// How an operator would name the row.
    pub(crate) fn subject(&self) -> String {
        format!("endpoint {} {:?}", self.row.id, self.row.name)
    }

    /// The endpoint and what is doubtful about it, or why it cannot be used.
    pub(crate) fn judge(self) -> Result<(Endpoint, Vec<String>), Vec<String>> {
        let Self {
            row,
            api_key,
            headers: _,
            mut faults,
        } = self;
        if row.name.is_empty() {
            faults.push("name is empty".to_owned());
        }
        if let Err(error) = BaseUrl::parse(&row.url) {
            faults.push(format!("url {error}"));
        }
        let provider = ProviderKind::from_id(&row.endpoint_type);
        if provider.is_none() {
            faults.push(unknown_type(&row.endpoint_type));
        }
        let (Some(provider), true) = (provider, faults.is_empty()) else {
            return Err(faults);
        };
        let mut doubts = Vec::new();
        let headers = row.custom_headers.as_deref().unwrap_or_default();
        let custom_headers = custom_headers::parse(headers).unwrap_or_else(|reasons| {
            doubts.push(format!(
                "custom_headers are not sent: {}",
                reasons.join("; ")
            ));
            Vec::new()
        });
        let worker_form = Worker::from_id(&row.worker_form).unwrap_or_else(|| {
            let why = unknown_worker(&row.worker_form);
            doubts.push(format!("{why}; it is recognised by its answers"));
            Worker::default()
        });
        let responses = Responses::from_id(&row.responses).unwrap_or_else(|| {
            let why = unknown_responses(&row.responses);
            doubts.push(format!("{why}; its address decides"));
            Responses::default()
        });
        let betas = row.denied_betas.as_deref().unwrap_or_default();
        let denied_betas = DeniedBetas::parse(betas).unwrap_or_else(|why| {
            doubts.push(format!("denied_betas {why}; none is kept back"));
            DeniedBetas::default()
        });
        let health_check_url = row.health_check_url.filter(|url| {
            let fault = health_check(&row.url, url).err();
            if let Some(why) = &fault {
                doubts.push(format!(
                    "health_check_url {why}; its health is not looked up"
                ));
            }
            fault.is_none()
        });
        let times = row.times.judge(&mut doubts);
        let endpoint = Endpoint {
            id: row.id,
            name: row.name,
            url: row.url,
            api_key,
            provider,
            custom_headers,
            priority: row.priority,
            enabled: row.enabled != 0,
            ca_file: row.ca_file,
            tls_insecure: row.tls_insecure != 0,
            health_check_url,
            worker_form,
            responses,
            times,
            denied_betas,
            limits: row.limits.judge(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Ok((endpoint, doubts))
    }
}

/// Why another word than those there are is refused.
fn unknown_responses(found: &str) -> String {
    format!(
        "responses {found:?} is unknown; it must be one of {}",
        Responses::ALL.map(Responses::id).join(", ")
    )
}

/// Why a worker form is refused, listing the ones there are.
fn unknown_worker(found: &str) -> String {
    format!(
        "worker_form {found:?} is unknown; it must be one of {}",
        Worker::ALL.map(Worker::id).join(", ")
    )
}

/// The address of a health check: a URL; a path from the root of the host, beginning with
/// `/`; or one below the base URL, beginning with `./`.
fn health_check(base: &str, typed: &str) -> Result<UpstreamUrl, BaseUrlError> {
    if !typed.starts_with('/') && !typed.starts_with("./") {
        return UpstreamUrl::parse(typed);
    }
    let not_a_url = |error: url::ParseError| BaseUrlError::NotAUrl(error.to_string());
    let base = format!("{}/", base.trim().trim_end_matches('/'));
    let url = url::Url::parse(&base).map_err(not_a_url)?;
    UpstreamUrl::parse(url.join(typed).map_err(not_a_url)?.as_str())
}

/// Why a provider type is refused, listing the ones there are.
fn unknown_type(found: &str) -> String {
    let known: Vec<_> = ProviderKind::ALL.iter().map(|kind| kind.id()).collect();
    format!(
        "endpoint_type {found:?} is unknown; it must be one of {}",
        known.join(", ")
    )
}
