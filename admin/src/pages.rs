//! The dashboard, rendered on the server, and its stylesheet.
//!
//! Pages need no script. Everything from the store is escaped by the template
//! engine (files ending in `.html`), and keys are shown masked. Editing is done
//! over the JSON API.

use actix_web::http::header;
use actix_web::web::{self, Data, Html, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{EndpointRow, Problem, VirtualModelRow};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;
use crate::shown;

/// Path of the one stylesheet.
pub(crate) const STYLESHEET: &str = "/assets/admin.css";

/// Path of the dashboard.
pub(crate) const DASHBOARD: &str = "/proxy-dashboard";

/// The pages and what they load.
pub(crate) fn routes(cfg: &mut ServiceConfig) {
    for path in ["/", DASHBOARD] {
        cfg.service(
            resource(path, "GET, HEAD")
                .route(web::get().to(dashboard))
                .route(web::head().to(dashboard)),
        );
    }
    cfg.service(resource(STYLESHEET, "GET").route(web::get().to(stylesheet)));
}

/// Sends a browser to the dashboard.
pub(crate) async fn to_dashboard() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, DASHBOARD))
        .finish()
}

#[derive(Template)]
#[template(path = "dashboard/index.html")]
struct Dashboard {
    version: &'static str,
    /// How the caller reaches this app, for the examples.
    address: String,
    endpoints: Vec<EndpointRow>,
    models: Vec<VirtualModelRow>,
    problems: Vec<Problem>,
}

async fn dashboard(admin: Data<Admin>, req: HttpRequest) -> Result<Html, ApiError> {
    let (endpoints, models, problems) = admin
        .on_store(|store| {
            let problems = store.snapshot()?.problems;
            Ok((
                shown::endpoints(store)?,
                shown::virtual_models(store)?,
                problems,
            ))
        })
        .await?;
    let host = req
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("127.0.0.1");
    let page = Dashboard {
        version: env!("CARGO_PKG_VERSION"),
        address: format!("http://{host}"),
        endpoints,
        models,
        problems,
    };
    let html = page
        .render()
        .map_err(|err| ApiError::Internal(format!("the dashboard cannot be rendered: {err}")))?;
    Ok(Html::new(html))
}

async fn stylesheet() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "max-age=300"))
        .body(include_str!("../../templates/assets/admin.css"))
}
