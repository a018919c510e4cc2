//! What can be done to a tool pattern from the list: switch, duplicate, reset, delete, and
//! bring a built-in one back.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use store::{PatternImport, Store, StoreError, ToolPatternDraft};
use wire::normaliser::BUILTINS;

use super::{ROOT, shipped};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::confirm::Confirm;
use crate::pages::form::{Posted, VERSION};
use crate::pages::notice::Notice;
use crate::pages::row_form::copy_name;
use crate::pages::section::Section;
use crate::pages::shell::Shell;
use crate::pages::{row_actions, see_other};

pub(super) async fn switch(
    admin: Data<Admin>,
    id: Path<i64>,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (ToolPatternDraft::for_update, Store::update_tool_pattern);
    row_actions::switch(&admin, id.into_inner(), &posted, ROOT, draft, update).await
}

/// Makes a copy, switched off; it is the operator's own.
pub(super) async fn duplicate(
    admin: Data<Admin>,
    id: Path<i64>,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    row_actions::duplicate(&admin, id.into_inner(), ROOT, copy).await
}

fn copy(store: &Store, id: i64) -> Result<i64, StoreError> {
    let row = store.tool_pattern(id)?;
    let all = store.tool_patterns()?;
    let taken = all.iter().map(|other| other.pattern_name.as_str());
    let mut object = serde_json::to_value(&row).unwrap_or(Value::Null);
    object["pattern_name"] = json!(copy_name(&row.pattern_name, &taken));
    object["enabled"] = json!(false);
    store.create_tool_pattern(&ToolPatternDraft::for_create(&object)?)
}

pub(super) async fn ask_reset(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin.on_store(move |store| store.tool_pattern(id)).await?;
    let builtin = shipped::builtin(&row).ok_or_else(not_built_in)?;
    let differences = shipped::differences(&row, builtin);
    let mut consequences: Vec<_> = differences
        .into_iter()
        .map(|(column, shipped)| format!("{column} becomes {shipped}."))
        .collect();
    if consequences.is_empty() {
        consequences.push("It is as it is shipped already.".to_owned());
    }
    consequences.push("Its name and whether it is switched on stay.".to_owned());
    Confirm {
        shell: Shell::of(&req, Section::Patterns),
        question: format!("Reset the pattern {} as shipped?", row.pattern_name),
        consequences,
        action: format!("{ROOT}/{id}/reset"),
        button: "Reset the pattern",
        hidden: Vec::new(),
        back: ROOT.to_owned(),
    }
    .page()
}

pub(super) async fn reset(
    admin: Data<Admin>,
    id: Path<i64>,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin.on_store(move |store| store.tool_pattern(id)).await?;
    let builtin = shipped::builtin(&row).ok_or_else(not_built_in)?;
    let draft = shipped::draft(builtin)?;
    admin
        .on_store(move |store| store.update_tool_pattern(id, &draft))
        .await?;
    Ok(see_other(&Notice::Reset.at(ROOT)))
}

fn not_built_in() -> ApiError {
    let why = "this pattern is no built-in one: it has no shipped form to go back to";
    ApiError::Conflict(why.to_owned(), Vec::new())
}

/// Brings a built-in pattern back that was deleted.
pub(super) async fn restore(admin: Data<Admin>, posted: Posted) -> Result<HttpResponse, ApiError> {
    let name = posted.get("builtin");
    let Some(builtin) = BUILTINS.iter().find(|builtin| builtin.name == name) else {
        return Err(ApiError::NotFound(format!(
            "there is no built-in pattern {name:?}"
        )));
    };
    admin
        .on_store(move |store| {
            let all = store.tool_patterns()?;
            let is_there =
                |row: &store::ToolPatternRow| row.builtin.as_deref() == Some(builtin.name);
            if all.iter().any(is_there) {
                return Ok(());
            }
            // A row of the operator's under its name stays what it is.
            let taken = all.iter().map(|row| row.pattern_name.as_str());
            let is_taken = |name: &str| taken.clone().any(|other| other == name);
            let other = format!("{}_builtin", builtin.name);
            let name = if !is_taken(builtin.name) {
                builtin.name.to_owned()
            } else if !is_taken(&other) {
                other
            } else {
                copy_name(&other, &taken)
            };
            let document = shipped::document(builtin, &name);
            store.import_tool_patterns(&PatternImport::read(&document)?)?;
            Ok(())
        })
        .await?;
    Ok(see_other(&Notice::Created.at(ROOT)))
}

pub(super) async fn ask(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let row = admin.on_store(move |store| store.tool_pattern(id)).await?;
    let mut consequences =
        vec!["What it made calls of stays text from then on, unless another one does.".to_owned()];
    consequences.push(
        if shipped::builtin(&row).is_some() {
            "It is a built-in pattern: it can be brought back from the end of the list."
        } else {
            "The Audit page can undo this."
        }
        .to_owned(),
    );
    Confirm {
        shell: Shell::of(&req, Section::Patterns),
        question: format!("Delete the pattern {}?", row.pattern_name),
        consequences,
        action: format!("{ROOT}/{id}/delete"),
        button: "Delete the pattern",
        hidden: vec![(VERSION, row.version.to_string())],
        back: ROOT.to_owned(),
    }
    .page()
}

pub(super) async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    row_actions::delete(&admin, id.into_inner(), ROOT, Store::delete_tool_pattern).await
}
