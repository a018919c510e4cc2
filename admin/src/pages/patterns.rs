//! Tool patterns: the list, the editor with its test bench, import and export, and the
//! aliases of tools' parameters.

mod actions;
mod aliases;
mod bench;
mod edit;
mod import;
mod list;
mod shipped;

use actix_web::web::{self, ServiceConfig};

use crate::routing::resource;

/// Where the list is; the other pages are below.
const ROOT: &str = "/proxy-dashboard/patterns";

/// Where a text is tried; nothing is changed there.
pub(super) const BENCH: &str = "/proxy-dashboard/patterns/test";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let at = |rest: &str| format!("{ROOT}{rest}");
    cfg.service(
        resource(ROOT, "GET, HEAD")
            .route(web::get().to(list::page))
            .route(web::head().to(list::page)),
    );
    // Before the ids: these are none.
    aliases::routes(cfg);
    cfg.service(
        resource(&at("/new"), "GET, POST")
            .route(web::get().to(edit::new))
            .route(web::post().to(edit::create)),
    )
    .service(
        resource(BENCH, "GET, POST")
            .route(web::get().to(bench::ask))
            .route(web::post().to(bench::answer)),
    )
    .service(
        resource(&at("/import"), "GET, POST")
            .route(web::get().to(import::ask))
            .route(web::post().to(import::take)),
    )
    .service(resource(&at("/restore"), "POST").route(web::post().to(actions::restore)))
    .service(
        resource(&at("/{id}"), "GET, POST")
            .route(web::get().to(edit::edit))
            .route(web::post().to(edit::change)),
    )
    .service(resource(&at("/{id}/enabled"), "POST").route(web::post().to(actions::switch)))
    .service(resource(&at("/{id}/duplicate"), "POST").route(web::post().to(actions::duplicate)))
    .service(
        resource(&at("/{id}/reset"), "GET, POST")
            .route(web::get().to(actions::ask_reset))
            .route(web::post().to(actions::reset)),
    )
    .service(
        resource(&at("/{id}/delete"), "GET, POST")
            .route(web::get().to(actions::ask))
            .route(web::post().to(actions::delete)),
    );
}
