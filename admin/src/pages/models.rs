//! Virtual models: the list, the form, what the gateway would do with a request, and a
//! call tried out.

mod actions;
mod attempt;
mod edit;
mod explain;
mod fields;
mod list;
mod suggested;
mod targets;

use actix_web::web::{self, ServiceConfig};

use crate::routing::resource;

/// Where the list is; the other pages are below.
const ROOT: &str = "/proxy-dashboard/models";

/// Where a request is explained; nothing is changed there.
pub(super) const EXPLAIN: &str = "/proxy-dashboard/models/explain";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let at = |rest: &str| format!("{ROOT}{rest}");
    cfg.service(
        resource(ROOT, "GET, HEAD")
            .route(web::get().to(list::page))
            .route(web::head().to(list::page)),
    )
    // Before the ids: these are none.
    .service(
        resource(&at("/new"), "GET, POST")
            .route(web::get().to(edit::new))
            .route(web::post().to(edit::create)),
    )
    .service(
        resource(EXPLAIN, "GET, POST")
            .route(web::get().to(explain::ask))
            .route(web::post().to(explain::answer)),
    )
    .service(
        resource(&at("/try"), "GET, POST")
            .route(web::get().to(attempt::ask))
            .route(web::post().to(attempt::send)),
    )
    .service(
        resource(&at("/{id}"), "GET, POST")
            .route(web::get().to(edit::edit))
            .route(web::post().to(edit::change)),
    )
    .service(resource(&at("/{id}/enabled"), "POST").route(web::post().to(actions::switch)))
    .service(resource(&at("/{id}/duplicate"), "POST").route(web::post().to(actions::duplicate)))
    .service(
        resource(&at("/{id}/delete"), "GET, POST")
            .route(web::get().to(actions::ask))
            .route(web::post().to(actions::delete)),
    );
}
