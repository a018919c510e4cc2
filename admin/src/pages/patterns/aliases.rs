//! Tool aliases: other names under which models write the parameters of tools.

use std::cmp::Ordering;

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Value, json};
use store::{Store, ToolAliasDraft, ToolAliasRow};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::confirm::Confirm;
use crate::pages::form::{Form, Posted, VERSION};
use crate::pages::list::{List, Listed};
use crate::pages::notice::Notice;
use crate::pages::row_form::{RowFields, refusal};
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{page_with, row_actions, see_other};
use crate::routing::resource;

const ROOT: &str = "/proxy-dashboard/patterns/aliases";

const FIELDS: RowFields = RowFields {
    texts: &["tool_name", "parameter", "fill"],
    flags: &["enabled"],
};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let at = |rest: &str| format!("{ROOT}{rest}");
    cfg.service(resource(ROOT, "GET").route(web::get().to(page)))
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
                .route(web::get().to(ask))
                .route(web::post().to(delete)),
        );
}

#[derive(Template)]
#[template(path = "patterns/aliases.html")]
struct Aliases {
    shell: Shell,
    tab: &'static str,
    list: List,
    listed: Listed<ToolAliasRow>,
    none: bool,
}

#[derive(Template)]
#[template(path = "patterns/alias.html")]
struct Edit {
    shell: Shell,
    form: Form,
    stored: Option<ToolAliasRow>,
    action: String,
}

impl Edit {
    fn new(req: &HttpRequest, form: Form, stored: Option<ToolAliasRow>) -> Self {
        Self {
            shell: Shell::of(req, Section::Patterns),
            form,
            action: match &stored {
                Some(row) => format!("{ROOT}/{}", row.id),
                None => format!("{ROOT}/new"),
            },
            stored,
        }
    }
}

async fn page(admin: Data<Admin>, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let rows = admin.on_store(Store::tool_aliases).await?;
    let list = List::of(&req, &["tool", "parameter", "enabled"], &["q", "enabled"]);
    let none = rows.is_empty();
    let enabled = list.filter("enabled").to_owned();
    let found = rows.into_iter().filter(|row| {
        let mut texts = [&row.tool_name, &row.parameter]
            .into_iter()
            .chain(&row.aliases);
        texts.any(|text| list.finds("q", text))
            && (enabled.is_empty() || enabled == row.enabled.to_string())
    });
    let found = found.collect();
    let sort = list.sort();
    let (list, listed) = list.page_of(found, |a, b| order(sort, a, b));
    crate::pages::page(&Aliases {
        shell: Shell::of(&req, Section::Patterns),
        tab: "aliases",
        list,
        listed,
        none,
    })
}

fn order(sort: &str, a: &ToolAliasRow, b: &ToolAliasRow) -> Ordering {
    let by = match sort {
        "parameter" => a.parameter.cmp(&b.parameter),
        "enabled" => a.enabled.cmp(&b.enabled),
        _ => Ordering::Equal,
    };
    by.then_with(|| (&a.tool_name, &a.parameter).cmp(&(&b.tool_name, &b.parameter)))
}

async fn stored(admin: &Admin, id: i64) -> Result<ToolAliasRow, ApiError> {
    admin.on_store(move |store| store.tool_alias(id)).await
}

async fn new(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let form = Form::default().with("enabled", "1");
    crate::pages::page(&Edit::new(&req, form, None))
}

async fn edit(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let row = stored(&admin, id.into_inner()).await?;
    crate::pages::page(&Edit::new(&req, of_row(&row), Some(row)))
}

fn of_row(row: &ToolAliasRow) -> Form {
    Form::of_row(row).with("aliases", row.aliases.join("\n"))
}

async fn create(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    take(&admin, &req, &posted, None).await
}

async fn change(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    take(&admin, &req, &posted, Some(id.into_inner())).await
}

async fn take(
    admin: &Admin,
    req: &HttpRequest,
    posted: &Posted,
    id: Option<i64>,
) -> Result<HttpResponse, ApiError> {
    let row = match id {
        Some(id) => Some(stored(admin, id).await?),
        None => None,
    };
    let mut object = FIELDS.object(posted);
    let keys = posted.get("aliases").lines().map(str::trim);
    let keys: Vec<_> = keys.filter(|key| !key.is_empty()).collect();
    object.insert("aliases".to_owned(), json!(keys));
    match save(admin, id, &Value::Object(object)).await {
        Ok(notice) => Ok(see_other(&notice.at(ROOT))),
        Err(error) => {
            let (status, errors) = refusal(error, "parameter")?;
            let mut form = Form::refused(posted, errors);
            if let Some(row) = &row {
                form = form.beside(of_row(row));
            }
            page_with(status, &Edit::new(req, form, row))
        }
    }
}

async fn save(admin: &Admin, id: Option<i64>, body: &Value) -> Result<Notice, ApiError> {
    let draft = match id {
        None => ToolAliasDraft::for_create(body)?,
        Some(_) => ToolAliasDraft::for_update(body)?,
    };
    admin
        .on_store(move |store| match id {
            None => store.create_tool_alias(&draft).map(|_id| Notice::Created),
            Some(id) => store.update_tool_alias(id, &draft).map(|()| Notice::Saved),
        })
        .await
}

async fn switch(
    admin: Data<Admin>,
    id: Path<i64>,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (ToolAliasDraft::for_update, Store::update_tool_alias);
    row_actions::switch(&admin, id.into_inner(), &posted, ROOT, draft, update).await
}

async fn ask(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let row = stored(&admin, id.into_inner()).await?;
    Confirm {
        shell: Shell::of(&req, Section::Patterns),
        question: format!("Delete the alias of {}.{}?", row.tool_name, row.parameter),
        consequences: vec![
            "Calls that write the parameter under another name are no longer mended.".to_owned(),
            "The Audit page can undo this.".to_owned(),
        ],
        action: format!("{ROOT}/{}/delete", row.id),
        button: "Delete the alias",
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
    row_actions::delete(&admin, id.into_inner(), ROOT, Store::delete_tool_alias).await
}
