//! Endpoints: list, one, create, change, delete.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use url::Url;

use super::assignments::{Assignments, next_id};
use super::audit::About;
use super::secrets::seal_headers;
use super::{Failure, Store, circuits, health_checks, inbound_keys, routing};
use crate::audit::AuditKind;
use crate::endpoint::ApiKeyChange;
use crate::endpoint::{Endpoint, EndpointDraft, EndpointRow, StoredEndpoint};
use crate::error::StoreError;
use crate::field_errors::FieldErrors;
use crate::link_local;
use crate::vault::Vault;

const WHAT: &str = "endpoint";

const TABLE: &str = "endpoints";

/// What changes when an endpoint is deleted.
const GONE_WITH_IT: &[AuditKind] = &[AuditKind::VirtualModel, AuditKind::InboundKey];

impl Store {
    /// Every endpoint, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn endpoints(&self) -> Result<Vec<EndpointRow>, StoreError> {
        self.read(|connection| {
            let stored = read_all(connection, "name, id", self.vault())?;
            Ok(stored.into_iter().map(|stored| stored.row).collect())
        })
    }

    /// One endpoint as the admin API shows it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when the file cannot be read.
    pub fn endpoint_row(&self, id: i64) -> Result<EndpointRow, StoreError> {
        self.read(|connection| Ok(read_one(connection, id, self.vault())?.row))
    }

    /// One endpoint ready to be called, with its key.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Invalid`] when its row cannot be used, or
    /// when the file cannot be read.
    pub fn endpoint(&self, id: i64) -> Result<Endpoint, StoreError> {
        let stored = self.read(|connection| read_one(connection, id, self.vault()))?;
        let subject = stored.subject();
        match stored.judge() {
            Ok((endpoint, _)) => Ok(endpoint),
            Err(faults) => Err(FieldErrors::one(subject, faults.join("; ")).into()),
        }
    }

    /// The endpoint that `draft` would make of the row `id`, or of a new one, without writing
    /// anything.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Invalid`] when it could not be used, or when
    /// the file cannot be read.
    pub fn try_endpoint(
        &self,
        id: Option<i64>,
        draft: &EndpointDraft,
    ) -> Result<Endpoint, StoreError> {
        let stored = self.read(|connection| {
            self.require_address(draft)?;
            id.map(|id| read_one(connection, id, self.vault()))
                .transpose()
        })?;
        Ok(draft.applied_to(stored)?)
    }

    /// Which endpoints cannot be used, by id, and why.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn endpoint_faults(&self) -> Result<BTreeMap<i64, String>, StoreError> {
        let rows = self.read(|connection| Ok(read_all(connection, "id", self.vault())?))?;
        let faulty = rows.into_iter().filter_map(|stored| {
            let id = stored.row.id;
            stored.judge().err().map(|faults| (id, faults.join("; ")))
        });
        Ok(faulty.collect())
    }

    /// Writes a new endpoint and gives its id.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], or when the file cannot be written.
    pub fn create_endpoint(&self, draft: &EndpointDraft) -> Result<i64, StoreError> {
        self.change(About::new(AuditKind::Endpoint, &[]), |connection| {
            self.require_address(draft)?;
            if let Some(name) = &draft.name {
                refuse_duplicate(connection, name)?;
            }
            let id = next_id(connection, TABLE)?;
            let mut row = assignments(draft, id, None, self.vault())?;
            row.set("id", id);
            // Columns of a file the original wrote have other defaults than ours.
            if draft.api_key.is_none() {
                row.set("api_key", None::<String>);
            }
            Ok(row.insert(connection, "endpoints")?)
        })
    }

    /// Changes the fields the draft carries.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Duplicate`], [`StoreError::Invalid`] when a
    /// mask that is not this endpoint's was sent as its key, or when the file cannot be
    /// written.
    pub fn update_endpoint(&self, id: i64, draft: &EndpointDraft) -> Result<(), StoreError> {
        self.change(About::row(AuditKind::Endpoint, id, &[]), |connection| {
            self.require_address(draft)?;
            let stored = read_one(connection, id, self.vault())?;
            if let Some(name) = draft.name.as_ref().filter(|name| **name != stored.row.name) {
                refuse_duplicate(connection, name)?;
            }
            let row = assignments(draft, id, Some(&stored), self.vault())?;
            row.update(connection, "endpoints", id)?;
            // They tell of the endpoint as it was.
            circuits::forget_endpoint(connection, id)?;
            health_checks::forget_endpoint(connection, id)?;
            Ok(())
        })
    }

    /// Deletes an endpoint, with `cascade` also its virtual models, and gives the names of
    /// the virtual models deleted with it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::HasModels`] without `cascade`, or when the
    /// file cannot be written.
    pub fn delete_endpoint(&self, id: i64, cascade: bool) -> Result<Vec<String>, StoreError> {
        self.change(
            About::row(AuditKind::Endpoint, id, GONE_WITH_IT),
            |connection| {
                let endpoint = read_one(connection, id, self.vault())?.row.name;
                let (ids, models): (Vec<i64>, Vec<String>) = connection
                    .prepare(
                        "SELECT id, name FROM virtual_models WHERE endpoint_id = ? ORDER BY name",
                    )?
                    .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<rusqlite::Result<Vec<(i64, String)>>>()?
                    .into_iter()
                    .unzip();
                if !models.is_empty() && !cascade {
                    return Err(StoreError::HasModels { endpoint, models }.into());
                }
                for model in ids {
                    routing::forget_model(connection, model)?;
                }
                for model in &models {
                    inbound_keys::rename_model(connection, model, None)?;
                }
                connection.execute("DELETE FROM virtual_models WHERE endpoint_id = ?", [id])?;
                circuits::forget_endpoint(connection, id)?;
                health_checks::forget_endpoint(connection, id)?;
                connection.execute("DELETE FROM endpoints WHERE id = ?", [id])?;
                Ok(models)
            },
        )
    }

    /// Refuses addresses under which clouds tell their secrets.
    fn require_address(&self, draft: &EndpointDraft) -> Result<(), Failure> {
        if self.allows_link_local {
            return Ok(());
        }
        let health = draft.health_check_url.as_ref().and_then(Option::as_ref);
        for (field, typed) in [("url", draft.url.as_ref()), ("health_check_url", health)] {
            let host = typed.and_then(|typed| Url::parse(typed.trim()).ok());
            if host.is_some_and(|url| url.host_str().is_some_and(link_local::names_link_local)) {
                return Err(StoreError::from(FieldErrors::one(field, link_local::REFUSAL)).into());
            }
        }
        Ok(())
    }
}

