//! Values for a new endpoint, or changes to one: only the fields the input carries.

use std::fmt;

use serde_json::Value;
use wire::dialect::runpod::Worker;
use wire::provider::{BaseUrl, ProviderKind, Responses};

use super::times::EndpointTimesDraft;
use super::{DeniedBetas, health_check, unknown_responses, unknown_type, unknown_worker};
use crate::custom_headers::CustomHeaders;
use crate::field_errors::FieldErrors;
use crate::input::Input;
use crate::limits::LimitsDraft;
use crate::secret::{MASK, Secret};

/// Priorities reach this far on both sides of 0.
const MAX_PRIORITY: i64 = 1_000_000;

/// Checked values for a new endpoint or for changes to one. A field that is `None` keeps
/// the stored value, or the column's default in a new row.
#[derive(Clone, Default, PartialEq)]
pub struct EndpointDraft {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) api_key: Option<ApiKeyChange>,
    pub(crate) provider: Option<ProviderKind>,
    pub(crate) custom_headers: Option<CustomHeaders>,
    pub(crate) priority: Option<i64>,
    pub(crate) enabled: Option<bool>,
    pub(crate) ca_file: Option<Option<String>>,
    pub(crate) tls_insecure: Option<bool>,
    pub(crate) health_check_url: Option<Option<String>>,
    pub(crate) worker_form: Option<Worker>,
    pub(crate) responses: Option<Responses>,
    pub(crate) times: EndpointTimesDraft,
    pub(crate) denied_betas: Option<DeniedBetas>,
    pub(crate) limits: LimitsDraft,
}

/// What to do with the stored key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ApiKeyChange {
    /// Remove it.
    Clear,
    /// Replace it.
    Set(Secret),
    /// Keep it, provided that this is its mask.
    Mask(String),
}

/// Names the row only: custom headers may carry keys.
impl fmt::Debug for EndpointDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointDraft")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl EndpointDraft {
    /// Checks the values of a new endpoint: `name` and `url` are required, `endpoint_type`
    /// is `openai` when absent.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_create(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let mut draft = Self::read(&mut input);
        for (field, given) in [("name", value.get("name")), ("url", value.get("url"))] {
            if given.is_none() {
                input.refuse(field, "is required");
            }
        }
        if matches!(draft.api_key, Some(ApiKeyChange::Mask(_))) {
            input.refuse("api_key", "is the mask of a key; send the key itself");
        }
        draft.provider = draft.provider.or(Some(ProviderKind::OpenAi));
        input.finish(draft)
    }

    /// Checks changes to an endpoint: only the fields that are there.
    ///
    /// # Errors
    /// Every bad field with the reason.
    pub fn for_update(value: &Value) -> Result<Self, FieldErrors> {
        let mut input = Input::new(value)?;
        let draft = Self::read(&mut input);
        input.finish(draft)
    }

    fn read(input: &mut Input<'_>) -> Self {
        input.ignore(&["id", "locked", "created_at", "updated_at", "version"]);
        Self {
            name: input.name("name", 200),
            url: url(input),
            api_key: api_key(input),
            provider: provider(input),
            custom_headers: input.headers("custom_headers"),
            priority: input
                .whole("priority", -MAX_PRIORITY, MAX_PRIORITY)
                .map(|priority| priority.unwrap_or(0)),
            enabled: input.flag("enabled"),
            ca_file: input.text("ca_file", 4096),
            tls_insecure: input.flag("tls_insecure"),
            health_check_url: health_check_url(input),
            worker_form: worker_form(input),
            responses: responses(input),
            times: EndpointTimesDraft::read(input),
            denied_betas: denied_betas(input),
            limits: LimitsDraft::read(input),
        }
    }
}

fn url(input: &mut Input<'_>) -> Option<String> {
    let url = input.name("url", 2048)?;
    match BaseUrl::parse(&url) {
        Ok(_) => Some(url),
        Err(error) => {
            input.refuse("url", error.to_string());
            None
        }
    }
}

fn provider(input: &mut Input<'_>) -> Option<ProviderKind> {
    let id = input.name("endpoint_type", 100)?;
    let kind = ProviderKind::from_id(&id);
    if kind.is_none() {
        input.refuse("endpoint_type", unknown_type(&id));
    }
    kind
}

/// Checked against any base URL: one that can be called takes every path.
fn health_check_url(input: &mut Input<'_>) -> Option<Option<String>> {
    let typed = input.text("health_check_url", 2048)?;
    if let Some(typed) = &typed
        && let Err(error) = health_check("http://localhost", typed)
    {
        input.refuse("health_check_url", error.to_string());
        return None;
    }
    Some(typed)
}

fn worker_form(input: &mut Input<'_>) -> Option<Worker> {
    let Some(form) = input.text("worker_form", 100)? else {
        return Some(Worker::default());
    };
    let known = Worker::from_id(&form);
    if known.is_none() {
        input.refuse("worker_form", unknown_worker(&form));
    }
    known
}

fn responses(input: &mut Input<'_>) -> Option<Responses> {
    let Some(word) = input.text("responses", 100)? else {
        return Some(Responses::default());
    };
    let known = Responses::from_id(&word);
    if known.is_none() {
        input.refuse("responses", unknown_responses(&word));
    }
    known
}

fn denied_betas(input: &mut Input<'_>) -> Option<DeniedBetas> {
    let typed = input.text("denied_betas", 4096)?;
    match DeniedBetas::parse(typed.as_deref().unwrap_or_default()) {
        Ok(betas) => Some(betas),
        Err(why) => {
            input.refuse("denied_betas", why);
            None
        }
    }
}

fn api_key(input: &mut Input<'_>) -> Option<ApiKeyChange> {
    let Some(key) = input.text("api_key", 16_384)? else {
        return Some(ApiKeyChange::Clear);
    };
    if key.starts_with(MASK) {
        return Some(ApiKeyChange::Mask(key));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        input.refuse(
            "api_key",
            "may hold only printable ASCII without spaces, because it is sent as a header",
        );
        return None;
    }
    Some(ApiKeyChange::Set(Secret::new(key)))
}
