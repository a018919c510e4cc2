//! The JSON API: one file a kind of thing.
//!
//! Writing calls answer `{"status":"ok"}`, creating ones with the new `id`. Rows
//! leave with the column names of the store, flags as 0 or 1, times in unix seconds
//! and secrets masked.

mod circuits;
mod endpoints;
pub(crate) mod explain;
mod inbound_keys;
mod prices;
mod session;
mod settings;
mod tool_aliases;
pub(crate) mod tool_patterns;
mod usage;
mod virtual_models;

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;
use serde_json::{Value, json};
use store::{FieldErrors, Store, StoreError};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;

/// Every route of the API.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    session::routes(cfg);
    settings::routes(cfg);
    // Before the endpoints: `/endpoints/patterns` is no endpoint's id.
    tool_patterns::routes(cfg);
    tool_aliases::routes(cfg);
    endpoints::routes(cfg);
    // Before the virtual models, whose ids they are behind.
    prices::routes(cfg);
    virtual_models::routes(cfg);
    usage::routes(cfg);
    inbound_keys::routes(cfg);
    circuits::routes(cfg);
    explain::routes(cfg);
}

pub(crate) use settings::is_followed;

/// Creates the row that the body is a draft of.
async fn create<D: Send + 'static>(
    admin: &Admin,
    body: &JsonObject,
    draft: impl FnOnce(&Value) -> Result<D, FieldErrors>,
    create: impl FnOnce(&Store, &D) -> Result<i64, StoreError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let draft = draft(&body.0)?;
    let id = admin.on_store(move |store| create(store, &draft)).await?;
    Ok(HttpResponse::Ok().json(json!({ "id": id, "status": "ok" })))
}

/// Changes the fields that the body carries and no others.
async fn change<D: Send + 'static>(
    admin: &Admin,
    id: i64,
    body: &JsonObject,
    draft: impl FnOnce(&Value) -> Result<D, FieldErrors>,
    update: impl FnOnce(&Store, i64, &D) -> Result<(), StoreError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let draft = draft(&body.0)?;
    admin
        .on_store(move |store| update(store, id, &draft))
        .await?;
    Ok(done())
}

async fn delete<T: Send + 'static>(
    admin: &Admin,
    id: i64,
    delete: impl FnOnce(&Store, i64) -> Result<T, StoreError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    admin.on_store(move |store| delete(store, id)).await?;
    Ok(done())
}

/// The answer of a call that changed something.
fn done() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}
