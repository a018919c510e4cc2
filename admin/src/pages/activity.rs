//! Recent calls, the newest first, and each of them whole. Filters and the place in the list
//! are in the address.

mod detail;
mod entry;
mod filter;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::{Names, Outcome};

use super::section::Section;
use super::shell::Shell;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;
pub(super) use entry::Entry;
use filter::Filter;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(Section::Activity.path(), "GET, HEAD")
            .route(web::get().to(activity))
            .route(web::head().to(activity)),
    );
    detail::routes(cfg);
}

#[derive(Template)]
#[template(path = "activity/index.html")]
struct Activity {
    shell: Shell,
    filter: Filter,
    names: Names,
    calls: Vec<Entry>,
    /// The link to what comes behind these.
    next: Option<String>,
}

impl Activity {
    /// Every outcome and its name.
    fn outcomes(&self) -> [(&'static str, &'static str); 8] {
        Outcome::ALL.map(|outcome| (outcome.as_str(), entry::outcome_name(outcome)))
    }
}

async fn activity(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let shell = Shell::of(&req, Section::Activity);
    let filter = Filter::read(req.query_string(), shell.zone());
    let (query, after, limit) = (filter.query.clone(), filter.after.clone(), filter.limit());
    let ((rows, next), names) = admin
        .on_store(move |store| Ok((store.calls_page(&query, &after, limit)?, store.names()?)))
        .await?;
    let next = next.map(|next| filter.link("after", &next.to_text()));
    super::page(&Activity {
        calls: rows.into_iter().map(Entry::new).collect(),
        shell,
        filter,
        names,
        next,
    })
}
