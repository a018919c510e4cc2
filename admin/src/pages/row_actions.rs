//! What can be done to a row of any list by one button: switch it, copy it, delete it.

use actix_web::HttpResponse;
use serde_json::{Value, json};
use store::{FieldErrors, Store, StoreError};

use super::form::Posted;
use super::notice::Notice;
use super::{back, see_other};
use crate::admin::Admin;
use crate::error::ApiError;

/// Switches the row on or off, as the form says, and goes back to the list at `root`.
pub(crate) async fn switch<D: Send + 'static>(
    admin: &Admin,
    id: i64,
    posted: &Posted,
    root: &str,
    draft: impl FnOnce(&Value) -> Result<D, FieldErrors>,
    update: impl FnOnce(&Store, i64, &D) -> Result<(), StoreError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let on = posted.is_on("enabled");
    let draft = draft(&json!({ "enabled": on }))?;
    admin
        .on_store(move |store| update(store, id, &draft))
        .await?;
    let notice = if on {
        Notice::Enabled
    } else {
        Notice::Disabled
    };
    Ok(back::to(posted, root, notice))
}

/// Makes a copy with `copy`, which gives its id, and goes to its form.
pub(crate) async fn duplicate(
    admin: &Admin,
    id: i64,
    root: &str,
    copy: impl FnOnce(&Store, i64) -> Result<i64, StoreError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let copy = admin.on_store(move |store| copy(store, id)).await?;
    Ok(see_other(&Notice::Duplicated.at(&format!("{root}/{copy}"))))
}

/// Deletes the row and goes back to the list at `root`.
pub(crate) async fn delete<T: Send + 'static>(
    admin: &Admin,
    id: i64,
    root: &str,
    delete: impl FnOnce(&Store, i64) -> Result<T, StoreError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    admin.on_store(move |store| delete(store, id)).await?;
    Ok(see_other(&Notice::Deleted.at(root)))
}
