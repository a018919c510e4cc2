//! Circuits: which endpoints are left alone at the moment, and ending that.
//!
//! The gateway keeps them; it notices within a second that one was reset here.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{CircuitRow, FieldErrors, Store, StoreError};

use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/api/admin/circuits", "GET").route(web::get().to(list)))
        .service(resource("/api/admin/circuits/reset", "POST").route(web::post().to(reset)));
}

/// A circuit that is not closed.
#[derive(Serialize)]
struct Circuit {
    endpoint_id: i64,
    endpoint_name: String,
    /// The model's name at the endpoint.
    model: String,
    /// `open`, or `half_open` once one call may try the endpoint.
    state: &'static str,
    opened_at: i64,
    open_until: i64,
    failures: u32,
    last_error: Option<String>,
}

async fn list(admin: Data<Admin>) -> Result<Json<Vec<Circuit>>, ApiError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    let circuits = admin.on_store(move |store| circuits(store, now)).await?;
    Ok(Json(circuits))
}

fn circuits(store: &Store, now: i64) -> Result<Vec<Circuit>, StoreError> {
    let endpoints = store.endpoints()?;
    let shown = |row: CircuitRow| {
        let endpoint = endpoints.iter().find(|other| other.id == row.endpoint_id)?;
        Some(Circuit {
            endpoint_id: row.endpoint_id,
            endpoint_name: endpoint.name.clone(),
            model: row.model,
            state: if now < row.open_until {
                "open"
            } else {
                "half_open"
            },
            opened_at: row.opened_at,
            open_until: row.open_until,
            failures: row.failures,
            last_error: row.last_error,
        })
    };
    Ok(store.circuits()?.into_iter().filter_map(shown).collect())
}

/// Which circuits: of one model at one endpoint, of one endpoint, or all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    endpoint_id: Option<i64>,
    model: Option<String>,
}

async fn reset(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let which: Which = serde_json::from_value(body.0)
        .map_err(|error| ApiError::BadRequest(format!("the body cannot be read: {error}")))?;
    let count = match (which.endpoint_id, which.model) {
        (None, Some(_)) => {
            let why = "is required with model";
            return Err(FieldErrors::one("endpoint_id", why).into());
        }
        (Some(endpoint), Some(model)) => {
            let forgotten = admin.on_store(move |store| store.forget_circuit(endpoint, &model));
            usize::from(forgotten.await?)
        }
        (endpoint, None) => {
            let forgotten = admin.on_store(move |store| store.forget_circuits(endpoint));
            forgotten.await?
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "status": "ok", "reset": count })))
}
