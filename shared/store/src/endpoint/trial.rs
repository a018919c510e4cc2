//! The endpoint that a row would be with the values of a draft: for calling it before
//! anything is saved.

use super::times::EndpointTimesRow;
use super::{ApiKeyChange, Endpoint, EndpointDraft, EndpointRow, StoredEndpoint};
use crate::custom_headers;
use crate::field_errors::FieldErrors;
use crate::limits::LimitsRow;

impl EndpointDraft {
    /// The endpoint there would be: these values, and those of `stored` for what they leave
    /// out. Limits stay as stored: they are not for single calls.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn applied_to(
        &self,
        stored: Option<StoredEndpoint>,
    ) -> Result<Endpoint, FieldErrors> {
        let mut tried = stored.unwrap_or_else(blank);
        let draft = self.clone();
        match draft.api_key {
            Some(ApiKeyChange::Clear) => tried.api_key = None,
            Some(ApiKeyChange::Set(key)) => tried.api_key = Some(key),
            Some(ApiKeyChange::Mask(mask)) if !tried.shows_key_as(&mask) => {
                let why = "is not the mask of this endpoint's key; send the key itself";
                return Err(FieldErrors::one("api_key", why));
            }
            None | Some(ApiKeyChange::Mask(_)) => {
                if let Some(why) = tried.row.locked.take() {
                    return Err(FieldErrors::one("api_key", why));
                }
            }
        }
        // What was wrong with the other columns is for the values that stand there now.
        tried.faults.clear();
        tried.row.limits = LimitsRow::default();
        let row = &mut tried.row;
        set(&mut row.name, draft.name);
        set(&mut row.url, draft.url);
        let kind = draft.provider.map(|kind| kind.id().to_owned());
        set(&mut row.endpoint_type, kind);
        let headers = draft.custom_headers;
        set(
            &mut row.custom_headers,
            headers.map(|headers| custom_headers::to_json(&headers)),
        );
        set(&mut row.ca_file, draft.ca_file);
        set(&mut row.tls_insecure, draft.tls_insecure.map(i64::from));
        set(&mut row.health_check_url, draft.health_check_url);
        let worker = draft.worker_form.map(|form| form.id().to_owned());
        set(&mut row.worker_form, worker);
        let responses = draft.responses.map(|word| word.id().to_owned());
        set(&mut row.responses, responses);
        draft.times.apply(&mut row.times);
        let betas = draft.denied_betas.map(|betas| betas.to_text());
        set(&mut row.denied_betas, betas);
        let subject = tried.subject();
        match tried.judge() {
            Ok((endpoint, _)) => Ok(endpoint),
            Err(faults) => Err(FieldErrors::one(subject, faults.join("; "))),
        }
    }
}

fn set<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

/// A row in which nothing is set.
fn blank() -> StoredEndpoint {
    StoredEndpoint {
        row: EndpointRow {
            id: 0,
            name: String::new(),
            url: String::new(),
            api_key: None,
            endpoint_type: String::new(),
            custom_headers: None,
            priority: 0,
            enabled: 1,
            ca_file: None,
            tls_insecure: 0,
            health_check_url: None,
            worker_form: String::new(),
            responses: String::new(),
            times: EndpointTimesRow::default(),
            denied_betas: None,
            limits: LimitsRow::default(),
            locked: None,
            created_at: 0,
            updated_at: 0,
            version: 0,
        },
        api_key: None,
        headers: None,
        faults: Vec::new(),
    }
}
