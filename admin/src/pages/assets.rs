//! The stylesheet and the script, built in: pages load nothing else.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};

use crate::routing::resource;

/// Path of the one stylesheet.
pub(crate) const STYLESHEET: &str = "/assets/admin.css";

/// Path of the one script.
pub(crate) const SCRIPT: &str = "/assets/admin.js";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource(STYLESHEET, "GET").route(web::get().to(stylesheet)))
        .service(resource(SCRIPT, "GET").route(web::get().to(script)));
}

async fn stylesheet() -> HttpResponse {
    asset(
        "text/css; charset=utf-8",
        include_str!("../../../templates/assets/admin.css"),
    )
}

async fn script() -> HttpResponse {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("../../../templates/assets/admin.js"),
    )
}

fn asset(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, "max-age=300"))
        .body(text)
}
