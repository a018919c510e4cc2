//! Keys of callers: the list, the form, and the one page that shows a new key.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Map, Value, json};
use store::{FieldErrors, InboundKeyDraft, InboundKeyRow, Store, Zone};

use super::confirm::Confirm;
use super::form::{Form, Posted, VERSION};
use super::list::{List, Listed};
use super::notice::Notice;
use super::section::Section;
use super::shell::Shell;
use super::{page, page_with, row_actions, row_form, see_other};
use crate::access::Let;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;

const ROOT: &str = "/proxy-dashboard/keys";

/// What is typed and taken as it is.
const TEXTS: [&str; 7] = [
    "label",
    "notes",
    "limit_requests_per_minute",
    "limit_tokens_per_minute",
    "limit_parallel",
    "limit_cost_per_day",
    "limit_cost_per_month",
];

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    let at = |rest: &str| format!("{ROOT}{rest}");
    cfg.service(
        resource(ROOT, "GET, HEAD")
            .route(web::get().to(list))
            .route(web::head().to(list)),
    )
    // Before the ids: `new` is none.
    .service(
        resource(&at("/new"), "GET, POST")
            .route(web::get().to(new))
            .route(web::post().to(create)),
    )
    .service(
        resource(&at("/{id}"), "GET, POST")
            .route(web::get().to(edit))
            .route(web::post().to(change)),
    )
    .service(resource(&at("/{id}/enabled"), "POST").route(web::post().to(switch)))
    .service(
        resource(&at("/{id}/delete"), "GET, POST")
            .route(web::get().to(ask_delete))
            .route(web::post().to(delete)),
    );
}

#[derive(Template)]
#[template(path = "keys/list.html")]
struct Keys {
    shell: Shell,
    list: List,
    listed: Listed<InboundKeyRow>,
    none: bool,
    now: i64,
}

impl Keys {
    fn is_expired(&self, row: &InboundKeyRow) -> bool {
        row.expires_at.is_some_and(|end| end <= self.now)
    }
}

async fn list(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let rows = admin.on_store(Store::inbound_keys).await?;
    let none = rows.is_empty();
    let list = List::of(
        &req,
        &["label", "last_used", "expires", "created"],
        &["q", "enabled"],
    );
    let shown = rows.into_iter().filter(|row| {
        let enabled = list.filter("enabled");
        (list.finds("q", &row.label)
            || list.finds("q", &row.notes)
            || list.finds("q", &row.key_prefix))
            && (enabled.is_empty() || enabled == row.enabled.to_string())
    });
    let shown = shown.collect();
    let sort = list.sort();
    let (list, listed) = list.page_of(shown, |a: &InboundKeyRow, b: &InboundKeyRow| match sort {
        "last_used" => a.last_used_at.cmp(&b.last_used_at),
        "expires" => a
            .expires_at
            .unwrap_or(i64::MAX)
            .cmp(&b.expires_at.unwrap_or(i64::MAX)),
        "created" => a.created_at.cmp(&b.created_at),
        _ => a.label.to_lowercase().cmp(&b.label.to_lowercase()),
    });
    page(&Keys {
        shell: Shell::of(&req, Section::Keys),
        list,
        listed,
        none,
        now: crate::access::session::now(),
    })
}

#[derive(Template)]
#[template(path = "keys/edit.html")]
struct Edit {
    shell: Shell,
    form: Form,
    /// The key that is changed; `None` for a new one.
    row: Option<InboundKeyRow>,
    models: Vec<Allowed>,
    action: String,
}

/// A virtual model and whether the key may call it.
struct Allowed {
    name: String,
    is_allowed: bool,
    /// Whether it may as the key is stored.
    was_allowed: bool,
}

async fn form_page(
    admin: &Admin,
    req: &HttpRequest,
    row: Option<InboundKeyRow>,
    posted: Option<(&Posted, FieldErrors)>,
) -> Result<Edit, ApiError> {
    let names: Vec<String> = admin
        .on_store(Store::virtual_models)
        .await?
        .into_iter()
        .map(|model| model.name)
        .collect();
    let shell = Shell::of(req, Section::Keys);
    let stored: Vec<String> = row
        .as_ref()
        .and_then(|row| row.allowed_models.clone())
        .unwrap_or_default();
    let allowed: Vec<String> = match &posted {
        Some((posted, _)) => posted.all("allowed").map(str::to_owned).collect(),
        None => stored.clone(),
    };
    let form = match (posted, &row) {
        (Some((posted, errors)), Some(row)) => {
            Form::refused(posted, errors).beside(of_row(row, shell.zone()))
        }
        (Some((posted, errors)), None) => Form::refused(posted, errors),
        (None, Some(row)) => of_row(row, shell.zone()),
        (None, None) => Form::default().with("enabled", "1"),
    };
    Ok(Edit {
        models: names
            .into_iter()
            .map(|name| Allowed {
                is_allowed: allowed.contains(&name),
                was_allowed: stored.contains(&name),
                name,
            })
            .collect(),
        action: row
            .as_ref()
            .map_or_else(|| format!("{ROOT}/new"), |row| format!("{ROOT}/{}", row.id)),
        shell,
        form,
        row,
    })
}

