//! What is shown: rows of the store as they leave it, with every secret masked; and numbers,
//! moments and long texts as people read them.
//!
//! The store masks keys itself. Custom headers may carry more of them, and an
//! address written by another program may have a password or a key in it; both are
//! masked here, for the JSON API and the pages alike.

mod cut;
mod masked_headers;
mod numbers;
mod unseen;
mod when;

use store::{EndpointRow, Store, StoreError, VirtualModelRow, masked_url};

pub(crate) use cut::{cut, visible};
pub(crate) use masked_headers::unmask;
pub(crate) use numbers::{Whole, bytes, duration, grouped, money};
pub(crate) use unseen::marked;
pub(crate) use when::When;

/// All endpoints, by name.
pub(crate) fn endpoints(store: &Store) -> Result<Vec<EndpointRow>, StoreError> {
    let mut rows = store.endpoints()?;
    rows.iter_mut().for_each(mask_endpoint);
    Ok(rows)
}

/// One endpoint.
pub(crate) fn endpoint(store: &Store, id: i64) -> Result<EndpointRow, StoreError> {
    let mut row = store.endpoint_row(id)?;
    mask_endpoint(&mut row);
    Ok(row)
}

fn mask_endpoint(row: &mut EndpointRow) {
    row.custom_headers = row.custom_headers.take().map(masked_headers::mask);
    row.url = masked_url(&row.url);
    row.health_check_url = row.health_check_url.as_deref().map(masked_url);
}

/// All virtual models, by name.
pub(crate) fn virtual_models(store: &Store) -> Result<Vec<VirtualModelRow>, StoreError> {
    let mut rows = store.virtual_models()?;
    rows.iter_mut().for_each(mask_model);
    Ok(rows)
}

/// One virtual model.
pub(crate) fn virtual_model(store: &Store, id: i64) -> Result<VirtualModelRow, StoreError> {
    let mut row = store.virtual_model(id)?;
    mask_model(&mut row);
    Ok(row)
}

fn mask_model(row: &mut VirtualModelRow) {
    row.custom_headers = row.custom_headers.take().map(masked_headers::mask);
    row.endpoint_url = row.endpoint_url.as_deref().map(masked_url);
}