/// Every row, in the order of the columns `order`.
pub(super) fn read_all(
    connection: &Connection,
    order: &'static str,
    vault: &Vault,
) -> rusqlite::Result<Vec<StoredEndpoint>> {
    let mut rows = connection
        .prepare(&format!("SELECT * FROM endpoints ORDER BY {order}"))?
        .query_map([], StoredEndpoint::read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // After the rows: the key file has the key of every row before the row is there.
    let keys = vault.to_open();
    for row in &mut rows {
        row.open(&keys);
    }
    Ok(rows)
}

fn read_one(connection: &Connection, id: i64, vault: &Vault) -> Result<StoredEndpoint, Failure> {
    let mut row = connection
        .query_row(
            "SELECT * FROM endpoints WHERE id = ?",
            [id],
            StoredEndpoint::read,
        )
        .optional()?
        .ok_or(StoreError::Missing { what: WHAT, id })?;
    row.open(&vault.to_open());
    Ok(row)
}

fn refuse_duplicate(connection: &Connection, name: &str) -> Result<(), Failure> {
    let taken: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM endpoints WHERE name = ?)",
        params![name],
        |row| row.get(0),
    )?;
    if taken {
        return Err(StoreError::Duplicate {
            what: "an endpoint",
            name: name.to_owned(),
        }
        .into());
    }
    Ok(())
}

fn assignments(
    draft: &EndpointDraft,
    id: i64,
    stored: Option<&StoredEndpoint>,
    vault: &Vault,
) -> Result<Assignments, StoreError> {
    let EndpointDraft {
        name,
        url,
        api_key,
        provider,
        custom_headers,
        priority,
        enabled,
        ca_file,
        tls_insecure,
        health_check_url,
        worker_form,
        responses,
        times,
        denied_betas,
        limits,
    } = draft;
    let mut row = Assignments::default();
    row.set_given("name", name.clone());
    row.set_given("url", url.clone());
    match api_key {
        None => {}
        Some(ApiKeyChange::Clear) => row.set("api_key", None::<String>),
        Some(ApiKeyChange::Set(key)) => {
            let place = StoredEndpoint::api_key_place(id);
            row.set("api_key", vault.to_seal()?.seal(place, key)?);
        }
        Some(ApiKeyChange::Mask(mask)) if stored.is_some_and(|row| row.shows_key_as(mask)) => {}
        Some(ApiKeyChange::Mask(_)) => {
            let why = "is not the mask of this endpoint's key; send the key itself, or leave \
                       the field out to keep the stored one";
            return Err(FieldErrors::one("api_key", why).into());
        }
    }
    row.set_given("endpoint_type", provider.map(|kind| kind.id().to_owned()));
    if let Some(headers) = custom_headers {
        let kept = stored.and_then(StoredEndpoint::stored_headers);
        let headers = seal_headers(vault, TABLE, id, headers, kept)?;
        row.set("custom_headers", headers);
    }
    row.set_given("priority", *priority);
    row.set_given("enabled", *enabled);
    row.set_given("ca_file", ca_file.clone());
    row.set_given("tls_insecure", *tls_insecure);
    row.set_given("health_check_url", health_check_url.clone());
    row.set_given("worker_form", worker_form.map(|form| form.id().to_owned()));
    row.set_given("responses", responses.map(|word| word.id().to_owned()));
    let betas = denied_betas.as_ref().map(|betas| betas.to_text());
    row.set_given("denied_betas", betas);
    row.set_all(times.columns());
    row.set_all(limits.columns());
    Ok(row)
}
