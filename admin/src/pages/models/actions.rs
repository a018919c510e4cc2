//! What can be done to a virtual model from the list: switch, copy, delete.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use store::{DEFAULT_MODEL, FieldErrors, Store, StoreError, VirtualModelDraft, VirtualModelRow};

use super::ROOT;
use crate::admin::Admin;
use crate::error::ApiError;
use crate::pages::confirm::Confirm;
use crate::pages::form::{Posted, VERSION};
use crate::pages::row_actions;
use crate::pages::row_form::copy_name;
use crate::pages::section::Section;
use crate::pages::shell::Shell;

pub(super) async fn switch(
    admin: Data<Admin>,
    id: Path<i64>,
    posted: Posted,
) -> Result<HttpResponse, ApiError> {
    let (draft, update) = (VirtualModelDraft::for_update, Store::update_virtual_model);
    row_actions::switch(&admin, id.into_inner(), &posted, ROOT, draft, update).await
}

/// Makes a copy, switched off.
pub(super) async fn duplicate(
    admin: Data<Admin>,
    id: Path<i64>,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    row_actions::duplicate(&admin, id.into_inner(), ROOT, copy).await
}

fn copy(store: &Store, id: i64) -> Result<i64, StoreError> {
    let row = store.virtual_model(id)?;
    if let Some(why) = &row.locked {
        return Err(FieldErrors::one("custom_headers", why.clone()).into());
    }
    let all = store.virtual_models()?;
    let name = copy_name(&row.name, &all.iter().map(|other| other.name.as_str()));
    let mut object = serde_json::to_value(&row).unwrap_or(Value::Null);
    object["name"] = json!(name);
    object["enabled"] = json!(false);
    store.create_virtual_model(&VirtualModelDraft::for_create(&object)?)
}

pub(super) async fn ask(
    admin: Data<Admin>,
    id: Path<i64>,
    req: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = id.into_inner();
    let (row, consequences) = admin.on_store(move |store| consequences(store, id)).await?;
    Confirm {
        shell: Shell::of(&req, Section::Models),
        question: format!("Delete the virtual model {}?", row.name),
        consequences,
        action: format!("{ROOT}/{id}/delete"),
        button: "Delete the virtual model",
        hidden: vec![(VERSION, row.version.to_string())],
        back: ROOT.to_owned(),
    }
    .page()
}

/// The virtual model, and what else its end changes.
fn consequences(store: &Store, id: i64) -> Result<(VirtualModelRow, Vec<String>), StoreError> {
    let row = store.virtual_model(id)?;
    let name = &row.name;
    let is_target = |model: &VirtualModelRow| {
        let mut targets = model.routing.targets.iter();
        targets.any(|target| target.virtual_model_id == id)
    };
    let losing: Vec<_> = store
        .virtual_models()?
        .into_iter()
        .filter(is_target)
        .map(|model| model.name)
        .collect();
    let allows = |key: &store::InboundKeyRow| {
        let mut allowed = key.allowed_models.iter().flatten();
        allowed.any(|allowed| allowed == name)
    };
    let keys: Vec<_> = store
        .inbound_keys()?
        .into_iter()
        .filter(allows)
        .map(|key| key.label)
        .collect();
    let mut told = vec!["Calls of this name are refused from then on.".to_owned()];
    if !losing.is_empty() {
        told.push(format!(
            "These virtual models lose it as a target of their failover: {}.",
            losing.join(", ")
        ));
    }
    if !keys.is_empty() {
        told.push(format!(
            "It goes from the models that these keys may call: {}.",
            keys.join(", ")
        ));
    }
    if store.settings()?.get(DEFAULT_MODEL) == Some(name) {
        told.push("It is the default model; choose another one in the settings.".to_owned());
    }
    told.push("What its calls have used and cost stays in the reports.".to_owned());
    told.push("The Audit page can undo this.".to_owned());
    Ok((row, told))
}

pub(super) async fn delete(
    admin: Data<Admin>,
    id: Path<i64>,
    _posted: Posted,
) -> Result<HttpResponse, ApiError> {
    row_actions::delete(&admin, id.into_inner(), ROOT, Store::delete_virtual_model).await
}
