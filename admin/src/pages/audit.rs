//! Who changed what and when, before and after; and undoing it.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::Value;
use store::{AuditKind, AuditQuery, AuditRow, Store};

use super::confirm::Confirm;
use super::form::Posted;
use super::list::{List, Pager};
use super::notice::Notice;
use super::section::Section;
use super::shell::Shell;
use super::{page, see_other};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::routing::resource;

const ROOT: &str = "/proxy-dashboard/audit";

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        resource(ROOT, "GET, HEAD")
            .route(web::get().to(list))
            .route(web::head().to(list)),
    )
    .service(
        resource(&format!("{ROOT}/{{id}}/undo"), "GET, POST")
            .route(web::get().to(ask))
            .route(web::post().to(undo)),
    );
}

#[derive(Template)]
#[template(path = "audit/list.html")]
struct Page {
    shell: Shell,
    list: List,
    pager: Pager,
    lines: Vec<Line>,
    users: Vec<(String, String)>,
    kinds: Vec<(&'static str, &'static str)>,
}

struct Line {
    row: AuditRow,
    fields: Vec<Field>,
}

/// One field before and after; `None` where there was none.
struct Field {
    name: String,
    old: Option<String>,
    new: Option<String>,
}

async fn list(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let list = List::of(&req, &["-at"], &["user", "kind", "row", "q"]);
    let given = |name: &str| Some(list.filter(name)).filter(|text| !text.is_empty());
    let query = AuditQuery {
        user: given("user").map(str::to_owned),
        kind: given("kind").and_then(AuditKind::from_id),
        row_id: given("row").and_then(|id| id.parse().ok()),
        text: given("q").map(str::to_owned),
        oldest_first: !list.is_descending(),
        limit: list.per_page(),
        offset: list.offset(),
    };
    let ((rows, total), users) = admin
        .on_store(move |store| Ok((store.audit(&query)?, store.audit_users()?)))
        .await?;
    page(&Page {
        shell: Shell::of(&req, Section::Audit),
        pager: list.pager(total),
        list,
        lines: rows.into_iter().map(Line::new).collect(),
        users: users.into_iter().map(|user| (user.clone(), user)).collect(),
        kinds: AuditKind::ALL.map(|kind| (kind.id(), kind.name())).to_vec(),
    })
}

impl Line {
    fn new(row: AuditRow) -> Self {
        let names = row.before.keys();
        let further = row
            .after
            .keys()
            .filter(|name| !row.before.contains_key(*name));
        let fields = names
            .chain(further)
            .map(|name| Field {
                name: name.clone(),
                old: row.before.get(name).map(|value| text(name, value)),
                new: row.after.get(name).map(|value| text(name, value)),
            })
            .collect();
        Self { row, fields }
    }
}

fn text(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) if name.ends_with("url") => store::masked_url(text),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

async fn ask(
    admin: Data<Admin>,
    req: HttpRequest,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin.on_store(move |store| store.audit_entry(id)).await?;
    let what = match row.action.as_str() {
        "created" => "It is deleted again.",
        "deleted" => {
            "It is put back as it was, its secrets too, and what went with it: virtual models \
             of an endpoint, places among the targets of others, names in keys."
        }
        _ => "It gets back the values of before.",
    };
    Confirm {
        shell: Shell::of(&req, Section::Audit),
        question: format!(
            "Undo that {} {} the {} {}?",
            row.user,
            row.action,
            row.kind.name(),
            row.name
        ),
        consequences: vec![
            what.to_owned(),
            "If anybody has changed it since, nothing happens and you are told.".to_owned(),
        ],
        action: format!("{ROOT}/{id}/undo"),
        button: "Undo",
        hidden: Vec::new(),
        back: ROOT.to_owned(),
    }
    .page()
}

async fn undo(admin: Data<Admin>, id: Path<i64>, _form: Posted) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    admin.on_store(move |store: &Store| store.undo(id)).await?;
    Ok(see_other(&Notice::Undone.at(ROOT)))
}
