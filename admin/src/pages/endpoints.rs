//! Endpoints: the list, the form, their models, and what can be done to one.

mod actions;
mod delete;
mod edit;
mod kinds;
mod list;
mod models;

use actix_web::web::{self, ServiceConfig};

use crate::routing::resource;

/// Where the list is; the other pages are below.
const ROOT: &str = "/proxy-dashboard/endpoints";

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let at = |rest: &str| format!("{ROOT}{rest}");
    cfg.service(
        resource(ROOT, "GET, HEAD")
            .route(web::get().to(list::page))
            .route(web::head().to(list::page)),
    )
    // Before the ids: `new` is none.
    .service(
        resource(&at("/new"), "GET, POST")
            .route(web::get().to(edit::new))
            .route(web::post().to(edit::create)),
    )
    .service(
        resource(&at("/{id}"), "GET, POST")
            .route(web::get().to(edit::edit))
            .route(web::post().to(edit::change)),
    )
    .service(resource(&at("/{id}/enabled"), "POST").route(web::post().to(actions::switch)))
    .service(resource(&at("/{id}/test"), "POST").route(web::post().to(actions::test)))
    .service(resource(&at("/{id}/duplicate"), "POST").route(web::post().to(actions::duplicate)))
    .service(resource(&at("/{id}/circuits"), "POST").route(web::post().to(actions::reset)))
    .service(
        resource(&at("/{id}/delete"), "GET, POST")
            .route(web::get().to(delete::ask))
            .route(web::post().to(delete::delete)),
    )
    .service(resource(&at("/{id}/models"), "GET").route(web::get().to(models::page)))
    .service(resource(&at("/{id}/pull"), "POST").route(web::post().to(models::pull)));
}
