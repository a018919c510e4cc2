//! Stored settings: a flat object of texts.
//!
//! Which keys there are is the store's decision; none of them is a secret. The
//! environment wins over what is stored, and most settings are read when a program
//! starts; the answer to a change says so.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Data, ServiceConfig};
use serde_json::json;
use store::{
    AUDIT_DAYS, DEFAULT_MODEL, DEPLOYMENT_MODE, HEALTH_CHECK_INTERVAL, PUBLIC_GATEWAY_URL,
    SettingsDraft, TRUSTED_INTERNAL_CIDRS,
};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

/// What running programs follow.
const FOLLOWED: [&str; 6] = [
    AUDIT_DAYS,
    PUBLIC_GATEWAY_URL,
    DEFAULT_MODEL,
    HEALTH_CHECK_INTERVAL,
    DEPLOYMENT_MODE,
    TRUSTED_INTERNAL_CIDRS,
];

/// Whether a running program follows the setting.
pub(crate) fn is_followed(key: &str) -> bool {
    FOLLOWED.contains(&key)
}

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource("/api/admin/settings", "GET, POST")
            .route(web::get().to(list))
            .route(web::post().to(save)),
    );
}

/// The version of the settings is in `ETag`; a change with it in `If-Match` is refused when
/// somebody else was faster.
async fn list(admin: Data<Admin>) -> Result<HttpResponse, ApiError> {
    let (settings, version) = admin
        .on_store(|store| Ok((store.settings()?, store.settings_version()?)))
        .await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, format!("\"{version}\"")))
        .json(settings))
}

async fn save(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let JsonObject(body) = body;
    let keys = body.as_object().into_iter().flat_map(|sent| sent.keys());
    let restart = keys.clone().any(|key| !is_followed(key));
    if keys.count() == 0 {
        return Err(ApiError::BadRequest("the body names no setting".to_owned()));
    }
    let draft = SettingsDraft::validate(&body)?;
    admin
        .on_store(move |store| store.save_settings(&draft))
        .await?;
    let message = if restart {
        "Settings saved. Both programs read them when they start, and a value in their \
         environment wins: restart them to apply."
    } else {
        "Settings saved."
    };
    Ok(HttpResponse::Ok().json(json!({ "success": true, "message": message })))
}
