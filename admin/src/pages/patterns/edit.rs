//! The editor of a tool pattern, with the test bench beside it.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Value, json};
use store::{ToolPatternDraft, ToolPatternRow};
use wire::normaliser::{Form as Reader, Strength};

use super::ROOT;
use super::bench::{self, Bench, Mark};
use super::shipped::{Source, builtin};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::notice::Notice;
use crate::pages::row_form::{INTENT, RowFields, refusal};
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{page_with, see_other};

const FIELDS: RowFields = RowFields {
    texts: &[
        "pattern_name",
        "pattern_type",
        "regex_pattern",
        "strength",
        "tool_name",
        "tool_name_group",
        "tool_name_json_path",
        "tool_name_mapping",
        "parameter_mapping",
        "priority",
    ],
    flags: &["enabled"],
};

#[derive(Template)]
#[template(path = "patterns/edit.html")]
struct Edit {
    shell: Shell,
    form: Form,
    stored: Option<ToolPatternRow>,
    source: Source,
    about: &'static str,
    action: String,
    types: Vec<(&'static str, String)>,
    strengths: [(&'static str, &'static str); 2],
    bench: Option<Bench>,
}

impl Edit {
    fn new(req: &HttpRequest, form: Form, stored: Option<ToolPatternRow>) -> Self {
        let name = |form: Reader| {
            let what = if form.is_whole() {
                "the whole call"
            } else {
                "the opening"
            };
            (form.id(), format!("{} (matches {what})", form.id()))
        };
        let row = stored.as_ref();
        Self {
            shell: Shell::of(req, Section::Patterns),
            form,
            source: row.map_or(Source::Own, Source::of),
            about: row.and_then(builtin).map_or("", |builtin| builtin.about),
            action: match row {
                Some(row) => format!("{ROOT}/{}", row.id),
                None => format!("{ROOT}/new"),
            },
            stored,
            types: Reader::ALL.map(name).into(),
            strengths: Strength::ALL.map(|strength| match strength {
                Strength::Strong => (strength.id(), "strong: nothing else is written so"),
                Strength::Weak => (strength.id(), "weak: prose may begin so too"),
            }),
            bench: None,
        }
    }
}

pub(super) async fn new(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let form = Form::default()
        .with("pattern_type", "calls")
        .with("strength", "strong")
        .with("priority", "50")
        .with("enabled", "1");
    crate::pages::page(&Edit::new(&req, bench::begin(form), None))
}

pub(super) async fn edit(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin.on_store(move |store| store.tool_pattern(id)).await?;
    let form = bench::begin(Form::of_row(&row));
    crate::pages::page(&Edit::new(&req, form, Some(row)))
}

pub(super) async fn create(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    take(&admin, &req, &posted, None).await
}

pub(super) async fn change(
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
    let stored = match id {
        Some(id) => Some(admin.on_store(move |store| store.tool_pattern(id)).await?),
        None => None,
    };
    let mut object = FIELDS.object(posted);
    let (status, errors, bench) = if posted.get(INTENT) == "test" {
        // In the stored one's place, whatever it is going to be called; a new one may have
        // no name yet.
        let name = stored.as_ref().map(|row| row.pattern_name.clone());
        if let Some(name) = name.or_else(|| unnamed(posted)) {
            object.insert("pattern_name".to_owned(), json!(name));
        }
        bench::outcome(bench::run(admin, posted, Some(object)).await)?
    } else {
        match save(admin, id, Value::Object(object)).await {
            Ok(notice) => return Ok(see_other(&notice.at(ROOT))),
            Err(error) => {
                let (status, errors) = refusal(error, "pattern_name")?;
                (status, errors, None)
            }
        }
    };
    let mut form = Form::refused(posted, errors);
    if let Some(row) = &stored {
        form = form.beside(Form::of_row(row));
    }
    let page = Edit {
        bench,
        ..Edit::new(req, form, stored)
    };
    page_with(status, &page)
}

fn unnamed(posted: &Posted) -> Option<String> {
    let is_unnamed = posted.get("pattern_name").is_empty();
    is_unnamed.then(|| "(this pattern)".to_owned())
}

async fn save(admin: &Admin, id: Option<i64>, body: Value) -> Result<Notice, ApiError> {
    // Checking a pattern takes a while: not on a thread that answers others.
    admin
        .on_store(move |store| match id {
            None => {
                let draft = ToolPatternDraft::for_create(&body)?;
                store.create_tool_pattern(&draft).map(|_id| Notice::Created)
            }
            Some(id) => {
                let draft = ToolPatternDraft::for_update(&body)?;
                store
                    .update_tool_pattern(id, &draft)
                    .map(|()| Notice::Saved)
            }
        })
        .await
}
