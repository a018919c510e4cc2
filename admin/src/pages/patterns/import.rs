//! All patterns and aliases as one document, into this store. What a replacing import would
//! delete is named before it does.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::{Value, json};
use store::{FieldErrors, ImportReport, PatternImport, Store, StoreError};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::form::{Form, Posted};
use crate::pages::page_with;
use crate::pages::row_form::refusal;
use crate::pages::section::Section;
use crate::pages::shell::Shell;

#[derive(Template)]
#[template(path = "patterns/import.html")]
struct Import {
    shell: Shell,
    tab: &'static str,
    form: Form,
    modes: [(&'static str, &'static str); 2],
    outcome: Option<Outcome>,
}

/// What became of a document.
enum Outcome {
    Imported(ImportReport),
    /// Nothing yet: these would go.
    Asks(Vec<String>),
}

pub(super) async fn ask(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let form = Form::default().with("mode", "merge");
    crate::pages::page(&page(&req, form, None))
}

pub(super) async fn take(
    admin: Data<Admin>,
    req: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let posted = posted.with_file("document");
    let (status, errors, outcome) = match import(&admin, &posted).await {
        Ok(outcome) => (StatusCode::OK, FieldErrors::new(), Some(outcome)),
        Err(error) => {
            let (status, errors) = refusal(error, "document")?;
            (status, errors, None)
        }
    };
    page_with(status, &page(&req, Form::refused(&posted, errors), outcome))
}

fn page(req: &HttpRequest, form: Form, outcome: Option<Outcome>) -> Import {
    Import {
        shell: Shell::of(req, Section::Patterns),
        tab: "import",
        form,
        modes: [
            ("merge", "keep what the document does not have"),
            ("replace", "delete what the document does not have"),
        ],
        outcome,
    }
}

async fn import(admin: &Admin, posted: &Posted) -> Result<Outcome, ApiError> {
    let mut document: Value = serde_json::from_str(posted.get("document"))
        .map_err(|error| FieldErrors::one("document", format!("is not JSON: {error}")))?;
    if document.is_array() {
        document = json!({ "patterns": document });
    }
    if let Value::Object(object) = &mut document {
        object.insert("mode".to_owned(), json!(posted.get("mode")));
    }
    let is_sure = posted.get("mode") != "replace" || posted.is_on("sure");
    // Checking many patterns takes a while: not on a thread that answers others.
    admin
        .on_store(move |store| {
            let checked = PatternImport::read(&document)?;
            if !is_sure {
                let going = going(store, &document)?;
                if !going.is_empty() {
                    return Ok(Outcome::Asks(going));
                }
            }
            Ok(Outcome::Imported(store.import_tool_patterns(&checked)?))
        })
        .await
}

/// The stored patterns and aliases that a document does not have. A kind that it leaves out
/// stays.
fn going(store: &Store, document: &Value) -> Result<Vec<String>, StoreError> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().trim().to_owned();
    let mut going = Vec::new();
    if let Some(rows) = document["patterns"].as_array() {
        let rows = rows.iter().map(|row| text(row, "pattern_name"));
        let kept: BTreeSet<_> = rows.collect();
        let stored = store.tool_patterns()?.into_iter();
        let stored = stored.map(|row| row.pattern_name);
        let gone = stored.filter(|name| !kept.contains(name));
        going.extend(gone.map(|name| format!("the pattern {name}")));
    }
    if let Some(rows) = document["aliases"].as_array() {
        let rows = rows.iter();
        let rows = rows.map(|row| (text(row, "tool_name"), text(row, "parameter")));
        let kept: BTreeSet<_> = rows.collect();
        let stored = store.tool_aliases()?.into_iter();
        let stored = stored.map(|row| (row.tool_name, row.parameter));
        let gone = stored.filter(|key| !kept.contains(key));
        going.extend(gone.map(|(tool, parameter)| format!("the alias {tool}.{parameter}")));
    }
    Ok(going)
}
