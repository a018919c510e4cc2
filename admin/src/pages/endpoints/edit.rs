//! The form of an endpoint, and trying its connection before it is saved.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Value, json};
use store::{EndpointDraft, EndpointRow, FieldErrors};

use super::ROOT;
use super::kinds::{self, Kind};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::notice::Notice;
use crate::pages::row_form::{INTENT, RowFields, headers_from_lines, headers_to_lines, refusal};
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{page_with, see_other};
use crate::probe::Report;
use crate::shown;

const FIELDS: RowFields = RowFields {
    texts: &[
        "name",
        "url",
        "endpoint_type",
        "priority",
        "ca_file",
        "health_check_url",
        "worker_form",
        "responses",
        "timeout_seconds",
        "connect_timeout_seconds",
        "first_byte_timeout_seconds",
        "denied_betas",
        "limit_requests_per_minute",
        "limit_tokens_per_minute",
        "limit_parallel",
        "limit_cost_per_day",
        "limit_cost_per_month",
    ],
    flags: &["enabled", "tls_insecure"],
};

/// The box that takes the stored key away.
const CLEAR_KEY: &str = "clear_api_key";

#[derive(Template)]
#[template(path = "endpoints/edit.html")]
struct Edit {
    shell: Shell,
    form: Form,
    /// The row as it is stored, secrets masked; `None` for a new one.
    stored: Option<EndpointRow>,
    action: String,
    kinds: Vec<Kind>,
    choices: Vec<(&'static str, &'static str)>,
    workers: Vec<(&'static str, &'static str)>,
    responses: Vec<(&'static str, &'static str)>,
    /// Whether this answers a test.
    tested: bool,
    report: Option<Report>,
}

impl Edit {
    fn new(req: &HttpRequest, form: Form, stored: Option<EndpointRow>) -> Self {
        let action = match &stored {
            Some(row) => format!("{ROOT}/{}", row.id),
            None => format!("{ROOT}/new"),
        };
        Self {
            shell: Shell::of(req, Section::Endpoints),
            form,
            stored,
            action,
            kinds: kinds::all(),
            choices: kinds::choices(),
            workers: kinds::workers(),
            responses: kinds::responses(),
            tested: false,
            report: None,
        }
    }
}

/// What a form led to.
enum Done {
    Saved(Notice),
    Tested(Report),
}

pub(super) async fn new(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let form = Form::default()
        .with("endpoint_type", "openai")
        .with("enabled", "1")
        .with("priority", "0");
    crate::pages::page(&Edit::new(&req, form, None))
}

pub(super) async fn edit(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin
        .on_store(move |store| shown::endpoint(store, id))
        .await?;
    crate::pages::page(&Edit::new(&req, of_row(&row), Some(row)))
}

/// The form of a stored one, whose secrets are masked.
fn of_row(row: &EndpointRow) -> Form {
    let headers = headers_to_lines(row.custom_headers.as_deref());
    Form::of_row(row)
        .with("api_key", "")
        .with("custom_headers", headers)
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
    let tested = posted.get(INTENT) == "test";
    let (status, errors, report) = match carry_out(admin, posted, id, tested).await {
        Ok(Done::Saved(notice)) => return Ok(see_other(&notice.at(ROOT))),
        Ok(Done::Tested(report)) => (StatusCode::OK, FieldErrors::new(), Some(report)),
        Err(error) => {
            let (status, errors) = refusal(error, "name")?;
            (status, errors, None)
        }
    };
    let stored = match id {
        None => None,
        Some(id) => {
            let row = admin.on_store(move |store| shown::endpoint(store, id));
            Some(row.await?)
        }
    };
    let mut form = Form::refused(posted, errors);
    if let Some(row) = &stored {
        form = form.beside(of_row(row));
    }
    let page = Edit {
        tested,
        report,
        ..Edit::new(req, form, stored)
    };
    page_with(status, &page)
}

async fn carry_out(
    admin: &Admin,
    posted: &Posted,
    id: Option<i64>,
    is_test: bool,
) -> Result<Done, ApiError> {
    let mut body = body(posted)?;
    let draft = match id {
        None => EndpointDraft::for_create(&body)?,
        Some(id) => {
            let row = admin.on_store(move |store| store.endpoint_row(id)).await?;
            shown::unmask(&mut body, row.custom_headers.as_deref());
            EndpointDraft::for_update(&body)?
        }
    };
    if is_test {
        let endpoint = admin
            .on_store(move |store| store.try_endpoint(id, &draft))
            .await?;
        return Ok(Done::Tested(admin.prober.test(&endpoint).await));
    }
    let notice = admin
        .on_store(move |store| match id {
            None => store.create_endpoint(&draft).map(|_id| Notice::Created),
            Some(id) => store.update_endpoint(id, &draft).map(|()| Notice::Saved),
        })
        .await?;
    Ok(Done::Saved(notice))
}

/// What the form says, for the draft. No key is no change, unless it is to go.
fn body(posted: &Posted) -> Result<Value, FieldErrors> {
    let mut object = FIELDS.object(posted);
    let headers = headers_from_lines(posted.get("custom_headers"))
        .map_err(|why| FieldErrors::one("custom_headers", why))?;
    object.insert("custom_headers".to_owned(), headers);
    let key = posted.get("api_key");
    if !key.is_empty() {
        object.insert("api_key".to_owned(), json!(key));
    } else if posted.is_on(CLEAR_KEY) {
        object.insert("api_key".to_owned(), Value::Null);
    }
    Ok(Value::Object(object))
}
