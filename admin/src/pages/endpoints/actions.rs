//! What can be done to an endpoint from the list: switch, test, duplicate, close its
//! circuits.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Value, json};
use store::{EndpointDraft, EndpointRow, FieldErrors, Store, StoreError};

use super::ROOT;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::notice::Notice;
use crate::pages::row_form::copy_name;
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{back, row_actions};
use crate::probe::Report;
use crate::shown;

#[derive(Template)]
#[template(path = "endpoints/test.html")]
struct Tested {
    shell: Shell,
    row: EndpointRow,
    report: Option<Report>,
    form: Form,
}

pub(super) async fn switch(
    admin: Data<Admin>,
    id: Path<i64>,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (EndpointDraft::for_update, Store::update_endpoint);
    row_actions::switch(&admin, id.into_inner(), &posted, ROOT, draft, update).await
}

/// Calls the backend of a stored endpoint.
pub(super) async fn test(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin
        .on_store(move |store| shown::endpoint(store, id))
        .await?;
    let (report, errors) = match admin.on_store(move |store| store.endpoint(id)).await {
        Ok(endpoint) => (Some(admin.prober.test(&endpoint).await), FieldErrors::new()),
        Err(error) => (None, error.into_fields()?),
    };
    crate::pages::page(&Tested {
        shell: Shell::of(&req, Section::Endpoints),
        row,
        report,
        form: Form::refused(&Posted::default(), errors),
    })
}

/// Makes a copy, switched off, with the secrets; the browser never has them.
pub(super) async fn duplicate(
    admin: Data<Admin>,
    id: Path<i64>,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    row_actions::duplicate(&admin, id.into_inner(), ROOT, copy).await
}

fn copy(store: &Store, id: i64) -> Result<i64, StoreError> {
    let row = store.endpoint_row(id)?;
    let endpoint = store.endpoint(id)?;
    let all = store.endpoints()?;
    let name = copy_name(&row.name, &all.iter().map(|other| other.name.as_str()));
    let mut object = serde_json::to_value(&row).unwrap_or(Value::Null);
    object["name"] = json!(name);
    object["enabled"] = json!(false);
    object["api_key"] = json!(endpoint.api_key.as_ref().map(store::Secret::expose));
    store.create_endpoint(&EndpointDraft::for_create(&object)?)
}

pub(super) async fn reset(
    admin: Data<Admin>,
    id: Path<i64>,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    admin
        .on_store(move |store| {
            store.endpoint_row(id)?;
            store.forget_circuits(Some(id))
        })
        .await?;
    Ok(back::to(&posted, ROOT, Notice::Reset))
}
