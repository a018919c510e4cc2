//! The request at work, for the store: whose changes those are, and on which version.
//!
//! Set by the guard around every handler, so that no handler can forget to say who makes a
//! change ([`crate::admin::Admin::on_store`] asks here).

use std::cell::Cell;
use std::future::Future;

use actix_web::HttpRequest;
use actix_web::http::header;
use store::{Actor, Store};

use crate::error::ApiError;

struct Current {
    actor: Actor,
    expected: Cell<Option<i64>>,
}

tokio::task_local! {
    static CURRENT: Current;
}

/// Runs a handler as `actor`, whose changes are of the version `expected`.
pub(super) async fn scope<F: Future>(actor: Actor, expected: Option<i64>, work: F) -> F::Output {
    let current = Current {
        actor,
        expected: Cell::new(expected),
    };
    CURRENT.scope(current, work).await
}

/// The store as the request at work has it.
pub(crate) fn of_request(store: &Store) -> Store {
    let of_request = CURRENT.try_with(|current| {
        store
            .by(current.actor.clone())
            .expecting(current.expected.get())
    });
    of_request.unwrap_or_else(|_outside| store.clone())
}

/// Notes the version that a body says its change is of.
pub(crate) fn expect(version: i64) {
    // Outside of a request there is nobody to be faster.
    let _outside = CURRENT.try_with(|current| current.expected.set(Some(version)));
}

/// The version in `If-Match`.
pub(super) fn if_match(req: &HttpRequest) -> Result<Option<i64>, ApiError> {
    let Some(value) = req.headers().get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let bare = text.trim_start_matches("W/").trim_matches('"');
    let version = bare.parse().map_err(|_| {
        ApiError::BadRequest("If-Match takes the version of a row, such as \"3\"".to_owned())
    })?;
    Ok(Some(version))
}