/// The form of a stored key.
fn of_row(row: &InboundKeyRow, zone: &Zone) -> Form {
    let restricted = i64::from(row.allowed_models.is_some());
    let expires = row.expires_at.map(|at| local(zone, at));
    Form::of_row(row)
        .with("restricted", restricted.to_string())
        .with("expires_at", expires.unwrap_or_default())
}

/// A moment as a field for date and time has it.
fn local(zone: &Zone, at: i64) -> String {
    zone.stamp(at).chars().take(16).collect()
}

/// What the form says, as the draft reads it.
fn body(posted: &Posted, zone: &Zone) -> Result<Value, FieldErrors> {
    let mut object = match posted.object(&TEXTS) {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    object.insert("enabled".to_owned(), json!(posted.is_on("enabled")));
    let typed = posted.get("expires_at");
    let expires = if typed.is_empty() {
        Value::Null
    } else {
        let at = zone.moment(typed, true);
        json!(at.map_err(|why| FieldErrors::one("expires_at", why))?)
    };
    object.insert("expires_at".to_owned(), expires);
    let allowed = if posted.is_on("restricted") {
        json!(posted.all("allowed").collect::<Vec<_>>())
    } else {
        Value::Null
    };
    object.insert("allowed_models".to_owned(), allowed);
    Ok(Value::Object(object))
}

async fn new(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    page(&form_page(&admin, &req, None, None).await?)
}

/// Shows the new key: the only page that ever does.
#[derive(Template)]
#[template(path = "keys/made.html")]
struct Made {
    shell: Shell,
    label: String,
    key: String,
}

async fn create(
    admin: Data<Admin>,
    visitor: Let,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let draft = body(&posted, &visitor.0.zone).and_then(|body| InboundKeyDraft::for_create(&body));
    let made = match draft {
        Ok(draft) => {
            admin
                .on_store(move |store| store.create_inbound_key(&draft))
                .await
        }
        Err(errors) => Err(ApiError::Fields(errors)),
    };
    match made {
        Ok(made) => page(&Made {
            shell: Shell::of(&req, Section::Keys),
            label: made.label,
            key: made.api_key.expose().to_owned(),
        }),
        Err(refusal) => {
            let (status, errors) = row_form::refusal(refusal, "label")?;
            let shown = form_page(&admin, &req, None, Some((&posted, errors))).await?;
            page_with(status, &shown)
        }
    }
}

async fn one(admin: &Admin, id: i64) -> Result<InboundKeyRow, ApiError> {
    let rows = admin.on_store(Store::inbound_keys).await?;
    rows.into_iter()
        .find(|row| row.id == id)
        .ok_or_else(|| ApiError::NotFound(format!("there is no inbound key with id {id}")))
}

async fn edit(
    admin: Data<Admin>,
    req: HttpRequest,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let row = one(&admin, id.into_inner()).await?;
    page(&form_page(&admin, &req, Some(row), None).await?)
}

async fn change(
    admin: Data<Admin>,
    visitor: Let,
    req: HttpRequest,
    id: Path<i64>,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let draft = body(&posted, &visitor.0.zone).and_then(|body| InboundKeyDraft::for_update(&body));
    let changed = match draft {
        Ok(draft) => {
            admin
                .on_store(move |store| store.update_inbound_key(id, &draft))
                .await
        }
        Err(errors) => Err(ApiError::Fields(errors)),
    };
    match changed {
        Ok(()) => Ok(see_other(&Notice::Saved.at(ROOT))),
        Err(refusal) => {
            let (status, errors) = row_form::refusal(refusal, "label")?;
            let row = one(&admin, id).await?;
            let shown = form_page(&admin, &req, Some(row), Some((&posted, errors))).await?;
            page_with(status, &shown)
        }
    }
}

async fn switch(
    admin: Data<Admin>,
    id: Path<i64>,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (InboundKeyDraft::for_update, Store::update_inbound_key);
    row_actions::switch(&admin, id.into_inner(), &posted, ROOT, draft, update).await
}

async fn ask_delete(
    admin: Data<Admin>,
    req: HttpRequest,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let row = one(&admin, id.into_inner()).await?;
    Confirm {
        shell: Shell::of(&req, Section::Keys),
        question: format!("Delete the key {}?", row.label),
        consequences: vec![
            format!("Whoever calls with {}… is refused from then on; calls under way end by themselves.", row.key_prefix),
            "Its usage stays in the reports. The Audit page can undo this.".to_owned(),
        ],
        action: format!("{ROOT}/{}/delete", row.id),
        button: "Delete",
        hidden: vec![(VERSION, row.version.to_string())],
        back: ROOT.to_owned(),
    }
    .page()
}

async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    row_actions::delete(&admin, id.into_inner(), ROOT, Store::delete_inbound_key).await
}
