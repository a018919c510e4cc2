//! The stylesheet, the script and the icon, built in: pages load nothing else.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};

use crate::routing::resource;

/// Path of the one stylesheet.
pub(crate) const STYLESHEET: &str = "/assets/admin.css";

/// Path of the one script.
pub(crate) const SCRIPT: &str = "/assets/admin.js";

/// Path of the icon; browsers ask for one of their own choice where a page names none.
pub(crate) const ICON: &str = "/assets/icon.svg";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource(STYLESHEET, "GET").route(web::get().to(stylesheet)))
        .service(resource(SCRIPT, "GET").route(web::get().to(script)))
        .service(resource(ICON, "GET").route(web::get().to(icon)));
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

async fn icon() -> HttpResponse {
    asset(
        "image/svg+xml",
        include_str!("../../../templates/assets/icon.svg"),
    )
}

fn asset(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, "max-age=300"))
        .body(text)
}
