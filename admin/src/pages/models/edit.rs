//! The form of a virtual model, with the models of its endpoint and prices to choose from.

use std::collections::HashMap;

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use store::{FieldErrors, Store, StoreError, VirtualModelDraft, VirtualModelRow};

use super::{ROOT, fields, suggested, targets};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::notice::Notice;
use crate::pages::row_form::{INTENT, refusal, unmarked};
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{page_with, see_other};
use crate::shown;

type Choices = Vec<(&'static str, &'static str)>;

#[derive(Template)]
#[template(path = "models/edit.html")]
struct Edit {
    shell: Shell,
    form: Form,
    /// The row as it is stored, secrets masked; `None` for a new one.
    stored: Option<VirtualModelRow>,
    action: String,
    endpoints: Vec<(i64, String)>,
    /// The names that a target may have.
    names: Vec<String>,
    targets: Vec<targets::Line>,
    strategies: Choices,
    reasoning_forms: Choices,
    thinkings: Choices,
    priorities: [(&'static str, &'static str); 3],
    suggestions: Vec<suggested::Line>,
    /// The models of the endpoint, or why there is no list; `None` before they are asked for.
    fetched: Option<Result<Vec<String>, String>>,
}

/// What the form is about besides its own row.
struct Around {
    stored: Option<VirtualModelRow>,
    endpoints: Vec<(i64, String)>,
    /// Every virtual model: id and name.
    models: Vec<(i64, String)>,
}

impl Around {
    fn read(store: &Store, id: Option<i64>) -> Result<Self, StoreError> {
        let endpoint = |row: store::EndpointRow| {
            let name = if row.enabled == 1 {
                row.name
            } else {
                format!("{} (off)", row.name)
            };
            (row.id, name)
        };
        let models = store.virtual_models()?.into_iter();
        Ok(Self {
            stored: match id {
                Some(id) => Some(shown::virtual_model(store, id)?),
                None => None,
            },
            endpoints: store.endpoints()?.into_iter().map(endpoint).collect(),
            models: models.map(|row| (row.id, row.name)).collect(),
        })
    }

    fn ids(&self) -> HashMap<&str, i64> {
        let models = self.models.iter();
        models.map(|(id, name)| (name.as_str(), *id)).collect()
    }
}

impl Edit {
    fn new(req: &HttpRequest, form: Form, targets: Vec<targets::Line>, around: Around) -> Self {
        let own = around.stored.as_ref().map(|row| row.id);
        let action = match own {
            Some(id) => format!("{ROOT}/{id}"),
            None => format!("{ROOT}/new"),
        };
        let others = around.models.into_iter();
        let others = others.filter(|(id, _)| Some(*id) != own);
        Self {
            shell: Shell::of(req, Section::Models),
            suggestions: suggested::lines(form.value("actual_model").trim()),
            form,
            action,
            endpoints: around.endpoints,
            names: others.map(|(_, name)| name).collect(),
            targets,
            strategies: fields::strategies(),
            reasoning_forms: fields::reasoning_forms(),
            thinkings: fields::thinkings(),
            priorities: [("HIGH", "high"), ("NORMAL", "normal"), ("LOW", "low")],
            fetched: None,
            stored: around.stored,
        }
    }
}

/// With what a new form begins.
#[derive(Deserialize)]
pub(super) struct Begun {
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    model: String,
}

pub(super) async fn new(
    admin: Data<Admin>,
    begun: Query<Begun>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let around = admin.on_store(|store| Around::read(store, None)).await?;
    let form = fields::blank()
        .with("endpoint_id", begun.endpoint.as_str())
        .with("actual_model", begun.model.as_str())
        .with("name", begun.model.as_str());
    let lines = targets::of_row(&[], &HashMap::new());
    crate::pages::page(&Edit::new(&req, form, lines, around))
}

pub(super) async fn edit(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let around = admin
        .on_store(move |store| Around::read(store, Some(id)))
        .await?;
    let names: HashMap<_, _> = around.models.iter().cloned().collect();
    let (form, lines) = match &around.stored {
        Some(row) => (
            fields::of_row(row),
            targets::of_row(&row.routing.targets, &names),
        ),
        None => (fields::blank(), Vec::new()),
    };
    crate::pages::page(&Edit::new(&req, form, lines, around))
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
    let around = admin.on_store(move |store| Around::read(store, id)).await?;
    let lines = targets::of_form(posted);
    let model = posted.get("actual_model");
    let intent = posted.get(INTENT);
    if intent == "models" {
        let fetched = fetch(admin, posted.get("endpoint_id")).await?;
        let mut page = Edit::new(req, unmarked(posted), lines, around);
        page.fetched = Some(fetched);
        return crate::pages::page(&page);
    }
    let taken = intent.strip_prefix("price-");
    if let Some(number) = taken.and_then(|number| number.parse().ok()) {
        let form = suggested::taken(unmarked(posted), model, number);
        return crate::pages::page(&Edit::new(req, form, lines, around));
    }
    if intent == "look" {
        return crate::pages::page(&Edit::new(req, unmarked(posted), lines, around));
    }
    let (body, errors) = fields::body(posted, &lines, &around.ids());
    let (status, errors) = match save(admin, id, body, errors).await {
        Ok(notice) => return Ok(see_other(&notice.at(ROOT))),
        Err(error) => refusal(error, "name")?,
    };
    let mut form = Form::refused(posted, errors);
    if let Some(row) = &around.stored {
        let names: HashMap<_, _> = around.models.iter().cloned().collect();
        let stored = targets::of_row(&row.routing.targets, &names);
        form = form
            .with(targets::FIELD, targets::in_words(&lines))
            .beside(fields::of_row(row).with(targets::FIELD, targets::in_words(&stored)));
    }
    page_with(status, &Edit::new(req, form, lines, around))
}

/// Writes what the form says, unless some of it is wrong.
async fn save(
    admin: &Admin,
    id: Option<i64>,
    mut body: serde_json::Value,
    mut errors: FieldErrors,
) -> Result<Notice, ApiError> {
    let draft = match id {
        None => VirtualModelDraft::for_create(&body),
        Some(id) => {
            let row = admin.on_store(move |store| store.virtual_model(id)).await?;
            shown::unmask(&mut body, row.custom_headers.as_deref());
            VirtualModelDraft::for_update(&body)
        }
    };
    let draft = match draft {
        Ok(draft) => errors.into_result(draft)?,
        Err(more) => {
            for (field, why) in more.iter() {
                errors.add(field, why);
            }
            return Err(errors.into());
        }
    };
    admin
        .on_store(move |store| match id {
            None => store
                .create_virtual_model(&draft)
                .map(|_id| Notice::Created),
            Some(id) => store
                .update_virtual_model(id, &draft)
                .map(|()| Notice::Saved),
        })
        .await
}

/// The models of the chosen endpoint, asked for now, or why there is no list.
async fn fetch(admin: &Admin, endpoint: &str) -> Result<Result<Vec<String>, String>, ApiError> {
    let Ok(id) = endpoint.parse() else {
        return Ok(Err("choose an endpoint first".to_owned()));
    };
    let endpoint = match admin.on_store(move |store| store.endpoint(id)).await {
        Ok(endpoint) => endpoint,
        Err(error) => return Ok(Err(error.into_fields()?.to_string())),
    };
    let fetched = admin.prober.models(&endpoint, true).await;
    Ok(fetched.map_err(|failure| failure.reason))
}
