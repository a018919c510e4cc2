//! The first page: what there is, and what is wrong.

use actix_web::http::header;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{EndpointRow, Problem, VirtualModelRow};

use super::section::Section;
use super::shell::Shell;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;
use crate::shown;

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    for path in ["/", Section::Overview.path()] {
        cfg.service(
            resource(path, "GET, HEAD")
                .route(web::get().to(overview))
                .route(web::head().to(overview)),
        );
    }
}

#[derive(Template)]
#[template(path = "overview/index.html")]
struct Overview {
    shell: Shell,
    /// How the caller reaches this app, for the examples.
    address: String,
    endpoints: Vec<EndpointRow>,
    models: Vec<VirtualModelRow>,
    problems: Vec<Problem>,
}

async fn overview(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
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
    super::page(&Overview {
        shell: Shell::of(&req, Section::Overview),
        address: format!("http://{host}"),
        endpoints,
        models,
        problems,
    })
}
