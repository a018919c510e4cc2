//! The pages, rendered on the server: one file or folder a section.
//!
//! Pages work without a script. Everything from the store is escaped by the template
//! engine (files ending in `.html`), characters that are not seen get a mark, and secrets are
//! shown masked. Each has its frame from
//! [`shell::Shell`]; forms come in as [`form::Posted`]; failures get a page in
//! [`error_page`].

mod activity;
mod assets;
mod audit;
pub(crate) mod back;
mod chart;
pub(crate) mod confirm;
mod connect;
mod endpoints;
pub(crate) mod error_page;
pub(crate) mod form;
mod gateway_address;
mod keys;
pub(crate) mod list;
mod login;
mod models;
pub(crate) mod notice;
mod overview;
pub(crate) mod own_path;
mod patterns;
mod reference;
mod row_actions;
pub(crate) mod row_form;
pub(crate) mod section;
mod settings;
pub(crate) mod shell;
pub(crate) mod theme;
mod usage;
pub(crate) mod users;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::ServiceConfig;
use askama::Template;

pub(crate) use assets::{ICON, SCRIPT, STYLESHEET};
pub(crate) use error_page::is_page;
pub(crate) use login::{
    LOGIN, SET_UP, begin as begin_session, end as end_session, with_cookie as with_session,
};

use crate::error::ApiError;
use section::Section;

/// Under which paths there are pages; so is `/`.
pub(crate) const PAGES: [&str; 3] = ["/proxy-dashboard", LOGIN, SET_UP];

/// The pages and what they load.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    assets::routes(cfg);
    theme::routes(cfg);
    login::routes(cfg);
    users::routes(cfg);
    keys::routes(cfg);
    settings::routes(cfg);
    audit::routes(cfg);
    overview::routes(cfg);
    endpoints::routes(cfg);
    models::routes(cfg);
    patterns::routes(cfg);
    usage::routes(cfg);
    activity::routes(cfg);
    connect::routes(cfg);
    reference::routes(cfg);
}

/// Whether a viewer may send something to `path`: what changes nothing of others.
pub(crate) fn is_open_to_viewers(path: &str) -> bool {
    const OPEN: [&str; 9] = [
        theme::PATH,
        login::LOG_OUT,
        users::ACCOUNT,
        "/api/logout",
        models::EXPLAIN,
        patterns::BENCH,
        "/api/admin/explain",
        "/api/admin/tool-patterns/test",
        "/api/admin/usage/export",
    ];
    OPEN.contains(&path)
}

/// Sends a browser to the first page.
pub(crate) async fn to_dashboard() -> HttpResponse {
    see_other(Section::Overview.path())
}

/// Sends a browser to another page, which it gets with GET.
pub(crate) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .finish()
}

/// A page.
pub(crate) fn page(template: &impl Template) -> Result<HttpResponse, ApiError> {
    page_with(StatusCode::OK, template)
}

/// A page with another status, such as a form that was refused.
pub(crate) fn page_with(
    status: StatusCode,
    template: &impl Template,
) -> Result<HttpResponse, ApiError> {
    let html = template
        .render()
        .map_err(|err| ApiError::Internal(format!("a page cannot be rendered: {err}")))?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .body(crate::shown::marked(html)))
}
