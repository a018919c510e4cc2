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
use serde_json::json;

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

/// The answer of a call that created row `id`.
fn created(id: i64) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "id": id, "status": "ok" }))
}

/// The answer of a call that changed something.
fn done() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}
