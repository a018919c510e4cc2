//! How to point clients at the gateway: the exact settings to paste, and whether calls of
//! each client have been seen to work.

mod clients;
mod seen;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use store::Names;
use url::form_urlencoded;

use super::gateway_address::{self, Known};
use super::section::Section;
use super::shell::Shell;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;
use clients::{Client, Target};
use seen::Seen;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(Section::Connect.path(), "GET, HEAD")
            .route(web::get().to(connect))
            .route(web::head().to(connect)),
    );
}

#[derive(Template)]
#[template(path = "connect/index.html")]
struct Connect {
    shell: Shell,
    names: Names,
    /// The virtual model that is chosen; empty when there is none.
    model: String,
    base: String,
    /// Whether the address is neither typed nor set.
    is_base_guessed: bool,
    /// Whether an address was typed that is none.
    is_base_refused: bool,
    clients: Vec<(Client, Seen)>,
}

async fn connect(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let get = |wanted: &str| {
        let mut query = form_urlencoded::parse(req.query_string().as_bytes());
        let found = query.find(|(name, _)| name == wanted);
        found.map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let (names, known, calls) = admin
        .on_store(|store| Ok((store.names()?, Known::read(store)?, store.clients()?)))
        .await?;
    let asked = get("model");
    let first = names.models.first().map(|(_, name)| name.clone());
    let model = if asked.is_empty() {
        first.unwrap_or_default()
    } else {
        asked
    };
    let typed = get("base");
    let own = gateway_address::typed(&typed);
    let is_base_refused = !typed.is_empty() && own.is_none();
    let (base, is_base_guessed) = match own {
        Some(own) => (own, false),
        None => known.base(&admin, &req),
    };
    let target = Target {
        base: &base,
        model: if model.is_empty() {
            "your-model"
        } else {
            &model
        },
    };
    let clients = clients::all(&target).into_iter().map(|client| {
        let seen = Seen::of(&client.known_as, &model, &calls);
        (client, seen)
    });
    super::page(&Connect {
        shell: Shell::of(&req, Section::Connect),
        clients: clients.collect(),
        names,
        model,
        base,
        is_base_guessed,
        is_base_refused,
    })
}
