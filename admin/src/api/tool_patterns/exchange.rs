//! All patterns and aliases as one document: out of this store, into this store.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, ServiceConfig};
use serde_json::json;
use store::{PatternExport, PatternImport, Store};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonValue;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/api/admin/tool-patterns/export", "GET").route(web::get().to(export)))
        .service(resource("/api/admin/tool-patterns/import", "POST").route(web::post().to(import)));
}

async fn export(admin: Data<Admin>) -> Result<Json<PatternExport>, ApiError> {
    Ok(Json(admin.on_store(Store::export_tool_patterns).await?))
}

/// Takes a document as it goes out, or a list of patterns; all of it or nothing.
async fn import(admin: Data<Admin>, body: JsonValue) -> Result<HttpResponse, ApiError> {
    // Checking many patterns takes a while: not on a thread that answers others.
    let report = admin
        .on_store(move |store| store.import_tool_patterns(&PatternImport::read(&body.0)?))
        .await?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "ok",
        "patterns": report.patterns,
        "aliases": report.aliases,
    })))
}
