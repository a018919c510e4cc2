//! Sessions over JSON: who is logged in, as front ends of the original ask; logging in and
//! out, for programs.
//!
//! `/session/validate` is always 200; whether a login is valid is in the body.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use store::{FieldErrors, Secret};

use crate::access::{Let, Visitor};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::pages;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/session/validate", "GET").route(web::get().to(validate)))
        .service(resource("/api/login", "POST").route(web::post().to(log_in)))
        .service(resource("/api/logout", "POST").route(web::post().to(log_out)));
}

async fn validate(admin: Data<Admin>, req: HttpRequest) -> HttpResponse {
    let use_ai_queue = admin.use_ai_queue;
    let auth_enabled = admin.auth_enabled;
    HttpResponse::Ok().json(match Visitor::of(&req) {
        None => {
            json!({ "valid": false, "auth_enabled": auth_enabled, "use_ai_queue": use_ai_queue })
        }
        Some(visitor) if auth_enabled => json!({
            "valid": true,
            "user": visitor.user,
            "role": visitor.role,
            "auth_enabled": true,
            "use_ai_queue": use_ai_queue,
        }),
        Some(visitor) => json!({
            "valid": true,
            "user": visitor.user,
            "auth_enabled": false,
            "use_ai_queue": use_ai_queue,
        }),
    })
}

/// The session leaves as a cookie.
async fn log_in(
    admin: Data<Admin>,
    req: HttpRequest,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let mut text = |name: &str| match body.0.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(_) | None => {
            errors.add(name, "is required, as text");
            String::new()
        }
    };
    let (user, password) = (text("user"), Secret::new(text("password")));
    errors.into_result(())?;
    let session = pages::begin_session(&admin, &req, &user, password)
        .await?
        .ok_or(ApiError::Unauthorized)?;
    let answer = HttpResponse::Ok().json(json!({
        "status": "ok",
        "user": session.user,
        "role": session.role,
    }));
    pages::with_session(&req, answer, &session)
}

async fn log_out(
    admin: Data<Admin>,
    req: HttpRequest,
    visitor: Let,
) -> Result<HttpResponse, ApiError> {
    pages::end_session(&admin, &req, visitor.0.session, super::done()).await
}
