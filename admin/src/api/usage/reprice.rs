//! Charging calls anew: first what it would change, then, with the token of that, for real.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, ServiceConfig};

use super::query::{Asked, RangeQuery};
use crate::admin::Admin;
use crate::error::ApiError;
use crate::json_object::JsonObject;
use crate::routing::resource;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/api/admin/usage/reprice", "POST").route(web::post().to(reprice)));
}

async fn reprice(admin: Data<Admin>, body: JsonObject) -> Result<HttpResponse, ApiError> {
    let query: RangeQuery = serde_json::from_value(body.0)
        .map_err(|error| ApiError::BadRequest(format!("the body cannot be read: {error}")))?;
    if query.start_date.is_none() || query.end_date.is_none() {
        return Err(ApiError::BadRequest(
            "start_date and end_date are required: re-pricing has no range of its own".to_owned(),
        ));
    }
    let zone = admin.on_store(store::Store::zone).await?;
    let asked = Asked::of(&query, &zone)?.usage;
    let found = match query.token {
        None => {
            admin
                .on_store(move |store| store.preview_repricing(&asked))
                .await?
        }
        Some(token) => {
            let applied = admin.on_store(move |store| store.apply_repricing(&asked, &token));
            applied.await?
        }
    };
    Ok(HttpResponse::Ok().json(found))
}
