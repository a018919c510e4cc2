//! `/session/validate`: who is logged in, as front ends of the original ask.
//!
//! Always 200; whether a login is valid is in the body.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};
use serde_json::json;

use crate::admin::Admin;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/session/validate", "GET").route(web::get().to(validate)));
}

async fn validate(admin: Data<Admin>) -> HttpResponse {
    let use_ai_queue = admin.use_ai_queue;
    HttpResponse::Ok().json(if admin.auth_enabled {
        json!({ "valid": false, "auth_enabled": true, "use_ai_queue": use_ai_queue })
    } else {
        json!({ "valid": true, "user": "admin", "auth_enabled": false, "use_ai_queue": use_ai_queue })
    })
}
