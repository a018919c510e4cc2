//! `/health`: whether this app can do its work, for supervisors.
//!
//! It needs no login, so it tells nothing about the configuration.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use serde_json::json;
use store::Store;

use crate::admin::Admin;
use crate::routing::resource;

/// The health route.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/health", "GET, HEAD")
            .route(web::get().to(health))
            .route(web::head().to(health)),
    );
}

async fn health(admin: Data<Admin>) -> HttpResponse {
    let (status, word) = match admin.on_store(Store::revision).await {
        Ok(_revision) => (StatusCode::OK, "ok"),
        Err(err) => {
            tracing::warn!(error = %err, "the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
    };
    HttpResponse::build(status).json(json!({
        "status": word,
        "version": env!("CARGO_PKG_VERSION"),
        "store": word,
    }))
}
